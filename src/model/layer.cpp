// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/layer.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "device/transfer.hpp"

namespace opx::model {

using tensor::Norm;

Layer::Layer(Environment environment, comm::Communicator& group, const ModelSpec& spec, Index layer)
    : env_(environment),
      spec_(spec),
      layer_(layer),
      out_(spec.widths[static_cast<std::size_t>(layer) + 1]),
      last_(layer + 1 == spec.layers()),
      residual_(spec.has_residual(layer)),
      norm_(last_ ? Norm::kNone : spec.norm),
      prefix_(fmt::format("layers.{}.", layer)),
      convolution_(make_convolution(environment, spec, layer)) {
  if (norm_ == Norm::kBatch)
    batch_norm_.emplace(env_.context, group, out_, env_.rows, vector("norm.running_mean", false),
                        vector("norm.running_var", false));
}

std::span<float> Layer::vector(const std::string& suffix, bool gradient) {
  const auto& entry = env_.parameters.find(prefix_ + suffix);
  const auto view = gradient ? env_.parameters.gradient(entry) : env_.parameters.value(entry);
  return {view.data, static_cast<std::size_t>(view.size())};
}

tensor::Epilogue Layer::epilogue(const Pass& pass) {
  tensor::Epilogue e;
  e.bias = vector(spec_.kind == Kind::kGin ? "mlp.1.bias" : "bias", false);
  if (last_) return e;
  e.norm = norm_;
  e.activation = tensor::Activation::kRelu;
  if (norm_ != Norm::kNone) e.gamma = vector("norm.gamma", false);
  if (norm_ == Norm::kLayer || norm_ == Norm::kBatch) e.beta = vector("norm.beta", false);
  if (pass.training && spec_.dropout > 0)
    e.dropout = env_.rows.dropout(spec_.dropout, spec_.seed, pass.step,
                                  static_cast<std::uint32_t>(layer_ + 1), pass.step_there);
  return e;
}

tensor::EpilogueGradients Layer::gradients() {
  tensor::EpilogueGradients g;
  g.bias = vector(spec_.kind == Kind::kGin ? "mlp.1.bias" : "bias", true);
  if (norm_ != Norm::kNone) g.gamma = vector("norm.gamma", true);
  if (norm_ == Norm::kLayer || norm_ == Norm::kBatch) g.beta = vector("norm.beta", true);
  return g;
}

void Layer::prepare_training(Index rows) {
  const Index most = std::max(rows, env_.workspace.reserved_rows());
  mask_.reshape(env_.context, rows, out_, most);
  if ((norm_ != Norm::kLayer && norm_ != Norm::kRms) || inverse_std_.size() >= rows) return;
  if (norm_ == Norm::kLayer) mean_ = device::Buffer<float>(env_.context, most);
  inverse_std_ = device::Buffer<float>(env_.context, most);
}

tensor::RowMoments Layer::moments(Index rows) {
  const auto first = [rows](device::Buffer<float>& buffer) {
    return buffer.span().first(buffer.empty() ? 0 : static_cast<std::size_t>(rows));
  };
  return {first(mean_), first(inverse_std_)};
}

Array Layer::forward(ConvolutionInput input, const Pass& pass) {
  Array residual = residual_ ? input.x.x : Array();
  if (residual_ && input.x.on_host)
    residual = materialise(env_.context, env_.workspace, {input.x.x, {}, nullptr, true}, nullptr);
  Array q = convolution_->forward(std::move(input), pass.training);
  const base::PhaseScope scope = env_.elementwise();
  tensor::Epilogue e = epilogue(pass);
  if (batch_norm_) {
    if (pass.training)
      batch_norm_->from_batch(q.view(), e);
    else
      batch_norm_->from_running(e);
  }
  if (pass.training) prepare_training(q.rows());
  const bool keeps_moments = pass.training && !inverse_std_.empty();
  const tensor::RowMoments kept = keeps_moments ? moments(q.rows()) : tensor::RowMoments{};
  Array y = norm_ == Norm::kNone ? q : env_.workspace.take(q.rows(), out_);
  tensor::epilogue_forward(env_.context, q.view(), e, residual.view(), y.view(),
                           pass.training ? &mask_ : nullptr, keeps_moments ? &kept : nullptr);
  if (pass.training) {
    epilogue_ = e;
    if (norm_ != Norm::kNone) q_ = std::move(q);
  }
  return y;
}

/// dq from dy, which may be one array.
void Layer::backward_epilogue(const Array& dy, const Array& dq) {
  const base::PhaseScope scope = env_.elementwise();
  const tensor::RowMoments kept = moments(dy.rows());
  const tensor::EpilogueGradients g = gradients();
  tensor::epilogue_backward(env_.context, dy.view(), q_.view(), epilogue_, mask_,
                            inverse_std_.empty() ? nullptr : &kept, dq.view(), g);
  if (batch_norm_) {
    batch_norm_->backward(q_.view(), epilogue_, g, dq.view());
    device::set_zero(env_.context, g.bias);  // the mean takes the bias out again
  }
  q_.reset();
}

Array Layer::backward(Array dy, bool need_dx) {
  const bool through = residual_ && need_dx;
  Array dq = through ? env_.workspace.take(dy.rows(), dy.cols()) : dy;
  backward_epilogue(dy, dq);
  if (!through) dy.reset();
  Array dx = convolution_->backward(std::move(dq), need_dx);
  if (!through) return dx;
  const base::PhaseScope scope = env_.elementwise();
  tensor::add_scaled(env_.context, 1, dy.view(), dx.view());
  return dx;
}

}  // namespace opx::model
