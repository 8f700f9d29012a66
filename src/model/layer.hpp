// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A layer: convolution, then (hidden layers) y = dropout(relu(norm(q + b))) + x where residual; the last
// layer gives q + b. Without norm the epilogue runs in place on q and one bit an element is all that it
// keeps.
#pragma once

#include <memory>
#include <optional>

#include "comm/communicator.hpp"
#include "model/batch_norm.hpp"
#include "model/convolution.hpp"

namespace opx::model {

/// One forward pass: training draws dropout by `step` and keeps what backward needs; else running statistics
/// are used.
struct Pass {
  bool training = false;
  std::uint32_t step = 0;
  const std::uint32_t* step_there = nullptr;  ///< on a GPU: the step, in its memory; null: `step`
};

/// Streams of dropout masks (the `layer` word of the counter): 0 for the input, l + 1 for the output of layer
/// l, and one of its own for the cached A X.
inline constexpr std::uint32_t kInputStream = 0, kAggregatedInputStream = 255;

class Layer {
 public:
  Layer(Environment environment, comm::Communicator& group, const ModelSpec& spec, Index layer);

  [[nodiscard]] Array forward(ConvolutionInput input, const Pass& pass);
  /// dy: gradient of the output; returns dx (empty unless need_dx).
  [[nodiscard]] Array backward(Array dy, bool need_dx);

 private:
  [[nodiscard]] tensor::Epilogue epilogue(const Pass& pass);
  [[nodiscard]] tensor::EpilogueGradients gradients();
  [[nodiscard]] std::span<float> vector(const std::string& suffix, bool gradient);
  void prepare_training(Index rows);
  [[nodiscard]] tensor::RowMoments moments(Index rows);
  void backward_epilogue(const Array& dy, const Array& dq);

  Environment env_;
  const ModelSpec& spec_;
  Index layer_, out_;
  bool last_, residual_;
  tensor::Norm norm_;
  std::string prefix_;
  std::unique_ptr<Convolution> convolution_;
  std::optional<BatchNorm> batch_norm_;
  // kept by a training pass
  tensor::Epilogue epilogue_;
  tensor::PassMask mask_;
  device::Buffer<float> mean_, inverse_std_;
  Array q_;
};

}  // namespace opx::model
