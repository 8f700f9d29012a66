// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to threads/: what the ranks of one job share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>

#include "comm/detail/volume.hpp"

namespace opx::comm::threads {

using detail::Collective;

/// What a rank is waiting in, for the watchdog's message.
struct Activity {
  Collective what = Collective::kNone;
  CommAxis axis = CommAxis::kWorld;
  CommPurpose purpose = CommPurpose::kOther;
  std::uint64_t sequence = 0;
  double since = 0;
};

class Ticket;

/// One rank's place in the job: its bell, its counters, its operations under way.
struct Seat {
  std::mutex mutex;
  std::condition_variable bell;
  std::atomic<std::uint64_t> rings{0};  // changed under mutex, so that a sleeper misses none
  Activity activity;                    // under mutex
  std::atomic<bool> left{false};        // its body has ended
  Traffic traffic;                      // its own thread alone
  std::vector<Ticket*> pending;         // its own thread alone
};

class Job {
 public:
  Job(int ranks, const CommOptions& options);

  [[nodiscard]] int ranks() const noexcept { return static_cast<int>(seats_.size()); }
  [[nodiscard]] const CommOptions& options() const noexcept { return options_; }
  [[nodiscard]] Seat& seat(int rank) noexcept { return *seats_[static_cast<std::size_t>(rank)]; }
  /// How often to look before sleeping, and how often to yield between looks.
  [[nodiscard]] int spins() const noexcept { return spins_; }
  [[nodiscard]] int spins_per_yield() const noexcept { return spins_per_yield_; }

  /// Wakes one rank, or all: something that it may wait for has happened.
  void ring(int rank) noexcept;
  void ring_all() noexcept;

  /// Ends the job. The first failure counts; a provisional one (a rank that unwinds and whose error is not
  /// known yet) gives way to the final one of the same rank.
  void fail(int rank, const std::string& message, std::exception_ptr error,
            bool provisional = false) noexcept;
  [[nodiscard]] bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }
  /// CommError that says who failed and why.
  [[noreturn]] void throw_failure();

  /// The body of `rank` has ended.
  void leave(int rank) noexcept;
  [[nodiscard]] bool someone_left() const noexcept { return ended_any_.load(std::memory_order_acquire); }
  /// Until every rank has left; calls options().fatal when that takes too long after a failure.
  void wait_for_all();
  /// Throws the error of the job, if there is one.
  void rethrow_failure();
  /// "rank 1 (all_gather on axis Y for forward, since 2.0 s)".
  [[nodiscard]] std::string describe(int rank);

 private:
  struct Failure {
    int rank = -1;
    std::string message;
    std::exception_ptr error;
    bool provisional = false;
  };
  [[nodiscard]] std::string failure_text();

  CommOptions options_;
  std::vector<std::unique_ptr<Seat>> seats_;
  int spins_ = 0, spins_per_yield_ = 1;
  std::atomic<bool> failed_{false}, ended_any_{false};
  std::mutex mutex_;  // failure_, ended_
  std::condition_variable changed_;
  Failure failure_;
  int ended_ = 0;
};

/// What one rank brings to an operation. A small send buffer is copied (staged), so that its owner need not
/// wait for the readers.
struct Post {
  Collective what = Collective::kBarrier;
  CommPurpose purpose = CommPurpose::kOther;
  const std::byte* send = nullptr;
  std::byte* receive = nullptr;
  Index count = 0;  // bytes of send; elements for reductions
  DataType type = DataType::kByte;
  ReduceOp op = ReduceOp::kSum;
  int root = 0;
  std::vector<Index> send_offsets{};     // all_to_all_v
  std::vector<Index> receive_offsets{};  // all_to_all_v, all_gather_v
  bool lends = false;                    // others read `send` in place
  std::vector<std::byte> staged{};
};

/// One collective of a group. Ranks advance on their own; each does its own receiving part, in parallel to
/// the others.
class Operation {
 public:
  enum Progress : std::uint8_t { kAbsent, kPosted, kReduced, kDone };

  explicit Operation(int size)
      : posts(static_cast<std::size_t>(size)), progress(static_cast<std::size_t>(size)) {}

  /// Readers are counted so that a rank that gives up can wait until nobody reads its buffers.
  [[nodiscard]] bool enter() noexcept;
  void exit() noexcept { readers_.fetch_sub(1, std::memory_order_release); }
  void close() noexcept;

  std::vector<Post> posts;
  std::vector<std::atomic<std::uint8_t>> progress;
  std::atomic<int> arrived{0}, reduced{0}, done{0};

 private:
  std::atomic<int> readers_{0};
  std::atomic<bool> closed_{false};
};

/// The ranks of one communicator.
class Group {
 public:
  Group(Job& job, std::vector<int> world_ranks, CommAxis axis);

  [[nodiscard]] Job& job() noexcept { return job_; }
  [[nodiscard]] int size() const noexcept { return static_cast<int>(world_ranks_.size()); }
  [[nodiscard]] int world_rank(int member) const noexcept {
    return world_ranks_[static_cast<std::size_t>(member)];
  }
  [[nodiscard]] CommAxis axis() const noexcept { return axis_; }
  void ring() noexcept;

  struct Posted {
    std::shared_ptr<Operation> operation;
    std::uint64_t sequence = 0;
  };
  /// The next operation of `member`; the n-th posts of all members meet.
  [[nodiscard]] Posted post(int member, Post post);
  /// The group that the members of (sequence, color) share; made by the first who asks, forgotten after the
  /// last.
  [[nodiscard]] std::shared_ptr<Group> child(std::uint64_t sequence, int color, std::vector<int> members,
                                             CommAxis axis);

 private:
  struct Child {
    std::uint64_t sequence;
    int color;
    std::shared_ptr<Group> group;
    int asked;
  };
  Job& job_;
  std::vector<int> world_ranks_;
  CommAxis axis_;
  std::mutex mutex_;
  std::vector<std::uint64_t> next_;  // by member
  std::uint64_t first_ = 0;          // sequence of operations_.front()
  std::vector<std::shared_ptr<Operation>> operations_;
  std::vector<Child> children_;
};

/// One rank's part in one operation.
class Ticket final : public Request::Impl {
 public:
  Ticket(std::shared_ptr<Group> group, int member, Post post);
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  ~Ticket() override;

  void wait() override;
  void cancel() noexcept override;
  /// Does what needs no waiting; true when complete. Throws CommError where the ranks called different
  /// things.
  bool advance();
  [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_; }

 private:
  [[nodiscard]] Post& post(int member) noexcept {
    return operation_->posts[static_cast<std::size_t>(member)];
  }
  [[nodiscard]] const std::byte* source(int member) noexcept;
  [[nodiscard]] std::string title();
  void check_match();
  void receive();
  void receive_reduction();
  void receive_reduced();
  void step(Operation::Progress to, std::atomic<int>& counter);
  void sleep(std::uint64_t rings_seen, double started);
  void check_left();
  [[noreturn]] void time_out(double waited);
  [[noreturn]] void fail(const std::string& message);
  void withdraw() noexcept;

  std::shared_ptr<Group> group_;
  Job& job_;
  int me_;
  Seat& seat_;
  std::shared_ptr<Operation> operation_;
  std::uint64_t sequence_ = 0;
  bool complete_ = false;
};

/// The communicator of `member` in `group`.
[[nodiscard]] std::unique_ptr<Communicator> make_communicator(std::shared_ptr<Group> group, int member);

}  // namespace opx::comm::threads
