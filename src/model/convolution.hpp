// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The graph part of a layer: q = conv(x) before bias, norm and activation, forward and backward.
//
//   gcn   q = A x W
//   sage  q = x W_self + A x W_neigh                         (A: mean over the neighbours)
//   gin   q = relu(s W_0 + b_0) W_1,  s = (1 + eps) x + A x   (the sum and W_0 commute)
//
// Aggregations run at the narrower of the two widths (ModelSpec::aggregates_first), and one backward
// aggregation serves both the weight's and the input's gradient. Every rank of the tensor grid makes the same
// calls; only the Aggregator communicates. Gradients go to Parameters::gradient as this rank's share.
#pragma once

#include <memory>
#include <string>

#include "base/timer.hpp"
#include "device/context.hpp"
#include "model/operand.hpp"
#include "model/parameters.hpp"
#include "model/rows.hpp"
#include "model/spec.hpp"
#include "model/workspace.hpp"
#include "parallel/aggregate.hpp"

namespace opx::model {

/// What a layer computes with; owned by the Model.
struct Environment {
  device::Context& context;
  parallel::Aggregator& aggregator;
  Workspace& workspace;
  Parameters& parameters;
  const Rows& rows;  ///< of the pass under way
  /// Until the scope ends, time counts as elementwise work.
  [[nodiscard]] base::PhaseScope elementwise() const {
    return base::PhaseScope(context.clock(), base::Phase::kElementwise, "elementwise");
  }
};

/// A layer's input: either x alone, or a constant x with h = A x known (x may then be empty where only h is
/// used).
struct ConvolutionInput {
  Operand x;
  Operand h;
};

class Convolution {
 public:
  virtual ~Convolution() = default;
  /// Returns q (rows x D_out: of x, or Aggregator::rows_given) and, if `keep`, keeps what the backward pass
  /// needs; else keeps nothing.
  [[nodiscard]] virtual Array forward(ConvolutionInput input, bool keep) = 0;
  /// Writes the weight gradients and returns dx (empty unless need_dx). Releases everything kept.
  [[nodiscard]] virtual Array backward(Array dq, bool need_dx) = 0;
};

/// The convolution of layer `layer`.
[[nodiscard]] std::unique_ptr<Convolution> make_convolution(Environment environment, const ModelSpec& spec,
                                                            Index layer);

namespace detail {

/// The common ground of the kinds: names, the aggregation, products.
class ConvolutionBase : public Convolution {
 protected:
  ConvolutionBase(Environment environment, const ModelSpec& spec, Index layer);
  [[nodiscard]] tensor::MatrixView<float> value(const char* suffix) {
    return env_.parameters.value(prefix_ + suffix);
  }
  [[nodiscard]] tensor::MatrixView<float> gradient(const char* suffix) {
    return env_.parameters.gradient(prefix_ + suffix);
  }
  /// Rows of q and of x: the last layer of a batch may give the rows of the loss alone, which are its first.
  [[nodiscard]] Index rows_given() const { return env_.aggregator.rows_given(layer_); }
  [[nodiscard]] Index rows_taken() const { return env_.aggregator.rows_taken(); }
  [[nodiscard]] Array aggregate(const Array& x);             ///< A x
  [[nodiscard]] Array aggregate_transposed(const Array& x);  ///< A^T x
  /// The same of an x that nobody else holds: it is overwritten.
  [[nodiscard]] Array aggregate_spent(Array x);
  [[nodiscard]] Array aggregate_transposed_spent(Array x);
  /// x w as a new array.
  [[nodiscard]] Array product(const Array& x, tensor::MatrixView<const float> w);
  /// out = x w^T + beta out.
  void product_transposed(const Array& x, tensor::MatrixView<const float> w, float beta, const Array& out);
  void transform(const Operand& operand, tensor::MatrixView<const float> w, float beta, const Array& q) {
    model::transform(env_.context, env_.workspace, operand, w, beta, q.view());
  }
  void weight_gradient(const Operand& operand, const Array& dq, tensor::MatrixView<float> dw) {
    model::weight_gradient(env_.context, env_.workspace, operand, dq.view(), dw);
  }

  Environment env_;
  Index layer_, in_, out_;
  bool aggregate_first_;

 private:
  std::string prefix_;
};

[[nodiscard]] std::unique_ptr<Convolution> make_gcn(Environment environment, const ModelSpec& spec,
                                                    Index layer);
[[nodiscard]] std::unique_ptr<Convolution> make_sage(Environment environment, const ModelSpec& spec,
                                                     Index layer);
[[nodiscard]] std::unique_ptr<Convolution> make_gin(Environment environment, const ModelSpec& spec,
                                                    Index layer);

}  // namespace detail
}  // namespace opx::model
