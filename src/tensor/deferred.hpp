// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Ops of a training step on a GPU whose sums and scalars stay there, so that nothing waits for the host: what
// loss.hpp, elementwise.hpp and update.hpp bring back is left in memory of the GPU and read by the next
// kernel. For Contexts on a GPU; without kernels they throw NotCompiled. All spans, views and pointers are
// memory of the GPU. Arithmetic and order of sums are functions of the shapes alone.
#pragma once

#include <cstdint>
#include <span>

#include "device/context.hpp"
#include "tensor/elementwise.hpp"
#include "tensor/matrix.hpp"
#include "tensor/update.hpp"

namespace opx::tensor::deferred {

/// As tensor::softmax_cross_entropy; *sum grows by the sum. A counting label that is no class makes it NaN.
void softmax_cross_entropy(device::Context& context, MatrixView<const float> logits,
                           std::span<const std::int32_t> labels, std::span<const std::uint8_t> use,
                           double scale, MatrixView<float> gradient, std::span<const float> weights,
                           double* sum);
void sigmoid_bce(device::Context& context, MatrixView<const float> logits, MatrixView<const float> targets,
                 std::span<const std::uint8_t> use, double scale, MatrixView<float> gradient,
                 std::span<const float> weights, double* sum);

/// *sum = the sum of squares.
void sum_of_squares(device::Context& context, std::span<const float> values, double* sum);
/// *product = the inner product, summed in fp64.
void inner_product(device::Context& context, MatrixView<const float> a, MatrixView<const float> b,
                   float* product);
/// y += (1 + *factor) x.
void add_one_plus(device::Context& context, const float* factor, MatrixView<const float> x,
                  MatrixView<float> y);

/// Rows that count, in memory of the GPU: for work that is captured in a graph, whose launch arguments stay
/// as they were while batches change. Where an op takes it and it is not null, it is read in place of the
/// op's own numbers, and the order of sums is a function of q.rows.
struct RowCounts {
  Index valid = 0;  ///< of this rank, the first ones
  Index total = 0;  ///< over all ranks
};

/// As tensor::column_sums: of the two results, cols each, one may be null; `shift` null: 0.
void column_sums(device::Context& context, MatrixView<const float> q, std::span<const float> bias,
                 Index valid_rows, const double* shift, double* sum, double* sum_squares,
                 const RowCounts* counts = nullptr);
/// In place: values[i] /= count (of `counts`: max(total, 1)).
void divide(device::Context& context, std::span<double> values, double count,
            const RowCounts* counts = nullptr);
/// What batch norm makes of the sums over all ranks: mean and 1 / sqrt(variance + epsilon) as fp32, and the
/// running statistics, which take `momentum` of the new ones (the unbiased variance).
struct BatchMoments {
  std::span<const double> mean, sum_squares;  ///< squares: of the deviations from the mean
  Index count = 0;                            ///< 0: the running statistics stay
  const RowCounts* counts = nullptr;
  float epsilon = 0;
  double momentum = 0;
  std::span<float> batch_mean, batch_inverse_std, running_mean, running_var;
};
void batch_moments(device::Context& context, const BatchMoments& moments);
/// batch_mean and batch_inverse_std of the running statistics.
void running_moments(device::Context& context, const BatchMoments& moments);
/// As tensor::batch_norm_backward with count max(total, 1) and `valid` rows.
void batch_norm_backward(device::Context& context, MatrixView<const float> q, const Epilogue& epilogue,
                         std::span<const float> sum_gamma, std::span<const float> sum_beta,
                         const RowCounts* counts, MatrixView<float> dq);
void convert(device::Context& context, std::span<const float> from, std::span<double> to);
void convert(device::Context& context, std::span<const double> from, std::span<float> to);

/// What a step leaves for its update and, when the host asks, for the journal.
struct StepRecord {
  double loss = 0, weight = 0, gradient_norm = 0, stop = 0;
  double gradient_scale = 0;  ///< of the update; weight <= 0: there is none
};

/// The end of a step: the sums over all ranks become its record.
///
///   with `tail` {loss, weight, stop}:  factor = 1 / (scale weight), loss = factor tail[0]
///   without:                           weight = factor = 1, loss = *total_loss
///   norm = factor sqrt(sum of squares of `gradients` + *other_squares)
///   gradient_scale = factor min(1, clip / (norm + 1e-6)), clip <= 0: factor
///
/// *updates, the number of updates so far, grows by one unless the weight is 0.
struct StepSums {
  std::span<const float> gradients{};
  const double* other_squares = nullptr;  ///< null: 0
  const float* tail = nullptr;
  const double* total_loss = nullptr;
  double scale = 1, clip = 0;
  std::int64_t* updates = nullptr;
};
void settle_step(device::Context& context, const StepSums& sums, StepRecord* record);

/// What changes from step to step and is no sum: read from memory of the GPU by steps that are captured in a
/// graph, whose launch arguments stay as they were.
struct StepInputs {
  double learning_rate = 0;
  double weight = 0;  ///< of this rank's rows in the loss; mini-batches
  std::uint32_t dropout_step = 0;
  bool stop = false;  ///< this rank wants to stop; mini-batches
};

/// The bucket's floats behind the gradients before they are summed: {loss, weight, stop}, tail[0] = scale
/// *loss. `inputs`, in memory of the GPU: weight and stop are those there; null: as given.
void fill_tail(device::Context& context, const double* loss, double scale, double weight, bool stop,
               float* tail, const StepInputs* inputs = nullptr);
/// now[i] = sums[i] / count where *weight > 0, else before[i].
void settle_means(device::Context& context, const float* weight, std::span<const float> sums,
                  std::span<const float> before, double count, std::span<float> now);

/// One parameter of an update of all of them.
struct UpdateSegment {
  const float* gradient;
  float *value, *first, *second;  ///< state vectors as the rule has them, else null
  Index size;
  Index first_chunk;  ///< chunks of kUpdateChunk elements before this parameter's
  double weight_decay;
};
constexpr Index kUpdateChunk = 2048;

/// One launch over all parameters; weight_decay, step and gradient_scale are the segments', *updates and the
/// record's. Nothing changes where the record's weight is 0. `chunks`: of all segments together.
struct UpdateAll {
  std::span<const UpdateSegment> segments;
  Index chunks = 0;
  const StepRecord* record = nullptr;
  const std::int64_t* updates = nullptr;
  const double* learning_rate = nullptr;  ///< null: the step's own
};
void sgd_all(device::Context& context, const SgdStep& step, const UpdateAll& all);
void adam_all(device::Context& context, const AdamStep& step, const UpdateAll& all);

}  // namespace opx::tensor::deferred
