// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Seeded matrices, strided ones too, and comparisons for the tests of tensor/, on the CPU and on a GPU.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tensor/matrix.hpp"

namespace opx::tensor::test {

/// Uniform in [low, high), a function of (stream, i).
inline float draw(std::uint32_t stream, Index i, float low = -1, float high = 1) {
  const auto r =
      base::philox({11, base::Purpose::kTest}, {.step = stream, .vertex = static_cast<std::uint64_t>(i)});
  return low + (high - low) * base::uniform_float(r[0]);
}

inline std::vector<float> random_vector(Index n, std::uint32_t stream, float low = -1, float high = 1) {
  std::vector<float> v(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) v[static_cast<std::size_t>(i)] = draw(stream, i, low, high);
  return v;
}

/// rows x cols elements inside a wider allocation: ld = cols + gap, everything else is a guard value.
template <class T>
class Strided {
 public:
  Strided(Index rows, Index cols, Index gap = 0) : rows_(rows), cols_(cols), ld_(cols + gap) {
    data_.assign(static_cast<std::size_t>(rows * ld_ + 64), T(guard()));
  }
  static Strided random(Index rows, Index cols, Index gap, std::uint32_t stream, float low = -1,
                        float high = 1) {
    Strided m(rows, cols, gap);
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) m.view()(i, j) = T(draw(stream, i * cols + j, low, high));
    return m;
  }
  [[nodiscard]] MatrixView<T> view() { return {data_.data() + 32, rows_, cols_, ld_}; }
  [[nodiscard]] MatrixView<const T> view() const { return {data_.data() + 32, rows_, cols_, ld_}; }
  [[nodiscard]] MatrixView<const T> read() const { return view(); }
  /// True where nothing outside the matrix was written.
  [[nodiscard]] bool guards_intact() const {
    for (std::size_t at = 0; at < data_.size(); ++at) {
      const auto from = static_cast<Index>(at) - 32;
      const bool inside = from >= 0 && from < rows_ * ld_ && from % std::max<Index>(ld_, 1) < cols_;
      if (!inside && !(data_[at] == T(guard()))) return false;
    }
    return true;
  }
  [[nodiscard]] bool same_bits(const Strided& other) const {
    return data_.size() == other.data_.size() &&
           std::memcmp(data_.data(), other.data_.data(), data_.size() * sizeof(T)) == 0;
  }
  /// The whole allocation, guards too.
  [[nodiscard]] std::vector<T>& all() { return data_; }
  [[nodiscard]] const std::vector<T>& all() const { return data_; }

 private:
  static float guard() { return 12345.0F; }
  Index rows_, cols_, ld_;
  std::vector<T> data_;
};

/// Largest |a - b| / (1 + |b|); infinite where only one of the two is NaN.
template <class A, class B>
double worst_difference(MatrixView<A> a, MatrixView<B> b) {
  double worst = 0;
  for (Index i = 0; i < a.rows; ++i)
    for (Index j = 0; j < a.cols; ++j) {
      const auto x = static_cast<double>(a(i, j)), y = static_cast<double>(b(i, j));
      if (std::isnan(x) && std::isnan(y)) continue;
      const double d = std::abs(x - y) / (1 + std::abs(y));
      worst = std::isnan(d) ? HUGE_VAL : std::max(worst, d);
    }
  return worst;
}

inline double worst_difference(const std::vector<float>& a, const std::vector<float>& b) {
  const auto n = static_cast<Index>(a.size());
  return a.size() == b.size() ? worst_difference(MatrixView<const float>(a.data(), 1, n),
                                                 MatrixView<const float>(b.data(), 1, n))
                              : HUGE_VAL;
}

/// Column counts around every vector width, and the widths of real models.
inline const std::vector<Index>& column_counts() {
  static const std::vector<Index> counts = {0, 1, 3, 7, 8, 17, 41, 47, 64, 65, 128, 130, 257};
  return counts;
}

}  // namespace opx::tensor::test
