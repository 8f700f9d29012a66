// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Losses: a few lanes share a row and read it again for each step (from the cache). Sums are fp64, per fixed
// range of rows; the host adds those of the ranges, which come with the one wait.
#include <cmath>
#include <limits>
#include <vector>

#include "device/transfer.hpp"
#include "tensor/deferred.hpp"
#include "tensor/gpu/kernel.cuh"

namespace opx::tensor::gpu {
namespace {

constexpr Index kMostParts = 1024;

/// What a block brings back.
struct PartSum {
  double sum;
  Index terms;
  Index bad_row;  // lowest row whose label is no class; rows where there is none
};

OPX_DEVICE float largest_or_nan(float a, float b) {
  if (std::isnan(a)) return a;
  return b > a || std::isnan(b) ? b : a;
}

OPX_DEVICE float sigmoid_of(float x, float exp_of_minus_abs) {
  if (std::isnan(x)) return x;
  return (x >= 0.0F ? 1.0F : exp_of_minus_abs) / (1.0F + exp_of_minus_abs);
}

/// Maximum and sum of exponentials of a row; both NaN where it has no softmax.
struct SoftmaxRow {
  float max, sum;
  [[nodiscard]] OPX_DEVICE float of(float x) const { return std::exp(x - max) / sum; }
};

/// Of the first `cols` elements; all lanes of the warp call it.
OPX_DEVICE SoftmaxRow softmax_row(RowLanes lanes, const float* row, Index cols) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  float max = -std::numeric_limits<float>::infinity(), sum = 0;
  for (Index j = lanes.in_row(); j < cols; j += lanes.lanes) max = largest_or_nan(max, row[j]);
  max = lanes.all(max, [](float a, float b) { return largest_or_nan(a, b); });
  for (Index j = lanes.in_row(); j < cols; j += lanes.lanes) sum += std::exp(row[j] - max);
  sum = lanes.sum(sum);
  return std::isfinite(max) ? SoftmaxRow{max, sum} : SoftmaxRow{kNan, kNan};
}

/// Sums of the block to its place in `parts`. All threads call it.
OPX_DEVICE void store_sums(PartSum mine, Index no_row, PartSum* parts) {
  struct Sum {};
  struct Terms {};
  const double sum = block_sum<Sum>(mine.sum);
  const Index terms = block_sum<Terms>(mine.terms);
  struct Bad {
    Index rows[kBlockThreads];
  };
  auto& bad = dg::shared<Bad>();
  bad.rows[thread()] = mine.bad_row;
  sync_threads();
  if (thread() != 0) return;
  Index lowest = no_row;
  for (const Index row : bad.rows) lowest = std::min(lowest, row);
  parts[block()] = {sum, terms, lowest};
}

/// Which rows count, and by how much.
struct Rows {
  const std::uint8_t* use;
  const float* weights;  // or null
  double scale;
  [[nodiscard]] OPX_DEVICE double weight(Index i) const {
    return weights != nullptr ? static_cast<double>(weights[i]) : 1.0;
  }
};

struct CrossEntropy {
  static constexpr const char* kName = "softmax_cross_entropy";
  static constexpr int kThreads = kBlockThreads;
  MatrixView<const float> logits;
  MatrixView<float> gradient;  // data null: not wanted
  const std::int32_t* labels;
  Rows rows;
  RowLanes lanes;
  Index parts;
  PartSum* sums;

  OPX_DEVICE void operator()() const {
    const Range range = even_range(logits.rows, parts, block());
    PartSum mine{0, 0, logits.rows};
    // All lanes of a warp go round as often: they sum together.
    for (Index first = range.begin; first < range.end; first += lanes.rows()) {
      const Index i = first + lanes.row();
      one_row(i, i < range.end, mine);
    }
    store_sums(mine, logits.rows, sums);
  }
  OPX_DEVICE void one_row(Index i, bool inside, PartSum& mine) const {
    const std::int32_t label = inside && rows.use[i] != 0 ? labels[i] : -1;
    const bool counts = label >= 0 && label < logits.cols;
    if (label >= logits.cols) mine.bad_row = std::min(mine.bad_row, i);
    // Read before the gradient takes the logits' place.
    const double wanted = counts ? static_cast<double>(logits(i, label)) : 0.0;
    const SoftmaxRow row = softmax_row(lanes, counts ? logits.row(i) : nullptr, counts ? logits.cols : 0);
    const double weight = counts ? rows.weight(i) : 0.0;
    if (counts && lanes.in_row() == 0) {
      mine.sum += weight * (std::log(static_cast<double>(row.sum)) + static_cast<double>(row.max) - wanted);
      ++mine.terms;
    }
    dg::sync_warp();
    if (!inside || gradient.data == nullptr) return;
    const auto scale = static_cast<float>(rows.scale * weight);
    for (Index j = lanes.in_row(); j < logits.cols; j += lanes.lanes) {
      const float hot = j == label ? 1.0F : 0.0F;
      gradient(i, j) = counts ? scale * (row.of(logits(i, j)) - hot) : 0.0F;
    }
  }
};

struct Bce {
  static constexpr const char* kName = "sigmoid_bce";
  static constexpr int kThreads = kBlockThreads;
  MatrixView<const float> logits, targets;
  MatrixView<float> gradient;  // data null: not wanted
  Rows rows;
  Index parts;
  PartSum* sums;

  OPX_DEVICE void operator()() const {
    const Range range = even_range(logits.size(), parts, block());
    PartSum mine{0, 0, logits.rows};
    for (Walk at(logits.cols, range.begin + thread(), kBlockThreads, range.end); at.inside(); at.advance())
      one(at.row(), at.col(), mine);
    store_sums(mine, logits.rows, sums);
  }
  OPX_DEVICE void one(Index i, Index j, PartSum& mine) const {
    const float x = logits(i, j), t = targets(i, j), e = std::exp(-std::abs(x));
    const bool counts = rows.use[i] != 0 && std::isfinite(t);
    const double weight = rows.weight(i);
    if (counts) {
      const float positive = x <= 0.0F ? 0.0F : x;
      mine.sum += weight * static_cast<double>(positive - x * t + std::log1p(e));
      ++mine.terms;
    }
    if (gradient.data == nullptr) return;
    const auto scale = static_cast<float>(rows.scale * weight);
    gradient(i, j) = counts ? scale * (sigmoid_of(x, e) - t) : 0.0F;
  }
};

struct SoftmaxRows {
  static constexpr const char* kName = "softmax_rows";
  static constexpr int kThreads = kBlockThreads;
  MatrixView<float> x;
  RowLanes lanes;

  OPX_DEVICE void operator()() const {
    for (Index first = block() * lanes.rows(); first < x.rows; first += dg::blocks() * lanes.rows()) {
      const Index i = first + lanes.row();
      const bool inside = i < x.rows;
      const SoftmaxRow row = softmax_row(lanes, inside ? x.row(i) : nullptr, inside ? x.cols : 0);
      for (Index j = lanes.in_row(); inside && j < x.cols; j += lanes.lanes) x(i, j) = row.of(x(i, j));
    }
  }
};

struct Sigmoid {
  static constexpr const char* kName = "sigmoid";
  static constexpr int kThreads = kBlockThreads;
  MatrixView<float> x;
  OPX_DEVICE void operator()() const {
    for (Walk at = Walk::of_grid(x.rows, x.cols); at.inside(); at.advance()) {
      float& v = x(at.row(), at.col());
      v = sigmoid_of(v, std::exp(-std::abs(v)));
    }
  }
};

struct ArgmaxRows {
  static constexpr const char* kName = "argmax_rows";
  static constexpr int kThreads = kBlockThreads;
  MatrixView<const float> x;
  RowLanes lanes;
  std::int32_t* best;

  struct Winner {
    float value;
    std::int32_t column;  // -1: none
    [[nodiscard]] OPX_DEVICE bool loses(Winner other) const {
      if (column < 0 || other.column < 0) return column < 0;
      return other.value > value || (other.value == value && other.column < column);
    }
  };

  OPX_DEVICE void operator()() const {
    for (Index first = block() * lanes.rows(); first < x.rows; first += dg::blocks() * lanes.rows()) {
      const Index i = first + lanes.row();
      Winner mine{0, -1};
      for (Index j = lanes.in_row(); i < x.rows && j < x.cols; j += lanes.lanes) {
        const Winner here{x(i, j), static_cast<std::int32_t>(j)};
        if (!std::isnan(here.value) && mine.loses(here)) mine = here;
      }
      for (int by = lanes.lanes / 2; by > 0; by /= 2) {
        const Winner other{shuffle_xor(mine.value, by), shuffle_xor(mine.column, by)};
        if (mine.loses(other)) mine = other;
      }
      if (i < x.rows && lanes.in_row() == 0) best[i] = std::max(mine.column, 0);
    }
  }
};

device::Buffer<PartSum> cross_entropy_parts(device::Context& context, MatrixView<const float> logits,
                                            std::span<const std::int32_t> labels, const Rows& rows,
                                            MatrixView<float> gradient) {
  const RowLanes lanes = RowLanes::of(logits.cols);
  const Index parts = row_parts(logits.rows, kBlockThreads / lanes.lanes, kMostParts);
  device::Buffer<PartSum> sums(context, parts);
  launch_blocks(context, parts,
                CrossEntropy{logits, gradient, labels.data(), rows, lanes, parts, sums.data()});
  return sums;
}

device::Buffer<PartSum> bce_parts(device::Context& context, MatrixView<const float> logits,
                                  MatrixView<const float> targets, const Rows& rows,
                                  MatrixView<float> gradient) {
  const Index parts = row_parts(logits.size(), 2 * kBlockThreads, kMostParts);
  device::Buffer<PartSum> sums(context, parts);
  launch_blocks(context, parts, Bce{logits, targets, gradient, rows, parts, sums.data()});
  return sums;
}

/// The sums of all blocks onto a sum, in a fixed order.
struct AddToSum {
  static constexpr const char* kName = "add_to_sum";
  static constexpr int kThreads = kBlockThreads;
  const PartSum* parts;
  Index count, no_row;
  double* sum;

  OPX_DEVICE void operator()() const {
    double mine = 0;
    for (Index i = thread(); i < count; i += kBlockThreads)
      mine += parts[i].bad_row < no_row ? std::numeric_limits<double>::quiet_NaN() : parts[i].sum;
    mine = block_sum<AddToSum>(mine);
    if (thread() == 0) *sum += mine;
  }
};

/// Waits for the sums.
LossSum brought_back(device::Context& context, const device::Buffer<PartSum>& sums, Index rows,
                     Index& bad_row) {
  std::vector<PartSum> parts(static_cast<std::size_t>(sums.size()));
  context.gpu().copy(parts.data(), sums.data(), sums.bytes(), context.gpu().compute());
  LossSum total;
  bad_row = rows;
  for (const PartSum& part : parts) {
    total.sum += part.sum;
    total.terms += part.terms;
    bad_row = std::min(bad_row, part.bad_row);
  }
  return total;
}

}  // namespace

LossSum softmax_cross_entropy(device::Context& context, MatrixView<const float> logits,
                              std::span<const std::int32_t> labels, std::span<const std::uint8_t> use,
                              double scale, MatrixView<float> gradient, std::span<const float> weights) {
  if (logits.rows == 0) return {};
  const device::Buffer<PartSum> sums =
      cross_entropy_parts(context, logits, labels, {use.data(), weights.data(), scale}, gradient);
  Index bad_row = 0;
  const LossSum total = brought_back(context, sums, logits.rows, bad_row);
  if (bad_row < logits.rows) {
    const auto label = device::host_copy(context, labels.subspan(static_cast<std::size_t>(bad_row), 1))[0];
    OPX_REQUIRE(false, InvalidArgument, "row {} has label {}, but there are {} classes", bad_row, label,
                logits.cols);
  }
  return total;
}

LossSum sigmoid_bce(device::Context& context, MatrixView<const float> logits, MatrixView<const float> targets,
                    std::span<const std::uint8_t> use, double scale, MatrixView<float> gradient,
                    std::span<const float> weights) {
  if (logits.size() == 0) return {};
  const device::Buffer<PartSum> sums =
      bce_parts(context, logits, targets, {use.data(), weights.data(), scale}, gradient);
  Index bad_row = 0;
  return brought_back(context, sums, logits.rows, bad_row);
}

}  // namespace opx::tensor::gpu

namespace opx::tensor::deferred {

void softmax_cross_entropy(device::Context& context, MatrixView<const float> logits,
                           std::span<const std::int32_t> labels, std::span<const std::uint8_t> use,
                           double scale, MatrixView<float> gradient, std::span<const float> weights,
                           double* sum) {
  if (logits.rows == 0) return;
  const device::Buffer<gpu::PartSum> parts =
      gpu::cross_entropy_parts(context, logits, labels, {use.data(), weights.data(), scale}, gradient);
  gpu::launch_blocks(context, 1, gpu::AddToSum{parts.data(), parts.size(), logits.rows, sum});
}

void sigmoid_bce(device::Context& context, MatrixView<const float> logits, MatrixView<const float> targets,
                 std::span<const std::uint8_t> use, double scale, MatrixView<float> gradient,
                 std::span<const float> weights, double* sum) {
  if (logits.size() == 0) return;
  const device::Buffer<gpu::PartSum> parts =
      gpu::bce_parts(context, logits, targets, {use.data(), weights.data(), scale}, gradient);
  gpu::launch_blocks(context, 1, gpu::AddToSum{parts.data(), parts.size(), logits.rows, sum});
}

}  // namespace opx::tensor::deferred

namespace opx::tensor::gpu {

void softmax_rows(device::Context& context, MatrixView<float> x) {
  if (x.size() == 0) return;
  const RowLanes lanes = RowLanes::of(x.cols);
  launch_blocks(context, lanes.blocks(x.rows), SoftmaxRows{x, lanes});
}

void sigmoid(device::Context& context, MatrixView<float> x) { launch_walk(context, x.size(), Sigmoid{x}); }

void argmax_rows(device::Context& context, MatrixView<const float> x, std::span<std::int32_t> best) {
  const RowLanes lanes = RowLanes::of(x.cols);
  launch_blocks(context, lanes.blocks(x.rows), ArgmaxRows{x, lanes, best.data()});
}

}  // namespace opx::tensor::gpu
