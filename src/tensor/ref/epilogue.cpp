// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <vector>

#include "tensor/kernels.hpp"

namespace opx::tensor::ref {
namespace {

double get(std::span<const float> values, Index j, double otherwise) {
  return values.empty() ? otherwise : static_cast<double>(values[static_cast<std::size_t>(j)]);
}

bool kept(const Dropout& dropout, Index i, Index j) {
  if (dropout.rate == 0.0F) return true;
  const Index vertex =
      dropout.vertices.empty() ? dropout.vertex_begin + i : dropout.vertices[static_cast<std::size_t>(i)];
  const Index feature = dropout.col_begin + j;
  const auto words = base::philox({dropout.seed, base::Purpose::kDropout},
                                  {.step = dropout.step,
                                   .layer = dropout.layer,
                                   .vertex = static_cast<std::uint64_t>(vertex),
                                   .word = static_cast<std::uint32_t>(feature / 8)});
  const auto half = static_cast<std::size_t>(feature % 8);
  const std::uint32_t draw = (words[half / 2] >> (16 * (half % 2))) & 0xFFFFU;
  return static_cast<double>(draw) >= static_cast<double>(dropout.rate) * 65536.0;
}

/// Row i of q + bias, and its moments as the norm takes them.
struct Row {
  std::vector<double> x;
  double mean = 0, inverse_std = 1;
};

Row biased_row(MatrixView<const float> q, const Epilogue& e, Index i) {
  Row row;
  for (Index j = 0; j < q.cols; ++j) row.x.push_back(static_cast<double>(q(i, j)) + get(e.bias, j, 0));
  const auto n = static_cast<double>(q.cols);
  if (e.norm == Norm::kLayer) {
    for (const double x : row.x) row.mean += x / n;
  }
  if (e.norm == Norm::kLayer || e.norm == Norm::kRms) {
    double variance = 0;
    for (const double x : row.x) variance += (x - row.mean) * (x - row.mean) / n;
    row.inverse_std = 1 / std::sqrt(variance + static_cast<double>(e.epsilon));
  }
  return row;
}

double normalised(const Row& row, const Epilogue& e, Index j) {
  const double x = row.x[static_cast<std::size_t>(j)];
  if (e.norm == Norm::kBatch) return (x - get(e.batch_mean, j, 0)) * get(e.batch_inverse_std, j, 1);
  return (x - row.mean) * row.inverse_std;
}

void set_bit(PassMask& mask, Index i, Index j, bool bit) {
  std::uint64_t& word = mask.row(i)[j / 64];
  if (j % 64 == 0) word = 0;
  word |= static_cast<std::uint64_t>(bit) << (j % 64);
}

struct Sums {
  std::vector<double> bias, gamma, beta;
  explicit Sums(Index cols)
      : bias(static_cast<std::size_t>(cols)),
        gamma(static_cast<std::size_t>(cols)),
        beta(static_cast<std::size_t>(cols)) {}
};

void store(const std::vector<double>& from, std::span<float> to) {
  for (std::size_t j = 0; j < to.size(); ++j) to[j] = static_cast<float>(from[j]);
}

}  // namespace

void epilogue_forward(device::Context&, MatrixView<const float> q, const Epilogue& e,
                      MatrixView<const float> residual, MatrixView<float> y, PassMask* mask,
                      const RowMoments* moments) {
  const double scale = 1 / (1 - static_cast<double>(e.dropout.rate));
  for (Index i = 0; i < q.rows; ++i) {
    const Row row = biased_row(q, e, i);
    if (moments != nullptr && e.norm == Norm::kLayer)
      moments->mean[static_cast<std::size_t>(i)] = static_cast<float>(row.mean);
    if (moments != nullptr && (e.norm == Norm::kLayer || e.norm == Norm::kRms))
      moments->inverse_std[static_cast<std::size_t>(i)] = static_cast<float>(row.inverse_std);
    for (Index j = 0; j < q.cols; ++j) {
      const double v = normalised(row, e, j) * get(e.gamma, j, 1) + get(e.beta, j, 0);
      const bool pass = kept(e.dropout, i, j) && !(e.activation == Activation::kRelu && v <= 0);
      if (mask != nullptr) set_bit(*mask, i, j, pass);
      const double r = residual.data == nullptr ? 0.0 : static_cast<double>(residual(i, j));
      y(i, j) = static_cast<float>((pass ? v * scale : 0.0) + r);
    }
  }
}

void epilogue_backward(device::Context&, MatrixView<const float> dy, MatrixView<const float> q,
                       const Epilogue& e, const PassMask& mask, const RowMoments*, MatrixView<float> dq,
                       const EpilogueGradients& gradients) {
  const double scale = 1 / (1 - static_cast<double>(e.dropout.rate));
  const auto n = static_cast<double>(dy.cols);
  const bool row_norm = e.norm == Norm::kLayer || e.norm == Norm::kRms;
  Sums sums(dy.cols);
  for (Index i = 0; i < dy.rows; ++i) {
    const Row row = e.norm == Norm::kNone ? Row{} : biased_row(q, e, i);
    std::vector<double> h;
    double mean_h = 0, mean_hx = 0;
    for (Index j = 0; j < dy.cols; ++j) {
      const double g = mask.test(i, j) ? static_cast<double>(dy(i, j)) * scale : 0.0;
      const double xhat = e.norm == Norm::kNone ? 0.0 : normalised(row, e, j);
      if (e.norm == Norm::kLayer || e.norm == Norm::kBatch) sums.beta[static_cast<std::size_t>(j)] += g;
      sums.gamma[static_cast<std::size_t>(j)] += g * xhat;
      h.push_back(row_norm ? g * get(e.gamma, j, 1) : g);
      mean_h += h.back() / n;
      mean_hx += h.back() * xhat / n;
    }
    for (Index j = 0; j < dy.cols; ++j) {
      double d = h[static_cast<std::size_t>(j)];
      if (e.norm == Norm::kLayer) d -= mean_h;
      if (row_norm) d = row.inverse_std * (d - normalised(row, e, j) * mean_hx);
      dq(i, j) = static_cast<float>(d);
      if (e.norm != Norm::kBatch) sums.bias[static_cast<std::size_t>(j)] += d;
    }
  }
  store(sums.bias, gradients.bias);
  store(sums.gamma, gradients.gamma);
  store(sums.beta, gradients.beta);
}

void column_sums(device::Context&, MatrixView<const float> q, std::span<const float> bias, Index valid_rows,
                 std::span<const double> shift, std::span<double> sum, std::span<double> sum_squares) {
  for (Index j = 0; j < q.cols; ++j) {
    const auto c = static_cast<std::size_t>(j);
    double s = 0, s2 = 0;
    for (Index i = 0; i < valid_rows; ++i) {
      const double d = static_cast<double>(q(i, j)) + get(bias, j, 0) - (shift.empty() ? 0.0 : shift[c]);
      s += d;
      s2 += d * d;
    }
    sum[c] = s;
    if (!sum_squares.empty()) sum_squares[c] = s2;
  }
}

void batch_norm_backward(device::Context&, MatrixView<const float> q, const Epilogue& e,
                         std::span<const float> sum_gamma, std::span<const float> sum_beta, Index count,
                         Index valid_rows, MatrixView<float> dq) {
  for (Index i = 0; i < dq.rows; ++i) {
    const Row row = biased_row(q, e, i);
    for (Index j = 0; j < dq.cols; ++j) {
      const double mean =
          (get(sum_beta, j, 0) + normalised(row, e, j) * get(sum_gamma, j, 0)) / static_cast<double>(count);
      const double d =
          get(e.batch_inverse_std, j, 1) * get(e.gamma, j, 1) * (static_cast<double>(dq(i, j)) - mean);
      dq(i, j) = i < valid_rows ? static_cast<float>(d) : 0.0F;
    }
  }
}

void masked_scale(device::Context&, MatrixView<const float> dy, const PassMask& mask, float scale,
                  MatrixView<float> dx) {
  for (Index i = 0; i < dy.rows; ++i)
    for (Index j = 0; j < dy.cols; ++j) dx(i, j) = mask.test(i, j) ? dy(i, j) * scale : 0.0F;
}

}  // namespace opx::tensor::ref
