// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.hpp"

namespace opx::train {
namespace {
constexpr Index kGrain = Index{1} << 16;
}

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
  for (const ParameterSlot& slot : slots_)
    for (std::size_t k = 0; k < state_names_.size(); ++k) {
      states_.emplace_back(context_, static_cast<Index>(slot.value.size()));
      std::fill(states_.back().begin(), states_.back().end(), 0.0F);
    }
}

void Optimizer::step(double learning_rate, double gradient_scale) {
  ++steps_;
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    const Index size = static_cast<Index>(slots_[slot].value.size());
    if (size <= kGrain)
      update(slot, {0, size}, learning_rate, gradient_scale);
    else
      context_.parallel_ranges(size, kGrain,
                               [&](Range r) { update(slot, r, learning_rate, gradient_scale); });
  }
}

void Optimizer::update(std::size_t slot, Range range, double learning_rate, double gradient_scale) {
  if (kind_ == Kind::kSgd)
    sgd(slot, range, static_cast<float>(learning_rate), static_cast<float>(gradient_scale));
  else
    adam(slot, range, learning_rate, static_cast<float>(gradient_scale));
}

void Optimizer::sgd(std::size_t slot, Range range, float learning_rate, float gradient_scale) {
  float* value = slots_[slot].value.data();
  const float* gradient = slots_[slot].gradient.data();
  float* momentum = state_names_.empty() ? nullptr : state(slot, 0).data();
  const auto decay = static_cast<float>(slots_[slot].weight_decay), mu = static_cast<float>(config_.momentum);
  for (Index i = range.begin; i < range.end; ++i) {
    float g = gradient_scale * gradient[i] + decay * value[i];
    if (momentum != nullptr)
      g = momentum[i] = mu * momentum[i] + g;  // the first step starts from 0: the gradient itself
    value[i] -= learning_rate * g;
  }
}

void Optimizer::adam(std::size_t slot, Range range, double learning_rate, float gradient_scale) {
  float* value = slots_[slot].value.data();
  const float* gradient = slots_[slot].gradient.data();
  float* first = state(slot, 0).data();
  float* second = state(slot, 1).data();
  const double t = static_cast<double>(steps_);
  const auto step_size = static_cast<float>(learning_rate / (1 - std::pow(config_.beta1, t)));
  const auto root = static_cast<float>(1 / std::sqrt(1 - std::pow(config_.beta2, t)));
  const auto beta1 = static_cast<float>(config_.beta1), beta2 = static_cast<float>(config_.beta2);
  const auto rest1 = static_cast<float>(1 - config_.beta1), rest2 = static_cast<float>(1 - config_.beta2);
  const auto epsilon = static_cast<float>(config_.epsilon);
  const double decay = slots_[slot].weight_decay;
  const float coupled = kind_ == Kind::kAdam ? static_cast<float>(decay) : 0.0F;
  const float kept = kind_ == Kind::kAdamW ? static_cast<float>(1 - learning_rate * decay) : 1.0F;
  for (Index i = range.begin; i < range.end; ++i) {
    const float g = gradient_scale * gradient[i] + coupled * value[i];
    first[i] = beta1 * first[i] + rest1 * g;
    second[i] = beta2 * second[i] + rest2 * g * g;
    value[i] = kept * value[i] - step_size * first[i] / (std::sqrt(second[i]) * root + epsilon);
  }
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
