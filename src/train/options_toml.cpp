// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fstream>
#include <sstream>

#include <toml++/toml.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "train/option_checks.hpp"
#include "train/option_effects.hpp"
#include "train/options.hpp"

namespace opx::train {

namespace {

std::string type_of(const toml::node& node) {
  std::ostringstream out;
  out << node.type();
  return out.str();
}

/// Writes the TOML node into the option's field; false where the types differ.
struct Setter {
  const toml::node& node;

  bool operator()(std::string* v) const { return set(node.value_exact<std::string>(), v); }
  bool operator()(bool* v) const { return set(node.value_exact<bool>(), v); }
  bool operator()(double* v) const { return set(node.value<double>(), v, node.is_number()); }
  bool operator()(int* v) const {
    const auto value = node.value_exact<std::int64_t>();
    const bool fits =
        value && *value >= std::numeric_limits<int>::min() && *value <= std::numeric_limits<int>::max();
    if (fits) *v = static_cast<int>(*value);
    return fits;
  }
  bool operator()(std::uint64_t* v) const {
    const auto value = node.value_exact<std::int64_t>();
    const bool fits = value && *value >= 0;
    if (fits) *v = static_cast<std::uint64_t>(*value);
    return fits;
  }
  bool operator()(std::vector<int>* v) const {
    std::vector<int> values;
    const auto add = [&](const toml::node& element) {
      values.push_back(0);
      return Setter{element}(&values.back());
    };
    bool good = true;
    if (const toml::array* array = node.as_array()) {
      for (const toml::node& element : *array) good = good && add(element);
    } else {
      good = add(node);
    }
    if (good) *v = values;
    return good;
  }

 private:
  template <class T>
  static bool set(std::optional<T> value, T* out, bool allowed = true) {
    if (value && allowed) *out = *value;
    return value && allowed;
  }
};

class Reader {
 public:
  Reader(RunConfig& config, const std::string& file, GivenOptions* given)
      : config_(config), file_(file), given_(given) {}

  void read(const toml::table& table, const std::string& prefix) {
    for (const auto& [name, node] : table) {
      const std::string key = prefix + std::string(name.str());
      if (const Option* option = find_option(key))
        set(*option, node);
      else if (node.is_table() && is_section(key + "."))
        read(*node.as_table(), key + ".");
      else
        throw_unknown(key, name.source().begin.line);
    }
  }

 private:
  void set(const Option& option, const toml::node& node) {
    const std::string what = fmt::format("{}:{}: {}", file_, node.source().begin.line, option.key);
    OPX_REQUIRE(std::visit(Setter{node}, option.field(config_)), InvalidArgument, "{} is {}; it takes {}",
                what,
                fmt::format("of type {}{}", type_of(node), node.is_value() ? ", or out of its range" : ""),
                type_name(option));
    detail::check_value(option, config_, what);
    if (given_ != nullptr) given_->add(option, what);
  }
  static bool is_section(std::string_view prefix) {
    return std::ranges::any_of(options(), [&](const Option& o) { return o.key.starts_with(prefix); });
  }
  [[noreturn]] void throw_unknown(const std::string& key, std::uint32_t line) const {
    std::vector<std::string> keys, names;
    for (const Option& option : options()) {
      keys.emplace_back(option.key);
      names.emplace_back(option.key.substr(option.key.rfind('.') + 1));
    }
    std::string hint = base::did_you_mean(key, keys);
    const std::string name = key.substr(key.rfind('.') + 1);
    // a key of another section
    if (const auto same = std::ranges::find(names, name); hint.empty() && same != names.end())
      hint = fmt::format("; did you mean '{}'?", keys[static_cast<std::size_t>(same - names.begin())]);
    throw base::InvalidArgument(fmt::format("{}:{}: unknown key '{}'{}", file_, line, key, hint));
  }

  RunConfig& config_;
  const std::string& file_;
  GivenOptions* given_;
};

// Before mini-batches knew an exact first aggregation they did not record the option: they sampled layer 0.
void take_as_made(RunConfig& config, const GivenOptions& recorded) {
  if (config.mode == "mini" && !recorded.has("model.first_aggregation"))
    config.model.first_aggregation = "recomputed";
}

}  // namespace

void read_toml_text(RunConfig& config, std::string_view text, const std::string& file, GivenOptions* given) {
  try {
    const toml::table table = toml::parse(text, file);
    Reader(config, file, given).read(table, "");
  } catch (const toml::parse_error& error) {
    throw base::InvalidArgument(
        fmt::format("{}:{}: {}", file, error.source().begin.line, error.description()));
  }
}

void read_toml(RunConfig& config, const std::filesystem::path& file, GivenOptions* given) {
  std::ifstream stream(file, std::ios::binary);
  OPX_REQUIRE(stream.good(), InputError, "{}: cannot be opened", file.string());
  OPX_REQUIRE(!std::filesystem::is_directory(file), InputError, "{}: is a folder, not a file", file.string());
  std::ostringstream text;
  text << stream.rdbuf();
  OPX_REQUIRE(!stream.bad(), InputError, "{}: cannot be read", file.string());
  read_toml_text(config, text.str(), file.string(), given);
}

void read_recorded_toml(RunConfig& config, const std::filesystem::path& file) {
  GivenOptions recorded;
  read_toml(config, file, &recorded);
  take_as_made(config, recorded);
}

void read_recorded_toml_text(RunConfig& config, std::string_view text, const std::string& file) {
  GivenOptions recorded;
  read_toml_text(config, text, file, &recorded);
  take_as_made(config, recorded);
}

}  // namespace opx::train
