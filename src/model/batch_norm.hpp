// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Batch norm over all vertices of the graph or batch: moments are sums over every tensor rank's valid rows,
// so the network equals the serial one whatever the grid. Two passes (mean, then squared deviations), fp64 on
// the wire.
#pragma once

#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "device/buffer.hpp"
#include "device/context.hpp"
#include "model/rows.hpp"
#include "tensor/deferred.hpp"
#include "tensor/elementwise.hpp"
#include "tensor/matrix.hpp"

namespace opx::model {

class BatchNorm {
 public:
  /// `rows` (looked at in every call) says which rows of this rank count, and how many do over all ranks of
  /// `group`. The running statistics are parameters of the model, in memory of the context; momentum 0.1 and
  /// the unbiased variance, as in PyTorch. On a GPU nothing here waits for the host.
  BatchNorm(device::Context& context, comm::Communicator& group, Index cols, const Rows& rows,
            std::span<float> running_mean, std::span<float> running_var);

  /// Moments of q + bias over all ranks into the epilogue (two all-reduces of cols doubles); updates the
  /// running ones.
  void from_batch(tensor::MatrixView<const float> q, tensor::Epilogue& epilogue);
  /// The running statistics into the epilogue; no communication.
  void from_running(tensor::Epilogue& epilogue);
  /// Second half of the backward pass: sums the gradients of gamma and beta over all ranks (two times cols
  /// doubles) and finishes dq in place. `gradients` stays this rank's share.
  void backward(tensor::MatrixView<const float> q, const tensor::Epilogue& epilogue,
                const tensor::EpilogueGradients& gradients, tensor::MatrixView<float> dq);

 private:
  void from_batch_there(tensor::MatrixView<const float> q, tensor::Epilogue& epilogue);
  void backward_there(tensor::MatrixView<const float> q, const tensor::Epilogue& epilogue,
                      const tensor::EpilogueGradients& gradients, tensor::MatrixView<float> dq);
  [[nodiscard]] tensor::deferred::BatchMoments moments_there(float epsilon);
  void all_reduce_there(std::span<double> sums);
  void publish(tensor::Epilogue& epilogue, std::span<const double> mean, std::span<const double> variance);

  device::Context& context_;
  comm::Communicator& group_;
  Index cols_;
  const Rows& rows_;
  std::span<float> running_mean_, running_var_;
  device::Buffer<float> mean_, inverse_std_;
  device::Buffer<double> sums_;  ///< on a GPU: two vectors of columns
  device::Buffer<float> summed_;
};

}  // namespace opx::model
