// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Dense row-major matrices: a non-owning MatrixView and an owning Matrix.
#pragma once

#include <type_traits>
#include <utility>

#include "base/error.hpp"
#include "base/types.hpp"
#include "device/buffer.hpp"

namespace opx::tensor {

/// rows x cols elements of T, row i at data + i * ld (ld >= cols). Does not own; T may be const.
template <class T>
struct MatrixView {
  T* data = nullptr;
  Index rows = 0, cols = 0, ld = 0;

  MatrixView() = default;
  constexpr MatrixView(T* data_, Index rows_, Index cols_, Index ld_)
      : data(data_), rows(rows_), cols(cols_), ld(ld_) {}
  constexpr MatrixView(T* data_, Index rows_, Index cols_) : MatrixView(data_, rows_, cols_, cols_) {}
  /// Of const elements where the elements are not.
  template <class U>
  requires(std::is_const_v<T>&& std::is_same_v<U, std::remove_const_t<T>>) constexpr MatrixView(
      MatrixView<U> x) noexcept  // NOLINT(google-explicit-constructor)
      : MatrixView(x.data, x.rows, x.cols, x.ld) {}

  [[nodiscard]] constexpr T* row(Index i) const noexcept { return data + i * ld; }
  [[nodiscard]] constexpr T& operator()(Index i, Index j) const noexcept { return data[i * ld + j]; }
  [[nodiscard]] constexpr bool contiguous() const noexcept { return ld == cols || rows <= 1; }
  [[nodiscard]] constexpr Index size() const noexcept { return rows * cols; }
  [[nodiscard]] constexpr MatrixView middle_rows(Range r) const {
    return {data + r.begin * ld, r.size(), cols, ld};
  }
  [[nodiscard]] constexpr MatrixView middle_cols(Range c) const {
    return {data + c.begin, rows, c.size(), ld};
  }
};

/// The stride that lets rows of `cols` elements of T begin on cache lines, for operands whose rows are
/// fetched in drawn order (SpMM): a row of 47 floats then touches 3 lines, not 4. `cols` itself where that
/// would cost more than a quarter of the memory again.
template <class T>
[[nodiscard]] constexpr Index line_stride(Index cols) noexcept {
  constexpr Index kLine = 64 / static_cast<Index>(sizeof(T));
  const Index padded = ceil_div(cols, kLine) * kLine;
  return 4 * padded <= 5 * cols ? padded : cols;
}

/// Owns rows x cols elements of T, contiguous (ld == cols), not initialised.
template <class T>
class Matrix {
 public:
  Matrix() = default;
  Matrix(device::Context& context, Index rows, Index cols)
      : buffer_(context, rows * cols), rows_(rows), cols_(cols) {}

  [[nodiscard]] Index rows() const noexcept { return rows_; }
  [[nodiscard]] Index cols() const noexcept { return cols_; }
  [[nodiscard]] Index size() const noexcept { return rows_ * cols_; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] T* data() noexcept { return buffer_.data(); }
  [[nodiscard]] const T* data() const noexcept { return buffer_.data(); }
  [[nodiscard]] T& operator()(Index i, Index j) noexcept { return data()[i * cols_ + j]; }
  [[nodiscard]] const T& operator()(Index i, Index j) const noexcept { return data()[i * cols_ + j]; }
  [[nodiscard]] MatrixView<T> view() noexcept { return {data(), rows_, cols_}; }
  [[nodiscard]] MatrixView<const T> view() const noexcept { return {data(), rows_, cols_}; }
  [[nodiscard]] std::span<T> span() noexcept { return buffer_.span(); }
  [[nodiscard]] std::span<const T> span() const noexcept { return buffer_.span(); }

 private:
  device::Buffer<T> buffer_;
  Index rows_ = 0, cols_ = 0;
};

}  // namespace opx::tensor
