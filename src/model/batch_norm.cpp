// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/batch_norm.hpp"

#include <algorithm>
#include <cmath>

#include "device/transfer.hpp"

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
      inverse_std_(context, cols) {}

void BatchNorm::publish(tensor::Epilogue& epilogue, std::span<const double> mean,
                        std::span<const double> variance) {
  const std::vector<float> centre(mean.begin(), mean.end());
  std::vector<float> inverse_std(variance.size());
  for (std::size_t j = 0; j < inverse_std.size(); ++j)
    inverse_std[j] = static_cast<float>(1.0 / std::sqrt(variance[j] + static_cast<double>(epilogue.epsilon)));
  device::copy_to_device(context_, std::span<const float>(centre), mean_.span());
  device::copy_to_device(context_, std::span<const float>(inverse_std), inverse_std_.span());
  epilogue.batch_mean = mean_.span();
  epilogue.batch_inverse_std = inverse_std_.span();
}

void BatchNorm::from_batch(tensor::MatrixView<const float> q, tensor::Epilogue& epilogue) {
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
  const std::vector<double> mean(running_mean_.begin(), running_mean_.end());
  const std::vector<double> variance(running_var_.begin(), running_var_.end());
  publish(epilogue, mean, variance);
}

void BatchNorm::backward(tensor::MatrixView<const float> q, const tensor::Epilogue& epilogue,
                         const tensor::EpilogueGradients& gradients, tensor::MatrixView<float> dq) {
  const std::vector<float> gamma = device::host_copy(context_, std::span<const float>(gradients.gamma));
  const std::vector<float> beta = device::host_copy(context_, std::span<const float>(gradients.beta));
  std::vector<double> sums(gamma.begin(), gamma.end());
  sums.insert(sums.end(), beta.begin(), beta.end());
  group_.all_reduce(std::span(sums), comm::ReduceOp::kSum, comm::CommPurpose::kNorm);
  const std::vector<float> all(sums.begin(), sums.end());
  const device::Resident<float> resident(context_, all);
  const std::span<const float> view = resident.span();
  const auto cols = static_cast<std::size_t>(cols_);
  tensor::batch_norm_backward(context_, q, epilogue, view.first(cols), view.last(cols),
                              std::max<Index>(rows_.total, 1), rows_.valid, dq);
}

}  // namespace opx::model
