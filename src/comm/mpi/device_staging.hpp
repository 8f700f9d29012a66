// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to mpi/: memory of a GPU that messages leave from and arrive in, kept between calls.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/types.hpp"
#include "device/context.hpp"
#include "device/gpu/device.hpp"

namespace opx::comm::mpi {

/// Who takes a block and puts work of the compute stream on it gives it back without waiting: settle() comes
/// before the next use by MPI. One thread.
class DeviceStaging : public std::enable_shared_from_this<DeviceStaging> {
 public:
  explicit DeviceStaging(device::Context& context) : context_(context) {}
  DeviceStaging(const DeviceStaging&) = delete;
  DeviceStaging& operator=(const DeviceStaging&) = delete;
  ~DeviceStaging();

  [[nodiscard]] device::Context& context() noexcept { return context_; }
  [[nodiscard]] device::gpu::Device& device() noexcept { return context_.gpu(); }

  /// Memory for `bytes`, which comes back when the last copy of the pointer ends.
  [[nodiscard]] std::shared_ptr<std::byte> take(Index bytes);
  /// The host waits until the compute stream has done what it holds.
  void settle();

 private:
  struct Block {
    std::byte* data;
    std::size_t bytes;
  };
  void give(Block block) noexcept;
  void end(const Block& block) noexcept;

  device::Context& context_;
  device::gpu::Event settled_;
  std::vector<Block> free_;
};

}  // namespace opx::comm::mpi
