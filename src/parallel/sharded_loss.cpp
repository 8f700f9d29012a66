// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/sharded_loss.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/error.hpp"

namespace opx::parallel {

namespace {

constexpr Index kGrain = 512;

float row_max(std::span<const float> row) {
  float m = -std::numeric_limits<float>::infinity();
  for (const float v : row) m = std::max(m, v);
  return m;
}

}  // namespace

double sharded_cross_entropy(device::Context& context, comm::Communicator& group,
                             tensor::MatrixView<float> logits, Range classes,
                             std::span<const std::int32_t> labels, double scale) {
  const Index rows = logits.rows;
  OPX_REQUIRE(std::ssize(labels) == rows && logits.cols == classes.size(), DimensionMismatch,
              "{} labels and {} classes for logits of {} x {}", labels.size(), classes.size(), rows,
              logits.cols);
  const auto row_of = [&](Index i) {
    return std::span<float>(logits.row(i), static_cast<std::size_t>(logits.cols));
  };
  std::vector<float> top(static_cast<std::size_t>(rows)), total(top.size());
  const Index parts = ceil_div(rows, kGrain);
  std::vector<double> shares(static_cast<std::size_t>(parts), 0.0);
  context.parallel_ranges(rows, kGrain, [&](Range range) {
    for (Index i = range.begin; i < range.end; ++i) top[static_cast<std::size_t>(i)] = row_max(row_of(i));
  });
  if (group.size() > 1)
    group.all_reduce(std::span<float>(top), comm::ReduceOp::kMax, comm::CommPurpose::kLoss);
  context.parallel_for(parts, [&](Index part) {
    const Range range = even_range(rows, parts, part);
    double share = 0;
    for (Index i = range.begin; i < range.end; ++i) {
      const std::int32_t label = labels[static_cast<std::size_t>(i)];
      if (label >= 0 && classes.contains(label))
        share += top[static_cast<std::size_t>(i)] - logits(i, label - classes.begin);
      double sum = 0;
      for (float& v : row_of(i)) {
        v = std::exp(v - top[static_cast<std::size_t>(i)]);
        sum += v;
      }
      total[static_cast<std::size_t>(i)] = static_cast<float>(sum);
    }
    shares[static_cast<std::size_t>(part)] = share;
  });
  if (group.size() > 1)
    group.all_reduce(std::span<float>(total), comm::ReduceOp::kSum, comm::CommPurpose::kLoss);
  context.parallel_for(parts, [&](Index part) {
    const Range range = even_range(rows, parts, part);
    double share = 0;
    for (Index i = range.begin; i < range.end; ++i) {
      const std::int32_t label = labels[static_cast<std::size_t>(i)];
      const std::span<float> row = row_of(i);
      if (label < 0) {
        std::fill(row.begin(), row.end(), 0.0F);
        continue;
      }
      if (group.rank() == 0) share += std::log(static_cast<double>(total[static_cast<std::size_t>(i)]));
      const double factor = scale / static_cast<double>(total[static_cast<std::size_t>(i)]);
      for (float& v : row) v = static_cast<float>(factor * static_cast<double>(v));
      if (classes.contains(label))
        row[static_cast<std::size_t>(label - classes.begin)] -= static_cast<float>(scale);
    }
    shares[static_cast<std::size_t>(part)] += share;
  });
  return std::accumulate(shares.begin(), shares.end(), 0.0);
}

}  // namespace opx::parallel
