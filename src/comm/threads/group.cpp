// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// How ranks that are threads meet: every rank posts its buffers and, once all have, copies or sums what it
// receives straight from the others' buffers.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/timer.hpp"
#include "comm/detail/reduce.hpp"
#include "comm/threads/state.hpp"

namespace opx::comm::threads {
namespace {

// Below this a copy costs less than the second meeting of the ranks that it saves.
constexpr Index kStagedBytes = 4096;

void copy(const std::byte* from, std::byte* to, Index bytes) {
  if (bytes != 0 && from != to) std::memmove(to, from, static_cast<std::size_t>(bytes));
}

void pause_briefly() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

Index send_bytes(const Post& p) {
  switch (p.what) {
    case Collective::kAllReduce:
      return p.count * static_cast<Index>(size_of(p.type));
    default:
      return p.count;
  }
}

}  // namespace

bool Operation::enter() noexcept {
  readers_.fetch_add(1, std::memory_order_seq_cst);
  if (!closed_.load(std::memory_order_seq_cst)) return true;
  exit();
  return false;
}

void Operation::close() noexcept {
  closed_.store(true, std::memory_order_seq_cst);
  while (readers_.load(std::memory_order_seq_cst) != 0) std::this_thread::yield();
}

Group::Group(Job& job, std::vector<int> world_ranks, CommAxis axis)
    : job_(job), world_ranks_(std::move(world_ranks)), axis_(axis), next_(world_ranks_.size(), 0) {}

void Group::ring() noexcept {
  for (const int r : world_ranks_) job_.ring(r);
}

Group::Posted Group::post(int member, Post post) {
  const auto m = static_cast<std::size_t>(member);
  const std::scoped_lock lock(mutex_);
  const std::uint64_t sequence = next_[m]++;
  const auto index = static_cast<std::size_t>(sequence - first_);
  while (operations_.size() <= index) operations_.push_back(std::make_shared<Operation>(size()));
  const std::shared_ptr<Operation> operation = operations_[index];
  operation->posts[m] = std::move(post);
  operation->progress[m].store(Operation::kPosted, std::memory_order_relaxed);
  operation->arrived.fetch_add(1, std::memory_order_release);
  // Members post in order, so the complete operations are those at the front.
  const auto open = std::find_if(operations_.begin(), operations_.end(), [&](const auto& o) {
    return o->arrived.load(std::memory_order_relaxed) != size();
  });
  first_ += static_cast<std::uint64_t>(open - operations_.begin());
  operations_.erase(operations_.begin(), open);
  return {operation, sequence};
}

std::shared_ptr<Group> Group::child(std::uint64_t sequence, int color, std::vector<int> members,
                                    CommAxis axis) {
  const int asking = static_cast<int>(members.size());
  const std::scoped_lock lock(mutex_);
  auto at = std::find_if(children_.begin(), children_.end(),
                         [&](const Child& c) { return c.sequence == sequence && c.color == color; });
  if (at == children_.end()) {
    for (int& m : members) m = world_rank(m);
    children_.push_back({sequence, color, std::make_shared<Group>(job_, std::move(members), axis), 0});
    at = children_.end() - 1;
  }
  std::shared_ptr<Group> group = at->group;
  if (++at->asked == asking) children_.erase(at);
  return group;
}

Ticket::Ticket(std::shared_ptr<Group> group, int member, Post post)
    : group_(std::move(group)),
      job_(group_->job()),
      me_(member),
      seat_(job_.seat(group_->world_rank(member))) {
  if (job_.failed()) job_.throw_failure();
  const Index bytes = send_bytes(post);
  if (bytes > 0 && bytes <= kStagedBytes && post.send != nullptr) {
    post.staged.assign(post.send, post.send + bytes);
  } else {
    post.lends = bytes > 0 && post.send != nullptr;
  }
  seat_.pending.reserve(seat_.pending.size() + 1);
  Group::Posted posted = group_->post(member, std::move(post));
  operation_ = std::move(posted.operation);
  sequence_ = posted.sequence;
  seat_.pending.push_back(this);
  if (operation_->arrived.load(std::memory_order_acquire) == group_->size()) group_->ring();
}

Ticket::~Ticket() {
  if (!complete_) withdraw();
  std::erase(seat_.pending, this);
}

const std::byte* Ticket::source(int member) noexcept {
  const Post& p = post(member);
  return p.staged.empty() ? p.send : p.staged.data();
}

std::string Ticket::title() {
  const Post& p = post(me_);
  return fmt::format("{} number {} on axis {} for {}", detail::name(p.what), sequence_, name(group_->axis()),
                     name(p.purpose));
}

void Ticket::fail(const std::string& message) {
  const int rank = group_->world_rank(me_);
  const base::CommError error(fmt::format("rank {}: {}", rank, message));
  job_.fail(rank, error.what(), std::make_exception_ptr(error));
  throw error;
}

void Ticket::check_match() {
  const Post& mine = post(me_);
  for (int i = 0; i < group_->size(); ++i) {
    const Post& other = post(i);
    bool same = other.what == mine.what && other.purpose == mine.purpose && other.type == mine.type &&
                other.op == mine.op && other.root == mine.root;
    const bool sized = mine.what == Collective::kAllReduce || mine.what == Collective::kReduceScatter ||
                       mine.what == Collective::kAllGather || mine.what == Collective::kBroadcast;
    if (sized) same = same && other.count == mine.count;
    if (mine.what == Collective::kAllGatherV) same = same && other.receive_offsets == mine.receive_offsets;
    if (mine.what == Collective::kAllToAllV && same) {
      const auto from = static_cast<std::size_t>(i), me = static_cast<std::size_t>(me_);
      same = other.send_offsets[me + 1] - other.send_offsets[me] ==
             mine.receive_offsets[from + 1] - mine.receive_offsets[from];
    }
    if (same) continue;
    fail(fmt::format(
        "{} with count {} and root {} does not fit rank {}, which called {} for {} with count {} and root {}",
        title(), mine.count, mine.root, group_->world_rank(i), detail::name(other.what), name(other.purpose),
        other.count, other.root));
  }
}

bool Ticket::advance() {
  if (complete_) return true;
  const auto me = static_cast<std::size_t>(me_);
  Operation& o = *operation_;
  const int size = group_->size();
  auto at = [&] { return o.progress[me].load(std::memory_order_relaxed); };
  const Post& mine = post(me_);
  if (at() == Operation::kPosted) {
    if (o.arrived.load(std::memory_order_acquire) != size) return false;
    check_match();
    const bool two_steps = mine.what == Collective::kAllReduce && mine.lends;
    if (!o.enter()) job_.throw_failure();
    two_steps ? receive_reduction() : receive();
    o.exit();
    two_steps ? step(Operation::kReduced, o.reduced) : step(Operation::kDone, o.done);
  }
  if (at() == Operation::kReduced) {
    if (o.reduced.load(std::memory_order_acquire) != size) return false;
    if (!o.enter()) job_.throw_failure();
    receive_reduced();
    o.exit();
    step(Operation::kDone, o.done);
  }
  complete_ = !mine.lends || o.done.load(std::memory_order_acquire) == size;
  return complete_;
}

void Ticket::step(Operation::Progress to, std::atomic<int>& counter) {
  operation_->progress[static_cast<std::size_t>(me_)].store(to, std::memory_order_relaxed);
  if (counter.fetch_add(1, std::memory_order_acq_rel) + 1 == group_->size()) group_->ring();
}

// Each rank starts at its right neighbour, so that not all read from the same one.
void Ticket::receive() {
  Post& mine = post(me_);
  const int size = group_->size();
  for (int n = 0; n < size; ++n) {
    const int i = (me_ + 1 + n) % size;
    const auto from = static_cast<std::size_t>(i), me = static_cast<std::size_t>(me_);
    const Post& other = post(i);
    switch (mine.what) {
      case Collective::kBroadcast:
        if (i == mine.root && i != me_) copy(source(i), mine.receive, mine.count);
        break;
      case Collective::kAllGather:
      case Collective::kSplit:
        copy(source(i), mine.receive + i * mine.count, mine.count);
        break;
      case Collective::kAllGatherV:
        copy(source(i), mine.receive + mine.receive_offsets[from], other.count);
        break;
      case Collective::kAllToAllV:
        copy(source(i) + other.send_offsets[me], mine.receive + mine.receive_offsets[from],
             other.send_offsets[me + 1] - other.send_offsets[me]);
        break;
      default:
        break;
    }
  }
  if (mine.what == Collective::kReduceScatter || mine.what == Collective::kAllReduce) receive_reduction();
}

// reduce_scatter: the own part. all_reduce: all of it where the senders staged, else the own even share, in
// place; nobody else touches that share of this rank's buffer before every rank is done.
void Ticket::receive_reduction() {
  Post& mine = post(me_);
  const auto width = static_cast<Index>(size_of(mine.type));
  Range part{0, mine.count};
  if (mine.what == Collective::kReduceScatter) {
    const Index each = mine.count / width / group_->size();
    part = {me_ * each, (me_ + 1) * each};
  } else if (mine.lends) {
    part = even_range(mine.count, group_->size(), me_);
  }
  std::vector<const void*> parts;
  for (int i = 0; i < group_->size(); ++i) parts.push_back(source(i) + part.begin * width);
  std::byte* out = mine.what == Collective::kReduceScatter ? mine.receive : mine.receive + part.begin * width;
  detail::reduce(parts, out, part.size(), mine.type, mine.op);
}

void Ticket::receive_reduced() {
  Post& mine = post(me_);
  const auto width = static_cast<Index>(size_of(mine.type));
  for (int n = 1; n < group_->size(); ++n) {
    const int i = (me_ + n) % group_->size();
    const Range part = even_range(mine.count, group_->size(), i);
    copy(source(i) + part.begin * width, mine.receive + part.begin * width, part.size() * width);
  }
}

void Ticket::wait() {
  const double started = base::now_seconds();
  {
    const std::scoped_lock lock(seat_.mutex);
    seat_.activity = {post(me_).what, group_->axis(), post(me_).purpose, sequence_, started};
  }
  try {
    while (true) {
      const std::uint64_t seen = seat_.rings.load(std::memory_order_acquire);
      // Before the look at the operation: what was complete when another rank failed is complete here too.
      const bool failed = job_.failed();
      for (std::size_t i = 0; i < seat_.pending.size(); ++i) seat_.pending[i]->advance();
      if (complete_) break;
      if (failed) job_.throw_failure();
      if (job_.someone_left()) check_left();
      sleep(seen, started);
    }
  } catch (...) {
    withdraw();
    throw;
  }
  const std::scoped_lock lock(seat_.mutex);
  seat_.activity.what = Collective::kNone;
}

void Ticket::sleep(std::uint64_t rings_seen, double started) {
  const auto rung = [&] { return seat_.rings.load(std::memory_order_acquire) != rings_seen; };
  for (int spin = 0; spin < job_.spins(); ++spin) {
    if (rung()) return;
    (spin + 1) % job_.spins_per_yield() == 0 ? std::this_thread::yield() : pause_briefly();
  }
  const double left = job_.options().timeout_seconds - (base::now_seconds() - started);
  std::unique_lock lock(seat_.mutex);
  if (left > 0 && seat_.bell.wait_for(lock, std::chrono::duration<double>(left), rung)) return;
  if (rung()) return;
  lock.unlock();
  time_out(base::now_seconds() - started);
}

void Ticket::check_left() {
  if (operation_->arrived.load(std::memory_order_acquire) == group_->size()) return;
  for (int i = 0; i < group_->size(); ++i) {
    const int rank = group_->world_rank(i);
    // Left first: a rank that posted and then left has done both by the time its mark is seen.
    if (!job_.seat(rank).left.load(std::memory_order_acquire)) continue;
    if (operation_->progress[static_cast<std::size_t>(i)].load(std::memory_order_acquire) !=
        Operation::kAbsent)
      continue;
    fail(fmt::format("{}: rank {} has ended without it", title(), rank));
  }
}

void Ticket::time_out(double waited) {
  const auto at = [&](int i) {
    return operation_->progress[static_cast<std::size_t>(i)].load(std::memory_order_acquire);
  };
  const auto mine = at(me_);
  std::string missing;
  for (int i = 0; i < group_->size(); ++i) {
    if (i == me_ || (mine != Operation::kDone && at(i) >= mine) || at(i) == Operation::kDone) continue;
    missing += fmt::format("{}{}", missing.empty() ? "" : ", ", job_.describe(group_->world_rank(i)));
  }
  fail(fmt::format("{} has waited {:.1f} s; not arrived: {}", title(), waited, missing));
}

void Ticket::cancel() noexcept {
  if (complete_) return;
  const int rank = group_->world_rank(me_);
  job_.fail(rank, "gave up a collective while an error unwound", nullptr, true);
  withdraw();
}

void Ticket::withdraw() noexcept {
  operation_->close();
  std::erase(seat_.pending, this);
}

}  // namespace opx::comm::threads
