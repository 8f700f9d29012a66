// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A graph::Store in memory, its generators, and the dense matrices that tests compare with. Positions are
// what the caller says they are (original id of position p: p, unless set), so a test controls every block of
// every grid.
//
//   auto store = test::random_store({.vertices = 61, .degree = 4, .symmetric = true, .seed = 1});
//   test::Dense a = store.normalised(test::Factors::kSymmetric, /*add_self_loops=*/true);   // the oracle, in
//   double
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/random.hpp"
#include "graph/store.hpp"

namespace opx::test {

/// Row-major doubles.
struct Dense {
  Index rows = 0, cols = 0;
  std::vector<double> data;
  Dense() = default;
  Dense(Index r, Index c) : rows(r), cols(c), data(static_cast<std::size_t>(r * c), 0.0) {}
  double& operator()(Index i, Index j) { return data[static_cast<std::size_t>(i * cols + j)]; }
  double operator()(Index i, Index j) const { return data[static_cast<std::size_t>(i * cols + j)]; }
  [[nodiscard]] Dense transposed() const {
    Dense t(cols, rows);
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) t(j, i) = (*this)(i, j);
    }
    return t;
  }
  friend Dense operator*(const Dense& a, const Dense& b) {
    Dense c(a.rows, b.cols);
    for (Index i = 0; i < a.rows; ++i) {
      for (Index k = 0; k < a.cols; ++k) {
        const double v = a(i, k);
        if (v == 0) continue;
        for (Index j = 0; j < b.cols; ++j) c(i, j) += v * b(k, j);
      }
    }
    return c;
  }
};

/// A uniform multiple of 2^-23 in [-1, 1), so a float too, that depends on (seed, i, j) alone.
inline double uniform(std::uint64_t seed, Index i, Index j = 0) {
  const auto w = base::philox({seed, base::Purpose::kTest}, {.vertex = static_cast<std::uint64_t>(i),
                                                             .word = static_cast<std::uint32_t>(j)});
  return 2 * static_cast<double>(base::uniform_float(w[0])) - 1;
}

/// Entries uniform in [-1, 1) and floats: what every rank of every grid may compute for its own rows.
inline Dense random_dense(Index rows, Index cols, std::uint64_t seed) {
  Dense x(rows, cols);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) x(i, j) = uniform(seed, i, j);
  }
  return x;
}

enum class Factors { kNone, kSymmetric, kRow };

struct Entry {
  Index dst = 0, src = 0;
  float value = 1;
};

class MemoryStore final : public graph::Store {
 public:
  /// Duplicates keep the first value. `weighted`: values are kept, else they all are one.
  MemoryStore(Index vertices, const std::vector<Entry>& entries, bool weighted = false) {
    for (const Entry& e : entries) {
      OPX_REQUIRE(e.dst >= 0 && e.dst < vertices && e.src >= 0 && e.src < vertices, InvalidArgument,
                  "entry ({}, {}) outside {} vertices", e.dst, e.src, vertices);
      entries_.try_emplace({e.dst, e.src}, weighted ? e.value : 1.0F);
    }
    info_.name = "memory";
    info_.vertices = vertices;
    info_.edges = static_cast<Index>(entries_.size());
    info_.weighted = weighted;
    info_.checksum = "0123456789abcdef0123456789abcdef";
    info_.symmetric = true;
    for (const auto& [at, value] : entries_) {
      if (at.first == at.second) ++info_.self_loops;
      const auto mirror = entries_.find({at.second, at.first});
      if (mirror == entries_.end() || mirror->second != value) info_.symmetric = false;
    }
  }

  // What a test adds; lengths are checked.
  void set_features(const Dense& features) {
    require_rows(features.rows, "features");
    features_ = features;
    info_.feature_dim = features.cols;
  }
  void set_labels(std::vector<std::int32_t> labels, Index classes) {
    require_rows(static_cast<Index>(labels.size()), "labels");
    labels_ = std::move(labels);
    info_.task = graph::Task::kMultiClass;
    info_.classes = classes;
    info_.metric = "accuracy";
  }
  void set_targets(const Dense& targets) {
    require_rows(targets.rows, "targets");
    targets_ = targets;
    info_.task = graph::Task::kMultiLabel;
    info_.classes = targets.cols;
    info_.metric = "rocauc";
  }
  void set_splits(std::vector<graph::Split> splits) {
    require_rows(static_cast<Index>(splits.size()), "splits");
    splits_ = std::move(splits);
    info_.train = std::count(splits_.begin(), splits_.end(), graph::Split::kTrain);
    info_.valid = std::count(splits_.begin(), splits_.end(), graph::Split::kValid);
    info_.test = std::count(splits_.begin(), splits_.end(), graph::Split::kTest);
  }
  void set_original_ids(std::vector<Index> original) {
    require_rows(static_cast<Index>(original.size()), "original ids");
    original_ = std::move(original);
  }
  void set_parts(std::vector<std::int32_t> parts, Index count) {
    require_rows(static_cast<Index>(parts.size()), "parts");
    parts_ = std::move(parts);
    info_.parts = count;
  }
  void set_virtual_blocks(Index blocks) { info_.virtual_blocks = blocks; }
  /// From now on every read throws this (a damaged file).
  void fail_with(std::string message) { failure_ = std::move(message); }

  [[nodiscard]] const graph::StoreInfo& info() const noexcept override { return info_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept override { return path_; }

  [[nodiscard]] graph::Edges read_edges(device::Context& context, Range rows,
                                        std::span<const Range> cols) const override {
    check(rows);
    Index end = 0;
    for (const Range& c : cols) {
      OPX_REQUIRE(c.begin >= end && c.end >= c.begin && c.end <= info_.vertices, InvalidArgument,
                  "column ranges must be disjoint and rise: [{}, {})", c.begin, c.end);
      end = c.end;
    }
    std::vector<std::int32_t> row, col;
    std::vector<float> value;
    for (auto it = entries_.lower_bound({rows.begin, 0}); it != entries_.end() && it->first.first < rows.end;
         ++it) {
      Index offset = 0;
      for (const Range& c : cols) {
        if (c.contains(it->first.second)) {
          row.push_back(static_cast<std::int32_t>(it->first.first - rows.begin));
          col.push_back(static_cast<std::int32_t>(offset + it->first.second - c.begin));
          value.push_back(it->second);
        }
        offset += c.size();
      }
    }
    graph::Edges edges{buffer(context, row), buffer(context, col), {}};
    if (info_.weighted) edges.value = buffer(context, value);
    return edges;
  }
  void read_features(Range rows, tensor::MatrixView<float> out) const override {
    copy_rows(rows, features_, out);
  }
  void read_labels(Range rows, std::span<std::int32_t> out) const override {
    check(rows);
    for (Index i = 0; i < rows.size(); ++i) {
      out[static_cast<std::size_t>(i)] =
          labels_.empty() ? -1 : labels_[static_cast<std::size_t>(rows.begin + i)];
    }
  }
  void read_targets(Range rows, tensor::MatrixView<float> out) const override {
    copy_rows(rows, targets_, out);
  }
  void read_splits(Range rows, std::span<graph::Split> out) const override {
    check(rows);
    for (Index i = 0; i < rows.size(); ++i) {
      out[static_cast<std::size_t>(i)] =
          splits_.empty() ? graph::Split::kNone : splits_[static_cast<std::size_t>(rows.begin + i)];
    }
  }
  void read_degrees(Range rows, std::span<float> row_sums, std::span<float> col_sums) const override {
    check(rows);
    std::fill(row_sums.begin(), row_sums.end(), 0.0F);
    std::fill(col_sums.begin(), col_sums.end(), 0.0F);
    for (const auto& [at, v] : entries_) {
      if (rows.contains(at.first)) row_sums[static_cast<std::size_t>(at.first - rows.begin)] += v;
      if (rows.contains(at.second)) col_sums[static_cast<std::size_t>(at.second - rows.begin)] += v;
    }
  }
  void read_self_loops(Range rows, std::span<std::uint8_t> out) const override {
    check(rows);
    for (Index i = rows.begin; i < rows.end; ++i) {
      out[static_cast<std::size_t>(i - rows.begin)] = entries_.count({i, i}) != 0 ? 1 : 0;
    }
  }
  void read_parts(Range rows, std::span<std::int32_t> out) const override {
    check(rows);
    OPX_REQUIRE(info_.parts > 0, InvalidArgument, "no parts");
    std::copy_n(parts_.begin() + rows.begin, rows.size(), out.begin());
  }
  void read_original_ids(Range rows, std::span<Index> out) const override {
    check(rows);
    for (Index i = rows.begin; i < rows.end; ++i) {
      out[static_cast<std::size_t>(i - rows.begin)] =
          original_.empty() ? i : original_[static_cast<std::size_t>(i)];
    }
  }
  [[nodiscard]] std::optional<std::vector<std::string>> read_names(std::span<const Index>) const override {
    return std::nullopt;
  }

  /// A with the factors of its normalisation multiplied in, in double: the oracle.
  [[nodiscard]] Dense normalised(Factors factors, bool add_self_loops) const {
    const Index n = info_.vertices;
    Dense a(n, n);
    for (const auto& [at, v] : entries_) a(at.first, at.second) = v;
    for (Index i = 0; add_self_loops && i < n; ++i) {
      if (entries_.count({i, i}) == 0) a(i, i) = 1;
    }
    std::vector<double> in(static_cast<std::size_t>(n)), out(static_cast<std::size_t>(n));
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < n; ++j)
        in[static_cast<std::size_t>(i)] += a(i, j), out[static_cast<std::size_t>(j)] += a(i, j);
    }
    for (Index i = 0; factors != Factors::kNone && i < n; ++i) {
      for (Index j = 0; j < n; ++j) {
        if (a(i, j) == 0) continue;
        const double s = in[static_cast<std::size_t>(i)], t = out[static_cast<std::size_t>(j)];
        a(i, j) *= factors == Factors::kRow ? 1 / s : 1 / std::sqrt(s) / std::sqrt(t);
      }
    }
    return a;
  }

 private:
  template <class T>
  static device::Buffer<T> buffer(device::Context& context, const std::vector<T>& from) {
    device::Buffer<T> to(context, static_cast<Index>(from.size()));
    std::copy(from.begin(), from.end(), to.begin());
    return to;
  }
  void check(Range rows) const {
    if (!failure_.empty()) throw base::FormatError("memory", "", failure_);
    OPX_REQUIRE(rows.begin >= 0 && rows.begin <= rows.end && rows.end <= info_.vertices, InvalidArgument,
                "rows [{}, {}) of {}", rows.begin, rows.end, info_.vertices);
  }
  void require_rows(Index rows, const char* what) const {
    OPX_REQUIRE(rows == info_.vertices, DimensionMismatch, "{} rows of {} for {} vertices", rows, what,
                info_.vertices);
  }
  void copy_rows(Range rows, const Dense& from, tensor::MatrixView<float> out) const {
    check(rows);
    for (Index i = 0; i < rows.size(); ++i) {
      for (Index j = 0; j < from.cols; ++j) out(i, j) = static_cast<float>(from(rows.begin + i, j));
    }
  }

  graph::StoreInfo info_;
  std::filesystem::path path_ = "memory.opx";
  std::map<std::pair<Index, Index>, float> entries_;
  Dense features_, targets_;
  std::vector<std::int32_t> labels_;
  std::vector<graph::Split> splits_;
  std::vector<Index> original_;
  std::vector<std::int32_t> parts_;
  std::string failure_;
};

struct RandomGraph {
  Index vertices = 0;
  double degree = 4;  ///< entries per row on average, before the mirror
  bool symmetric = true;
  bool weighted = false;   ///< values in [0.5, 1.5)
  bool hub = true;         ///< vertex N/2 is adjacent to every third vertex
  bool isolated = true;    ///< vertices 3 and N-1 have no edges
  bool self_loops = true;  ///< a few
  std::uint64_t seed = 0;
};

inline MemoryStore random_store(const RandomGraph& g) {
  std::set<std::pair<Index, Index>> pairs;
  const Index n = g.vertices;
  const auto isolated = [&](Index v) { return g.isolated && n > 4 && (v == 3 || v == n - 1); };
  const auto add = [&](Index a, Index b) {
    if (isolated(a) || isolated(b) || (a == b && !g.self_loops)) return;
    pairs.insert({a, b});
    if (g.symmetric) pairs.insert({b, a});
  };
  const auto draws = static_cast<Index>(std::llround(g.degree * static_cast<double>(n)));
  for (Index e = 0; e < draws; ++e) {
    const auto w =
        base::philox({g.seed, base::Purpose::kTest}, {.step = 1, .vertex = static_cast<std::uint64_t>(e)});
    const auto m = static_cast<std::uint64_t>(n);
    add(static_cast<Index>(w[0] % m), static_cast<Index>(w[1] % m));
  }
  for (Index v = 0; g.hub && v < n; v += 3) add(n / 2, v);
  std::vector<Entry> entries;
  for (const auto& [a, b] : pairs) {
    const Index low = g.symmetric ? std::min(a, b) : a, high = g.symmetric ? std::max(a, b) : b;
    entries.push_back({a, b, static_cast<float>(1 + uniform(g.seed, low, high) / 2)});
  }
  return MemoryStore(n, entries, g.weighted);
}

}  // namespace opx::test
