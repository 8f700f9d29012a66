// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "device/gpu/cuda/impl.hpp"
#include "device/gpu/out_of_memory.hpp"

namespace opx::device::gpu {

using cuda::add;
using cuda::check;
using cuda::native;

/// What is free in the pool goes back to the GPU, after work under way has given back what it holds.
void Device::Impl::trim() {
  add(counters.synchronisations, 1);
  checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  checked(cudaMemPoolTrimTo(pool, 0), "cudaMemPoolTrimTo");
}

/// Null where there is none, after all that can be given back was.
void* Device::Impl::take(std::size_t bytes, cudaStream_t stream) {
  void* pointer = nullptr;
  for (const bool again : {false, true}) {
    const cudaError_t code = cudaMallocAsync(&pointer, bytes, stream);
    if (code == cudaSuccess) return pointer;
    static_cast<void>(cudaGetLastError());
    if (code != cudaErrorMemoryAllocation) checked(code, "cudaMallocAsync");
    if (!again) trim();
  }
  return nullptr;
}

void* Device::allocate(std::size_t bytes, Stream stream) {
  GraphMemory* memory = impl_->graph_memory.load();
  if (memory != nullptr && memory->serves_this_thread()) return memory->take(bytes, stream);
  return allocate_new(bytes, stream);
}

/// Throws OutOfMemory where there is no pointer; else counts the bytes.
void Device::Impl::account(const void* pointer, std::size_t bytes) {
  if (pointer == nullptr) {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    throw_out_of_memory(bytes, free_below(memory_limit, memory, free),
                        memory_limit > 0 ? memory_limit : total);
  }
  memory.add(bytes);
}

bool Device::Impl::allows(std::size_t bytes) const {
  return bytes <= free_below(memory_limit, memory, std::numeric_limits<std::size_t>::max());
}

void* Device::allocate_new(std::size_t bytes, Stream stream) {
  impl_->use();
  const std::size_t asked = std::max<std::size_t>(bytes, 1);
  void* pointer = impl_->allows(bytes) ? impl_->take(asked, native(stream)) : nullptr;
  impl_->account(pointer, bytes);
  if (GraphMemory* memory = impl_->graph_memory.load(); memory != nullptr) memory->came(pointer);
  return pointer;
}

void Device::deallocate(void* pointer, std::size_t bytes, Stream stream) noexcept {
  if (pointer == nullptr) return;
  GraphMemory* memory = impl_->graph_memory.load();
  if (memory != nullptr && memory->give(pointer, stream)) return;
  if (memory != nullptr && memory->keeps(pointer, bytes, impl_->captures())) return;
  impl_->memory.remove(bytes);
  static_cast<void>(cudaSetDevice(impl_->ordinal));
  // A lost device says so at the next call that may throw.
  static_cast<void>(cudaFreeAsync(pointer, static_cast<cudaStream_t>(stream.native)));
}

// What the pool keeps is given back first: it does not see who asks.
void* Device::allocate_shareable(std::size_t bytes) {
  impl_->refuse_in_capture("allocate_shareable");
  impl_->use();
  void* pointer = nullptr;
  for (const bool again : {false, true}) {
    if (!impl_->allows(bytes)) break;
    const cudaError_t code = cudaMalloc(&pointer, std::max<std::size_t>(bytes, 1));
    if (code == cudaSuccess) break;
    static_cast<void>(cudaGetLastError());
    if (code != cudaErrorMemoryAllocation) impl_->checked(code, "cudaMalloc");
    pointer = nullptr;
    if (!again) impl_->trim();
  }
  impl_->account(pointer, bytes);
  return pointer;
}

void Device::deallocate_shareable(void* pointer, std::size_t bytes) noexcept {
  if (pointer == nullptr) return;
  impl_->memory.remove(bytes);
  static_cast<void>(cudaSetDevice(impl_->ordinal));
  static_cast<void>(cudaFree(pointer));
}

MemoryAccount& Device::memory() noexcept { return impl_->memory; }

void* Device::allocate_pinned(std::size_t bytes) {
  impl_->use();
  return impl_->pinned.take(bytes);
}
void Device::deallocate_pinned(void* pointer, std::size_t bytes) noexcept {
  impl_->pinned.give(pointer, bytes);
}

void Device::set_graph_memory(GraphMemory* memory, bool used) {
  GraphMemory* now = impl_->graph_memory.load();
  OPX_REQUIRE(!used || now == nullptr || now == memory, InvalidArgument, "another graph's memory is in use");
  if (used || now == memory) impl_->graph_memory = used ? memory : nullptr;
}

}  // namespace opx::device::gpu
