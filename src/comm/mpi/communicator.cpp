// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "comm/detail/reduce.hpp"
#include "comm/mpi/call_check.hpp"
#include "comm/mpi/link.hpp"

namespace opx::comm::mpi {
namespace {

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}

  int rank() const noexcept override { return channel_->rank; }
  int size() const noexcept override { return channel_->size; }
  CommAxis axis() const noexcept override { return channel_->axis; }
  Traffic& traffic() noexcept override { return channel_->link->traffic(); }
  const device::MemoryAccount* staging() const noexcept override { return &channel_->link->pool().memory(); }
  std::string_view backend() const noexcept override { return "mpi"; }
  [[nodiscard]] const std::shared_ptr<Channel>& channel() const noexcept { return channel_; }
  bool checks_collectives() const noexcept override { return channel_->link->options().check_collectives; }

  std::unique_ptr<Communicator> split(int color, int key, CommAxis axis) override;
  void barrier() override;
  void abort(const std::string& message) noexcept override {
    channel_->link->end_job(fmt::format("rank {}: {}", channel_->link->world_rank(), message),
                            base::exit_code(base::ErrorKind::kComm));
  }

  void broadcast_bytes(std::span<std::byte> data, int root, CommPurpose p) override;
  Request iall_reduce_raw(void* data, Index count, DataType type, ReduceOp op, CommPurpose p) override;
  Request iall_gather_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                            CommPurpose p) override;
  void all_gather_v_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                          std::vector<Index> counts, CommPurpose p) override;
  Request ireduce_scatter_raw(const void* send, void* receive, Index count, DataType type, ReduceOp op,
                              CommPurpose p) override;
  Request iall_to_all_v_bytes(std::span<const std::byte> send, std::vector<Index> send_counts,
                              std::span<std::byte> receive, std::vector<Index> receive_counts,
                              CommPurpose p) override;

 private:
  std::unique_ptr<Operation> begin(const Call& call, Index received) {
    return begin_operation(channel_, call, received);
  }
  [[nodiscard]] bool direct() const { return channel_->size <= channel_->link->options().direct_ranks; }
  void meet(Collective what, CommPurpose p);
  /// The own part is in place at the end; `data` may be it already.
  void gather(Operation& operation, const std::byte* data, std::byte* all, Index bytes);
  void reduce_by_gather(Operation& operation, std::byte* data, Index count, DataType type, ReduceOp op);
  void reduce_by_scatter(Operation& operation, std::byte* data, Index count, DataType type, ReduceOp op);
  std::shared_ptr<Channel> channel_;
};

void copy(const std::byte* from, std::byte* to, Index bytes) {
  if (bytes != 0 && from != to) std::memmove(to, from, static_cast<std::size_t>(bytes));
}

// Every rank's peers in turn, beginning on the right, so that not all send to the same one.
template <class Visit>
void each_peer(const Channel& c, Visit&& visit) {
  for (int n = 1; n < c.size; ++n) visit((c.rank + n) % c.size);
}

// Receives of one part from each peer into `staging` (in rank order, own part left out); then the sum into
// `out`.
class StagedSum {
 public:
  StagedSum(Operation& operation, const std::byte* own, std::byte* out, Index count, DataType type,
            ReduceOp op)
      : own_(own),
        out_(out),
        count_(count),
        type_(type),
        op_(op),
        rank_(operation.channel().rank),
        size_(operation.channel().size),
        staging_(operation.stage(bytes() * (size_ - 1))) {
    each_peer(operation.channel(), [&](int peer) { operation.receive(part(peer), bytes(), peer, 0); });
  }
  void sum() const {
    std::vector<const void*> parts;
    for (int r = 0; r < size_; ++r) parts.push_back(r == rank_ ? own_ : part(r));
    detail::reduce(parts, out_, count_, type_, op_);
  }

 private:
  [[nodiscard]] Index bytes() const { return count_ * static_cast<Index>(size_of(type_)); }
  [[nodiscard]] std::byte* part(int peer) const {
    return staging_ + bytes() * (peer < rank_ ? peer : peer - 1);
  }

  const std::byte* own_;
  std::byte* out_;
  Index count_;
  DataType type_;
  ReduceOp op_;
  int rank_, size_;
  std::byte* staging_;
};

// MPI_Comm_split blocks: the meeting before it has the watchdog.
std::unique_ptr<Communicator> MpiCommunicator::split(int color, int key, CommAxis axis) {
  detail::check_color(color);
  meet(Collective::kSplit, CommPurpose::kSetup);
  MPI_Comm made = MPI_COMM_NULL;
  channel_->link->call("MPI_Comm_split", [&] { return MPI_Comm_split(channel_->comm, color, key, &made); });
  return make_communicator(make_channel(channel_->link, made, axis));
}

void MpiCommunicator::barrier() { meet(Collective::kBarrier, CommPurpose::kOther); }

void MpiCommunicator::meet(Collective what, CommPurpose p) {
  check_same(channel_, {.what = what, .purpose = p});
  Operation operation(channel_, what, p);
  if (direct()) {
    std::byte* all = operation.stage(size());
    all[rank()] = std::byte{};
    operation.exchange(all + rank(), all, 1, 0);
  } else {
    operation.start("MPI_Ibarrier", [&](MPI_Request* r) { return MPI_Ibarrier(channel_->comm, r); });
  }
  operation.wait();
}

void MpiCommunicator::gather(Operation& operation, const std::byte* data, std::byte* all, Index bytes) {
  std::byte* own = all + bytes * rank();
  if (direct() || bytes > channel_->link->options().chunk_bytes) {
    copy(data, own, bytes);
    operation.exchange(data, all, bytes, 0);
    return;
  }
  const void* from = data == own ? MPI_IN_PLACE : static_cast<const void*>(data);
  operation.start("MPI_Iallgather", [&](MPI_Request* r) {
    const int n = static_cast<int>(bytes);
    return MPI_Iallgather(from, n, MPI_BYTE, all, n, MPI_BYTE, channel_->comm, r);
  });
}

void MpiCommunicator::broadcast_bytes(std::span<std::byte> data, int root, CommPurpose p) {
  detail::check_root(root, size());
  const auto bytes = static_cast<Index>(data.size());
  const auto operation = begin({.what = Collective::kBroadcast, .purpose = p, .count = bytes, .root = root},
                               root == rank() ? 0 : bytes);
  operation->broadcast(data.data(), bytes, root);
  operation->wait();
}

void MpiCommunicator::reduce_by_gather(Operation& operation, std::byte* data, Index count, DataType type,
                                       ReduceOp op) {
  const Index bytes = count * static_cast<Index>(size_of(type));
  std::byte* all = operation.stage(bytes * size());
  gather(operation, data, all, bytes);
  operation.then([=](Operation& o) {
    std::vector<const void*> parts;
    for (int r = 0; r < o.channel().size; ++r) parts.push_back(all + r * bytes);
    detail::reduce(parts, data, count, type, op);
  });
}

// Reduce-scatter of even shares, then their all-gather, in place.
void MpiCommunicator::reduce_by_scatter(Operation& operation, std::byte* data, Index count, DataType type,
                                        ReduceOp op) {
  const auto width = static_cast<Index>(size_of(type));
  const int ranks = size();
  const auto share = [=](int r) {
    const Range part = even_range(count, ranks, r);
    return Range{part.begin * width, part.end * width};
  };
  const Range mine = share(rank());
  const StagedSum sum(operation, data + mine.begin, data + mine.begin, mine.size() / width, type, op);
  each_peer(*channel_,
            [&](int peer) { operation.send(data + share(peer).begin, share(peer).size(), peer, 0); });
  operation.then([=](Operation& o) {
    sum.sum();
    each_peer(o.channel(), [&](int peer) {
      o.receive(data + share(peer).begin, share(peer).size(), peer, 1);
      o.send(data + mine.begin, mine.size(), peer, 1);
    });
  });
}

Request MpiCommunicator::iall_reduce_raw(void* data, Index count, DataType type, ReduceOp op, CommPurpose p) {
  auto operation =
      begin({.what = Collective::kAllReduce, .purpose = p, .count = count, .type = type, .op = op},
            detail::all_reduce_volume(count, type, size()));
  const Index bytes = count * static_cast<Index>(size_of(type));
  if (size() > 1 && bytes > 0) {
    auto* at = static_cast<std::byte*>(data);
    bytes <= gather_reduce_bytes(*channel_) ? reduce_by_gather(*operation, at, count, type, op)
                                            : reduce_by_scatter(*operation, at, count, type, op);
  }
  return under_way(std::move(operation));
}

Request MpiCommunicator::iall_gather_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                                           CommPurpose p) {
  const auto bytes = static_cast<Index>(send.size());
  auto operation =
      begin({.what = Collective::kAllGather, .purpose = p, .count = bytes}, bytes * (size() - 1));
  gather(*operation, send.data(), receive.data(), bytes);
  return under_way(std::move(operation));
}

void MpiCommunicator::all_gather_v_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                                         std::vector<Index> counts, CommPurpose p) {
  detail::check_all_gather_v(counts, send.size(), receive.size(), rank(), size());
  const auto bytes = static_cast<Index>(send.size());
  const auto me = static_cast<std::size_t>(rank());
  const std::vector<Index> at = detail::offsets(counts);
  const auto operation = begin({.what = Collective::kAllGatherV, .purpose = p, .count = at.back()},
                               detail::others(counts, rank()));
  each_peer(*channel_, [&](int peer) {
    const auto from = static_cast<std::size_t>(peer);
    operation->receive(receive.data() + at[from], counts[from], peer, 0);
    operation->send(send.data(), bytes, peer, 0);
  });
  copy(send.data(), receive.data() + at[me], bytes);
  operation->wait();
}

Request MpiCommunicator::ireduce_scatter_raw(const void* send, void* receive, Index count, DataType type,
                                             ReduceOp op, CommPurpose p) {
  const Index bytes = count * static_cast<Index>(size_of(type));
  auto operation =
      begin({.what = Collective::kReduceScatter, .purpose = p, .count = count, .type = type, .op = op},
            bytes * (size() - 1));
  const auto* from = static_cast<const std::byte*>(send);
  const StagedSum sum(*operation, from + bytes * rank(), static_cast<std::byte*>(receive), count, type, op);
  each_peer(*channel_, [&](int peer) { operation->send(from + bytes * peer, bytes, peer, 0); });
  operation->then([sum](Operation&) { sum.sum(); });
  return under_way(std::move(operation));
}

Request MpiCommunicator::iall_to_all_v_bytes(std::span<const std::byte> send, std::vector<Index> send_counts,
                                             std::span<std::byte> receive, std::vector<Index> receive_counts,
                                             CommPurpose p) {
  detail::check_all_to_all_v(send_counts, send.size(), receive_counts, receive.size(), rank(), size());
  const auto me = static_cast<std::size_t>(rank());
  const std::vector<Index> from = detail::offsets(send_counts), to = detail::offsets(receive_counts);
  auto operation = begin({.what = Collective::kAllToAllV,
                          .purpose = p,
                          .send_counts = send_counts,
                          .receive_counts = receive_counts},
                         detail::others(receive_counts, rank()));
  each_peer(*channel_, [&](int peer) {
    const int source = (2 * rank() - peer + 2 * size()) % size();
    const auto s = static_cast<std::size_t>(source), d = static_cast<std::size_t>(peer);
    operation->receive(receive.data() + to[s], receive_counts[s], source, 0);
    operation->send(send.data() + from[d], send_counts[d], peer, 0);
  });
  copy(send.data() + from[me], receive.data() + to[me], send_counts[me]);
  return under_way(std::move(operation));
}

}  // namespace

std::shared_ptr<Channel> channel_of(const Communicator& communicator) {
  const auto* of_mpi = dynamic_cast<const MpiCommunicator*>(&communicator);
  return of_mpi == nullptr ? nullptr : of_mpi->channel();
}

std::unique_ptr<Communicator> make_communicator(std::shared_ptr<Channel> channel) {
  return std::make_unique<MpiCommunicator>(std::move(channel));
}

}  // namespace opx::comm::mpi
