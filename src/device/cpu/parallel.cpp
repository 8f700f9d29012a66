// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include <sched.h>

#include "device/context.hpp"

namespace opx::device {

int hardware_threads() noexcept {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace opx::device

namespace opx::device::cpu {
namespace {

// Keeps the exception of the lowest-numbered failing task.
class FirstError {
 public:
  void capture(Index task) noexcept {
    const std::lock_guard lock(mutex_);
    if (task < task_) task_ = task, error_ = std::current_exception();
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  Index task_ = std::numeric_limits<Index>::max();
  std::exception_ptr error_;
};

void run_guarded(base::FunctionRef<void(Index)> task, Index i, FirstError& error) noexcept {
  try {
    task(i);
  } catch (...) {
    error.capture(i);
  }
}

}  // namespace

void parallel_for(int threads, Index tasks, base::FunctionRef<void(Index)> task) {
  const int team = static_cast<int>(std::min<Index>(threads, tasks));
  if (team <= 1) {
    for (Index i = 0; i < tasks; ++i) task(i);
    return;
  }
  FirstError error;
#ifdef OPX_HAVE_OPENMP
#pragma omp parallel for schedule(dynamic, 1) num_threads(team)
  for (Index i = 0; i < tasks; ++i) run_guarded(task, i, error);
#else
  std::atomic<Index> next{0};
  const auto work = [&] {
    for (Index i = next.fetch_add(1); i < tasks; i = next.fetch_add(1)) run_guarded(task, i, error);
  };
  std::vector<std::jthread> helpers;
  for (int t = 1; t < team; ++t) helpers.emplace_back(work);
  work();
  helpers.clear();
#endif
  error.rethrow();
}

}  // namespace opx::device::cpu
