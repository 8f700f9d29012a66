// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/pipeline.hpp"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/timer.hpp"

namespace opx::sampling {

namespace {

/// A sub-batch and the span of time in which it was built.
struct Slot {
  Batch batch;
  double start = 0, seconds = 0;
};

int pop_front(std::vector<int>& queue) {
  const int first = queue.front();
  queue.erase(queue.begin());
  return first;
}

}  // namespace

struct BatchPipeline::State {
  State(BatchBuilder& builder_, Ticket first, std::function<Ticket(Ticket)> next, Fill fill_,
        std::size_t slots_)
      : builder(builder_),
        ticket(first),
        next_ticket(std::move(next)),
        fill(std::move(fill_)),
        slots(slots_) {
    ready.reserve(slots_);
    free.reserve(slots_);
  }

  BatchBuilder& builder;
  Ticket ticket;  ///< of the next build; the builder's thread's alone
  std::function<Ticket(Ticket)> next_ticket;
  Fill fill;
  std::vector<Slot> slots;
  int in_use = -1;  ///< by the caller of next()
  base::TraceWriter* trace = nullptr;

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> ready, free;  ///< slots, the first one first
  std::exception_ptr error;      ///< after which nothing is built
  bool stop = false;
  std::thread thread;  ///< none at depth 0

  void build(int i);
  void run() noexcept;
  int take_built();
};

void BatchPipeline::State::build(int i) {
  Slot& slot = slots[static_cast<std::size_t>(i)];
  slot.start = base::now_seconds();
  builder.build(ticket.epoch, ticket.index, slot.batch);
  if (fill) fill(i, slot.batch);
  ticket = next_ticket(ticket);
  slot.seconds = base::now_seconds() - slot.start;
}

void BatchPipeline::State::run() noexcept {
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return stop || !free.empty(); });
    if (stop) return;
    const int slot = pop_front(free);
    lock.unlock();
    std::exception_ptr thrown;
    try {
      build(slot);
    } catch (...) {
      thrown = std::current_exception();
    }
    lock.lock();
    if (thrown) {
      error = thrown;
    } else {
      ready.push_back(slot);
    }
    changed.notify_all();
    if (thrown) return;
  }
}

int BatchPipeline::State::take_built() {
  std::unique_lock lock(mutex);
  if (in_use >= 0) free.push_back(std::exchange(in_use, -1));
  changed.notify_all();
  changed.wait(lock, [this] { return !ready.empty() || error; });
  if (ready.empty()) std::rethrow_exception(error);
  return pop_front(ready);
}

BatchPipeline::BatchPipeline(BatchBuilder& builder, Ticket first, std::function<Ticket(Ticket)> next_ticket,
                             Fill fill, const PipelineOptions& options) {
  OPX_REQUIRE(options.depth >= 0, InvalidArgument, "a pipeline of depth {}; it takes 0 or more",
              options.depth);
  state_ = std::make_unique<State>(builder, first, std::move(next_ticket), std::move(fill),
                                   static_cast<std::size_t>(options.depth) + 1);
  if (options.depth == 0) return;
  for (int i = 0; i <= options.depth; ++i) state_->free.push_back(i);
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

BatchPipeline::~BatchPipeline() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->changed.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
}

BatchPipeline::Item BatchPipeline::next() {
  State& s = *state_;
  const double start = base::now_seconds();
  int i = 0;
  if (s.thread.joinable()) {
    i = s.take_built();
    s.in_use = i;
  } else {
    s.build(0);
  }
  Slot& slot = s.slots[static_cast<std::size_t>(i)];
  if (s.trace != nullptr) {
    s.trace->add("sample", "sample", slot.start, slot.seconds, base::TraceLane::kSampler);
  }
  return {.slot = i, .batch = &slot.batch, .waited_seconds = base::now_seconds() - start};
}

void BatchPipeline::set_trace(base::TraceWriter* trace) { state_->trace = trace; }

}  // namespace opx::sampling
