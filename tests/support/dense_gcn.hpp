// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A GCN in double on whole matrices: q = A dropout(f) W + b, f' = relu(q), mean cross-entropy over the
// training vertices, with all gradients. The oracle of the distributed schemes. Dropout masks come from
// tensor::dropout_forward over all vertices.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/memory_store.hpp"
#include "tensor/elementwise.hpp"

namespace opx::test {

struct DenseGcn {
  Dense a, features;
  std::vector<Dense> weights;
  std::vector<std::vector<double>> biases;
  std::vector<std::int32_t> labels;  ///< -1: not a training vertex
  float dropout = 0, input_dropout = 0;
  bool dropout_on_aggregated = false;  ///< input dropout acts on A X instead of X
  std::uint64_t seed = 0;

  struct Result {
    double loss = 0;
    Dense logits;
    std::vector<Dense> weight_gradients;
    std::vector<std::vector<double>> bias_gradients;
  };

  /// Factor of every element: 0 or 1 / (1 - rate).
  static Dense mask(Index rows, Index cols, float rate, std::uint64_t seed, std::uint32_t step,
                    Index stream) {
    device::Context context({.threads = 1, .logger = {}});
    tensor::Matrix<float> ones(context, rows, cols);
    std::fill(ones.span().begin(), ones.span().end(), 1.0F);
    if (rate > 0) {
      const tensor::Dropout d{
          .rate = rate, .seed = seed, .step = step, .layer = static_cast<std::uint32_t>(stream)};
      tensor::dropout_forward(context, ones.view(), d, ones.view(), nullptr);
    }
    Dense m(rows, cols);
    std::copy(ones.span().begin(), ones.span().end(), m.data.begin());
    return m;
  }

  static void multiply_by(Dense& x, const Dense& m) {
    for (std::size_t i = 0; i < x.data.size(); ++i) x.data[i] *= m.data[i];
  }

  /// `training`: with dropout of `step`.
  [[nodiscard]] Result run(bool training, std::uint32_t step) const {
    const Index n = a.rows, layers = std::ssize(weights);
    std::vector<Dense> h, masks, activations;
    Result out;
    Dense f = features;
    for (Index l = 0; l < layers; ++l) {
      const Dense& w = weights[static_cast<std::size_t>(l)];
      const Dense drop = mask(n, w.rows, !training ? 0 : l == 0 ? input_dropout : dropout, seed, step, l);
      const bool late = l == 0 && dropout_on_aggregated;
      if (!late) multiply_by(f, drop);
      h.push_back(a * f);
      if (late) multiply_by(h.back(), drop);
      Dense q = h.back() * w;
      for (Index i = 0; i < n; ++i) {
        for (Index j = 0; j < q.cols; ++j)
          q(i, j) += biases[static_cast<std::size_t>(l)][static_cast<std::size_t>(j)];
      }
      masks.push_back(drop);
      if (l + 1 < layers) {
        for (double& v : q.data) v = std::max(v, 0.0);
      }
      activations.push_back(q);
      f = q;
    }
    out.logits = f;
    Dense dq = loss_gradient(f, out.loss);
    out.weight_gradients.resize(weights.size());
    out.bias_gradients.resize(weights.size());
    for (Index l = layers - 1; l >= 0; --l) {
      const auto i = static_cast<std::size_t>(l);
      out.weight_gradients[i] = h[i].transposed() * dq;
      out.bias_gradients[i].assign(static_cast<std::size_t>(dq.cols), 0.0);
      for (Index r = 0; r < n; ++r) {
        for (Index j = 0; j < dq.cols; ++j) out.bias_gradients[i][static_cast<std::size_t>(j)] += dq(r, j);
      }
      if (l == 0) break;
      dq = a.transposed() * (dq * weights[i].transposed());
      multiply_by(dq, masks[i]);
      for (std::size_t e = 0; e < dq.data.size(); ++e) dq.data[e] *= activations[i - 1].data[e] > 0 ? 1 : 0;
    }
    return out;
  }

 private:
  [[nodiscard]] Dense loss_gradient(const Dense& logits, double& loss) const {
    Dense d(logits.rows, logits.cols);
    const double count =
        static_cast<double>(std::count_if(labels.begin(), labels.end(), [](int v) { return v >= 0; }));
    for (Index i = 0; i < logits.rows; ++i) {
      const Index label = labels[static_cast<std::size_t>(i)];
      if (label < 0) continue;
      double top = logits(i, 0), sum = 0;
      for (Index j = 0; j < logits.cols; ++j) top = std::max(top, logits(i, j));
      for (Index j = 0; j < logits.cols; ++j) sum += std::exp(logits(i, j) - top);
      for (Index j = 0; j < logits.cols; ++j)
        d(i, j) = (std::exp(logits(i, j) - top) / sum - (j == label ? 1 : 0)) / count;
      loss += (top + std::log(sum) - logits(i, label)) / count;
    }
    return d;
  }
};

}  // namespace opx::test
