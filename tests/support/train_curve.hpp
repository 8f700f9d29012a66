// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What a short training run leaves, to compare runs on other grids and devices with.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "device/transfer.hpp"
#include "train/trainer_base.hpp"

namespace opx::test {

using NamedTensors = std::map<std::string, std::vector<float>>;

struct Curve {
  std::vector<double> losses, norms;  ///< of every step
  NamedTensors first_gradients, last_values;
  std::vector<float> parameters;  ///< all that the model holds, running statistics too
  train::Evaluation evaluation;
  std::string metric;  ///< the headline one
  train::BatchCounts counts;
};

inline std::vector<float> host_values(device::Context& context, tensor::MatrixView<const float> m) {
  return device::host_copy(context, std::span<const float>(m.data, static_cast<std::size_t>(m.size())));
}

inline NamedTensors gradients_of(train::TrainerBase& trainer) {
  model::Parameters& parameters = trainer.network().parameters();
  NamedTensors gradients;
  for (const auto& entry : parameters.entries())
    if (entry.spec.trained)
      gradients[entry.spec.name] = host_values(trainer.context(), parameters.gradient(entry));
  return gradients;
}

/// Trains and evaluates; collective over the trainer's grid. `curve` may have first_gradients already.
inline Curve train_curve(train::TrainerBase& trainer, int epochs, Curve curve = {}) {
  for (int epoch = 0; epoch < epochs; ++epoch)
    for (Index s = 0; s < trainer.steps_per_epoch(); ++s) {
      const train::TrainerBase::Step step = trainer.step({.epoch = epoch, .step = s}, false);
      curve.losses.push_back(step.loss);
      curve.norms.push_back(step.gradient_norm);
      if (curve.first_gradients.empty()) curve.first_gradients = gradients_of(trainer);
    }
  model::Parameters& parameters = trainer.network().parameters();
  for (const auto& entry : parameters.entries()) {
    const std::vector<float> values = host_values(trainer.context(), parameters.value(entry));
    curve.parameters.insert(curve.parameters.end(), values.begin(), values.end());
    curve.last_values[entry.spec.name] = values;
  }
  curve.evaluation = trainer.evaluate();
  curve.metric = trainer.metric();
  curve.counts = trainer.counts();
  return curve;
}

/// The worst tensor's largest |a - b| over its largest |b|.
inline double distance(const NamedTensors& a, const NamedTensors& b) {
  double worst = 0;
  for (const auto& [name, values] : b) {
    double scale = 0, far = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      scale = std::max(scale, std::abs(static_cast<double>(values[i])));
      far = std::max(far, std::abs(static_cast<double>(values[i]) - static_cast<double>(a.at(name)[i])));
    }
    if (scale > 1e-6) worst = std::max(worst, far / scale);  // a bias before batch norm has rounding alone
  }
  return worst;
}

/// The worst step's |a - b| over |b|.
inline double loss_distance(const Curve& a, const Curve& b) {
  double worst = a.losses.size() == b.losses.size() ? 0 : 1e9;
  for (std::size_t s = 0; s < std::min(a.losses.size(), b.losses.size()); ++s)
    worst = std::max(worst, std::abs(a.losses[s] - b.losses[s]) / std::abs(b.losses[s]));
  return worst;
}

}  // namespace opx::test
