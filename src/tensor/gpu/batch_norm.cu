// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Column moments for batch norm, in fp64, and the second half of its gradient.
#include "device/transfer.hpp"
#include "tensor/deferred.hpp"
#include "tensor/gpu/epilogue.cuh"

namespace opx::tensor::gpu {
namespace {

using deferred::RowCounts;

/// Sums of x - shift and of its square, x = q + bias.
struct ColumnSums {
  static constexpr const char* kName = "column_sums";
  static constexpr int kThreads = kBlockThreads;
  MatrixView<const float> q;
  const float* bias;
  const double* shift;
  const RowCounts* counts;  // null: all rows of the tiles count
  bool quads;
  Tiles tiles;
  double* partial;  // parts x 2 x cols

  OPX_DEVICE void operator()() const {
    const Index j = tiles.col(), cols = tiles.cols;
    double sums[kChunk] = {}, squares[kChunk] = {};
    if (j < cols) {
      double offset[kChunk];
      for (int k = 0; k < kChunk; ++k) offset[k] = j + k < cols ? offset_of(j + k) : 0.0;
      const Index end = counts != nullptr ? std::min(tiles.end_row(), counts->valid) : tiles.end_row();
      for (Index i = tiles.first_row(); i < end; i += tiles.row_step()) {
        const Chunk c = load_chunk(q.row(i), j, cols, quads);
        for (int k = 0; k < kChunk; ++k) {
          const double x = static_cast<double>(c.v[k]) + offset[k];
          sums[k] += x;
          squares[k] += x * x;
        }
      }
    }
    double* to = partial + tiles.part() * 2 * cols;
    sum_rows_of_block(sums, tiles.lanes, j, cols, to);
    sum_rows_of_block(squares, tiles.lanes, j, cols, to + cols);
  }
  OPX_DEVICE double offset_of(Index j) const {
    return (bias != nullptr ? static_cast<double>(bias[j]) : 0.0) - (shift != nullptr ? shift[j] : 0.0);
  }
};

/// dq = inverse_std gamma (dn - (sum_beta + xhat sum_gamma) / count); rows from valid_rows on are 0.
struct BatchNormBackwardTiles {
  static constexpr const char* kName = "batch_norm_backward";
  static constexpr int kThreads = kBlockThreads;
  MatrixView<const float> q;
  MatrixView<float> dq;
  ColumnVectors columns;
  const float *sum_gamma, *sum_beta;
  Index count, valid_rows;
  const RowCounts* counts;  // null: the two above
  bool quads;
  Tiles tiles;

  struct Terms {
    float factor[kChunk], mean[kChunk], slope[kChunk];
  };

  OPX_DEVICE void operator()() const {
    const Index j = tiles.col(), cols = tiles.cols;
    if (j >= cols) return;
    const NormChunk norm(columns, j, cols);
    const Index divisor = counts != nullptr ? std::max<Index>(counts->total, 1) : count;
    const Terms t = terms(j, norm, 1 / static_cast<double>(divisor));
    const Index valid = counts != nullptr ? counts->valid : valid_rows;
    for (Index i = tiles.first_row(); i < tiles.end_row(); i += tiles.row_step()) {
      Chunk d{};
      if (i < valid) {
        const Chunk c = load_chunk(q.row(i), j, cols, quads), g = load_chunk(dq.row(i), j, cols, quads);
        for (int k = 0; k < kChunk; ++k) {
          const float x = c.v[k] - norm.center.v[k];
          d.v[k] = t.factor[k] * (g.v[k] - t.mean[k] - x * t.slope[k]);
        }
      }
      store_chunk(d, dq.row(i), j, cols, quads);
    }
  }
  OPX_DEVICE Terms terms(Index j, const NormChunk& norm, double inverse_count) const {
    Terms t{};
    for (int k = 0; k < kChunk && j + k < tiles.cols; ++k) {
      const auto inverse_std = static_cast<double>(norm.inverse_std.v[k]);
      t.factor[k] = static_cast<float>(inverse_std * static_cast<double>(columns.gamma[j + k]));
      t.mean[k] = static_cast<float>(static_cast<double>(sum_beta[j + k]) * inverse_count);
      t.slope[k] = static_cast<float>(inverse_std * static_cast<double>(sum_gamma[j + k]) * inverse_count);
    }
    return t;
  }
};

/// values[i] = values[i] / count, or max(counts->total, 1).
struct Divide {
  static constexpr const char* kName = "divide";
  static constexpr int kThreads = kBlockThreads;
  double* values;
  double count;
  const RowCounts* counts;
  Index n;

  OPX_DEVICE void operator()() const {
    const double divisor = counts != nullptr ? static_cast<double>(std::max<Index>(counts->total, 1)) : count;
    for (Index i = global_thread(); i < n; i += all_threads()) values[i] /= divisor;
  }
};

struct Moments {
  static constexpr const char* kName = "batch_moments";
  static constexpr int kThreads = kBlockThreads;
  const double *mean, *squares;
  Index given_rows;
  const RowCounts* counts;
  double epsilon, momentum;
  float *batch_mean, *batch_inverse_std, *running_mean, *running_var;
  Index n;

  OPX_DEVICE void operator()() const {
    const Index rows = counts != nullptr ? counts->total : given_rows;
    const double count = static_cast<double>(std::max<Index>(rows, 1));
    const double unbias = count > 1 ? count / (count - 1) : 1;
    for (Index j = global_thread(); j < n; j += all_threads()) {
      const double variance = squares[j] / count;
      batch_mean[j] = static_cast<float>(mean[j]);
      batch_inverse_std[j] = static_cast<float>(1.0 / std::sqrt(variance + epsilon));
      if (rows == 0) continue;
      running_mean[j] =
          static_cast<float>((1 - momentum) * static_cast<double>(running_mean[j]) + momentum * mean[j]);
      running_var[j] = static_cast<float>((1 - momentum) * static_cast<double>(running_var[j]) +
                                          momentum * variance * unbias);
    }
  }
};

struct RunningMoments {
  static constexpr const char* kName = "running_moments";
  static constexpr int kThreads = kBlockThreads;
  const float *running_mean, *running_var;
  double epsilon;
  float *batch_mean, *batch_inverse_std;
  Index n;

  OPX_DEVICE void operator()() const {
    for (Index j = global_thread(); j < n; j += all_threads()) {
      batch_mean[j] = running_mean[j];
      batch_inverse_std[j] =
          static_cast<float>(1.0 / std::sqrt(static_cast<double>(running_var[j]) + epsilon));
    }
  }
};

template <class From, class To>
struct ConvertVector {
  static constexpr const char* kName = "convert_vector";
  static constexpr int kThreads = kBlockThreads;
  const From* from;
  To* to;
  Index n;

  OPX_DEVICE void operator()() const {
    for (Index i = global_thread(); i < n; i += all_threads()) to[i] = static_cast<To>(from[i]);
  }
};

void launch_batch_norm_backward(device::Context& context, MatrixView<const float> q, const Epilogue& e,
                                std::span<const float> sum_gamma, std::span<const float> sum_beta,
                                RowCounts given, const RowCounts* counts, MatrixView<float> dq) {
  if (dq.size() == 0) return;
  const Tiles tiles = Tiles::of(dq.rows, dq.cols, 4, kMostBlocks);
  launch_blocks(
      context, tiles.blocks(),
      BatchNormBackwardTiles{q, dq, ColumnVectors::of(e), sum_gamma.data(), sum_beta.data(), given.total,
                             given.valid, counts, has_quads(q) && has_quads(dq), tiles});
}

/// Sums to `sum` and `squares`, either null where not wanted.
void launch_column_sums(device::Context& context, MatrixView<const float> q, std::span<const float> bias,
                        Index valid_rows, const double* shift, double* sum, double* squares,
                        const RowCounts* counts) {
  const Tiles tiles = Tiles::of(counts != nullptr ? q.rows : valid_rows, q.cols, 8, 1024);
  device::Buffer<double> partial(context, tiles.parts * 2 * q.cols);
  launch_blocks(context, tiles.blocks(),
                ColumnSums{q, bias.data(), shift, counts, has_quads(q), tiles, partial.data()});
  add_parts<double>(context, partial.data(), tiles.parts, 2, q.cols, {sum, squares, nullptr});
}

}  // namespace

void column_sums(device::Context& context, MatrixView<const float> q, std::span<const float> bias,
                 Index valid_rows, std::span<const double> shift, std::span<double> sum,
                 std::span<double> sum_squares) {
  if (q.cols == 0) return;
  const device::Resident<double> shift_there(context, shift);
  device::Buffer<double> sums(context, 2 * q.cols);
  launch_column_sums(context, q, bias, valid_rows, shift_there.span().data(), sums.data(),
                     sums.data() + q.cols, nullptr);
  const auto wanted = static_cast<std::size_t>(sum_squares.empty() ? q.cols : 2 * q.cols);
  std::vector<double> there(wanted);
  context.gpu().copy(there.data(), sums.data(), wanted * sizeof(double), context.gpu().compute());
  const auto middle = there.begin() + static_cast<std::ptrdiff_t>(q.cols);
  std::copy(there.begin(), middle, sum.begin());
  std::copy(middle, there.end(), sum_squares.begin());
}

void batch_norm_backward(device::Context& context, MatrixView<const float> q, const Epilogue& e,
                         std::span<const float> sum_gamma, std::span<const float> sum_beta, Index count,
                         Index valid_rows, MatrixView<float> dq) {
  launch_batch_norm_backward(context, q, e, sum_gamma, sum_beta, {.valid = valid_rows, .total = count},
                             nullptr, dq);
}

}  // namespace opx::tensor::gpu

namespace opx::tensor::deferred {

void column_sums(device::Context& context, MatrixView<const float> q, std::span<const float> bias,
                 Index valid_rows, const double* shift, double* sum, double* sum_squares,
                 const RowCounts* counts) {
  if (q.cols > 0) gpu::launch_column_sums(context, q, bias, valid_rows, shift, sum, sum_squares, counts);
}

void divide(device::Context& context, std::span<double> values, double count, const RowCounts* counts) {
  gpu::launch_walk(context, std::ssize(values),
                   gpu::Divide{values.data(), count, counts, std::ssize(values)});
}

void batch_norm_backward(device::Context& context, MatrixView<const float> q, const Epilogue& epilogue,
                         std::span<const float> sum_gamma, std::span<const float> sum_beta,
                         const RowCounts* counts, MatrixView<float> dq) {
  gpu::launch_batch_norm_backward(context, q, epilogue, sum_gamma, sum_beta, {}, counts, dq);
}

void batch_moments(device::Context& context, const BatchMoments& m) {
  const Index n = std::ssize(m.mean);
  gpu::launch_walk(context, n,
                   gpu::Moments{m.mean.data(), m.sum_squares.data(), m.count, m.counts,
                                static_cast<double>(m.epsilon), m.momentum, m.batch_mean.data(),
                                m.batch_inverse_std.data(), m.running_mean.data(), m.running_var.data(), n});
}

void running_moments(device::Context& context, const BatchMoments& m) {
  const Index n = std::ssize(m.batch_mean);
  gpu::launch_walk(
      context, n,
      gpu::RunningMoments{m.running_mean.data(), m.running_var.data(), static_cast<double>(m.epsilon),
                          m.batch_mean.data(), m.batch_inverse_std.data(), n});
}

void convert(device::Context& context, std::span<const float> from, std::span<double> to) {
  gpu::launch_walk(context, std::ssize(from),
                   gpu::ConvertVector<float, double>{from.data(), to.data(), std::ssize(from)});
}

void convert(device::Context& context, std::span<const double> from, std::span<float> to) {
  gpu::launch_walk(context, std::ssize(from),
                   gpu::ConvertVector<double, float>{from.data(), to.data(), std::ssize(from)});
}

}  // namespace opx::tensor::deferred
