// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "comm/threads/state.hpp"

namespace opx::comm::threads {
namespace {

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(std::shared_ptr<Group> group, int member)
      : group_(std::move(group)),
        member_(member),
        traffic_(group_->job().seat(group_->world_rank(member)).traffic) {}

  int rank() const noexcept override { return member_; }
  int size() const noexcept override { return group_->size(); }
  CommAxis axis() const noexcept override { return group_->axis(); }
  Traffic& traffic() noexcept override { return traffic_; }
  std::string_view backend() const noexcept override { return "threads"; }

  std::unique_ptr<Communicator> split(int color, int key, CommAxis axis) override;
  void barrier() override { Ticket(group_, member_, {.what = Collective::kBarrier}).wait(); }
  void abort(const std::string& message) noexcept override {
    group_->job().fail(group_->world_rank(member_), message, nullptr);
  }
  bool checks_collectives() const noexcept override { return group_->job().options().check_collectives; }
  bool failed() const noexcept override { return group_->job().failed(); }

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
  std::unique_ptr<Ticket> start(Post post, Index received) {
    const CommPurpose purpose = post.purpose;
    auto ticket = std::make_unique<Ticket>(group_, member_, std::move(post));
    traffic_.add(group_->axis(), purpose, received);
    return ticket;
  }
  std::shared_ptr<Group> group_;
  int member_;
  Traffic& traffic_;
};

std::unique_ptr<Communicator> ThreadCommunicator::split(int color, int key, CommAxis axis) {
  detail::check_color(color);
  const std::array<std::int32_t, 2> mine{color, key};
  std::vector<std::array<std::int32_t, 2>> all(static_cast<std::size_t>(size()));
  Ticket ticket(group_, member_,
                {.what = Collective::kSplit,
                 .purpose = CommPurpose::kSetup,
                 .send = std::as_bytes(std::span(mine)).data(),
                 .receive = std::as_writable_bytes(std::span(all)).data(),
                 .count = sizeof mine});
  ticket.wait();
  std::vector<int> members;
  for (int r = 0; r < size(); ++r) {
    if (all[static_cast<std::size_t>(r)][0] == color) members.push_back(r);
  }
  std::stable_sort(members.begin(), members.end(), [&](int a, int b) {
    return all[static_cast<std::size_t>(a)][1] < all[static_cast<std::size_t>(b)][1];
  });
  const auto me = static_cast<int>(std::find(members.begin(), members.end(), member_) - members.begin());
  return make_communicator(group_->child(ticket.sequence(), color, std::move(members), axis), me);
}

void ThreadCommunicator::broadcast_bytes(std::span<std::byte> data, int root, CommPurpose p) {
  detail::check_root(root, size());
  const auto count = static_cast<Index>(data.size());
  start({.what = Collective::kBroadcast,
         .purpose = p,
         .send = root == member_ ? data.data() : nullptr,
         .receive = data.data(),
         .count = count,
         .root = root},
        root == member_ ? 0 : count)
      ->wait();
}

Request ThreadCommunicator::iall_reduce_raw(void* data, Index count, DataType type, ReduceOp op,
                                            CommPurpose p) {
  auto* bytes = static_cast<std::byte*>(data);
  return Request(start({.what = Collective::kAllReduce,
                        .purpose = p,
                        .send = bytes,
                        .receive = bytes,
                        .count = count,
                        .type = type,
                        .op = op},
                       detail::all_reduce_volume(count, type, size())));
}

Request ThreadCommunicator::iall_gather_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                                              CommPurpose p) {
  const auto count = static_cast<Index>(send.size());
  return Request(start({.what = Collective::kAllGather,
                        .purpose = p,
                        .send = send.data(),
                        .receive = receive.data(),
                        .count = count},
                       count * (size() - 1)));
}

void ThreadCommunicator::all_gather_v_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                                            std::vector<Index> counts, CommPurpose p) {
  detail::check_all_gather_v(counts, send.size(), receive.size(), member_, size());
  const auto count = static_cast<Index>(send.size());
  start({.what = Collective::kAllGatherV,
         .purpose = p,
         .send = send.data(),
         .receive = receive.data(),
         .count = count,
         .receive_offsets = detail::offsets(counts)},
        detail::others(counts, member_))
      ->wait();
}

Request ThreadCommunicator::ireduce_scatter_raw(const void* send, void* receive, Index count, DataType type,
                                                ReduceOp op, CommPurpose p) {
  const Index bytes = count * static_cast<Index>(size_of(type));
  return Request(start({.what = Collective::kReduceScatter,
                        .purpose = p,
                        .send = static_cast<const std::byte*>(send),
                        .receive = static_cast<std::byte*>(receive),
                        .count = bytes * size(),
                        .type = type,
                        .op = op},
                       bytes * (size() - 1)));
}

Request ThreadCommunicator::iall_to_all_v_bytes(std::span<const std::byte> send,
                                                std::vector<Index> send_counts, std::span<std::byte> receive,
                                                std::vector<Index> receive_counts, CommPurpose p) {
  detail::check_all_to_all_v(send_counts, send.size(), receive_counts, receive.size(), member_, size());
  return Request(start({.what = Collective::kAllToAllV,
                        .purpose = p,
                        .send = send.data(),
                        .receive = receive.data(),
                        .count = static_cast<Index>(send.size()),
                        .send_offsets = detail::offsets(send_counts),
                        .receive_offsets = detail::offsets(receive_counts)},
                       detail::others(receive_counts, member_)));
}

}  // namespace

std::unique_ptr<Communicator> make_communicator(std::shared_ptr<Group> group, int member) {
  return std::make_unique<ThreadCommunicator>(std::move(group), member);
}

}  // namespace opx::comm::threads
