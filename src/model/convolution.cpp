// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/convolution.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/timer.hpp"
#include "tensor/gemm.hpp"

namespace opx::model {
namespace detail {

using tensor::MatrixView;
using tensor::Transpose;

ConvolutionBase::ConvolutionBase(Environment environment, const ModelSpec& spec, Index layer)
    : env_(environment),
      layer_(layer),
      in_(spec.widths[static_cast<std::size_t>(layer)]),
      out_(spec.widths[static_cast<std::size_t>(layer) + 1]),
      aggregate_first_(spec.aggregates_first(layer)),
      prefix_(fmt::format("layers.{}.", layer)) {}

Array ConvolutionBase::aggregate(const Array& x) {
  Array y = env_.workspace.take(rows_given(), x.cols());
  env_.aggregator.forward(layer_, x.view(), y.view());
  return y;
}

Array ConvolutionBase::aggregate_transposed(const Array& x) {
  Array y = env_.workspace.take(rows_taken(), x.cols());
  env_.aggregator.backward(layer_, x.view(), y.view());
  return y;
}

Array ConvolutionBase::aggregate_spent(Array x) {
  Array y = env_.workspace.take(rows_given(), x.cols());
  env_.aggregator.forward_spent(layer_, x.view(), y.view());
  return y;
}

Array ConvolutionBase::aggregate_transposed_spent(Array x) {
  Array y = env_.workspace.take(rows_taken(), x.cols());
  env_.aggregator.backward_spent(layer_, x.view(), y.view());
  return y;
}

Array ConvolutionBase::product(const Array& x, MatrixView<const float> w) {
  Array q = env_.workspace.take(x.rows(), w.cols);
  const base::PhaseScope scope(env_.context.clock(), base::Phase::kGemm, "gemm");
  tensor::gemm(env_.context, Transpose::kNo, Transpose::kNo, 1, x.view(), w, 0, q.view());
  return q;
}

void ConvolutionBase::product_transposed(const Array& x, MatrixView<const float> w, float beta,
                                         const Array& out) {
  const base::PhaseScope scope(env_.context.clock(), base::Phase::kGemm, "gemm");
  tensor::gemm(env_.context, Transpose::kNo, Transpose::kYes, 1, x.view(), w, beta, out.view());
}

namespace {

class Gcn final : public ConvolutionBase {
 public:
  Gcn(Environment environment, const ModelSpec& spec, Index layer)
      : ConvolutionBase(environment, spec, layer) {}

  Array forward(ConvolutionInput input, bool keep) override {
    if (!aggregate_first_) {
      Array z = product(input.x.x, value("weight"));
      if (keep) kept_ = std::move(input.x);
      return aggregate_spent(std::move(z));
    }
    Operand h = std::move(input.h);
    if (h.empty()) h.x = input.x.x.sole() ? aggregate_spent(std::move(input.x.x)) : aggregate(input.x.x);
    input.x.reset();
    Array q = env_.workspace.take(h.x.rows(), out_);
    transform(h, value("weight"), 0, q);
    if (keep) kept_ = std::move(h);
    return q;
  }

  Array backward(Array dq, bool need_dx) override {
    if (!aggregate_first_) {
      const Array g = aggregate_transposed_spent(std::move(dq));
      weight_gradient(kept_, g, gradient("weight"));
      kept_.reset();
      return need_dx ? input_gradient(g) : Array();
    }
    weight_gradient(kept_, dq, gradient("weight"));
    kept_.reset();
    if (!need_dx) return {};
    Array dh = input_gradient(dq);
    dq.reset();
    return aggregate_transposed_spent(std::move(dh));
  }

 private:
  Array input_gradient(const Array& g) {
    Array dx = env_.workspace.take(g.rows(), in_);
    product_transposed(g, value("weight"), 0, dx);
    return dx;
  }
  Operand kept_;  // A x where the layer aggregates first, else x
};

}  // namespace

std::unique_ptr<Convolution> make_gcn(Environment environment, const ModelSpec& spec, Index layer) {
  return std::make_unique<Gcn>(environment, spec, layer);
}

}  // namespace detail

std::unique_ptr<Convolution> make_convolution(Environment environment, const ModelSpec& spec, Index layer) {
  switch (spec.kind) {
    case Kind::kSage:
      return detail::make_sage(environment, spec, layer);
    case Kind::kGin:
      return detail::make_gin(environment, spec, layer);
    case Kind::kGcn:
      break;
  }
  return detail::make_gcn(environment, spec, layer);
}

}  // namespace opx::model
