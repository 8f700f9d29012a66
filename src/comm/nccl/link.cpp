// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/link.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "base/timer.hpp"

namespace opx::comm::nccl {
namespace {
constexpr auto kInterval = std::chrono::milliseconds(100);
constexpr auto kPatience = std::chrono::seconds(1);  // with a thread that is inside NCCL
}  // namespace

Link::Link(device::Context& context, Communicator& world, double timeout_seconds)
    : context_(context),
      world_(world),
      timeout_seconds_(timeout_seconds),
      progress_(base::now_seconds()),
      watchdog_([this](const std::stop_token& stop) { watch(stop); }) {}

Link::~Link() {
  watchdog_.request_stop();
  if (watchdog_.joinable()) watchdog_.join();
  sweep();
}

void Link::verify(ncclResult_t code, const char* call) const {
  OPX_REQUIRE(code == ncclSuccess || code == ncclInProgress, CommError, "rank {}: {}: {} ({})", world_.rank(),
              call, ncclGetErrorString(code), ncclGetLastError(nullptr));
}

ncclComm_t Link::make(int ranks, const ncclUniqueId& id, int rank) {
  check();
  ncclComm_t comm = nullptr;
  device().make_current();
  {
    const std::lock_guard lock(calls_);
    verify(ncclCommInitRank(&comm, ranks, id, rank), "ncclCommInitRank");
  }
  const std::lock_guard lock(state_);
  comms_.push_back(comm);
  return comm;
}

void Link::destroy(ncclComm_t comm) noexcept {
  {
    const std::lock_guard lock(state_);
    if (std::erase(comms_, comm) == 0) return;  // aborted
    if (failure_ || std::uncaught_exceptions() > 0) {
      doomed_.push_back(comm);
      wake_.notify_all();
      return;
    }
  }
  const std::unique_lock lock(calls_, kPatience);
  static_cast<void>(ncclCommDestroy(comm));
}

void Link::check() {
  const std::lock_guard lock(state_);
  if (failure_) throw base::CommError(*failure_);
}

void Link::group(const std::string& what, base::FunctionRef<void()> calls) {
  const std::lock_guard lock(calls_);
  {
    const std::lock_guard state(state_);
    if (failure_) throw base::CommError(*failure_);
    calling_ = what;
    if (pending_.empty()) progress_ = base::now_seconds();
  }
  device().make_current();
  verify(ncclGroupStart(), "ncclGroupStart");
  try {
    calls();
  } catch (...) {
    static_cast<void>(ncclGroupEnd());
    throw;
  }
  verify(ncclGroupEnd(), "ncclGroupEnd");
}

std::shared_ptr<gpu::Event> Link::launched(std::string what, gpu::Stream last) {
  auto event = std::make_shared<gpu::Event>();
  device().record(*event, last);
  const std::lock_guard lock(state_);
  calling_.clear();
  if (device().capturing()) return event;  // it may not be asked for, and happens whenever the graph runs
  if (pending_.empty()) progress_ = base::now_seconds();
  pending_.push_back({event, std::move(what)});
  return event;
}

void Link::fail(const std::string& message, bool tell) noexcept {
  const std::lock_guard lock(state_);
  if (failure_) return;
  failure_ = message;
  tell_ = tell;
  wake_.notify_all();
}

void Link::sweep() noexcept {
  std::vector<ncclComm_t> comms;
  bool tell = false;
  {
    const std::lock_guard lock(state_);
    comms.swap(doomed_);
    if (failure_) {
      comms.insert(comms.end(), comms_.begin(), comms_.end());
      comms_.clear();
      tell = std::exchange(tell_, false);
    }
  }
  if (tell) world_.abort(*failure_);  // first: an abort may wait for those of other ranks
  if (comms.empty()) return;
  const std::unique_lock lock(calls_, kPatience);
  static_cast<void>(ncclGroupStart());  // together: one by one, the first may wait for another's kernel
  for (const ncclComm_t comm : comms) static_cast<void>(ncclCommAbort(comm));
  static_cast<void>(ncclGroupEnd());
}

void Link::watch(const std::stop_token& stop) {
  try {
    device().make_current();  // a thread starts on GPU 0, and its first query would make a context there
  } catch (const std::exception& e) {
    fail(e.what(), true);
  }
  while (!stop.stop_requested()) {
    bool failed = false;
    {
      std::unique_lock lock(state_);
      wake_.wait_for(lock, stop, kInterval, [this] { return failure_ || !doomed_.empty(); });
      failed = failure_.has_value();
    }
    sweep();
    if (failed || stop.stop_requested()) return;
    try {
      look();
    } catch (const std::exception& e) {  // the device is lost
      fail(e.what(), true);
    }
  }
}

void Link::look() {
  if (world_.failed()) return fail("another rank failed", false);
  std::string message;
  {
    const std::lock_guard lock(state_);
    for (const ncclComm_t comm : comms_) {
      ncclResult_t code = ncclSuccess;
      const ncclResult_t asked = ncclCommGetAsyncError(comm, &code);
      if (asked != ncclSuccess) code = asked;
      if (code != ncclSuccess && code != ncclInProgress)
        message = fmt::format("rank {}: NCCL: {} ({})", world_.rank(), ncclGetErrorString(code),
                              ncclGetLastError(comm));
    }
    if (message.empty()) message = overdue();
  }
  if (!message.empty()) fail(message, true);
}

std::string Link::overdue() {
  const double now = base::now_seconds();
  while (!pending_.empty() && gpu::Device::reached(*pending_.front().event)) {
    pending_.pop_front();
    progress_ = now;
  }
  if (pending_.empty() && calling_.empty()) progress_ = now;
  const double waited = now - progress_;
  if (waited <= timeout_seconds_) return {};
  return fmt::format("rank {}: {} has waited {:.1f} s on the GPU", world_.rank(),
                     pending_.empty() ? calling_ : pending_.front().what, waited);
}

}  // namespace opx::comm::nccl
