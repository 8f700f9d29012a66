// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A command of the command line, and what it is given to talk to the user. One file per command declares its
// flags on a CLI11 sub-application and runs it. Commands never print and never exit: main.cpp owns stdout,
// stderr and the exit code.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.hpp"

namespace CLI {
class App;
}

namespace opx::cli {

/// Where text goes. main.cpp hands in the real one; tests collect.
struct Terminal {
  std::function<void(std::string_view)> out;  ///< results; text with its newlines, to stdout
  std::function<void(std::string_view)> err;  ///< progress, log, errors; to stderr
  /// A job whose ranks hang: says so and ends the process with the exit code of CommError.
  std::function<void(std::string_view)> fatal;
  bool err_is_terminal = false;
  int columns = 80;
};

struct Environment {
  const Terminal* terminal = nullptr;
  std::function<bool()> stop_requested;  ///< Ctrl-C or SIGTERM came
  std::string command_line;              ///< for provenance records
  bool json = false;                     ///< results as JSON on stdout
  bool quiet = false;                    ///< no progress, no log; results and errors only
  bool verbose = false;                  ///< debug log too

  void out(std::string_view text) const { terminal->out(text); }
  /// A line for humans on stderr, unless --quiet.
  void note(std::string_view line) const {
    if (!quiet) terminal->err(std::string(line) + '\n');
  }
  [[nodiscard]] base::Logger logger() const;
};

class Command {
 public:
  virtual ~Command() = default;
  /// Throws base::Error kinds; the exit code follows from the kind.
  virtual void run(const Environment& environment) = 0;
};

// Each adds its subcommand with flags and help to `app`.
std::unique_ptr<Command> declare_generate(CLI::App& app);
std::unique_ptr<Command> declare_prepare(CLI::App& app);
std::unique_ptr<Command> declare_info(CLI::App& app);
std::unique_ptr<Command> declare_train(CLI::App& app);
std::unique_ptr<Command> declare_eval(CLI::App& app);
std::unique_ptr<Command> declare_predict(CLI::App& app);
std::unique_ptr<Command> declare_bench(CLI::App& app);
std::unique_ptr<Command> declare_doctor(CLI::App& app);
// Below `bench`.
std::unique_ptr<Command> declare_bench_spmm(CLI::App& bench);
std::unique_ptr<Command> declare_bench_collectives(CLI::App& bench);
std::unique_ptr<Command> declare_bench_epoch(CLI::App& bench);

/// Parses, runs the command and reports errors as one line "orthoplex: error: ..." on stderr. Returns the
/// exit code (base/error.hpp). `stop_requested` is polled while training.
int run_command_line(int argc, const char* const* argv, const Terminal& terminal,
                     std::function<bool()> stop_requested);

}  // namespace opx::cli
