// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// All weight gradients of a model in one contiguous buffer, so that one all-reduce a step sums them over
// every rank (design.md 4.3). Each rank writes its share into the slots; after reduce() every rank holds the
// sums, added in rank order: bit-identical on all ranks and from run to run.
//
// Worked example: add("layers.0.weight", 2, 3) -> slot 0 at offset 0, add("layers.0.bias", 1, 3) -> slot 1 at
// offset 6; allocate(context) makes 9 floats; view(0) is 2 x 3, span(1) has 3 elements.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "device/buffer.hpp"
#include "device/context.hpp"
#include "parallel/process_grid.hpp"
#include "tensor/matrix.hpp"

namespace opx::parallel {

class GradientBucket {
 public:
  struct Slot {
    std::string name;
    Index rows = 0, cols = 0;
    Index offset = 0;  ///< in floats
    [[nodiscard]] Index size() const noexcept { return rows * cols; }
  };

  /// Reserves rows x cols floats behind the slots so far and returns the slot's number. Before allocate()
  /// only; throws InvalidArgument for a name that is taken.
  std::size_t add(std::string name, Index rows, Index cols);
  /// Allocates all slots, filled with 0.
  void allocate(device::Context& context);

  [[nodiscard]] const std::vector<Slot>& slots() const noexcept { return slots_; }
  /// Floats in all slots: what one reduce() sends as fp32.
  [[nodiscard]] Index size() const noexcept { return size_; }
  [[nodiscard]] tensor::MatrixView<float> view(std::size_t slot) noexcept;
  [[nodiscard]] std::span<float> span(std::size_t slot) noexcept;
  [[nodiscard]] std::span<float> all() noexcept { return data_.span(); }
  [[nodiscard]] std::span<const float> all() const noexcept { return data_.span(); }

  void zero() noexcept;
  /// Sums over every rank of grid.world(), tensor and data axes alike. Collective; purpose kGradient.
  void reduce(device::Context& context, ProcessGrid& grid);

 private:
  std::vector<Slot> slots_;
  Index size_ = 0;
  device::Buffer<float> data_;
};

}  // namespace opx::parallel
