// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.hpp"
#include "device/transfer.hpp"
#include "tensor/update.hpp"

namespace opx::train {

int optimizer_state_vectors(const OptimizerConfig& config) {
  return config.kind == "sgd" ? (config.momentum > 0 ? 1 : 0) : 2;
}

Optimizer::Optimizer(device::Context& context, const OptimizerConfig& config,
                     std::vector<ParameterSlot> slots)
    : context_(context), config_(config), kind_(Kind::kAdam), slots_(std::move(slots)) {
  OPX_REQUIRE(config.kind == "sgd" || config.kind == "adam" || config.kind == "adamw", InvalidArgument,
              "optimizer '{}' is not one of sgd, adam, adamw", config.kind);
  if (config.kind == "sgd") kind_ = Kind::kSgd;
  if (config.kind == "adamw") kind_ = Kind::kAdamW;
  if (kind_ != Kind::kSgd)
    state_names_ = {"exp_avg", "exp_avg_sq"};
  else if (config.momentum > 0)
    state_names_ = {"momentum"};
  const device::MemoryUse use(context_, "optimiser state");
  for (const ParameterSlot& slot : slots_)
    for (std::size_t k = 0; k < state_names_.size(); ++k) {
      states_.emplace_back(context_, static_cast<Index>(slot.value.size()));
      device::set_zero(context_, states_.back().span());
    }
  if (context_.on_gpu()) build_segments();
}

void Optimizer::build_segments() {
  std::vector<tensor::deferred::UpdateSegment> segments;
  for (std::size_t k = 0; k < slots_.size(); ++k) {
    const ParameterSlot& slot = slots_[k];
    const Index size = std::ssize(slot.value);
    segments.push_back({.gradient = slot.gradient.data(),
                        .value = slot.value.data(),
                        .first = state_names_.empty() ? nullptr : state(k, 0).data(),
                        .second = state_names_.size() < 2 ? nullptr : state(k, 1).data(),
                        .size = size,
                        .first_chunk = chunks_,
                        .weight_decay = slot.weight_decay});
    chunks_ += ceil_div(size, tensor::deferred::kUpdateChunk);
  }
  segments_ = device::device_copy(context_, std::span<const tensor::deferred::UpdateSegment>(segments));
  updates_ = device::Buffer<std::int64_t>(context_, 1);
  device::set_zero(context_, updates_.span());
}

std::int64_t Optimizer::steps() {
  return context_.on_gpu() ? device::host_copy(context_, std::as_const(updates_).span())[0] : steps_;
}

void Optimizer::set_steps(std::int64_t steps) {
  steps_ = steps;
  if (context_.on_gpu())
    device::copy_to_device(context_, std::span<const std::int64_t>(&steps, 1), updates_.span());
}

void Optimizer::step_deferred(double learning_rate, const tensor::deferred::StepRecord* record,
                              const tensor::deferred::StepInputs* inputs) {
  const tensor::deferred::UpdateAll all{
      .segments = segments_.span(),
      .chunks = chunks_,
      .record = record,
      .updates = updates_.data(),
      .learning_rate = inputs != nullptr ? &inputs->learning_rate : nullptr};
  if (kind_ == Kind::kSgd)
    tensor::deferred::sgd_all(context_, {.learning_rate = learning_rate, .momentum = config_.momentum}, all);
  else
    tensor::deferred::adam_all(context_,
                               {.learning_rate = learning_rate,
                                .beta1 = config_.beta1,
                                .beta2 = config_.beta2,
                                .epsilon = config_.epsilon,
                                .decoupled = kind_ == Kind::kAdamW},
                               all);
}

void Optimizer::step(double learning_rate, double gradient_scale) {
  ++steps_;
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    if (kind_ == Kind::kSgd)
      sgd(slot, learning_rate, gradient_scale);
    else
      adam(slot, learning_rate, gradient_scale);
  }
}

void Optimizer::sgd(std::size_t slot, double learning_rate, double gradient_scale) {
  const tensor::SgdStep step{.learning_rate = learning_rate,
                             .momentum = config_.momentum,
                             .weight_decay = slots_[slot].weight_decay,
                             .gradient_scale = gradient_scale};
  const std::span<float> momentum = state_names_.empty() ? std::span<float>() : state(slot, 0);
  tensor::sgd_step(context_, step, slots_[slot].gradient, slots_[slot].value, momentum);
}

void Optimizer::adam(std::size_t slot, double learning_rate, double gradient_scale) {
  const tensor::AdamStep step{.learning_rate = learning_rate,
                              .beta1 = config_.beta1,
                              .beta2 = config_.beta2,
                              .epsilon = config_.epsilon,
                              .weight_decay = slots_[slot].weight_decay,
                              .decoupled = kind_ == Kind::kAdamW,
                              .step = steps_,
                              .gradient_scale = gradient_scale};
  tensor::adam_step(context_, step, slots_[slot].gradient, slots_[slot].value, state(slot, 0),
                    state(slot, 1));
}

double clip_factor(const OptimizerConfig& config, double gradient_norm) {
  return config.clip > 0 ? std::min(1.0, config.clip / (gradient_norm + 1e-6)) : 1.0;
}

double learning_rate(const OptimizerConfig& config, int epoch, int epochs) {
  if (epoch < config.warmup) return config.learning_rate * (epoch + 1) / config.warmup;
  if (config.schedule == "step")
    return config.learning_rate * std::pow(config.step_factor, epoch / std::max(config.step_every, 1));
  if (config.schedule == "cosine") {
    const double span = std::max(epochs - config.warmup, 1);
    const double done = std::clamp((epoch - config.warmup) / span, 0.0, 1.0);
    return config.learning_rate * 0.5 * (1 + std::cos(std::numbers::pi * done));
  }
  OPX_REQUIRE(config.schedule == "constant", InvalidArgument,
              "schedule '{}' is not one of constant, cosine, step", config.schedule);
  return config.learning_rate;
}

}  // namespace opx::train
