// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The Device over the CUDA runtime: GPUs, streams, libraries, launches.
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "device/gpu/cuda/impl.hpp"
#include "device/gpu/cuda/launch.hpp"

namespace opx::device::gpu {

using cuda::add;
using cuda::check;

namespace {

constexpr std::size_t kSharedWithoutAsking = 48 << 10;

int attribute(cudaDeviceAttr which, int ordinal) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, ordinal), "cudaDeviceGetAttribute");
  return value;
}

std::string as_hex(const cudaUUID_t& uuid) {
  std::string text;
  for (const char c : uuid.bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

/// The calling thread's GPU is another one while it lives.
class OtherDevice {
 public:
  explicit OtherDevice(int ordinal) {
    check(cudaGetDevice(&before_), "cudaGetDevice");
    cuda::use_device(ordinal);
  }
  OtherDevice(const OtherDevice&) = delete;
  OtherDevice& operator=(const OtherDevice&) = delete;
  ~OtherDevice() { static_cast<void>(cudaSetDevice(before_)); }

 private:
  int before_ = 0;
};

}  // namespace

// Transfers go first: a product that fills the GPU would otherwise let them in when it ends.
void Device::Impl::make_streams() {
  int least = 0, greatest = 0;
  check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange");
  for (std::size_t use = 0; use < streams.size(); ++use) {
    const auto which = static_cast<StreamUse>(use);
    const bool transfers = which == StreamUse::kComm || which == StreamUse::kReduce;
    check(cudaStreamCreateWithPriority(&streams[use], cudaStreamNonBlocking, transfers ? greatest : least),
          "cudaStreamCreateWithPriority");
  }
}

Device::Impl::Impl(const DeviceOptions& options)
    : ordinal(options.ordinal), memory_limit(options.memory_limit) {
  use();
  OPX_REQUIRE(attribute(cudaDevAttrMemoryPoolsSupported, ordinal) != 0, DeviceError,
              "GPU {} has no stream-ordered memory (cudaMallocAsync)", ordinal);
  shared_limit = static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, ordinal));
  const char* text = std::getenv("OPX_GPU_DEBUG");
  debug = text != nullptr && std::strcmp(text, "0") != 0;
  make_streams();
  check(cudaEventCreateWithFlags(&order, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  check(cudaDeviceGetDefaultMemPool(&pool, ordinal), "cudaDeviceGetDefaultMemPool");
  std::uint64_t keep = std::numeric_limits<std::uint64_t>::max();  // nothing goes back at synchronise()
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute");
}

// Nobody is left to hear of errors here.
Device::Impl::~Impl() {
  libraries.clear();
  static_cast<void>(cudaSetDevice(ordinal));
  for (const cudaStream_t stream : streams) {
    if (stream == nullptr) continue;
    static_cast<void>(cudaStreamSynchronize(stream));
    static_cast<void>(cudaStreamDestroy(stream));
  }
  if (order != nullptr) static_cast<void>(cudaEventDestroy(order));
  if (pool != nullptr) static_cast<void>(cudaMemPoolTrimTo(pool, 0));
}

std::string_view runtime_name() noexcept { return "cuda"; }

int count() noexcept {
  int n = 0;
  if (cudaGetDeviceCount(&n) == cudaSuccess) return n;
  static_cast<void>(cudaGetLastError());
  return 0;
}

Properties properties(int ordinal) {
  OPX_REQUIRE(ordinal >= 0 && ordinal < count(), DeviceError, "GPU {} of {}", ordinal, count());
  const OtherDevice use(ordinal);
  cudaDeviceProp from{};
  check(cudaGetDeviceProperties(&from, ordinal), "cudaGetDeviceProperties");
  Properties to{.name = from.name,
                .uuid = as_hex(from.uuid),
                .ordinal = ordinal,
                .major = from.major,
                .minor = from.minor,
                .multiprocessors = from.multiProcessorCount,
                .l2_bytes = static_cast<std::size_t>(from.l2CacheSize),
                .shared_bytes_per_block = from.sharedMemPerBlockOptin};
  check(cudaMemGetInfo(&to.memory_free, &to.memory_total), "cudaMemGetInfo");
  return to;
}

Device::Device(DeviceOptions options) {
  const int gpus = count();
  OPX_REQUIRE(options.ordinal >= 0 && options.ordinal < gpus, DeviceError, "GPU {} of {}{}", options.ordinal,
              gpus, gpus == 0 ? ": no GPU is visible to this process (driver, CUDA_VISIBLE_DEVICES?)" : "");
  impl_ = std::make_unique<Impl>(options);
}
// What libraries keep gives its memory back through this Device, so before its parts go.
Device::~Device() {
  if (impl_) impl_->libraries.clear();
}

int Device::ordinal() const noexcept { return impl_->ordinal; }
void Device::make_current() { impl_->use(); }
void Device::share_memory() {
  impl_->use();
  for (int other = 0; other < count(); ++other) {
    int can = 0;
    if (other != impl_->ordinal)
      check(cudaDeviceCanAccessPeer(&can, other, impl_->ordinal), "cudaDeviceCanAccessPeer");
    if (can == 0) continue;
    cudaMemAccessDesc access{};
    access.location = {.type = cudaMemLocationTypeDevice, .id = other};
    access.flags = cudaMemAccessFlagsProtReadWrite;
    check(cudaMemPoolSetAccess(impl_->pool, &access, 1), "cudaMemPoolSetAccess");
  }
}
Stream Device::stream(StreamUse use) const noexcept {
  return {impl_->streams[static_cast<std::size_t>(use)]};
}

const Counters& Device::counters() const noexcept { return impl_->counters; }
void Device::count_launch(const char* kernel) noexcept {
  impl_->last_kernel = kernel;
  if (!impl_->captures()) add(impl_->counters.launches, 1);
}
void Device::reset_counters() noexcept { impl_->counters = {}; }

std::shared_ptr<void> Device::library(std::string_view name, std::shared_ptr<void> (*make)(Device&)) {
  const std::lock_guard lock(impl_->libraries_mutex);
  const auto found = impl_->libraries.find(name);
  if (found != impl_->libraries.end()) return found->second;
  impl_->use();
  std::shared_ptr<void> made = make(*this);
  return impl_->libraries.emplace(std::string(name), std::move(made)).first->second;
}

namespace cuda {

void before_launch(Device& device, const Launch& launch) {
  const Device::Impl& impl = device.impl();
  OPX_REQUIRE(
      launch.blocks > 0 && launch.blocks <= std::numeric_limits<std::int32_t>::max() && launch.threads > 0 &&
          launch.threads % 32 == 0 && launch.threads <= launch.most_threads &&
          launch.dynamic_shared <= impl.shared_limit,
      DeviceError,
      "kernel {}: cannot launch {} blocks of {} threads (of {}) with {} bytes of shared memory (of {})",
      launch.kernel, launch.blocks, launch.threads, launch.most_threads, launch.dynamic_shared,
      impl.shared_limit);
  impl.use();
  if (launch.dynamic_shared > kSharedWithoutAsking) {
    check(cudaFuncSetAttribute(launch.function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(launch.dynamic_shared)),
          "cudaFuncSetAttribute", launch.kernel);
  }
  device.count_launch(launch.kernel);
}

void after_launch(Device& device, Stream stream, const char* kernel) {
  check(cudaGetLastError(), "launch", kernel);
  if (!device.impl().debug || device.capturing()) return;
  check(cudaStreamSynchronize(static_cast<cudaStream_t>(stream.native)), "cudaStreamSynchronize", kernel);
}

}  // namespace cuda

}  // namespace opx::device::gpu
