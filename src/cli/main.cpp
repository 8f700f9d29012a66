// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The only place that prints, handles signals and exits.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.hpp"
#include "cli/command.hpp"

namespace {

std::atomic<bool> stop_requested{false};
std::atomic<bool> stop_is_asked_for{false};  // somebody is there who would act on it
static_assert(std::atomic<bool>::is_always_lock_free);

// While training the first signal asks for a checkpoint and an orderly end, the second ends at once.
extern "C" void handle_signal(int signal) {
  stop_requested = true;
  (void)std::signal(signal, SIG_DFL);
  if (!stop_is_asked_for) (void)std::raise(signal);
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
  (void)std::signal(SIGINT, handle_signal);
  (void)std::signal(SIGTERM, handle_signal);
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
