// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nccl.h>

#include "base/error.hpp"
#include "device/gpu/api.hpp"

namespace {

using opx::device::gpu::Device;

/// What is under way between the ranks of one communicator, by (from, to).
struct World {
  std::mutex mutex;
  std::map<std::pair<int, int>, std::deque<std::vector<std::byte>>> mail;
  bool aborted = false;
};

struct Call {
  bool sends;
  const void* from;
  void* to;
  std::size_t bytes;
  int peer;
};

}  // namespace

struct ncclComm {
  std::shared_ptr<World> world;
  int rank, ranks;
  Device* device;
  std::shared_ptr<int> captured = std::make_shared<int>();  // held by every captured call
};

namespace {

constexpr auto kPatience = std::chrono::seconds(10);

struct Pending {
  ncclComm_t comm;
  cudaStream_t stream;
  std::vector<Call> calls;
};

thread_local Device* current = nullptr;
thread_local int depth = 0;
thread_local std::vector<Pending> pending;
thread_local std::vector<ncclComm_t> ended;
std::atomic<bool> in_vain{false};
std::atomic<ncclResult_t> async_error{ncclSuccess};
std::atomic<int> ids{0};
std::mutex worlds_mutex;
std::map<std::string, std::weak_ptr<World>> worlds;

void send(World& world, int rank, const Call& call) {
  const auto* from = static_cast<const std::byte*>(call.from);
  const std::lock_guard lock(world.mutex);
  world.mail[{rank, call.peer}].emplace_back(from, from + call.bytes);
}

bool all_there(World& world, int rank, const std::vector<Call>& calls) {
  const std::lock_guard lock(world.mutex);
  std::map<int, std::size_t> wanted;
  for (const Call& c : calls)
    if (!c.sends && world.mail[{c.peer, rank}].size() < ++wanted[c.peer]) return world.aborted;
  return true;
}

void receive(World& world, int rank, const Call& call) {
  const std::lock_guard lock(world.mutex);
  auto& box = world.mail[{call.peer, rank}];
  if (world.aborted) return;  // as a kernel of an aborted communicator: it ends, its memory is garbage
  OPX_REQUIRE(box.front().size() == call.bytes, CommError,
              "fake NCCL: rank {} sends {} bytes to rank {} for {}", call.peer, box.front().size(), rank,
              call.bytes);
  std::memcpy(call.to, box.front().data(), call.bytes);
  box.pop_front();
}

// All of a group's sends before its receives: as with NCCL, their order within the group does not matter. The
// stream stands still until the peers have sent, the host does not.
void put(const Pending& group) {
  namespace host = opx::device::gpu::host;
  const std::shared_ptr<World> world = group.comm->world;
  const int rank = group.comm->rank;
  const std::shared_ptr<int> held = group.comm->device->capturing() ? group.comm->captured : nullptr;
  host::enqueue(*group.comm->device, {group.stream}, "nccl send", [world, rank, held, calls = group.calls] {
    for (const Call& c : calls)
      if (c.sends) send(*world, rank, c);
  });
  host::enqueue(
      *group.comm->device, {group.stream}, "nccl receive",
      [world, rank, held, calls = group.calls] {
        for (const Call& c : calls)
          if (!c.sends) receive(*world, rank, c);
      },
      [world, rank, calls = group.calls] { return all_there(*world, rank, calls); });
}

ncclResult_t add(ncclComm_t comm, cudaStream_t stream, const Call& call) {
  if (call.peer < 0 || call.peer >= comm->ranks) return ncclInvalidUsage;
  if (pending.empty() || pending.back().comm != comm) pending.push_back({comm, stream, {}});
  pending.back().calls.push_back(call);
  return ncclSuccess;
}

// As NCCL: a communicator goes when the graphs that were captured with it have gone.
void finish(ncclComm_t comm) {
  const auto started = std::chrono::steady_clock::now();
  while (comm->captured.use_count() > 1 && !in_vain) {
    if (std::chrono::steady_clock::now() - started > kPatience) in_vain = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  delete comm;
}

}  // namespace

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id->internal, 0, sizeof id->internal);
  std::memcpy(id->internal + 100, &(const int&)(++ids), sizeof(int));
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank) {
  if (current == nullptr || ranks < 1 || rank < 0 || rank >= ranks) return ncclInvalidUsage;
  const std::lock_guard lock(worlds_mutex);
  auto& known = worlds[std::string(id.internal, sizeof id.internal)];
  auto world = known.lock();
  if (!world) known = world = std::make_shared<World>();
  *comm = new ncclComm{world, rank, ranks, current};
  return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  if (depth > 0)
    ended.push_back(comm);
  else
    finish(comm);
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  {
    const std::lock_guard lock(comm->world->mutex);
    comm->world->aborted = true;
  }
  return ncclCommDestroy(comm);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* error) {
  *error = async_error;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t code) {
  return code == ncclSuccess       ? "no error"
         : code == ncclSystemError ? "unhandled system error"
                                   : "invalid usage";
}
const char* ncclGetLastError(ncclComm_t) { return "fake"; }

ncclResult_t ncclGroupStart() {
  ++depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  if (--depth > 0) return ncclSuccess;
  for (const Pending& group : pending) put(group);
  pending.clear();
  for (const ncclComm_t comm : std::exchange(ended, {})) finish(comm);
  return ncclSuccess;
}

ncclResult_t ncclSend(const void* data, std::size_t count, ncclDataType_t, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return depth > 0 ? add(comm, stream, {true, data, nullptr, count, peer}) : ncclInvalidUsage;
}
ncclResult_t ncclRecv(void* data, std::size_t count, ncclDataType_t, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return depth > 0 ? add(comm, stream, {false, nullptr, data, count, peer}) : ncclInvalidUsage;
}

ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  if (depth == 0) return ncclInvalidUsage;
  for (int r = 0; comm->rank == root && r < comm->ranks; ++r)
    add(comm, stream, {true, from, nullptr, count, r});
  return add(comm, stream, {false, nullptr, to, count, root});
}
ncclResult_t ncclAllGather(const void* from, void* to, std::size_t count, ncclDataType_t, ncclComm_t comm,
                           cudaStream_t stream) {
  if (depth == 0) return ncclInvalidUsage;
  for (int r = 0; r < comm->ranks; ++r) {
    add(comm, stream, {true, from, nullptr, count, r});
    add(comm, stream,
        {false, nullptr, static_cast<std::byte*>(to) + static_cast<std::size_t>(r) * count, count, r});
  }
  return ncclSuccess;
}

namespace opx::test {
void fake_nccl_device(Device* device) { current = device; }
void fake_nccl_error(ncclResult_t code) { async_error = code; }
bool fake_nccl_waited_in_vain() { return in_vain.exchange(false); }
}  // namespace opx::test
