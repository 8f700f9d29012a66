// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The group of one.
#include <cstring>
#include <mutex>
#include <optional>

#include "comm/communicator.hpp"
#include "comm/detail/volume.hpp"

namespace opx::comm {
namespace {

struct SelfState {
  Traffic traffic;
  std::mutex mutex;
  std::optional<std::string> failure;
};

void copy(const void* from, void* to, std::size_t bytes) {
  if (from != to && bytes != 0) std::memmove(to, from, bytes);
}

class SelfCommunicator final : public Communicator {
 public:
  SelfCommunicator(std::shared_ptr<SelfState> state, CommAxis axis) : state_(std::move(state)), axis_(axis) {}

  int rank() const noexcept override { return 0; }
  int size() const noexcept override { return 1; }
  CommAxis axis() const noexcept override { return axis_; }
  Traffic& traffic() noexcept override { return state_->traffic; }
  std::string_view backend() const noexcept override { return "self"; }
  std::unique_ptr<Communicator> split(int color, int, CommAxis axis) override {
    OPX_REQUIRE(color >= 0, InvalidArgument, "split: color is {}; it must not be negative", color);
    check();
    return std::make_unique<SelfCommunicator>(state_, axis);
  }
  void barrier() override { check(); }
  void abort(const std::string& message) noexcept override {
    const std::scoped_lock lock(state_->mutex);
    if (!state_->failure) state_->failure = message;
  }

  void broadcast_bytes(std::span<std::byte>, int root, CommPurpose p) override {
    OPX_REQUIRE(root == 0, InvalidArgument, "broadcast: root {} of 1 rank", root);
    note(p);
  }
  Request iall_reduce_raw(void*, Index, DataType, ReduceOp, CommPurpose p) override {
    note(p);
    return {};
  }
  Request iall_gather_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                            CommPurpose p) override {
    note(p);
    copy(send.data(), receive.data(), send.size());
    return {};
  }
  void all_gather_v_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                          std::vector<Index> counts, CommPurpose p) override {
    detail::check_counts(counts, receive.size(), 1, "all_gather_v");
    detail::check_counts(counts, send.size(), 1, "all_gather_v");
    iall_gather_bytes(send, receive, p);
  }
  Request ireduce_scatter_raw(const void* send, void* receive, Index count, DataType type, ReduceOp,
                              CommPurpose p) override {
    note(p);
    copy(send, receive, static_cast<std::size_t>(count) * size_of(type));
    return {};
  }
  Request iall_to_all_v_bytes(std::span<const std::byte> send, std::vector<Index> send_counts,
                              std::span<std::byte> receive, std::vector<Index> receive_counts,
                              CommPurpose p) override {
    detail::check_counts(send_counts, send.size(), 1, "all_to_all_v send");
    detail::check_counts(receive_counts, receive.size(), 1, "all_to_all_v receive");
    OPX_REQUIRE(send.size() == receive.size(), DimensionMismatch, "all_to_all_v: {} bytes to {} on one rank",
                send.size(), receive.size());
    return iall_gather_bytes(send, receive, p);
  }

 private:
  void check() const {
    const std::scoped_lock lock(state_->mutex);
    if (state_->failure) throw base::CommError(*state_->failure);
  }
  void note(CommPurpose p) {
    check();
    state_->traffic.add(axis_, p, 0);
  }
  std::shared_ptr<SelfState> state_;
  CommAxis axis_;
};

}  // namespace

std::unique_ptr<Communicator> self_communicator() {
  return std::make_unique<SelfCommunicator>(std::make_shared<SelfState>(), CommAxis::kWorld);
}

}  // namespace opx::comm
