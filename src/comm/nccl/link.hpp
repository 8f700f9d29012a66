// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to nccl/: what the NCCL communicators of one rank share, and its watchdog.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <nccl.h>

#include "base/function_ref.hpp"
#include "comm/detail/volume.hpp"
#include "device/context.hpp"
#include "device/gpu/device.hpp"

namespace opx::comm::nccl {

namespace gpu = device::gpu;

class Link {
 public:
  /// `world` carries errors; it must outlive the Link, as must `context`.
  Link(device::Context& context, Communicator& world, double timeout_seconds);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link();

  [[nodiscard]] device::Context& context() noexcept { return context_; }
  [[nodiscard]] Communicator& world() noexcept { return world_; }
  [[nodiscard]] gpu::Device& device() noexcept { return context_.gpu(); }
  [[nodiscard]] gpu::Stream stream() noexcept { return device().stream(gpu::StreamUse::kComm); }
  [[nodiscard]] gpu::Stream sums() noexcept { return device().stream(gpu::StreamUse::kReduce); }
  [[nodiscard]] ncclComm_t make(int ranks, const ncclUniqueId& id, int rank);
  /// Collective, as the communicators' other calls, and waits for graphs that were captured with it to end.
  /// Where the job has failed, or an error unwinds, the watchdog aborts it in place of that.
  void destroy(ncclComm_t comm) noexcept;

  /// Throws CommError where the job has failed.
  void check();
  /// Runs `calls` between ncclGroupStart and ncclGroupEnd. `what` names the collective for the watchdog.
  void group(const std::string& what, base::FunctionRef<void()> calls);
  /// A CommError that names the call where the code is not ncclSuccess.
  void verify(ncclResult_t code, const char* call) const;
  /// An event behind everything on `last`, stream() or sums(); the watchdog waits for it.
  [[nodiscard]] std::shared_ptr<gpu::Event> launched(std::string what, gpu::Stream last);

  /// The next collective throws, and the watchdog's thread soon ends all communicators of this rank, whose
  /// kernels then leave the GPU; the first message counts. `tell`: and fails the job. Returns at once: an
  /// abort waits until graphs that were captured with the communicator are gone, and the calling thread,
  /// which may be unwinding, may own such a graph.
  void fail(const std::string& message, bool tell) noexcept;

 private:
  struct Pending {
    std::shared_ptr<gpu::Event> event;
    std::string what;
  };
  void watch(const std::stop_token& stop);
  void sweep() noexcept;  // aborts what is doomed, after a failure all
  void look();
  [[nodiscard]] std::string overdue();  // empty: nothing is

  device::Context& context_;
  Communicator& world_;
  double timeout_seconds_;
  std::timed_mutex calls_;  // one thread in NCCL; the watchdog does not wait for it for ever
  std::mutex state_;        // what follows
  std::condition_variable_any wake_;
  std::optional<std::string> failure_;
  bool tell_ = false;  // the job has not heard of it
  std::vector<ncclComm_t> comms_, doomed_;
  std::deque<Pending> pending_;
  std::string calling_;  // the collective that the host is putting on the stream, until launched()
  double progress_ = 0;  // when the front of pending_, or calling_, became what is waited for
  std::jthread watchdog_;
};

}  // namespace opx::comm::nccl
