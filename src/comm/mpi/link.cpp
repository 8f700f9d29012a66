// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/link.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <set>
#include <thread>

#include "base/timer.hpp"

namespace opx::comm::mpi {
namespace {

constexpr std::size_t kPoolBlocks = 8;
constexpr Index kGatherReduceBytes = 4096;
// Tags: (operation, phase) in the 32767 that the standard promises.
constexpr std::uint64_t kTagCycle = 16000;
// How long an unwinding rank goes on serving its peers before it leaves the buffers to MPI.
constexpr double kCancelSeconds = 1.0;

// From eager polling to sleeping: with more processes than cores a spinning rank keeps its partner from
// running.
class Backoff {
 public:
  void pause() {
    ++turns_;
    if (turns_ < 200) return;
    if (turns_ < 1000) return std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }

 private:
  int turns_ = 0;
};

}  // namespace

StagingPool::Block StagingPool::take(std::size_t bytes) {
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    if (it->size >= bytes && (best == free_.end() || it->size < best->size)) best = it;
  }
  if (best == free_.end()) {
    Block made{std::make_unique_for_overwrite<std::byte[]>(bytes), bytes};
    memory_.add(bytes);
    return made;
  }
  Block block = std::move(*best);
  free_.erase(best);
  return block;
}

// Beyond the limit the smallest goes: large blocks are the ones worth keeping.
void StagingPool::give(Block block) {
  if (block.size == 0) return;
  free_.push_back(std::move(block));
  if (free_.size() <= kPoolBlocks) return;
  const auto smallest = std::min_element(free_.begin(), free_.end(),
                                         [](const Block& a, const Block& b) { return a.size < b.size; });
  memory_.remove(smallest->size);
  free_.erase(smallest);
}

void Link::throw_code(const char* what, int code) const {
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  if (MPI_Error_string(code, text.data(), &length) != MPI_SUCCESS) length = 0;
  throw base::CommError(fmt::format("rank {}: {} failed with code {}: {}", world_rank_, what, code,
                                    std::string_view(text.data(), static_cast<std::size_t>(length))));
}

void Link::end_job(const std::string& message, int code) noexcept {
  const std::scoped_lock lock(mutex_);
  if (options_.fatal) options_.fatal(message);
  MPI_Abort(MPI_COMM_WORLD, code);
  std::abort();  // MPI_Abort does not come back
}

Channel::~Channel() {
  // Freeing is collective: a rank that unwinds must not wait in it.
  if (comm == MPI_COMM_NULL || std::uncaught_exceptions() > 0) return;
  try {
    link->call("MPI_Comm_free", [&] { return MPI_Comm_free(&comm); });
  } catch (const base::CommError&) {  // nothing that a destructor could do
  }
}

std::shared_ptr<Channel> make_channel(std::shared_ptr<Link> link, MPI_Comm comm, CommAxis axis) {
  auto c = std::make_shared<Channel>();
  c->link = std::move(link);
  c->comm = comm;
  c->axis = axis;
  MPI_Group group{}, world{};
  c->link->call("MPI_Comm_set_errhandler", [&] { return MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN); });
  c->link->call("MPI_Comm_rank", [&] { return MPI_Comm_rank(comm, &c->rank); });
  c->link->call("MPI_Comm_size", [&] { return MPI_Comm_size(comm, &c->size); });
  c->link->call("MPI_Comm_group", [&] { return MPI_Comm_group(comm, &group); });
  c->link->call("MPI_Comm_group", [&] { return MPI_Comm_group(MPI_COMM_WORLD, &world); });
  std::vector<int> own(static_cast<std::size_t>(c->size));
  for (int r = 0; r < c->size; ++r) own[static_cast<std::size_t>(r)] = r;
  c->world_ranks.resize(own.size());
  c->link->call("MPI_Group_translate_ranks", [&] {
    return MPI_Group_translate_ranks(group, c->size, own.data(), world, c->world_ranks.data());
  });
  c->link->call("MPI_Group_free", [&] { return MPI_Group_free(&group); });
  c->link->call("MPI_Group_free", [&] { return MPI_Group_free(&world); });
  return c;
}

Operation::Operation(std::shared_ptr<Channel> channel, Collective what, CommPurpose purpose)
    : channel_(std::move(channel)),
      link_(*channel_->link),
      what_(what),
      purpose_(purpose),
      sequence_(channel_->sequence++) {
  link_.pending().push_back(this);
}

Operation::~Operation() {
  std::erase(link_.pending(), this);
  // An operation that was given up may still be written to: its memory stays.
  if (complete_) {
    link_.pool().give(std::move(staging_));
  } else {
    static_cast<void>(staging_.data.release());
    static_cast<void>(new std::vector<std::shared_ptr<void>>(std::move(kept_)));
  }
}

Request under_way(std::unique_ptr<Operation> operation) {
  operation->advance();
  return Request(std::move(operation));
}

Index gather_reduce_bytes(const Channel& channel) {
  return std::min(kGatherReduceBytes, channel.link->options().chunk_bytes);
}

int Operation::tag(int phase) const noexcept { return static_cast<int>(sequence_ % kTagCycle) * 2 + phase; }

void Operation::request(MPI_Request r, int peer) {
  requests_.push_back(r);
  senders_.push_back(peer);
  ++open_;
}

void Operation::send(const std::byte* data, Index bytes, int peer, int phase) {
  const Index limit = link_.options().chunk_bytes;
  for (Index at = 0; at < bytes; at += limit) {
    MPI_Request r = MPI_REQUEST_NULL;
    const int n = static_cast<int>(std::min(limit, bytes - at));
    link_.call("MPI_Isend",
               [&] { return MPI_Isend(data + at, n, MPI_BYTE, peer, tag(phase), channel_->comm, &r); });
    request(r, -1);
  }
}

void Operation::receive(std::byte* data, Index bytes, int peer, int phase) {
  const Index limit = link_.options().chunk_bytes;
  for (Index at = 0; at < bytes; at += limit) {
    MPI_Request r = MPI_REQUEST_NULL;
    const int n = static_cast<int>(std::min(limit, bytes - at));
    link_.call("MPI_Irecv",
               [&] { return MPI_Irecv(data + at, n, MPI_BYTE, peer, tag(phase), channel_->comm, &r); });
    request(r, peer);
  }
}

void Operation::start(const char* what, const std::function<int(MPI_Request*)>& mpi_call) {
  MPI_Request r = MPI_REQUEST_NULL;
  link_.call(what, [&] { return mpi_call(&r); });
  request(r, -1);
}

void Operation::broadcast(std::byte* data, Index bytes, int root) {
  const Index limit = link_.options().chunk_bytes;
  for (Index at = 0; at < bytes; at += limit) {
    const int n = static_cast<int>(std::min(limit, bytes - at));
    start("MPI_Ibcast",
          [&](MPI_Request* r) { return MPI_Ibcast(data + at, n, MPI_BYTE, root, channel_->comm, r); });
  }
}

std::byte* Operation::stage(Index bytes) {
  staging_ = link_.pool().take(static_cast<std::size_t>(bytes));
  return staging_.data.get();
}

void Operation::exchange(const std::byte* data, std::byte* all, Index bytes, int phase) {
  for (int n = 1; n < channel_->size; ++n) {
    const int peer = (channel_->rank + n) % channel_->size;
    receive(all + peer * bytes, bytes, peer, phase);
    send(data, bytes, peer, phase);
  }
}

// Testsome marks each finished request, so that the watchdog knows the open ones.
bool Operation::advance() {
  while (!complete_) {
    if (open_ > 0) {
      int finished = 0;
      tested_.resize(requests_.size());
      link_.call("MPI_Testsome", [&] {
        return MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &finished, tested_.data(),
                            MPI_STATUSES_IGNORE);
      });
      open_ -= finished;
      if (open_ > 0) return false;
    }
    requests_.clear();
    senders_.clear();
    if (next_stage_ == stages_.size()) {
      complete_ = true;
    } else {
      stages_[next_stage_++](*this);
    }
  }
  return true;
}

void Operation::wait() {
  // Ranks time out one after the other, so that one message comes out, that of the lowest.
  const double patience = link_.options().timeout_seconds + 0.1 * std::min(link_.world_rank(), 50);
  const double started = base::now_seconds();
  Backoff backoff;
  while (true) {
    for (std::size_t i = 0; i < link_.pending().size(); ++i) link_.pending()[i]->advance();
    if (complete_) return;
    const double waited = base::now_seconds() - started;
    if (waited > patience) time_out(waited);
    backoff.pause();
  }
}

// MPI says which requests are open, not which rank has not called: for messages of our own that is the peer,
// for a library collective it is not known.
void Operation::time_out(double waited) {
  std::set<int> open;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] != MPI_REQUEST_NULL && senders_[i] >= 0) {
      open.insert(channel_->world_ranks[static_cast<std::size_t>(senders_[i])]);
    }
  }
  std::string missing;
  for (const int rank : open) missing += fmt::format(" {}", rank);
  link_.end_job(
      fmt::format("rank {}: {} number {} on axis {} for {} has waited {:.1f} s; not arrived: {}",
                  link_.world_rank(), detail::name(what_), sequence_, name(channel_->axis), name(purpose_),
                  waited, missing.empty() ? "not known which ranks" : "ranks" + missing),
      base::exit_code(base::ErrorKind::kComm));
}

void Operation::cancel() noexcept {
  const double started = base::now_seconds();
  Backoff backoff;
  try {
    while (!advance() && base::now_seconds() - started < kCancelSeconds) backoff.pause();
  } catch (...) {  // the error that unwinds is the one to report
  }
}

}  // namespace opx::comm::mpi
