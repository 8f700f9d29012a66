// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/gpu/host/scheduler.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <numeric>
#include <vector>

#include "base/error.hpp"
#include "device/gpu/api.hpp"
#include "device/gpu/host/fiber.hpp"

namespace opx::device::gpu::host {
namespace {

constexpr int kLanes = 32;

/// 0..n-1 in an order that depends on the seed, without a table: i a + b mod n.
class ScatteredOrder {
 public:
  ScatteredOrder(std::uint64_t n, std::uint64_t& random) : n_(n) {
    b_ = next_random(random) % n;
    do {
      a_ = next_random(random) % n;
    } while (n > 1 && std::gcd(a_, n) != 1);
  }
  [[nodiscard]] std::uint64_t operator()(std::uint64_t i) const noexcept {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(i) * a_ + b_) % n_);
  }

 private:
  std::uint64_t n_, a_ = 1, b_ = 0;
};

struct Site {
  const char* file = nullptr;
  int line = 0;
  bool operator==(const Site& other) const noexcept {
    return line == other.line && (file == other.file || std::strcmp(file, other.file) == 0);
  }
};

enum class State : std::uint8_t { kUnstarted, kReady, kAtBlock, kAtWarp, kDone };

struct Thread {
  State state = State::kUnstarted;
  Fiber* fiber = nullptr;  // that it waits in
  Site site;
  unsigned exchanges =
      0;  // the parity picks one of two slots, so that a quick lane overwrites nothing unread
};

struct Warp {
  int waiting = 0;
  std::array<std::array<std::uint64_t, kLanes>, 2> slots{};
};

struct FreeDeleter {
  void operator()(void* p) const noexcept { std::free(p); }
};
using Memory = std::unique_ptr<void, FreeDeleter>;

// On the heap, so that AddressSanitizer has walls around it.
Memory heap(std::size_t bytes, std::size_t alignment) {
  void* p = nullptr;
  OPX_REQUIRE(
      ::posix_memalign(&p, std::max<std::size_t>(alignment, 16), std::max<std::size_t>(bytes, 1)) == 0,
      OutOfMemory, "no memory for {} bytes of shared memory", bytes);
  return Memory(p);
}

struct Shared {
  const void* tag;
  std::size_t bytes;
  Memory memory;
  bool used;  // in this block
};

class Scheduler {
 public:
  void run(const Grid& grid, const std::function<void()>& body);
  void wait_block(Site site);
  void wait_warp(Site site);
  const std::array<std::uint64_t, kLanes>& exchange(std::uint64_t mine, Site site);
  void* shared(const void* tag, std::size_t bytes, std::size_t alignment);
  std::byte* dynamic() const noexcept { return static_cast<std::byte*>(dynamic_.get()); }

 private:
  static void fiber_main(void* self) { static_cast<Scheduler*>(self)->serve(); }
  void serve();
  void run_unstarted();
  void run_block(Index block);
  void start_block(Index block);
  void resume(Fiber& fiber);
  void suspend(int thread, State state, Site site);
  void release(int first, int count, State from);
  void abandon();
  [[noreturn]] void report_divergence() const;
  Fiber& idle_fiber();
  Fiber& take_fiber();

  const Grid* grid_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  std::uint64_t random_ = 0;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  Fiber* running_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<int> ready_;
  std::unique_ptr<ScatteredOrder> order_;
  int started_ = 0, done_ = 0, at_block_ = 0;
  std::vector<Shared> shared_;
  Memory dynamic_;
  std::exception_ptr error_;
};

thread_local Scheduler scheduler;

void Scheduler::run(const Grid& grid, const std::function<void()>& body) {
  grid_ = &grid;
  body_ = &body;
  random_ = grid.seed;
  threads_.resize(static_cast<std::size_t>(grid.threads));
  warps_.resize(static_cast<std::size_t>(grid.threads / kLanes));
  dynamic_ = grid.dynamic_shared > 0 ? heap(grid.dynamic_shared, 16) : Memory();
  shared_.clear();
  const ScatteredOrder order(static_cast<std::uint64_t>(grid.blocks), random_);
  for (Index b = 0; b < grid.blocks; ++b) run_block(static_cast<Index>(order(static_cast<std::uint64_t>(b))));
}

void Scheduler::start_block(Index block) {
  place = {.thread = 0, .block_threads = grid_->threads, .block = block, .blocks = grid_->blocks};
  for (Thread& t : threads_) t = {};
  for (Warp& w : warps_) w.waiting = 0;
  for (Shared& s : shared_) s.used = false;
  if (dynamic_) std::memset(dynamic_.get(), 0xA5, grid_->dynamic_shared);
  ready_.clear();
  order_ = std::make_unique<ScatteredOrder>(static_cast<std::uint64_t>(grid_->threads), random_);
  started_ = done_ = at_block_ = 0;
  error_ = nullptr;
}

void Scheduler::run_block(Index block) {
  start_block(block);
  while (done_ < grid_->threads) {
    const bool fresh = started_ < grid_->threads;
    if (fresh && (ready_.empty() || next_random(random_) % 2 == 0)) {
      resume(take_fiber());
    } else if (!ready_.empty()) {
      const std::size_t pick = next_random(random_) % ready_.size();
      const int thread = std::exchange(ready_[pick], ready_.back());
      ready_.pop_back();
      place.thread = thread;
      resume(*threads_[static_cast<std::size_t>(thread)].fiber);
    } else {
      report_divergence();
    }
    if (error_) {
      abandon();
      std::rethrow_exception(std::exchange(error_, nullptr));
    }
  }
}

Fiber& Scheduler::take_fiber() {
  if (idle_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(&Scheduler::fiber_main, this));
    return *fibers_.back();
  }
  Fiber* fiber = idle_.back();
  idle_.pop_back();
  return *fiber;
}

void Scheduler::resume(Fiber& fiber) {
  running_ = &fiber;
  fiber.enter();
  running_ = nullptr;
}

// What every fiber does: threads that have not begun, one after the other; then it is idle until more come.
void Scheduler::serve() {
  for (;;) {
    run_unstarted();
    idle_.push_back(running_);
    running_->leave();
  }
}

void Scheduler::run_unstarted() {
  try {
    while (started_ < grid_->threads) {
      const auto thread = static_cast<int>((*order_)(static_cast<std::uint64_t>(started_++)));
      place.thread = thread;
      threads_[static_cast<std::size_t>(thread)].state = State::kReady;
      (*body_)();
      threads_[static_cast<std::size_t>(place.thread)].state = State::kDone;
      ++done_;
      // After a wait others are ready too; the scheduler chooses who goes on.
      if (!ready_.empty()) return;
    }
  } catch (...) {
    error_ = std::current_exception();
  }
}

void Scheduler::suspend(int thread, State state, Site site) {
  Thread& t = threads_[static_cast<std::size_t>(thread)];
  t.state = state;
  t.site = site;
  t.fiber = running_;
}

void Scheduler::release(int first, int count, State from) {
  const Site site = threads_[static_cast<std::size_t>(first)].site;
  for (int i = first; i < first + count; ++i) {
    Thread& t = threads_[static_cast<std::size_t>(i)];
    OPX_REQUIRE(t.state == from && t.site == site, DeviceError,
                "kernel {}: threads of one {} wait at different places, {}:{} and {}:{}", grid_->kernel,
                from == State::kAtBlock ? "block" : "warp", site.file, site.line, t.site.file, t.site.line);
  }
  for (int i = first; i < first + count; ++i) {
    threads_[static_cast<std::size_t>(i)].state = State::kReady;
    ready_.push_back(i);
  }
}

void Scheduler::wait_block(Site site) {
  suspend(place.thread, State::kAtBlock, site);
  if (++at_block_ == grid_->threads) {
    at_block_ = 0;
    release(0, grid_->threads, State::kAtBlock);
  }
  running_->leave();
}

void Scheduler::wait_warp(Site site) {
  const int w = place.thread / kLanes;
  Warp& all = warps_[static_cast<std::size_t>(w)];
  suspend(place.thread, State::kAtWarp, site);
  if (++all.waiting == kLanes) {
    all.waiting = 0;
    release(w * kLanes, kLanes, State::kAtWarp);
  }
  running_->leave();
}

const std::array<std::uint64_t, kLanes>& Scheduler::exchange(std::uint64_t mine, Site site) {
  Thread& t = threads_[static_cast<std::size_t>(place.thread)];
  auto& slots = warps_[static_cast<std::size_t>(place.thread / kLanes)].slots[t.exchanges++ % 2];
  slots[static_cast<std::size_t>(place.thread % kLanes)] = mine;
  wait_warp(site);
  return slots;
}

void* Scheduler::shared(const void* tag, std::size_t bytes, std::size_t alignment) {
  auto found = std::find_if(shared_.begin(), shared_.end(), [&](const Shared& s) { return s.tag == tag; });
  if (found == shared_.end()) {
    shared_.push_back({tag, bytes, heap(bytes, alignment), false});
    found = std::prev(shared_.end());
  }
  if (!std::exchange(found->used, true)) std::memset(found->memory.get(), 0xA5, bytes);
  return found->memory.get();
}

void Scheduler::abandon() {
  idle_.clear();
  for (const auto& fiber : fibers_) {
    fiber->restart();
    idle_.push_back(fiber.get());
  }
}

void Scheduler::report_divergence() const {
  int at_warp = 0;
  Site site;
  for (const Thread& t : threads_) {
    if (t.state == State::kAtWarp) ++at_warp;
    if (t.state == State::kAtWarp || t.state == State::kAtBlock) site = t.site;
  }
  const std::string message = fmt::format(
      "kernel {}: block {} diverged: {} of {} threads have ended, {} wait for their block, {} for their warp "
      "(one of them at {}:{})",
      grid_->kernel, place.block, done_, grid_->threads, at_block_, at_warp, site.file, site.line);
  const_cast<Scheduler*>(this)->abandon();
  throw base::DeviceError(message);
}

}  // namespace

void run_grid(const Grid& grid, const std::function<void()>& body) { scheduler.run(grid, body); }

void wait_block(const char* file, int line) { scheduler.wait_block({file, line}); }
void wait_warp(const char* file, int line) { scheduler.wait_warp({file, line}); }
const std::array<std::uint64_t, 32>& exchange(std::uint64_t mine, const char* file, int line) {
  return scheduler.exchange(mine, {file, line});
}
void* shared_memory(const void* tag, std::size_t bytes, std::size_t alignment) {
  return scheduler.shared(tag, bytes, alignment);
}
std::byte* dynamic_shared_memory() { return scheduler.dynamic(); }

}  // namespace opx::device::gpu::host
