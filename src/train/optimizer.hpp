// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// SGD with momentum, Adam and AdamW with the update rules of PyTorch (torch.optim.SGD, Adam, AdamW without
// amsgrad or nesterov), and the learning rate schedules. Every rank updates the replicated parameters alike;
// a sharded parameter and its state are the rank's own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "device/buffer.hpp"
#include "device/context.hpp"
#include "tensor/deferred.hpp"
#include "train/config.hpp"

namespace opx::train {

/// One parameter: its value and gradient, owned by the model.
struct ParameterSlot {
  std::string name;
  std::span<float> value;
  std::span<const float> gradient;
  double weight_decay = 0;
};

class Optimizer {
 public:
  /// Throws InvalidArgument for an unknown kind.
  Optimizer(device::Context& context, const OptimizerConfig& config, std::vector<ParameterSlot> slots);

  /// One update with `gradient_scale` times the gradients (clipping). No communication.
  void step(double learning_rate, double gradient_scale);

  /// On a GPU: the same by one launch, without waiting for the host. The scale, and whether there is a step
  /// at all, are those of `record`; updates() was counted up by tensor::deferred::settle_step. The learning
  /// rate is that of `inputs`, in memory of the GPU, where it is not null.
  void step_deferred(double learning_rate, const tensor::deferred::StepRecord* record,
                     const tensor::deferred::StepInputs* inputs = nullptr);
  /// On a GPU: the number of updates so far, in its memory.
  [[nodiscard]] std::int64_t* updates() noexcept { return updates_.data(); }

  /// Updates so far; on a GPU it waits for them.
  [[nodiscard]] std::int64_t steps();
  void set_steps(std::int64_t steps);
  /// Names of the state vectors of every slot ("exp_avg", "exp_avg_sq" for Adam; "momentum" for SGD with
  /// momentum).
  [[nodiscard]] const std::vector<std::string>& state_names() const noexcept { return state_names_; }
  [[nodiscard]] const std::vector<ParameterSlot>& slots() const noexcept { return slots_; }
  /// State vector `which` of slot `slot`.
  [[nodiscard]] std::span<float> state(std::size_t slot, std::size_t which) noexcept {
    return states_[slot * state_names_.size() + which].span();
  }

 private:
  enum class Kind : std::uint8_t { kSgd, kAdam, kAdamW };
  void build_segments();
  void sgd(std::size_t slot, double learning_rate, double gradient_scale);
  void adam(std::size_t slot, double learning_rate, double gradient_scale);

  device::Context& context_;
  OptimizerConfig config_;
  Kind kind_;
  std::vector<ParameterSlot> slots_;
  std::vector<std::string> state_names_;
  std::vector<device::Buffer<float>> states_;
  std::int64_t steps_ = 0;  ///< on a GPU: unused
  device::Buffer<std::int64_t> updates_;
  device::Buffer<tensor::deferred::UpdateSegment> segments_;
  Index chunks_ = 0;
};

/// What clipping multiplies a gradient of this norm by, as torch.nn.utils.clip_grad_norm_.
[[nodiscard]] double clip_factor(const OptimizerConfig& config, double gradient_norm);

/// Bytes of state per parameter scalar.
[[nodiscard]] int optimizer_state_vectors(const OptimizerConfig& config);

/// Learning rate of an epoch (from 0) of `epochs`: linear warm-up over the first `warmup` epochs, (e + 1) /
/// warmup of the rate; then constant; or cosine to 0 over the epochs that remain; or step_factor^(e /
/// step_every) (floor).
[[nodiscard]] double learning_rate(const OptimizerConfig& config, int epoch, int epochs);

}  // namespace opx::train
