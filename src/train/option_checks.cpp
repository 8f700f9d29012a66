// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/option_checks.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "device/gpu/device.hpp"
#include "train/option_effects.hpp"

namespace opx::train {

namespace detail {

namespace {

void check_choice(const Option& option, const std::string& value, std::string_view what) {
  if (option.choices.empty() || std::ranges::find(option.choices, value) != option.choices.end()) return;
  const std::vector<std::string> names(option.choices.begin(), option.choices.end());
  throw base::InvalidArgument(fmt::format("{} is '{}'; it takes {}{}", what, value, type_name(option),
                                          base::did_you_mean(value, names)));
}

void check_range(const Option& option, double value, std::string_view what) {
  OPX_REQUIRE(value >= option.least && value <= option.most, InvalidArgument,
              "{} is {}; it takes a number from {} to {}", what, value, option.least, option.most);
}

}  // namespace

void check_value(const Option& option, const RunConfig& config, std::string_view what) {
  struct Checker {
    const Option& option;
    std::string_view what;
    void operator()(const std::string* v) const { check_choice(option, *v, what); }
    void operator()(const bool*) const {}
    void operator()(const int* v) const { check_range(option, *v, what); }
    void operator()(const std::uint64_t* v) const {
      constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
      OPX_REQUIRE(*v <= kMost, InvalidArgument, "{} is {}; it takes a number up to {}, as TOML does", what,
                  *v, kMost);
    }
    void operator()(const double* v) const { check_range(option, *v, what); }
    void operator()(const std::vector<int>* v) const {
      OPX_REQUIRE(!v->empty(), InvalidArgument, "{} is empty; it takes {}", what, type_name(option));
      for (const int value : *v) check_range(option, value, what);
    }
  };
  std::visit(Checker{option, what}, option.field(const_cast<RunConfig&>(config)));
}

}  // namespace detail

namespace {

void validate_model(const ModelConfig& model) {
  const auto hidden = static_cast<int>(model.hidden.size());
  OPX_REQUIRE(hidden == 1 || hidden == model.layers - 1, InvalidArgument,
              "model.hidden has {} widths; a model of {} layers takes 1 or {}", hidden, model.layers,
              std::max(model.layers - 1, 1));
  OPX_REQUIRE(model.input_dropout < 0 || model.input_dropout < 1, InvalidArgument,
              "model.input_dropout is {}", model.input_dropout);
}

void validate_mini(const RunConfig& config) {
  if (config.mode != "mini") return;
  const MiniConfig& mini = config.mini;
  OPX_REQUIRE(mini.batch_ratio > 0 && mini.batch_ratio <= 1, InvalidArgument,
              "batch_ratio is {}; it takes a share of all vertices, above 0 and up to 1", mini.batch_ratio);
  OPX_REQUIRE(config.model.features == "given", InvalidArgument,
              "mode mini does not train learned features: most rows of the table would have no gradient in a "
              "step; use mode full");
  OPX_REQUIRE(config.scheme == "scatter", InvalidArgument,
              "scheme '{}' does not serve mode mini; use scheme 'scatter'", config.scheme);
  OPX_REQUIRE(mini.build_batches != "gpu" || config.cuda_graph == "off", InvalidArgument,
              "build_batches gpu makes tiles of another size in every step: not with cuda_graph on");
}

void validate_backend(const RunConfig& config) {
  const std::string_view runtime = device::gpu::runtime_name();
  const bool gpu = config.device == "cuda" || config.device == "gpu-host";
  OPX_REQUIRE(!gpu || runtime == (config.device == "cuda" ? "cuda" : "host"), NotCompiled,
              "device '{}': this build has {}; --device takes auto or cpu", config.device,
              runtime == "none" ? "no GPU backend" : fmt::format("the GPU runtime '{}'", runtime));
  OPX_REQUIRE(!gpu || config.scheme == "scatter", InvalidArgument,
              "device '{}' trains with scheme scatter; scheme {} runs on the CPU", config.device,
              config.scheme);
}

void validate_features_on(const RunConfig& config) {
  OPX_REQUIRE(config.features_on == "device" || config.cuda_graph == "off", InvalidArgument,
              "features_on host streams the features in every step: not with cuda_graph on");
  OPX_REQUIRE(config.features_on == "device" || config.scheme == "scatter", InvalidArgument,
              "features_on host serves scheme scatter, not scheme {}", config.scheme);
}

}  // namespace

void resolve(RunConfig& config) {
  ModelConfig& model = config.model;
  if (model.normalisation == "auto") {
    model.normalisation = model.kind == "gcn" ? "symmetric" : model.kind == "sage" ? "row" : "none";
  }
}

void validate(const RunConfig& config, const GivenOptions* given) {
  for (const Option& option : options()) detail::check_value(option, config, option.key);
  validate_model(config.model);
  if (given != nullptr)
    check_effects(config, *given);
  else
    check_effects(config);
  validate_mini(config);
  validate_backend(config);
  validate_features_on(config);
}

}  // namespace opx::train
