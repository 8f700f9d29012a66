// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/build_info.hpp"
#include "cli/command.hpp"
#include "device/context.hpp"

namespace opx::cli {

namespace {

using Json = nlohmann::ordered_json;

Json feature_table(std::span<const Feature> features) {
  Json table = Json::object();
  for (const Feature& f : features) table[std::string(f.name)] = !f.on ? "off" : f.version.empty() ? "on" : std::string(f.version);
  return table;
}

Json facts() {
  const BuildInfo& build = build_info();
  return {{"version", build.version},
          {"compiler", build.compiler},
          {"build", build.build_type},
          {"sanitizer", build.sanitizer.empty() ? "none" : std::string(build.sanitizer)},
          {"cores", device::hardware_threads()},
          {"features", feature_table(build.features)},
          {"libraries", feature_table(build.libraries)}};
}

std::string as_text(const Json& report) {
  std::string text;
  for (const auto& [key, value] : report.items()) {
    if (!value.is_object()) {
      text += fmt::format("{:<12} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
      continue;
    }
    text += fmt::format("{:<12}", key);
    for (const auto& [name, what] : value.items()) text += fmt::format(" {}: {};", name, what.is_string() ? what.get<std::string>() : what.dump());
    text.back() = '\n';
  }
  return text;
}

class Doctor : public Command {
 public:
  explicit Doctor(CLI::App& app) {
    app.add_subcommand("doctor", "Say what this build and this machine can do, and check that training works");
  }
  void run(const Environment& environment) override {
    const Json report = facts();
    environment.out(environment.json ? report.dump(2) + '\n' : as_text(report));
  }
};

}  // namespace

std::unique_ptr<Command> declare_doctor(CLI::App& app) { return std::make_unique<Doctor>(app); }

}  // namespace opx::cli
