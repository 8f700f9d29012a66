// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/run_flags.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

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
  constexpr std::array<std::string_view, 9> kKeys = {"ranks", "grid",   "threads", "device", "scheme",
                                                     "wire",  "panels", "timeout", "dataset"};
  return std::ranges::find(kKeys, option.key) != kKeys.end();
}

RunFlags::RunFlags(CLI::App& app, bool (*wanted)(const train::Option&)) {
  app.add_option("--config", config_file_, "TOML file of options; flags win over it")->type_name("FILE");
  for (const train::Option& option : train::options()) {
    if (wanted != nullptr && !wanted(option)) continue;
    Slot& slot = slots_.emplace_back(Slot{&option, {}, nullptr});
    slot.flag = add(app, option, slot.text);
  }
}

train::RunConfig RunFlags::read(const std::filesystem::path& base_file) const {
  train::RunConfig config;
  if (!base_file.empty()) train::read_toml(config, base_file);
  return read_over(std::move(config));
}

train::RunConfig RunFlags::read_over(train::RunConfig config) const {
  if (!config_file_.empty()) train::read_toml(config, config_file_);
  for (const Slot& slot : slots_) {
    if (slot.flag->count() > 0) train::set_from_text(config, *slot.option, slot.text);
  }
  return config;
}

const RunFlags::Slot* RunFlags::find(std::string_view key) const {
  const auto found = std::ranges::find_if(slots_, [&](const Slot& s) { return s.option->key == key; });
  return found == slots_.end() ? nullptr : &*found;
}

bool RunFlags::given(std::string_view key) const {
  const Slot* slot = find(key);
  return slot != nullptr && slot->flag->count() > 0;
}

const std::string& RunFlags::text(std::string_view key) const {
  static const std::string kNothing;
  const Slot* slot = find(key);
  return slot == nullptr ? kNothing : slot->text;
}

}  // namespace opx::cli
