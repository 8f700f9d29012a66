// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/threads/job.hpp"

#include <chrono>
#include <new>
#include <numeric>
#include <thread>

#include "base/timer.hpp"
#include "comm/threads/state.hpp"
#include "device/context.hpp"

namespace opx::comm {
namespace threads {

// With a core for each rank a partner is usually a few microseconds away, and the spinner yields now and then
// in case they share a core. Without, yielding a few times lets the partners run and often saves the sleep.
constexpr int kSpins = 1000, kSpinsPerYield = 64, kYields = 16;

Job::Job(int ranks, const CommOptions& options) : options_(options) {
  const bool enough_cores = ranks <= device::hardware_threads();
  spins_ = enough_cores ? kSpins : kYields;
  spins_per_yield_ = enough_cores ? kSpinsPerYield : 1;
  for (int r = 0; r < ranks; ++r) seats_.push_back(std::make_unique<Seat>());
}

void Job::ring(int rank) noexcept {
  Seat& s = seat(rank);
  {
    const std::scoped_lock lock(s.mutex);
    s.rings.fetch_add(1, std::memory_order_release);
  }
  s.bell.notify_one();
}

void Job::ring_all() noexcept {
  for (int r = 0; r < ranks(); ++r) ring(r);
}

void Job::fail(int rank, const std::string& message, std::exception_ptr error, bool provisional) noexcept {
  {
    const std::scoped_lock lock(mutex_);
    const bool first = failure_.rank < 0;
    if (!first && (!failure_.provisional || provisional || failure_.rank != rank)) return;
    failure_ = {rank, message, std::move(error), provisional};
    failed_.store(true, std::memory_order_release);
  }
  changed_.notify_all();
  ring_all();
}

// An agreed error (comm::agree) names its rank already.
std::string Job::failure_text() {
  const std::scoped_lock lock(mutex_);
  if (ranks() == 1 || failure_.message.starts_with("rank ")) return failure_.message;
  return fmt::format("rank {}: {}", failure_.rank, failure_.message);
}

void Job::throw_failure() { throw base::CommError(fmt::format("another rank failed: {}", failure_text())); }

void Job::leave(int rank) noexcept {
  seat(rank).left.store(true, std::memory_order_release);
  ended_any_.store(true, std::memory_order_release);
  {
    const std::scoped_lock lock(mutex_);
    ++ended_;
    // Under the lock: the waiter may destroy the job as soon as it sees the last rank.
    changed_.notify_all();
  }
}

void Job::wait_for_all() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ended_ == ranks() || failure_.rank >= 0; });
  const auto grace = std::chrono::duration<double>(options_.timeout_seconds);
  const bool all = changed_.wait_for(lock, grace, [&] { return ended_ == ranks(); });
  if (all) return;
  lock.unlock();
  std::string missing;
  for (int r = 0; r < ranks(); ++r) {
    if (!seat(r).left.load(std::memory_order_acquire)) missing += fmt::format(" {}", r);
  }
  if (options_.fatal) {
    options_.fatal(fmt::format("{}; {:.1f} s later these ranks have not ended:{}", failure_text(),
                               options_.timeout_seconds, missing));
  }
  lock.lock();
  changed_.wait(lock, [&] { return ended_ == ranks(); });
}

void Job::rethrow_failure() {
  if (!failed()) return;
  if (ranks() == 1) std::rethrow_exception(failure_.error);
  const std::string text = failure_text();
  if (!failure_.error) throw base::CommError(text);
  try {
    std::rethrow_exception(failure_.error);
  } catch (const base::Error& e) {
    base::throw_error(e.kind(), text);
  } catch (const std::bad_alloc&) {
    throw base::OutOfMemory(text);
  } catch (const std::exception&) {
    throw base::InternalError(text);
  }
}

std::string Job::describe(int rank) {
  Seat& s = seat(rank);
  if (s.left.load(std::memory_order_acquire)) return fmt::format("rank {} (has ended)", rank);
  const std::scoped_lock lock(s.mutex);
  const Activity& a = s.activity;
  if (a.what == Collective::kNone) return fmt::format("rank {} (in no collective)", rank);
  return fmt::format("rank {} ({} number {} on axis {} for {}, since {:.1f} s)", rank, detail::name(a.what),
                     a.sequence, name(a.axis), name(a.purpose), base::now_seconds() - a.since);
}

namespace {

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an error of unknown type";
  }
}

void run_rank(Job& job, const std::shared_ptr<Group>& world, int rank,
              base::FunctionRef<void(Communicator&)> body) {
  try {
    body(*make_communicator(world, rank));
  } catch (...) {
    const std::exception_ptr error = std::current_exception();
    job.fail(rank, text_of(error), error);
  }
}

// A rank that has ended wakes those who wait for it, while the threads' shared state is sure to be alive.
void run_thread(Job& job, const std::shared_ptr<Group>& world, int rank,
                base::FunctionRef<void(Communicator&)> body) {
  run_rank(job, world, rank, body);
  job.leave(rank);
  job.ring_all();
}

}  // namespace
}  // namespace threads

void run_threads(int ranks, const CommOptions& options, base::FunctionRef<void(Communicator&)> body) {
  OPX_REQUIRE(ranks >= 1, InvalidArgument, "ranks is {}; it takes 1 or more", ranks);
  OPX_REQUIRE(options.timeout_seconds > 0, InvalidArgument, "the timeout is {} s; it must be positive",
              options.timeout_seconds);
  threads::Job job(ranks, options);
  std::vector<int> all(static_cast<std::size_t>(ranks));
  std::iota(all.begin(), all.end(), 0);
  const auto world = std::make_shared<threads::Group>(job, std::move(all), CommAxis::kWorld);
  if (ranks == 1) {
    threads::run_rank(job, world, 0, body);
  } else {
    std::vector<std::jthread> started;
    started.reserve(static_cast<std::size_t>(ranks));
    for (int r = 0; r < ranks; ++r) {
      started.emplace_back([&job, &world, r, body] { threads::run_thread(job, world, r, body); });
    }
    job.wait_for_all();
  }
  job.rethrow_failure();
}

}  // namespace opx::comm
