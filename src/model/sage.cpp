// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "model/convolution.hpp"

namespace opx::model::detail {
namespace {

class Sage final : public ConvolutionBase {
 public:
  Sage(Environment environment, const ModelSpec& spec, Index layer)
      : ConvolutionBase(environment, spec, layer) {}

  Array forward(ConvolutionInput input, bool keep) override {
    Array q;
    Operand h = std::move(input.h);
    if (!aggregate_first_) {
      q = aggregate_spent(product(input.x.x, value("weight_neigh")));
    } else {
      if (h.empty()) h = Operand{aggregate(input.x.x)};
      q = env_.workspace.take(h.x.rows(), out_);
      transform(h, value("weight_neigh"), 0, q);
    }
    transform(input.x.first_rows(q.rows()), value("weight_self"), 1, q);
    if (keep) x_ = std::move(input.x), h_ = std::move(h);
    return q;
  }

  Array backward(Array dq, bool need_dx) override {
    weight_gradient(x_.first_rows(dq.rows()), dq, gradient("weight_self"));
    return aggregate_first_ ? backward_aggregated(std::move(dq), need_dx)
                            : backward_transformed(std::move(dq), need_dx);
  }

 private:
  Array backward_aggregated(Array dq, bool need_dx) {
    x_.reset();
    weight_gradient(h_, dq, gradient("weight_neigh"));
    h_.reset();
    if (!need_dx) return {};
    Array dh = env_.workspace.take(dq.rows(), in_);
    product_transposed(dq, value("weight_neigh"), 0, dh);
    Array dx = aggregate_transposed_spent(std::move(dh));
    product_transposed(dq, value("weight_self"), 1, dx.first_rows(dq.rows()));
    return dx;
  }
  Array backward_transformed(Array dq, bool need_dx) {
    const Array g = aggregate_transposed(dq);
    weight_gradient(x_, g, gradient("weight_neigh"));
    x_.reset();
    if (!need_dx) return {};
    Array dx = env_.workspace.take(g.rows(), in_);
    product_transposed(g, value("weight_neigh"), 0, dx);
    product_transposed(dq, value("weight_self"), 1, dx.first_rows(dq.rows()));
    return dx;
  }
  Operand x_, h_;
};

}  // namespace

std::unique_ptr<Convolution> make_sage(Environment environment, const ModelSpec& spec, Index layer) {
  return std::make_unique<Sage>(environment, spec, layer);
}

}  // namespace opx::model::detail
