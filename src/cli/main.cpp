// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The only place that prints, handles signals and exits.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.hpp"
#include "cli/command.hpp"

namespace {

std::atomic<bool> stop_requested{false};
std::atomic<bool> stop_is_asked_for{false};  // somebody is there who would act on it

// While training the first signal asks for a checkpoint and an orderly end, the second ends at once.
void answer_signals(sigset_t signals) {
  for (int signal = 0; sigwait(&signals, &signal) == 0;) {
    if (stop_is_asked_for && !stop_requested.exchange(true)) continue;
    (void)std::signal(signal, SIG_DFL);
    (void)pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
    (void)std::raise(signal);
  }
}

// Signals wait for a thread of their own; all others inherit the mask. A handler on a thread that computes is
// not safe: GEMM kernels of oneDNN let the stack pointer point into the heap, and the signal's frame then
// lands there.
void listen_to_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  (void)pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread(answer_signals, signals).detach();
}

bool poll_stop() {
  stop_is_asked_for = true;
  return stop_requested;
}

void write_all(std::FILE* stream, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

int terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

int main(int argc, char** argv) {
  listen_to_signals();
  (void)std::signal(SIGPIPE, SIG_IGN);
  opx::cli::Terminal terminal;
  terminal.out = [](std::string_view text) { write_all(stdout, text); };
  terminal.err = [](std::string_view text) { write_all(stderr, text); };
  terminal.fatal = [](std::string_view message) {
    write_all(stderr, "orthoplex: error: " + std::string(message) + '\n');
    std::_Exit(opx::base::exit_code(opx::base::ErrorKind::kComm));
  };
  terminal.err_is_terminal = isatty(STDERR_FILENO) == 1;
  terminal.columns = terminal_columns();
  const int code = opx::cli::run_command_line(argc, argv, terminal, poll_stop);
  if (code == 0 && (std::ferror(stdout) != 0 || std::fclose(stdout) != 0)) {
    write_all(stderr, "orthoplex: error: standard output cannot be written\n");
    return 4;
  }
  return code;
}
