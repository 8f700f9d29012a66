// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/gpu_communicator.hpp"

#include <utility>
#include <vector>

#include "comm/detail/place.hpp"
#include "comm/gpu/reduce.hpp"
#include "comm/mpi/call_check.hpp"
#include "comm/mpi/device_staging.hpp"
#include "comm/mpi/link.hpp"
#include "comm/staged.hpp"

namespace opx::comm::mpi {
namespace {

/// One rank of a group and its GPU, as a copy that operations under way keep.
struct Rank {
  std::shared_ptr<DeviceStaging> staging;
  int rank, size;

  /// Staging memory that lives as long as `operation`.
  [[nodiscard]] std::byte* take(Operation& operation, Index bytes) const {
    std::shared_ptr<std::byte> memory = staging->take(bytes);
    std::byte* data = memory.get();
    operation.keep(std::move(memory));
    return data;
  }
  /// On the compute stream.
  void copy(const std::byte* from, std::byte* to, Index bytes) const {
    device::gpu::Device& device = staging->device();
    if (bytes != 0 && from != to) device.copy(to, from, static_cast<std::size_t>(bytes), device.compute());
  }
  /// Of a part of every rank: those of the others lie in `others`, in rank order. On the compute stream.
  void sum(const std::byte* others, const std::byte* own, std::byte* out, Index count, DataType type,
           ReduceOp op) const {
    device::gpu::Device& device = staging->device();
    gpu::reduce(device, device.compute(),
                {.others = others,
                 .own = own,
                 .out = out,
                 .count = count,
                 .ranks = size,
                 .rank = rank,
                 .type = type,
                 .op = op});
  }
  [[nodiscard]] Index slot(int peer) const noexcept { return peer < rank ? peer : peer - 1; }
  /// Every rank's peers in turn, beginning on the right, so that not all send to the same one.
  template <class Visit>
  void each_peer(Visit&& visit) const {
    for (int n = 1; n < size; ++n) visit((rank + n) % size);
  }
};

class GpuCommunicator final : public Communicator {
 public:
  GpuCommunicator(std::shared_ptr<DeviceStaging> staging, Communicator& inner)
      : staging_(std::move(staging)),
        inner_(&inner),
        host_(staged_communicator(staging_->context(), inner)),
        channel_(channel_of(inner)) {}
  GpuCommunicator(std::shared_ptr<DeviceStaging> staging, std::unique_ptr<Communicator> inner)
      : GpuCommunicator(std::move(staging), *inner) {
    owned_ = std::move(inner);
  }

  int rank() const noexcept override { return inner_->rank(); }
  int size() const noexcept override { return inner_->size(); }
  CommAxis axis() const noexcept override { return inner_->axis(); }
  Traffic& traffic() noexcept override { return inner_->traffic(); }
  const device::MemoryAccount* staging() const noexcept override { return inner_->staging(); }
  std::string_view backend() const noexcept override { return "mpi+gpu"; }
  std::unique_ptr<Communicator> split(int color, int key, CommAxis axis) override {
    return std::make_unique<GpuCommunicator>(staging_, inner_->split(color, key, axis));
  }
  void barrier() override { inner_->barrier(); }
  void abort(const std::string& message) noexcept override { inner_->abort(message); }
  bool checks_collectives() const noexcept override { return inner_->checks_collectives(); }
  bool failed() const noexcept override { return inner_->failed(); }

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
  [[nodiscard]] Rank here() const noexcept { return {staging_, rank(), size()}; }
  void reduce_by_gather(Operation& operation, std::byte* data, Index count, DataType type, ReduceOp op);
  void reduce_by_scatter(Operation& operation, std::byte* data, Index count, DataType type, ReduceOp op);

  std::shared_ptr<DeviceStaging> staging_;
  std::unique_ptr<Communicator> owned_;
  Communicator* inner_;
  std::unique_ptr<Communicator> host_;
  std::shared_ptr<Channel> channel_;
};

void GpuCommunicator::broadcast_bytes(std::span<std::byte> data, int root, CommPurpose p) {
  if (!detail::on_gpu({{data.data(), data.size()}}, p)) return host_->broadcast_bytes(data, root, p);
  detail::check_root(root, size());
  const auto bytes = static_cast<Index>(data.size());
  const auto operation =
      begin_operation(channel_, {.what = Collective::kBroadcast, .purpose = p, .count = bytes, .root = root},
                      root == rank() ? 0 : bytes);
  if (size() == 1) return;
  const Rank me = here();
  std::byte* staged = me.take(*operation, bytes);
  if (root == rank()) me.copy(data.data(), staged, bytes);
  staging_->settle();
  operation->broadcast(staged, bytes, root);
  operation->wait();
  if (root != rank()) me.copy(staged, data.data(), bytes);
}

void GpuCommunicator::reduce_by_gather(Operation& operation, std::byte* data, Index count, DataType type,
                                       ReduceOp op) {
  const Index bytes = count * static_cast<Index>(size_of(type));
  const Rank me = here();
  std::byte* own = me.take(operation, bytes);
  std::byte* others = me.take(operation, bytes * (size() - 1));
  me.copy(data, own, bytes);
  staging_->settle();
  me.each_peer([&](int peer) {
    operation.receive(others + bytes * me.slot(peer), bytes, peer, 0);
    operation.send(own, bytes, peer, 0);
  });
  operation.then([=](Operation&) { me.sum(others, data, data, count, type, op); });
}

// Reduce-scatter of even shares, then their all-gather.
void GpuCommunicator::reduce_by_scatter(Operation& operation, std::byte* data, Index count, DataType type,
                                        ReduceOp op) {
  const auto width = static_cast<Index>(size_of(type));
  const auto share = [count, width, ranks = size()](int r) {
    const Range part = even_range(count, ranks, r);
    return Range{part.begin * width, part.end * width};
  };
  const Range mine = share(rank());
  const Rank me = here();
  std::byte* whole = me.take(operation, count * width);
  std::byte* others = me.take(operation, mine.size() * (size() - 1));
  me.copy(data, whole, count * width);
  staging_->settle();
  me.each_peer([&](int peer) {
    operation.receive(others + mine.size() * me.slot(peer), mine.size(), peer, 0);
    operation.send(whole + share(peer).begin, share(peer).size(), peer, 0);
  });
  operation.then([=](Operation& o) {
    std::byte* own = whole + mine.begin;
    me.sum(others, own, own, mine.size() / width, type, op);
    me.staging->settle();
    me.each_peer([&](int peer) {
      o.receive(whole + share(peer).begin, share(peer).size(), peer, 1);
      o.send(own, mine.size(), peer, 1);
    });
  });
  operation.then([=](Operation&) { me.copy(whole, data, count * width); });
}

Request GpuCommunicator::iall_reduce_raw(void* data, Index count, DataType type, ReduceOp op, CommPurpose p) {
  const Index bytes = count * static_cast<Index>(size_of(type));
  if (!detail::on_gpu({{data, static_cast<std::size_t>(bytes)}}, p))
    return host_->iall_reduce_raw(data, count, type, op, p);
  auto operation = begin_operation(
      channel_, {.what = Collective::kAllReduce, .purpose = p, .count = count, .type = type, .op = op},
      detail::all_reduce_volume(count, type, size()));
  if (size() > 1 && bytes > 0) {
    auto* at = static_cast<std::byte*>(data);
    bytes <= gather_reduce_bytes(*channel_) ? reduce_by_gather(*operation, at, count, type, op)
                                            : reduce_by_scatter(*operation, at, count, type, op);
  }
  return under_way(std::move(operation));
}

Request GpuCommunicator::iall_gather_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                                           CommPurpose p) {
  if (!detail::on_gpu({{send.data(), send.size()}, {receive.data(), receive.size()}}, p))
    return host_->iall_gather_bytes(send, receive, p);
  const auto bytes = static_cast<Index>(send.size());
  auto operation = begin_operation(channel_, {.what = Collective::kAllGather, .purpose = p, .count = bytes},
                                   bytes * (size() - 1));
  const Rank me = here();
  if (size() == 1) {
    me.copy(send.data(), receive.data(), bytes);
  } else if (bytes > 0) {
    std::byte* all = me.take(*operation, bytes * size());
    std::byte* own = all + bytes * rank();
    me.copy(send.data(), own, bytes);
    staging_->settle();
    operation->exchange(own, all, bytes, 0);
    operation->then([=, to = receive.data()](Operation&) { me.copy(all, to, bytes * me.size); });
  }
  return under_way(std::move(operation));
}

void GpuCommunicator::all_gather_v_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                                         std::vector<Index> counts, CommPurpose p) {
  if (!detail::on_gpu({{send.data(), send.size()}, {receive.data(), receive.size()}}, p))
    return host_->all_gather_v_bytes(send, receive, std::move(counts), p);
  detail::check_all_gather_v(counts, send.size(), receive.size(), rank(), size());
  const auto bytes = static_cast<Index>(send.size());
  const std::vector<Index> at = detail::offsets(counts);
  const auto operation =
      begin_operation(channel_, {.what = Collective::kAllGatherV, .purpose = p, .count = at.back()},
                      detail::others(counts, rank()));
  const Rank me = here();
  if (size() == 1) return me.copy(send.data(), receive.data(), bytes);
  std::byte* all = me.take(*operation, at.back());
  std::byte* own = all + at[static_cast<std::size_t>(rank())];
  me.copy(send.data(), own, bytes);
  staging_->settle();
  me.each_peer([&](int peer) {
    const auto from = static_cast<std::size_t>(peer);
    operation->receive(all + at[from], counts[from], peer, 0);
    operation->send(own, bytes, peer, 0);
  });
  operation->wait();
  me.copy(all, receive.data(), at.back());
}

Request GpuCommunicator::ireduce_scatter_raw(const void* send, void* receive, Index count, DataType type,
                                             ReduceOp op, CommPurpose p) {
  const Index bytes = count * static_cast<Index>(size_of(type));
  const auto part = static_cast<std::size_t>(bytes);
  if (!detail::on_gpu({{send, part * static_cast<std::size_t>(size())}, {receive, part}}, p))
    return host_->ireduce_scatter_raw(send, receive, count, type, op, p);
  auto operation = begin_operation(
      channel_, {.what = Collective::kReduceScatter, .purpose = p, .count = count, .type = type, .op = op},
      bytes * (size() - 1));
  const auto* from = static_cast<const std::byte*>(send);
  auto* to = static_cast<std::byte*>(receive);
  const Rank me = here();
  if (size() == 1) {
    me.copy(from, to, bytes);
  } else if (bytes > 0) {
    std::byte* all = me.take(*operation, bytes * size());
    std::byte* others = me.take(*operation, bytes * (size() - 1));
    me.copy(from, all, bytes * size());
    staging_->settle();
    me.each_peer([&](int peer) {
      operation->receive(others + bytes * me.slot(peer), bytes, peer, 0);
      operation->send(all + bytes * peer, bytes, peer, 0);
    });
    operation->then([=](Operation&) { me.sum(others, all + bytes * me.rank, to, count, type, op); });
  }
  return under_way(std::move(operation));
}

Request GpuCommunicator::iall_to_all_v_bytes(std::span<const std::byte> send, std::vector<Index> send_counts,
                                             std::span<std::byte> receive, std::vector<Index> receive_counts,
                                             CommPurpose p) {
  if (!detail::on_gpu({{send.data(), send.size()}, {receive.data(), receive.size()}}, p))
    return host_->iall_to_all_v_bytes(send, std::move(send_counts), receive, std::move(receive_counts), p);
  detail::check_all_to_all_v(send_counts, send.size(), receive_counts, receive.size(), rank(), size());
  const auto own = static_cast<std::size_t>(rank());
  const std::vector<Index> from = detail::offsets(send_counts), to = detail::offsets(receive_counts);
  auto operation = begin_operation(channel_,
                                   {.what = Collective::kAllToAllV,
                                    .purpose = p,
                                    .send_counts = send_counts,
                                    .receive_counts = receive_counts},
                                   detail::others(receive_counts, rank()));
  const Rank me = here();
  if (size() == 1) {
    me.copy(send.data(), receive.data(), to.back());
    return under_way(std::move(operation));
  }
  std::byte* out = me.take(*operation, from.back());
  std::byte* in = me.take(*operation, to.back());
  me.copy(send.data(), out, from.back());
  me.copy(out + from[own], in + to[own], send_counts[own]);
  staging_->settle();
  me.each_peer([&](int peer) {
    const int source = (2 * rank() - peer + 2 * size()) % size();
    const auto s = static_cast<std::size_t>(source), d = static_cast<std::size_t>(peer);
    operation->receive(in + to[s], receive_counts[s], source, 0);
    operation->send(out + from[d], send_counts[d], peer, 0);
  });
  operation->then(
      [me, in, there = receive.data(), bytes = to.back()](Operation&) { me.copy(in, there, bytes); });
  return under_way(std::move(operation));
}

}  // namespace

std::unique_ptr<Communicator> gpu_communicator(device::Context& context, Communicator& inner) {
  OPX_REQUIRE(channel_of(inner) != nullptr, InvalidArgument, "GPU-aware MPI over a communicator of {}",
              inner.backend());
  return std::make_unique<GpuCommunicator>(std::make_shared<DeviceStaging>(context), inner);
}

}  // namespace opx::comm::mpi
