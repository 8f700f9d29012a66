// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/gpu/cuda/impl.hpp"

namespace opx::device::gpu {

using cuda::add;
using cuda::native;
using cuda::Where;
using cuda::where;

cuda::Where cuda::where(const void* pointer) noexcept {
  cudaPointerAttributes attributes{};
  if (pointer == nullptr || cudaPointerGetAttributes(&attributes, pointer) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return Where::kPageable;
  }
  if (attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged)
    return Where::kDevice;
  return attributes.type == cudaMemoryTypeHost ? Where::kPinned : Where::kPageable;
}

bool Device::is_device_memory(const void* pointer) noexcept { return where(pointer) == Where::kDevice; }

void Device::copy(void* to, const void* from, std::size_t bytes, Stream stream) {
  copy_2d(to, bytes, from, bytes, bytes, 1, stream);
}

void Device::copy_2d(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                     std::size_t width, std::size_t rows, Stream stream) {
  OPX_REQUIRE(width <= to_pitch && width <= from_pitch, DimensionMismatch,
              "rows of {} bytes with pitches {} and {}", width, to_pitch, from_pitch);
  if (width == 0 || rows == 0) return;
  if (rows > 1 && width == to_pitch && width == from_pitch) {
    width *= rows;
    rows = 1;
  }
  impl_->use();
  const Where target = where(to), source = where(from);
  const auto bytes = static_cast<std::int64_t>(width * rows);
  if (target == Where::kDevice && source != Where::kDevice) add(impl_->counters.bytes_to_device, bytes);
  if (target != Where::kDevice && source == Where::kDevice) add(impl_->counters.bytes_to_host, bytes);
  const bool pageable = target == Where::kPageable || source == Where::kPageable;
  if (pageable) impl_->refuse_in_capture("a copy from or to memory that is not pinned");
  if (target == Where::kDevice && source == Where::kPageable) {
    impl_->staging.copy(to, to_pitch, from, from_pitch, width, rows, native(stream));
    return;
  }
  if (rows == 1) {
    impl_->checked(cudaMemcpyAsync(to, from, width, cudaMemcpyDefault, native(stream)), "cudaMemcpyAsync");
  } else {
    impl_->checked(
        cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, width, rows, cudaMemcpyDefault, native(stream)),
        "cudaMemcpy2DAsync");
  }
  if (pageable) synchronise(stream);
}

void Device::fill_bytes(void* to, int byte, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  impl_->use();
  impl_->checked(cudaMemsetAsync(to, byte, bytes, native(stream)), "cudaMemsetAsync");
}

}  // namespace opx::device::gpu
