// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/batch_norm.hpp"

#include <algorithm>
#include <cmath>

namespace opx::model {
namespace {
constexpr double kMomentum = 0.1;
}

BatchNorm::BatchNorm(device::Context& context, comm::Communicator& group, Index cols, const Rows& rows,
                     std::span<float> running_mean, std::span<float> running_var)
    : context_(context),
      group_(group),
      cols_(cols),
      rows_(rows),
      running_mean_(running_mean),
      running_var_(running_var),
      mean_(context, cols),
      inverse_std_(context, cols) {
  if (!context.on_gpu()) return;
  sums_ = device::Buffer<double>(context, 2 * cols);
  summed_ = device::Buffer<float>(context, 2 * cols);
}

void BatchNorm::publish(tensor::Epilogue& epilogue, std::span<const double> mean,
                        std::span<const double> variance) {
  const std::vector<float> centre(mean.begin(), mean.end());
  std::vector<float> inverse_std(variance.size());
  for (std::size_t j = 0; j < inverse_std.size(); ++j)
    inverse_std[j] = static_cast<float>(1.0 / std::sqrt(variance[j] + static_cast<double>(epilogue.epsilon)));
  std::copy(centre.begin(), centre.end(), mean_.begin());
  std::copy(inverse_std.begin(), inverse_std.end(), inverse_std_.begin());
  epilogue.batch_mean = mean_.span();
  epilogue.batch_inverse_std = inverse_std_.span();
}

void BatchNorm::from_batch(tensor::MatrixView<const float> q, tensor::Epilogue& epilogue) {
  if (context_.on_gpu()) return from_batch_there(q, epilogue);
  const auto cols = static_cast<std::size_t>(cols_);
  const double count = static_cast<double>(std::max<Index>(rows_.total, 1));
  std::vector<double> mean(cols), variance(cols), unused(cols), zero(cols);
  tensor::column_sums(context_, q, epilogue.bias, rows_.valid, zero, mean, unused);
  group_.all_reduce(std::span(mean), comm::ReduceOp::kSum, comm::CommPurpose::kNorm);
  for (double& m : mean) m /= count;
  tensor::column_sums(context_, q, epilogue.bias, rows_.valid, mean, unused, variance);
  group_.all_reduce(std::span(variance), comm::ReduceOp::kSum, comm::CommPurpose::kNorm);
  const double unbias = count > 1 ? count / (count - 1) : 1;
  for (std::size_t j = 0; j < cols; ++j) {
    variance[j] /= count;
    if (rows_.total == 0) continue;  // a sub-batch without vertices says nothing of the statistics
    running_mean_[j] = static_cast<float>((1 - kMomentum) * running_mean_[j] + kMomentum * mean[j]);
    running_var_[j] =
        static_cast<float>((1 - kMomentum) * running_var_[j] + kMomentum * variance[j] * unbias);
  }
  publish(epilogue, mean, variance);
}

void BatchNorm::from_running(tensor::Epilogue& epilogue) {
  if (context_.on_gpu()) {
    tensor::deferred::running_moments(context_, moments_there(epilogue.epsilon));
    epilogue.batch_mean = mean_.span();
    epilogue.batch_inverse_std = inverse_std_.span();
    return;
  }
  const std::vector<double> mean(running_mean_.begin(), running_mean_.end());
  const std::vector<double> variance(running_var_.begin(), running_var_.end());
  publish(epilogue, mean, variance);
}

void BatchNorm::backward(tensor::MatrixView<const float> q, const tensor::Epilogue& epilogue,
                         const tensor::EpilogueGradients& gradients, tensor::MatrixView<float> dq) {
  if (context_.on_gpu()) return backward_there(q, epilogue, gradients, dq);
  std::vector<double> sums(gradients.gamma.begin(), gradients.gamma.end());
  sums.insert(sums.end(), gradients.beta.begin(), gradients.beta.end());
  group_.all_reduce(std::span(sums), comm::ReduceOp::kSum, comm::CommPurpose::kNorm);
  const std::vector<float> all(sums.begin(), sums.end());
  const std::span<const float> view = all;
  const auto cols = static_cast<std::size_t>(cols_);
  tensor::batch_norm_backward(context_, q, epilogue, view.first(cols), view.last(cols),
                              std::max<Index>(rows_.total, 1), rows_.valid, dq);
}

tensor::deferred::BatchMoments BatchNorm::moments_there(float epsilon) {
  const auto cols = static_cast<std::size_t>(cols_);
  return {.mean = sums_.span().first(cols),
          .sum_squares = sums_.span().last(cols),
          .count = rows_.total,
          .counts = rows_.counts,
          .epsilon = epsilon,
          .momentum = kMomentum,
          .batch_mean = mean_.span(),
          .batch_inverse_std = inverse_std_.span(),
          .running_mean = running_mean_,
          .running_var = running_var_};
}

void BatchNorm::all_reduce_there(std::span<double> sums) {
  if (group_.size() > 1) group_.all_reduce(sums, comm::ReduceOp::kSum, comm::CommPurpose::kNorm);
}

void BatchNorm::from_batch_there(tensor::MatrixView<const float> q, tensor::Epilogue& epilogue) {
  namespace deferred = tensor::deferred;
  const auto cols = static_cast<std::size_t>(cols_);
  const std::span<double> mean = sums_.span().first(cols), squares = sums_.span().last(cols);
  deferred::column_sums(context_, q, epilogue.bias, rows_.valid, nullptr, mean.data(), nullptr, rows_.counts);
  all_reduce_there(mean);
  deferred::divide(context_, mean, static_cast<double>(std::max<Index>(rows_.total, 1)), rows_.counts);
  deferred::column_sums(context_, q, epilogue.bias, rows_.valid, mean.data(), nullptr, squares.data(),
                        rows_.counts);
  all_reduce_there(squares);
  deferred::batch_moments(context_, moments_there(epilogue.epsilon));
  epilogue.batch_mean = mean_.span();
  epilogue.batch_inverse_std = inverse_std_.span();
}

/// Alone on a GPU the sums are the gradients themselves.
void BatchNorm::backward_there(tensor::MatrixView<const float> q, const tensor::Epilogue& epilogue,
                               const tensor::EpilogueGradients& gradients, tensor::MatrixView<float> dq) {
  const auto cols = static_cast<std::size_t>(cols_);
  std::span<const float> gamma = gradients.gamma, beta = gradients.beta;
  if (group_.size() > 1) {
    tensor::deferred::convert(context_, gamma, sums_.span().first(cols));
    tensor::deferred::convert(context_, beta, sums_.span().last(cols));
    all_reduce_there(sums_.span());
    tensor::deferred::convert(context_, std::as_const(sums_).span(), summed_.span());
    gamma = summed_.span().first(cols), beta = summed_.span().last(cols);
  }
  if (rows_.counts != nullptr)
    return tensor::deferred::batch_norm_backward(context_, q, epilogue, gamma, beta, rows_.counts, dq);
  tensor::batch_norm_backward(context_, q, epilogue, gamma, beta, std::max<Index>(rows_.total, 1),
                              rows_.valid, dq);
}

}  // namespace opx::model
