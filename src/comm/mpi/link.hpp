// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to mpi/: what the communicators of one process share, and its operations under way.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <mpi.h>

#include "comm/detail/volume.hpp"
#include "device/memory_account.hpp"

namespace opx::comm::mpi {

using detail::Collective;

class Operation;

/// Receive buffers of reductions, kept between calls: fresh pages would cost more than the copy into them.
class StagingPool {
 public:
  struct Block {
    std::unique_ptr<std::byte[]> data;
    std::size_t size = 0;
  };
  [[nodiscard]] Block take(std::size_t bytes);
  void give(Block block);
  /// Of all blocks, free or not.
  [[nodiscard]] const device::MemoryAccount& memory() const noexcept { return memory_; }

 private:
  std::vector<Block> free_;
  device::MemoryAccount memory_;
};

/// One process's state: the lock around every MPI call, counters, operations under way.
class Link {
 public:
  Link(const CommOptions& options, int world_rank) : options_(options), world_rank_(world_rank) {}

  [[nodiscard]] const CommOptions& options() const noexcept { return options_; }
  [[nodiscard]] int world_rank() const noexcept { return world_rank_; }
  [[nodiscard]] Traffic& traffic() noexcept { return traffic_; }
  [[nodiscard]] StagingPool& pool() noexcept { return pool_; }
  [[nodiscard]] std::vector<Operation*>& pending() noexcept { return pending_; }

  /// Runs an MPI call under the lock; a code other than MPI_SUCCESS is a CommError that names it.
  template <class Call>
  void call(const char* what, Call&& mpi_call) {
    int code = MPI_SUCCESS;
    {
      const std::scoped_lock lock(mutex_);
      code = mpi_call();
    }
    if (code != MPI_SUCCESS) throw_code(what, code);
  }
  /// Hands the message out and ends all processes.
  [[noreturn]] void end_job(const std::string& message, int code) noexcept;

 private:
  [[noreturn]] void throw_code(const char* what, int code) const;

  CommOptions options_;
  int world_rank_;
  Traffic traffic_;
  StagingPool pool_;
  std::vector<Operation*> pending_;
  std::mutex mutex_;
};

/// What an operation belongs to; lives as long as any of its operations.
struct Channel {
  std::shared_ptr<Link> link;
  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0, size = 1;
  CommAxis axis = CommAxis::kWorld;
  std::vector<int> world_ranks;
  std::uint64_t sequence = 0;

  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();
};

/// A collective as stages of non-blocking MPI calls: when all requests of a stage are complete the next one
/// runs, which sums or copies locally and may start more requests.
class Operation final : public Request::Impl {
 public:
  using Stage = std::function<void(Operation&)>;

  Operation(std::shared_ptr<Channel> channel, Collective what, CommPurpose purpose);
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  ~Operation() override;

  [[nodiscard]] Channel& channel() noexcept { return *channel_; }
  /// Non-blocking message to or from a peer, in pieces of chunk_bytes at most; those of one (operation,
  /// phase) match in order.
  void send(const std::byte* data, Index bytes, int peer, int phase);
  void receive(std::byte* data, Index bytes, int peer, int phase);
  /// Sends `data` to every peer and receives theirs at all + peer * bytes; the own part is the caller's
  /// business.
  void exchange(const std::byte* data, std::byte* all, Index bytes, int phase);
  /// The root's `data` to all, by the library's collective, in pieces of chunk_bytes at most.
  void broadcast(std::byte* data, Index bytes, int root);
  /// A collective call that gives one request.
  void start(const char* what, const std::function<int(MPI_Request*)>& mpi_call);
  void then(Stage stage) { stages_.push_back(std::move(stage)); }
  /// Staging memory that lives as long as the operation.
  [[nodiscard]] std::byte* stage(Index bytes);
  /// The same for memory of other kinds; where the operation is given up it stays for ever.
  void keep(std::shared_ptr<void> memory) { kept_.push_back(std::move(memory)); }

  void wait() override;
  void cancel() noexcept override;
  /// Tests the requests and runs the stages that are due; true when complete.
  bool advance();

 private:
  void request(MPI_Request r, int peer);
  [[nodiscard]] int tag(int phase) const noexcept;
  [[noreturn]] void time_out(double waited);

  std::shared_ptr<Channel> channel_;
  Link& link_;
  Collective what_;
  CommPurpose purpose_;
  std::uint64_t sequence_;
  std::vector<MPI_Request> requests_;
  std::vector<int> senders_;  // by request: the peer that we receive from, or -1
  std::vector<int> tested_;   // scratch of MPI_Testsome
  int open_ = 0;              // requests under way
  std::vector<Stage> stages_;
  std::size_t next_stage_ = 0;
  StagingPool::Block staging_;
  std::vector<std::shared_ptr<void>> kept_;
  bool complete_ = false;
};

/// Starts what is due at once and hands the operation over.
[[nodiscard]] Request under_way(std::unique_ptr<Operation> operation);
/// Up to here an all_reduce gathers all vectors everywhere, one step in place of two.
[[nodiscard]] Index gather_reduce_bytes(const Channel& channel);

/// What `communicator` is on; null where it is none of make_communicator()'s.
[[nodiscard]] std::shared_ptr<Channel> channel_of(const Communicator& communicator);
/// The communicator of this process on `channel`.
[[nodiscard]] std::unique_ptr<Communicator> make_communicator(std::shared_ptr<Channel> channel);
/// Wraps an MPI communicator, which it owns from now on.
[[nodiscard]] std::shared_ptr<Channel> make_channel(std::shared_ptr<Link> link, MPI_Comm comm, CommAxis axis);

}  // namespace opx::comm::mpi
