// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Strided matrices, vectors and masks in the memory of a GPU, for tests that compare with ref/.
#pragma once

#include "device/transfer.hpp"
#include "support/gpu.hpp"
#include "support/matrices.hpp"
#include "tensor/elementwise.hpp"

namespace opx::tensor::test {

/// A copy of a Strided, guards and all.
template <class T>
class OnGpu {
 public:
  OnGpu(device::Context& context, const Strided<T>& host)
      : context_(&context), host_(host), all_(device::device_copy(context, std::span<const T>(host.all()))) {}
  OnGpu(device::Context& context, Index rows, Index cols, Index gap)
      : OnGpu(context, Strided<T>(rows, cols, gap)) {}

  [[nodiscard]] MatrixView<T> view() { return there(host_.view()); }
  [[nodiscard]] MatrixView<const T> read() { return view(); }
  /// What it holds now; waits.
  [[nodiscard]] Strided<T> back() const {
    Strided<T> out = host_;
    device::copy_to_host(*context_, all_.span(), std::span<T>(out.all()));
    return out;
  }

 private:
  MatrixView<T> there(MatrixView<T> v) {
    return {all_.data() + (v.data - host_.all().data()), v.rows, v.cols, v.ld};
  }

  device::Context* context_;
  Strided<T> host_;
  device::Buffer<T> all_;
};

/// A span on the GPU and back.
template <class T>
class VectorOnGpu {
 public:
  VectorOnGpu(device::Context& context, const std::vector<T>& host)
      : context_(&context), there_(device::device_copy(context, std::span<const T>(host))) {}
  [[nodiscard]] std::span<T> span() { return there_.span(); }
  [[nodiscard]] std::span<const T> read() const { return there_.span(); }
  [[nodiscard]] std::vector<T> back() const { return device::host_copy(*context_, there_.span()); }

 private:
  device::Context* context_;
  device::Buffer<T> there_;
};

/// The words of a mask of either kind of Context.
inline std::vector<std::uint64_t> words_of(device::Context& context, const PassMask& mask) {
  const auto n = static_cast<std::size_t>(mask.rows() * mask.words_per_row());
  return device::host_copy(context, std::span<const std::uint64_t>(mask.row(0), n));
}

/// Widths around those of lanes, chunks and quads, and those of real models.
inline const std::vector<Index>& gpu_column_counts() {
  static const std::vector<Index> counts = {1, 3, 7, 8, 31, 32, 33, 47, 64, 100, 128, 257, 1024};
  return counts;
}

}  // namespace opx::tensor::test
