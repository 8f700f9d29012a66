// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <memory>
#include <new>
#include <span>

#include <CLI/CLI.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/build_info.hpp"
#include "cli/command.hpp"
#include "cli/job.hpp"

namespace opx::cli {

namespace {

struct Entry {
  std::string name;
  std::unique_ptr<Command> command;
};

constexpr std::string_view kFooter = R"(Examples:
  orthoplex generate partition -o demo.opx --vertices 20000
  orthoplex prepare ogbn_arxiv/ -o arxiv.opx
  orthoplex train arxiv.opx --model gcn --layers 3 --hidden 256 --ranks 2
  orthoplex eval runs/arxiv
Exit codes: 0 done, 2 usage, 3 input, 4 resources, 5 communication, 1 anything else.
'orthoplex COMMAND --help' lists the options of a command with their defaults.)";

using Declare = std::unique_ptr<Command> (*)(CLI::App&);
constexpr std::array<Declare, 8> kCommands = {declare_generate, declare_prepare, declare_info,
                                              declare_train,    declare_eval,    declare_predict,
                                              declare_bench,    declare_doctor};

/// Of this command and of those it is part of.
std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  if (app.get_parent() != nullptr) names = option_names(*app.get_parent());
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_fnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

/// The innermost subcommand that was given.
const CLI::App& chosen(const CLI::App& app) {
  const auto given = app.get_subcommands();
  return given.empty() ? app : chosen(*given.front());
}

/// What CLI11 did not expect, as an error with the nearest name.
std::string explain_extras(const CLI::App& app, const CLI::App& at) {
  for (const std::string& word : app.remaining(true)) {
    if (word.starts_with("-")) {
      const std::string name = word.substr(0, word.find('='));
      return fmt::format("unknown option '{}' of '{}'{}", name, at.get_name(),
                         base::did_you_mean(name, option_names(at)));
    }
    const std::vector<std::string> commands = command_names(at);
    if (!commands.empty())
      return fmt::format("unknown command '{}'{}", word, base::did_you_mean(word, commands));
    return fmt::format("unexpected argument '{}' of '{}'", word, at.get_name());
  }
  return "unexpected arguments";
}

/// CLI11 marks "--no-x" by what it sets, and knows nothing of options that all commands share.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, positional);
    constexpr std::string_view kMark = "{false}";
    for (auto at = name.find(kMark); at != std::string::npos; at = name.find(kMark))
      name.erase(at, kMark.size());
    return name;
  }
  std::string make_footer(const CLI::App* app) const override {
    std::string footer = CLI::Formatter::make_footer(app);
    if (app->get_parent() != nullptr)
      footer += "Every command takes --json, -q (--quiet) and -v (--verbose) too.\n";
    return footer;
  }
};

class Application {
 public:
  explicit Application(const Terminal& terminal) : terminal_(terminal) {
    app_.name("orthoplex");
    app_.formatter(std::make_shared<HelpFormatter>());
    app_.footer(std::string(kFooter));
    app_.set_version_flag("--version", fmt::format("orthoplex {}", build_info().version));
    app_.add_flag("--json", environment_.json, "Results as JSON on standard output")->configurable(false);
    app_.add_flag("-q,--quiet", environment_.quiet, "No progress and no log; results and errors only");
    app_.add_flag("-v,--verbose", environment_.verbose, "Debug log on standard error");
    app_.fallthrough();
    app_.require_subcommand(1);
    app_.get_formatter()->column_width(36);
    for (const Declare declare : kCommands) {
      std::unique_ptr<Command> command = declare(app_);
      entries_.push_back({command_names(app_).back(), std::move(command)});
    }
    for (CLI::App* sub : app_.get_subcommands([](const CLI::App*) { return true; })) sub->fallthrough();
  }

  int run(int argc, const char* const* argv, std::function<bool()> stop_requested) {
    environment_.terminal = &terminal_;
    environment_.stop_requested = std::move(stop_requested);
    for (const char* word : std::span(argv, static_cast<std::size_t>(argc))) {
      environment_.command_line += (environment_.command_line.empty() ? "" : " ") + std::string(word);
    }
    if (const int code = parse(argc, argv); code >= 0) return code;
    const std::string name = app_.get_subcommands().front()->get_name();
    for (Entry& entry : entries_) {
      if (entry.name == name) entry.command->run(environment_);
    }
    return 0;
  }

 private:
  /// -1 where a command is to run, else the exit code.
  int parse(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
      return -1;
    } catch (const CLI::CallForHelp&) {
      terminal_.out(app_.help());  // of the innermost command that was given
    } catch (const CLI::CallForAllHelp&) {
      terminal_.out(app_.help("", CLI::AppFormatMode::All));
    } catch (const CLI::CallForVersion& version) {
      terminal_.out(std::string(version.what()) + '\n');
    } catch (const CLI::ExtrasError&) {
      throw base::InvalidArgument(explain_extras(app_, chosen(app_)));
    } catch (const CLI::RequiredError& error) {
      if (!app_.remaining(true).empty()) throw base::InvalidArgument(explain_extras(app_, chosen(app_)));
      throw base::InvalidArgument(
          fmt::format("{}; see '{} --help'", base::printable_line(error.what()), path_of(chosen(app_))));
    } catch (const CLI::ParseError& error) {
      throw base::InvalidArgument(
          fmt::format("{}; see '{} --help'", base::printable_line(error.what()), path_of(chosen(app_))));
    }
    return 0;
  }

  std::string path_of(const CLI::App& at) const {
    return &at == &app_ ? "orthoplex" : path_of(*at.get_parent()) + ' ' + at.get_name();
  }

  const Terminal& terminal_;
  Environment environment_;
  CLI::App app_{
      "Distributed full-graph and mini-batch training of graph neural networks on any grid of ranks."};
  std::vector<Entry> entries_;
};

}  // namespace

base::Logger Environment::logger() const {
  if (quiet) return {};
  const auto sink = [this](base::LogLevel level, std::string_view line) {
    terminal->err(level == base::LogLevel::kWarning ? fmt::format("orthoplex: warning: {}\n", line)
                                                    : fmt::format("{}\n", line));
  };
  return base::Logger(sink, verbose ? base::LogLevel::kDebug : base::LogLevel::kInfo);
}

int run_command_line(int argc, const char* const* argv, const Terminal& given,
                     std::function<bool()> stop_requested) {
  Terminal terminal = given;
  if (launch_from_environment().rank != 0) terminal.out = terminal.err = [](std::string_view) {};
  const auto report = [&](std::string_view message, int code) {
    terminal.err(fmt::format("orthoplex: error: {}\n", base::printable_line(message)));
    return code;
  };
  try {
    return Application(terminal).run(argc, argv, std::move(stop_requested));
  } catch (const base::Error& error) {
    return report(error.what(), base::exit_code(error.kind()));
  } catch (const std::bad_alloc&) {
    return report("out of memory", base::exit_code(base::ErrorKind::kOutOfMemory));
  } catch (const std::exception& error) {
    return report(error.what(), 1);
  }
}

}  // namespace opx::cli
