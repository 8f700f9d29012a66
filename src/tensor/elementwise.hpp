// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The elementwise work between two GEMMs, fused: one pass over memory each way. Rows are vertices, columns
// features.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/bfloat16.hpp"
#include "base/random.hpp"
#include "device/buffer.hpp"
#include "device/context.hpp"
#include "tensor/matrix.hpp"

namespace opx::tensor {

enum class Activation : std::uint8_t { kNone, kRelu };
enum class Norm : std::uint8_t { kNone, kLayer, kRms, kBatch };

/// Inverted dropout, 0 <= rate < 1, whose mask is a function of (seed, step, layer, global vertex, feature)
/// alone. Element (i, j) is kept where the 16-bit draw for (vertex_begin + i, col_begin + j) is >= rate *
/// 65536, and is then scaled by 1 / (1 - rate). The draw of feature f is half-word f % 8 of philox(word = f /
/// 8): low half before high. `vertices`, when not empty, gives row i's global vertex (position) instead of
/// vertex_begin + i.
struct Dropout {
  float rate = 0;  ///< 0: off
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  const std::uint32_t* step_there = nullptr;  ///< on a GPU: where its memory holds the step; null: `step`
  std::uint32_t layer = 0;
  Index vertex_begin = 0;
  std::span<const Index> vertices{};
  Index col_begin = 0;  ///< any; multiples of 8 save a shift
};

/// One bit an element: whether the gradient passes (activation slope one and not dropped). Row i starts at
/// word i * words_per_row; bit j % 64 of word j / 64. Owned by the caller, filled by the forward pass.
class PassMask {
 public:
  PassMask() = default;
  PassMask(device::Context& context, Index rows, Index cols)
      : rows_(rows), words_per_row_(ceil_div(cols, 64)), bits_(context, rows * ceil_div(cols, 64)) {}
  /// Takes another shape; new memory, for `most_rows` at least, only where the old is too small.
  void reshape(device::Context& context, Index rows, Index cols, Index most_rows = 0) {
    rows_ = rows, words_per_row_ = ceil_div(cols, 64);
    if (const Index wanted = std::max(rows, most_rows) * words_per_row_; bits_.size() < wanted)
      bits_ = device::Buffer<std::uint64_t>(context, wanted);
  }
  [[nodiscard]] std::uint64_t* row(Index i) noexcept { return bits_.data() + i * words_per_row_; }
  [[nodiscard]] const std::uint64_t* row(Index i) const noexcept { return bits_.data() + i * words_per_row_; }
  [[nodiscard]] bool test(Index i, Index j) const noexcept { return (row(i)[j / 64] >> (j % 64)) & 1U; }
  [[nodiscard]] Index rows() const noexcept { return rows_; }
  [[nodiscard]] Index words_per_row() const noexcept { return words_per_row_; }

 private:
  Index rows_ = 0, words_per_row_ = 0;
  device::Buffer<std::uint64_t> bits_;
};

/// y = x with dropout (y may be x). Fills `mask` if not null (needed by the backward pass).
void dropout_forward(device::Context& context, MatrixView<const float> x, const Dropout& dropout,
                     MatrixView<float> y, PassMask* mask);
/// dx = mask ? scale * dy : 0, scale = 1 / (1 - rate) (dx may be dy).
void masked_scale(device::Context& context, MatrixView<const float> dy, const PassMask& mask, float scale,
                  MatrixView<float> dx);

/// What follows a transform: y = dropout(activation(norm(q + bias))) (+ residual).
struct Epilogue {
  std::span<const float> bias{};  ///< cols, or empty
  Norm norm = Norm::kNone;        ///< kBatch is done by the moments that the caller summed over all ranks
  std::span<const float> gamma{}, beta{};  ///< cols each where norm is not kNone (rms: beta empty)
  float epsilon = 1e-5F;
  std::span<const float> batch_mean{}, batch_inverse_std{};  ///< cols each, for kBatch
  Activation activation = Activation::kNone;
  Dropout dropout{};
};

/// Row moments kept by the forward pass for kLayer (mean, inverse std) and kRms (inverse rms in the second).
struct RowMoments {
  std::span<float> mean{}, inverse_std{};  ///< rows each; empty where norm is kNone or kBatch
};

/// y = epilogue(q) + residual. y may be q (though the backward pass of a norm needs q) or the residual;
/// residual may be empty (data == nullptr). `mask` (rows x cols) and `moments` are filled for the backward
/// pass; both may be null for inference. A NaN passes ReLU, so that a diverged run is seen. Throws
/// DimensionMismatch, and InvalidArgument for a rate outside [0, 1).
void epilogue_forward(device::Context& context, MatrixView<const float> q, const Epilogue& epilogue,
                      MatrixView<const float> residual, MatrixView<float> y, PassMask* mask,
                      const RowMoments* moments);

/// Gradients that epilogue_backward adds up over the rows given (this rank's share): cols each, overwritten;
/// an empty one is not wanted. Of what the epilogue lacks they are 0, and so is the bias gradient of kBatch
/// (the batch mean takes every bias out again).
struct EpilogueGradients {
  std::span<float> bias{}, gamma{}, beta{};
};

/// dq from dy (gradient of y; the residual's own gradient is dy itself and is the caller's). dq may alias dy.
/// `q` is needed where norm is not kNone. For kBatch this is only the first half: it leaves dn =
/// dL/d(normalised output) in dq and the sums in `gradients`; after the caller has summed gamma and beta
/// gradients over all ranks, batch_norm_backward finishes. Sums are deterministic (fixed ranges, fp64 across
/// ranges).
void epilogue_backward(device::Context& context, MatrixView<const float> dy, MatrixView<const float> q,
                       const Epilogue& epilogue, const PassMask& mask, const RowMoments* moments,
                       MatrixView<float> dq, const EpilogueGradients& gradients);

/// Column sums for batch norm over the first `valid_rows` rows of x = q + bias: sum_j = sum_i (x_ij -
/// shift_j) and sum_squares_j = sum_i (x_ij - shift_j)^2, in fp64, cols each. An empty shift is 0: first pass
/// for the mean, which is the shift of the second; sum_squares may be empty then. Deterministic as above.
/// `shift`, `sum` and `sum_squares` are host memory, on a GPU too: there it waits for the sums.
void column_sums(device::Context& context, MatrixView<const float> q, std::span<const float> bias,
                 Index valid_rows, std::span<const double> shift, std::span<double> sum,
                 std::span<double> sum_squares);

/// Second half of kBatch: dq = inverse_std gamma (dn - (sum_beta + xhat sum_gamma) / count), in place on dq;
/// the sums are over all ranks' valid rows, count is their number. Rows from valid_rows on become 0.
void batch_norm_backward(device::Context& context, MatrixView<const float> q, const Epilogue& epilogue,
                         std::span<const float> sum_gamma, std::span<const float> sum_beta, Index count,
                         Index valid_rows, MatrixView<float> dq);

/// y += alpha x.
void add_scaled(device::Context& context, float alpha, MatrixView<const float> x, MatrixView<float> y);
void copy(device::Context& context, MatrixView<const float> x, MatrixView<float> y);
void fill(device::Context& context, float value, MatrixView<float> y);
void convert(device::Context& context, MatrixView<const float> x, MatrixView<bfloat16> y);
void convert(device::Context& context, MatrixView<const bfloat16> x, MatrixView<float> y);

/// Row i of x scaled by scale[i] (y may be x).
void scale_rows(device::Context& context, MatrixView<const float> x, std::span<const float> scale,
                MatrixView<float> y);

}  // namespace opx::tensor
