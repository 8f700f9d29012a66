// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// GCN, GraphSAGE and GIN in double with dense matrices and obvious loops: the oracle of the model module.
// Dropout masks are drawn as the library's contract says (tensor/elementwise.hpp), so training passes can be
// compared as well.
#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <string>

#include "base/random.hpp"
#include "model/layer.hpp"
#include "model/spec.hpp"
#include "support/memory_store.hpp"

namespace opx::test {

using NamedParameters = std::map<std::string, Dense>;

class ReferenceModel {
 public:
  ReferenceModel(model::ModelSpec spec, const Dense& a) : ReferenceModel(std::move(spec), a, a) {}
  /// With the first aggregation cached, layer 0 aggregates with `first` and all others with `a`.
  ReferenceModel(model::ModelSpec spec, Dense a, Dense first)
      : spec_(std::move(spec)), a_(std::move(a)), first_(std::move(first)) {}

  /// Logits of a training pass (dropout of `step`, batch statistics).
  [[nodiscard]] Dense forward(const NamedParameters& p, const Dense& features, std::uint32_t step) const {
    const bool cached = spec_.cached();
    Dense x = dropped(features, spec_.input_dropout, step, model::kInputStream);
    for (Index l = 0; l < spec_.layers(); ++l) {
      const Dense ax = l == 0 && cached ? dropped(first_ * features, spec_.input_dropout, step,
                                                  model::kAggregatedInputStream)
                                        : a_ * x;
      Dense y = convolution(p, prefix(l), x, ax);
      if (l + 1 < spec_.layers()) {
        normalise(p, prefix(l), y);
        each(y, [](double v) { return v > 0 ? v : 0; });
        y = dropped(y, spec_.dropout, step, static_cast<std::uint32_t>(l + 1));
        if (spec_.has_residual(l)) y = sum(y, l == 0 && cached ? features : x);
      }
      x = y;
    }
    return x;
  }

 private:
  static std::string prefix(Index l) { return "layers." + std::to_string(l) + "."; }
  static void each(Dense& x, const std::function<double(double)>& f) {
    for (double& v : x.data) v = f(v);
  }
  static Dense sum(const Dense& x, const Dense& y, double factor = 1) {
    Dense out = x;
    for (std::size_t i = 0; i < out.data.size(); ++i) out.data[i] += factor * y.data[i];
    return out;
  }
  static Dense biased(const Dense& x, const Dense& b) {
    Dense out = x;
    for (Index i = 0; i < x.rows; ++i)
      for (Index j = 0; j < x.cols; ++j) out(i, j) += b(0, j);
    return out;
  }

  [[nodiscard]] Dense convolution(const NamedParameters& p, const std::string& l, const Dense& x,
                                  const Dense& ax) const {
    switch (spec_.kind) {
      case model::Kind::kGcn:
        return biased(ax * p.at(l + "weight"), p.at(l + "bias"));
      case model::Kind::kSage:
        return biased(sum(x * p.at(l + "weight_self"), ax * p.at(l + "weight_neigh")), p.at(l + "bias"));
      case model::Kind::kGin:
        break;
    }
    const Dense s = sum(ax, x, 1 + p.at(l + "eps")(0, 0));
    Dense u = biased(s * p.at(l + "mlp.0.weight"), p.at(l + "mlp.0.bias"));
    each(u, [](double v) { return v > 0 ? v : 0; });
    return biased(u * p.at(l + "mlp.1.weight"), p.at(l + "mlp.1.bias"));
  }

  void normalise(const NamedParameters& p, const std::string& l, Dense& x) const {
    constexpr double kEpsilon = 1e-5F;
    if (spec_.norm == tensor::Norm::kNone) return;
    const bool by_column = spec_.norm == tensor::Norm::kBatch;
    const Index groups = by_column ? x.cols : x.rows, members = by_column ? x.rows : x.cols;
    const auto at = [&](Index g, Index m) -> double& { return by_column ? x(m, g) : x(g, m); };
    for (Index g = 0; g < groups; ++g) {
      double mean = 0, square = 0;
      for (Index m = 0; m < members && spec_.norm != tensor::Norm::kRms; ++m)
        mean += at(g, m) / static_cast<double>(members);
      for (Index m = 0; m < members; ++m)
        square += (at(g, m) - mean) * (at(g, m) - mean) / static_cast<double>(members);
      for (Index m = 0; m < members; ++m) at(g, m) = (at(g, m) - mean) / std::sqrt(square + kEpsilon);
    }
    for (Index i = 0; i < x.rows; ++i)
      for (Index j = 0; j < x.cols; ++j) {
        x(i, j) *= p.at(l + "norm.gamma")(0, j);
        if (spec_.norm != tensor::Norm::kRms) x(i, j) += p.at(l + "norm.beta")(0, j);
      }
  }

  [[nodiscard]] Dense dropped(const Dense& x, float rate, std::uint32_t step, std::uint32_t stream) const {
    Dense y = x;
    for (Index i = 0; rate > 0 && i < x.rows; ++i)
      for (Index j = 0; j < x.cols; ++j) {
        const auto words =
            base::philox({spec_.seed, base::Purpose::kDropout}, {.step = step,
                                                                 .layer = stream,
                                                                 .vertex = static_cast<std::uint64_t>(i),
                                                                 .word = static_cast<std::uint32_t>(j / 8)});
        const std::uint32_t draw = (words[static_cast<std::size_t>(j % 8 / 2)] >> (16 * (j % 2))) & 0xFFFFU;
        y(i, j) = draw >= static_cast<double>(rate) * 65536 ? x(i, j) / (1 - static_cast<double>(rate)) : 0;
      }
    return y;
  }

  model::ModelSpec spec_;
  Dense a_, first_;
};

}  // namespace opx::test
