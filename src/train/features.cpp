// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/features.hpp"

#include <cmath>
#include <vector>

#include "base/error.hpp"

namespace opx::train {
namespace {

using tensor::MatrixView;
constexpr Index kGrain = 1024;

void scale_by_row(device::Context& context, MatrixView<float> x) {
  context.parallel_ranges(x.rows, kGrain, [&](Range rows) {
    for (Index i = rows.begin; i < rows.end; ++i) {
      double sum = 0;
      for (Index j = 0; j < x.cols; ++j) sum += std::abs(static_cast<double>(x(i, j)));
      if (sum <= 0) continue;
      const auto factor = static_cast<float>(1 / sum);
      for (Index j = 0; j < x.cols; ++j) x(i, j) *= factor;
    }
  });
}

/// Sum over the training rows of all ranks of (x - shift)^power by column, added in fixed order.
std::vector<double> training_sums(device::Context& context, comm::Communicator& group,
                                  std::span<const graph::Split> split, MatrixView<const float> x,
                                  std::span<const double> shift, int power) {
  const auto cols = static_cast<std::size_t>(x.cols);
  const Index parts = ceil_div(std::max<Index>(x.rows, 1), Index{1} << 14);
  std::vector<double> part(static_cast<std::size_t>(parts) * cols, 0.0);
  context.parallel_for(parts, [&](Index p) {
    double* sums = part.data() + static_cast<std::size_t>(p) * cols;
    const Range rows = even_range(x.rows, parts, p);
    for (Index i = rows.begin; i < rows.end; ++i) {
      if (split[static_cast<std::size_t>(i)] != graph::Split::kTrain) continue;
      for (std::size_t j = 0; j < cols; ++j) {
        const double d = static_cast<double>(x.row(i)[j]) - shift[j];
        sums[j] += power == 1 ? d : d * d;
      }
    }
  });
  std::vector<double> total(cols, 0.0);
  for (std::size_t e = 0; e < part.size(); ++e) total[e % cols] += part[e];
  group.all_reduce(std::span(total), comm::ReduceOp::kSum, comm::CommPurpose::kSetup);
  return total;
}

void standardise(device::Context& context, comm::Communicator& group, std::span<const graph::Split> split,
                 Index valid_rows, MatrixView<float> x) {
  double count = 0;
  for (Index i = 0; i < valid_rows; ++i)
    count += split[static_cast<std::size_t>(i)] == graph::Split::kTrain ? 1 : 0;
  group.all_reduce(std::span<double>(&count, 1), comm::ReduceOp::kSum, comm::CommPurpose::kSetup);
  OPX_REQUIRE(count > 0, InvalidArgument,
              "feature norm 'standard' needs training vertices; the dataset has none");
  const std::vector<double> zero(static_cast<std::size_t>(x.cols), 0.0);
  std::vector<double> mean = training_sums(context, group, split, x, zero, 1);
  for (double& m : mean) m /= count;
  std::vector<double> scale = training_sums(context, group, split, x, mean, 2);
  for (double& s : scale) s = s > 0 ? 1 / std::sqrt(s / count) : 1;
  context.parallel_ranges(valid_rows, kGrain, [&](Range rows) {
    for (Index i = rows.begin; i < rows.end; ++i)
      for (Index j = 0; j < x.cols; ++j) {
        const auto c = static_cast<std::size_t>(j);
        x(i, j) = static_cast<float>((static_cast<double>(x(i, j)) - mean[c]) * scale[c]);
      }
  });
}

}  // namespace

void normalise_features(device::Context& context, comm::Communicator& group, const std::string& kind,
                        std::span<const graph::Split> split, Index valid_rows, MatrixView<float> features) {
  OPX_REQUIRE(kind == "none" || kind == "row" || kind == "standard", InvalidArgument,
              "feature norm '{}' is not one of none, row, standard", kind);
  if (kind == "row") scale_by_row(context, features);
  if (kind == "standard") standardise(context, group, split, valid_rows, features);
}

}  // namespace opx::train
