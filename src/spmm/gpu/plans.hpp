// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What the vendor's library learns of a matrix, kept between products: its descriptor, its row offsets in 32
// bits, and its analysis. Private to the backend and its tests.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>

#include "spmm/gpu/library.hpp"

namespace opx::spmm::gpu {

/// Memory of a Device that is kept with it.
class KeptMemory {
 public:
  KeptMemory(device::gpu::Device& device, std::size_t bytes)
      : device_(device), bytes_(bytes), data_(device.allocate(bytes, device.compute())) {}
  KeptMemory(const KeptMemory&) = delete;
  KeptMemory& operator=(const KeptMemory&) = delete;
  ~KeptMemory() { device_.deallocate(data_, bytes_, device_.compute()); }
  [[nodiscard]] void* data() const noexcept { return data_; }

 private:
  device::gpu::Device& device_;
  std::size_t bytes_;
  void* data_;
};

/// Analyses of the matrices that have an identity (Csr::identity), for every shape of call. Bounded: the one
/// whose last use is longest ago goes first. As its Device, for the thread of its rank.
class Plans {
 public:
  static constexpr std::size_t kMost = 256;

  explicit Plans(device::gpu::Device& device) : device_(device) {}
  static Plans& of(device::gpu::Device& device);

  struct Plan {
    CsrView a;
    std::shared_ptr<KeptMemory> offsets;  // of all plans of the matrix
    LibraryMatrix matrix;
    std::unique_ptr<KeptMemory> work;
    std::uint64_t used;
  };
  /// That of the call's shape, made (and analysed) where there is none; null for a matrix without identity,
  /// and where it would have to be made within a capture. Throws InternalError for a matrix that has the
  /// identity of another.
  [[nodiscard]] Plan* find(const CsrView& a, const LibraryCall& call);
  /// Gives back what is kept for the call's shape.
  void forget(const CsrView& a, const LibraryCall& call);
  [[nodiscard]] std::size_t size() const noexcept { return plans_.size(); }

 private:
  struct Key {
    std::uint64_t identity;
    int algorithm;
    Index cols, x_stride, y_stride;
    auto operator<=>(const Key&) const = default;
  };
  [[nodiscard]] static Key key_of(const CsrView& a, const LibraryCall& call) noexcept;
  [[nodiscard]] std::shared_ptr<KeptMemory> offsets_of(const CsrView& a);
  Plan& make(const Key& key, const CsrView& a, const LibraryCall& call);

  device::gpu::Device& device_;
  std::map<Key, Plan> plans_;
  std::uint64_t uses_ = 0;
};

}  // namespace opx::spmm::gpu
