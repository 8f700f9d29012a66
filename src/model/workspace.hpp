// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory between layers: a pool of row-major matrices that are handed out, shared and taken back. A
// training step asks for the same sizes in the same order every time, so after the first one nothing is
// allocated.
#pragma once

#include <memory>
#include <vector>

#include "device/buffer.hpp"
#include "device/context.hpp"
#include "tensor/matrix.hpp"

namespace opx::model {

/// A shared handle on a matrix of a Workspace, or a borrowed one. The memory goes back to the pool with the
/// last handle.
class Array {
 public:
  Array() = default;
  /// Borrows memory that the caller keeps alive.
  static Array borrow(tensor::MatrixView<float> view) { return Array(view, nullptr); }
  [[nodiscard]] tensor::MatrixView<float> view() const noexcept { return view_; }
  [[nodiscard]] bool empty() const noexcept { return view_.data == nullptr; }
  [[nodiscard]] Index rows() const noexcept { return view_.rows; }
  [[nodiscard]] Index cols() const noexcept { return view_.cols; }
  /// No other handle shares the memory: what is in it may be overwritten. False for borrowed memory.
  [[nodiscard]] bool sole() const noexcept { return lease_.use_count() == 1; }
  /// The first rows of the same memory.
  [[nodiscard]] Array first_rows(Index rows) const {
    Array part = *this;
    part.view_ = view_.middle_rows({0, rows});
    return part;
  }
  void reset() noexcept { *this = Array(); }

 private:
  friend class Workspace;
  Array(tensor::MatrixView<float> view, std::shared_ptr<void> lease)
      : view_(view), lease_(std::move(lease)) {}
  tensor::MatrixView<float> view_;
  std::shared_ptr<void> lease_;
};

class Workspace {
 public:
  explicit Workspace(device::Context& context);
  /// rows x cols, not initialised: the smallest free buffer that fits and is at most twice as large, or a new
  /// one. Handles may outlive the Workspace object, not the Context.
  [[nodiscard]] Array take(Index rows, Index cols);
  /// From now on every matrix has the stride tensor::line_stride(cols): rows that start on cache lines make
  /// SpMM faster. For a single rank: what goes on a wire must be contiguous.
  void align_rows() noexcept { aligned_rows_ = true; }
  /// From now on every matrix gets memory for so many rows at least: batches of different sizes then find
  /// each other's.
  void reserve_rows(Index rows) noexcept { reserved_rows_ = rows; }
  [[nodiscard]] Index reserved_rows() const noexcept { return reserved_rows_; }
  /// Frees the buffers that nobody holds (between phases of different shapes).
  void trim() noexcept;

 private:
  using Pool = std::vector<device::Buffer<float>>;
  device::Context& context_;
  Index reserved_rows_ = 0;
  bool aligned_rows_ = false;
  std::shared_ptr<Pool> free_;
};

}  // namespace opx::model
