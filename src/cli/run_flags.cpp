// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/run_flags.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.hpp"

namespace opx::cli {

namespace {

const train::RunConfig kDefaults;

std::string help_of(const train::Option& option) {
  const std::string value = train::plain_value(option, kDefaults);
  return value.empty() ? std::string(option.help) : fmt::format("{} [{}]", option.help, value);
}

bool is_flag(const train::Option& option) {
  train::RunConfig config;
  return std::holds_alternative<bool*>(option.field(config));
}

CLI::Option* add(CLI::App& app, const train::Option& option, std::string& text) {
  const std::string flag(option.flag);
  CLI::Option* added = nullptr;
  if (is_flag(option)) {
    added = app.add_flag(fmt::format("{0},!--no-{1}", flag, flag.substr(2)), text, help_of(option));
  } else {
    added = app.add_option(flag, text, help_of(option))->type_name(train::type_name(option));
  }
  return added->group(flag.starts_with("-") ? std::string(option.group) : "Positionals");
}

}  // namespace

bool is_rank_option(const train::Option& option) {
  constexpr std::array<std::string_view, 11> kKeys = {"ranks",       "grid",    "threads", "device",
                                                      "features_on", "tf32",    "scheme",  "wire",
                                                      "panels",      "timeout", "dataset"};
  return std::ranges::find(kKeys, option.key) != kKeys.end();
}

void RunChoice::finish() {
  train::resolve(config);
  train::validate(config, &given);
  train::drop_without_effect(config);
}

RunFlags::RunFlags(CLI::App& app, bool (*wanted)(const train::Option&)) : command_(app.get_name()) {
  app.add_option("--config", config_file_, "TOML file of options; flags win over it")->type_name("FILE");
  for (const train::Option& option : train::options()) {
    if (wanted != nullptr && !wanted(option)) continue;
    Slot& slot = slots_.emplace_back(Slot{&option, {}, nullptr});
    slot.flag = add(app, option, slot.text);
  }
}

void RunFlags::check_keys(const train::GivenOptions& given) const {
  for (const auto& [key, place] : given.places()) {
    const bool known = std::ranges::any_of(slots_, [&](const Slot& s) { return s.option->key == key; });
    OPX_REQUIRE(known || key == "dataset", InvalidArgument, "{} is no option of '{}'", place, command_);
  }
}

RunChoice RunFlags::read(train::RunConfig base) const {
  RunChoice choice{std::move(base), {}};
  if (!config_file_.empty()) train::read_toml(choice.config, config_file_, &choice.given);
  check_keys(choice.given);
  for (const Slot& slot : slots_) {
    if (slot.flag->count() == 0) continue;
    train::set_from_text(choice.config, *slot.option, slot.text);
    choice.given.add(*slot.option, std::string(slot.option->flag));
  }
  return choice;
}

}  // namespace opx::cli
