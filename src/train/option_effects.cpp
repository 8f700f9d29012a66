// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/option_effects.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.hpp"

namespace opx::train {
namespace {

struct Rule {
  std::string_view key;
  bool (*holds)(const RunConfig&);
  std::string_view otherwise;  ///< why the option has no effect
};

bool several_layers(const RunConfig& c) { return c.model.layers > 1; }
bool is_adaptive(const RunConfig& c) { return c.optimizer.kind != "sgd"; }
bool has_steps(const RunConfig& c) { return c.optimizer.schedule == "step"; }
bool drops_input(const RunConfig& c) {
  return (c.model.input_dropout < 0 ? c.model.dropout : c.model.input_dropout) > 0;
}
bool is_mini(const RunConfig& c) { return c.mode == "mini"; }
template <class Value>
bool sampled_by(const RunConfig& c, Value sampler) {
  return is_mini(c) && c.mini.sampler == sampler;
}
/// A X is the same in every step.
bool constant_input(const RunConfig& c) {
  return c.model.features == "given" && !(c.scheme == "allreduce" && drops_input(c));
}

constexpr std::string_view kMini = "it is for mode mini";
constexpr std::string_view kOneLayer = "a model of one layer has no hidden layer";

constexpr std::array kRules = {
    Rule{"patience", [](const RunConfig& c) { return c.patience == 0 || c.eval_every > 0; },
         "it counts evaluations, and eval_every 0 evaluates at the end only"},
    Rule{"features_on",
         [](const RunConfig& c) {
           return c.features_on == "device" || (c.device != "cpu" && c.model.features == "given");
         },
         "it is for given features on a GPU"},
    Rule{"tf32", [](const RunConfig& c) { return !c.tf32 || c.device != "cpu"; },
         "it is for products on a GPU, and device is cpu"},
    Rule{"panels", [](const RunConfig& c) { return c.panels == 0 || c.scheme == "scatter"; },
         "only scheme scatter cuts panels"},
    Rule{"cuda_graph", [](const RunConfig& c) { return c.cuda_graph == "off" || c.device != "cpu"; },
         "it is for a GPU"},
    Rule{"target_metric", [](const RunConfig& c) { return c.target_metric == 0 || c.eval_every > 0; },
         "it is looked for in evaluations, and eval_every 0 evaluates at the end only"},
    Rule{"mini.batch_ratio", [](const RunConfig& c) { return is_mini(c) && c.mini.batch_size == 0; },
         "it is for mode mini without a batch_size"},
    Rule{"mini.batch_size", is_mini, kMini},
    Rule{"mini.sampler", is_mini, kMini},
    Rule{"mini.estimator", is_mini, kMini},
    Rule{"mini.accumulate", is_mini, kMini},
    Rule{"mini.lr_scaling", is_mini, kMini},
    Rule{"mini.pipeline_depth", is_mini, kMini},
    Rule{"mini.sampler_threads", is_mini, kMini},
    Rule{"mini.build_batches",
         [](const RunConfig& c) {
           return is_mini(c) && (c.mini.build_batches == "auto" || c.device != "cpu");
         },
         "it is for mode mini on a GPU"},
    Rule{"mini.hub_share", [](const RunConfig& c) { return sampled_by(c, "train"); },
         "it is for sampler train of mode mini"},
    Rule{"mini.train_share", [](const RunConfig& c) { return sampled_by(c, "train"); },
         "it is for sampler train of mode mini"},
    Rule{"mini.walk_length", [](const RunConfig& c) { return sampled_by(c, "saint-walk"); },
         "it is for sampler saint-walk of mode mini"},
    Rule{"mini.presamples", [](const RunConfig& c) { return sampled_by(c, "saint-walk"); },
         "it is for sampler saint-walk of mode mini"},
    Rule{"mini.all_rows", [](const RunConfig& c) { return is_mini(c) && several_layers(c); },
         "it is for models of several layers in mode mini"},
    Rule{"mini.sampled_eval", is_mini, kMini},
    Rule{"mini.checkpoint_every_steps", is_mini, kMini},
    Rule{"model.hidden", several_layers, kOneLayer},
    Rule{"model.norm", [](const RunConfig& c) { return c.model.norm == "none" || several_layers(c); },
         kOneLayer},
    Rule{"model.residual", [](const RunConfig& c) { return !c.model.residual || several_layers(c); },
         kOneLayer},
    Rule{"model.dropout",
         [](const RunConfig& c) {
           return c.model.dropout == 0 || c.model.input_dropout < 0 || several_layers(c);
         },
         "the only layer takes input_dropout"},
    Rule{"model.self_loops", [](const RunConfig& c) { return !c.model.self_loops || c.model.kind == "gcn"; },
         "only model gcn adds self loops"},
    Rule{"model.feature_dim", [](const RunConfig& c) { return c.model.features == "learned"; },
         "it is the width of learned features, and features are given"},
    Rule{"model.feature_norm",
         [](const RunConfig& c) { return c.model.feature_norm == "none" || c.model.features == "given"; },
         "learned features are not normalised"},
    Rule{"model.first_aggregation",
         [](const RunConfig& c) { return c.model.first_aggregation == "recomputed" || constant_input(c); },
         "learned features, and features that scheme allreduce drops, are other ones in every step"},
    Rule{"model.order",
         [](const RunConfig& c) {
           const bool once = c.model.first_aggregation == "cached" && constant_input(c);
           return c.model.order != "transform-first" || several_layers(c) || !once;
         },
         "the only layer's aggregation is done once a run, before any product"},
    Rule{"optimizer.weight_decay_on", [](const RunConfig& c) { return c.optimizer.weight_decay > 0; },
         "no weight decays where weight_decay is 0"},
    Rule{"optimizer.momentum",
         [](const RunConfig& c) { return c.optimizer.momentum == 0 || !is_adaptive(c); },
         "it is for optimizer sgd; adam and adamw have beta1 and beta2"},
    Rule{"optimizer.beta1", is_adaptive, "it is for optimizers adam and adamw"},
    Rule{"optimizer.beta2", is_adaptive, "it is for optimizers adam and adamw"},
    Rule{"optimizer.epsilon", is_adaptive, "it is for optimizers adam and adamw"},
    Rule{"optimizer.step_every", has_steps, "it is for schedule step"},
    Rule{"optimizer.step_factor", has_steps, "it is for schedule step"},
};

/// The rule that the option breaks, or null.
const Rule* broken_rule(std::string_view key, const RunConfig& config) {
  const auto broken =
      std::ranges::find_if(kRules, [&](const Rule& rule) { return rule.key == key && !rule.holds(config); });
  return broken == kRules.end() ? nullptr : &*broken;
}

void check(const RunConfig& config, const Option& option, std::string_view place) {
  const Rule* rule = broken_rule(option.key, config);
  OPX_REQUIRE(rule == nullptr, InvalidArgument, "{} {} has no effect: {}", place, plain_value(option, config),
              rule->otherwise);
}

}  // namespace

bool has_effect(const Option& option, const RunConfig& config) {
  return broken_rule(option.key, config) == nullptr;
}

void check_effects(const RunConfig& config, const GivenOptions& given) {
  for (const auto& [key, place] : given.places()) check(config, *find_option(key), place);
}

void check_effects(const RunConfig& config) {
  const RunConfig defaults;
  for (const Option& option : options())
    if (toml_value(option, config) != toml_value(option, defaults)) check(config, option, option.key);
}

void drop_without_effect(RunConfig& config) {
  RunConfig defaults;
  for (const Option& option : options()) {
    if (has_effect(option, config)) continue;
    const OptionField from = option.field(defaults);
    const auto copy = [&](auto* to) { *to = *std::get<decltype(to)>(from); };
    std::visit(copy, option.field(config));
  }
}

}  // namespace opx::train
