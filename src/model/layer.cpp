// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/layer.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace opx::model {

using tensor::Norm;

Layer::Layer(Environment environment, comm::Communicator& group, const layout::GraphShard& shard,
             const ModelSpec& spec, Index layer)
    : env_(environment),
      spec_(spec),
      layer_(layer),
      out_(spec.widths[static_cast<std::size_t>(layer) + 1]),
      last_(layer + 1 == spec.layers()),
      residual_(spec.has_residual(layer)),
      norm_(last_ ? Norm::kNone : spec.norm),
      own_(shard.own),
      prefix_(fmt::format("layers.{}.", layer)),
      convolution_(make_convolution(environment, spec, layer)) {
  if (norm_ == Norm::kBatch)
    batch_norm_.emplace(env_.context, group, out_, own_.size(), shard.vertices,
                        vector("norm.running_mean", false), vector("norm.running_var", false));
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
    e.dropout = {.rate = spec_.dropout,
                 .seed = spec_.seed,
                 .step = pass.step,
                 .layer = static_cast<std::uint32_t>(layer_ + 1),
                 .vertex_begin = own_.begin};
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
  if (mask_.words_per_row() == 0) mask_ = tensor::PassMask(env_.context, rows, out_);
  if ((norm_ != Norm::kLayer && norm_ != Norm::kRms) || !inverse_std_.empty()) return;
  if (norm_ == Norm::kLayer) mean_ = device::Buffer<float>(env_.context, rows);
  inverse_std_ = device::Buffer<float>(env_.context, rows);
}

Array Layer::forward(ConvolutionInput input, const Pass& pass) {
  Array residual = residual_ ? input.x.x : Array();
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
  const tensor::RowMoments moments{mean_.span(), inverse_std_.span()};
  Array y = norm_ == Norm::kNone ? q : env_.workspace.take(q.rows(), out_);
  tensor::epilogue_forward(env_.context, q.view(), e, residual.view(), y.view(),
                           pass.training ? &mask_ : nullptr,
                           pass.training && !inverse_std_.empty() ? &moments : nullptr);
  if (pass.training) {
    epilogue_ = e;
    if (norm_ != Norm::kNone) q_ = std::move(q);
  }
  return y;
}

/// dq from dy, which may be one array.
void Layer::backward_epilogue(const Array& dy, const Array& dq) {
  const base::PhaseScope scope = env_.elementwise();
  const tensor::RowMoments moments{mean_.span(), inverse_std_.span()};
  const tensor::EpilogueGradients g = gradients();
  tensor::epilogue_backward(env_.context, dy.view(), q_.view(), epilogue_, mask_,
                            inverse_std_.empty() ? nullptr : &moments, dq.view(), g);
  if (batch_norm_) {
    batch_norm_->backward(q_.view(), epilogue_, g, dq.view());
    std::fill(g.bias.begin(), g.bias.end(), 0.0F);  // the mean takes the bias out again
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
