// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "model/convolution.hpp"
#include "tensor/deferred.hpp"
#include "tensor/elementwise.hpp"
#include "tensor/update.hpp"

namespace opx::model::detail {
namespace {

/// With t = x (aggregate first) or t = x W_0: s = (1 + eps) t + A t, then the rest of the inner network.
class Gin final : public ConvolutionBase {
 public:
  Gin(Environment environment, const ModelSpec& spec, Index layer)
      : ConvolutionBase(environment, spec, layer) {}

  Array forward(ConvolutionInput input, bool keep) override {
    Array t = aggregate_first_ ? dense(input.x) : product(input.x.x, value("mlp.0.weight"));
    Array s = input.h.empty() ? aggregate(t) : stored(input.h);
    add_one_plus_eps(t.first_rows(s.rows()), s);
    Array u = aggregate_first_ ? product(s, value("mlp.0.weight")) : s;
    if (!keep) s.reset(), t.reset();
    activate(u, keep);
    if (keep) {
      t_ = t, u_ = u;
      if (aggregate_first_)
        s_ = s;
      else
        x_ = std::move(input.x);
    }
    return product(u, value("mlp.1.weight"));
  }

  Array backward(Array dq, bool need_dx) override {
    weight_gradient({u_}, dq, gradient("mlp.1.weight"));
    u_.reset();
    Array du = env_.workspace.take(dq.rows(), out_);
    product_transposed(dq, value("mlp.1.weight"), 0, du);
    dq.reset();
    {
      const base::PhaseScope scope = env_.elementwise();
      tensor::epilogue_backward(env_.context, du.view(), {}, inner(), mask_, nullptr, du.view(),
                                {.bias = {gradient("mlp.0.bias").data, static_cast<std::size_t>(out_)}});
    }
    return aggregate_first_ ? backward_aggregated(std::move(du), need_dx)
                            : backward_transformed(std::move(du), need_dx);
  }

 private:
  /// y += (1 + eps) x.
  void add_one_plus_eps(const Array& x, const Array& y) {
    const base::PhaseScope scope = env_.elementwise();
    const float* eps = value("eps").data;
    if (env_.context.on_gpu())
      tensor::deferred::add_one_plus(env_.context, eps, x.view(), y.view());
    else
      tensor::add_scaled(env_.context, 1 + *eps, x.view(), y.view());
  }
  void activate(const Array& u, bool keep) {
    const base::PhaseScope scope = env_.elementwise();
    if (keep) mask_.reshape(env_.context, u.rows(), out_, env_.workspace.reserved_rows());
    tensor::epilogue_forward(env_.context, u.view(), inner(), {}, u.view(), keep ? &mask_ : nullptr, nullptr);
  }
  tensor::Epilogue inner() {
    tensor::Epilogue epilogue;
    epilogue.bias = {value("mlp.0.bias").data, static_cast<std::size_t>(out_)};
    epilogue.activation = tensor::Activation::kRelu;
    return epilogue;
  }
  Array dense(const Operand& operand) {
    const bool as_it_is = operand.dropout.rate <= 0 && !operand.on_host;
    return as_it_is ? operand.x : materialise(env_.context, env_.workspace, operand, nullptr);
  }
  /// Always a copy: the sum is built on it.
  Array stored(const Operand& operand) {
    if (operand.dropout.rate > 0 || operand.on_host)
      return materialise(env_.context, env_.workspace, operand, nullptr);
    Array y = env_.workspace.take(operand.x.rows(), operand.x.cols());
    tensor::copy(env_.context, operand.x.view(), y.view());
    return y;
  }
  void eps_gradient(const Array& ds) {
    const base::PhaseScope scope = env_.elementwise();
    const Array t = t_.first_rows(ds.rows());
    float* sum = gradient("eps").data;
    if (env_.context.on_gpu())
      tensor::deferred::inner_product(env_.context, ds.view(), t.view(), sum);
    else
      *sum = static_cast<float>(tensor::inner_product(env_.context, ds.view(), t.view()));
    t_.reset();
  }
  Array through_sum(const Array& ds) {
    Array dt = aggregate_transposed(ds);
    add_one_plus_eps(ds, dt.first_rows(ds.rows()));
    return dt;
  }
  Array backward_aggregated(Array du, bool need_dx) {
    weight_gradient({s_}, du, gradient("mlp.0.weight"));
    s_.reset();
    Array ds = env_.workspace.take(du.rows(), in_);
    product_transposed(du, value("mlp.0.weight"), 0, ds);
    du.reset();
    eps_gradient(ds);
    return need_dx ? through_sum(ds) : Array();
  }
  Array backward_transformed(Array du, bool need_dx) {
    eps_gradient(du);
    const Array dt = through_sum(du);
    du.reset();
    weight_gradient(x_, dt, gradient("mlp.0.weight"));
    x_.reset();
    if (!need_dx) return {};
    Array dx = env_.workspace.take(dt.rows(), in_);
    product_transposed(dt, value("mlp.0.weight"), 0, dx);
    return dx;
  }

  Operand x_;
  Array t_, s_, u_;
  tensor::PassMask mask_;
};

}  // namespace

std::unique_ptr<Convolution> make_gin(Environment environment, const ModelSpec& spec, Index layer) {
  return std::make_unique<Gin>(environment, spec, layer);
}

}  // namespace opx::model::detail
