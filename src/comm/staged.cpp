// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/staged.hpp"

#include <utility>

#include "device/gpu/device.hpp"
#include "device/transfer.hpp"

namespace opx::comm {
namespace {

bool on_gpu(const void* pointer) noexcept { return device::gpu::Device::is_device_memory(pointer); }

/// Host memory in place of `bytes` at `data`: the same memory, or a copy that can be brought back.
class Stage {
 public:
  Stage(device::Context& context, const void* data, std::size_t bytes, bool read)
      : context_(&context), device_(const_cast<void*>(data)), host_(device_) {
    if (bytes == 0 || !on_gpu(data)) return;
    copy_ = device::Buffer<std::byte>(context.host(), static_cast<Index>(bytes));
    host_ = copy_.data();
    if (read) device::detail::copy_to_host(context, host_, device_, bytes);
  }
  [[nodiscard]] void* host() const noexcept { return host_; }
  [[nodiscard]] bool copied() const noexcept { return !copy_.empty(); }
  void bring_back() {
    if (copied()) device::detail::copy_to_device(*context_, device_, copy_.data(), copy_.bytes());
  }

 private:
  device::Context* context_;
  void* device_;
  void* host_;
  device::Buffer<std::byte> copy_;
};

class StagedRequest final : public Request::Impl {
 public:
  StagedRequest(Stage send, Stage receive) : send_(std::move(send)), receive_(std::move(receive)) {}
  void start(Request inner) { inner_ = std::move(inner); }
  Stage& send() noexcept { return send_; }
  Stage& receive() noexcept { return receive_; }

  void wait() override {
    inner_.wait();
    receive_.bring_back();
  }
  void cancel() noexcept override { inner_ = Request(); }

 private:
  Stage send_, receive_;
  Request inner_;  // the first to end: its memory is above
};

class StagedCommunicator final : public Communicator {
 public:
  StagedCommunicator(device::Context& context, Communicator& inner) : context_(context), inner_(&inner) {}
  StagedCommunicator(device::Context& context, std::unique_ptr<Communicator> inner)
      : context_(context), owned_(std::move(inner)), inner_(owned_.get()) {}

  int rank() const noexcept override { return inner_->rank(); }
  int size() const noexcept override { return inner_->size(); }
  CommAxis axis() const noexcept override { return inner_->axis(); }
  Traffic& traffic() noexcept override { return inner_->traffic(); }
  const device::MemoryAccount* staging() const noexcept override { return inner_->staging(); }
  std::string_view backend() const noexcept override { return inner_->backend(); }
  std::unique_ptr<Communicator> split(int color, int key, CommAxis axis) override {
    return std::make_unique<StagedCommunicator>(context_, inner_->split(color, key, axis));
  }
  void barrier() override { inner_->barrier(); }
  void abort(const std::string& message) noexcept override { inner_->abort(message); }
  bool checks_collectives() const noexcept override { return inner_->checks_collectives(); }
  bool failed() const noexcept override { return inner_->failed(); }

  void broadcast_bytes(std::span<std::byte> data, int root, CommPurpose p) override {
    Stage stage(context_, data.data(), data.size(), rank() == root);
    inner_->broadcast_bytes({static_cast<std::byte*>(stage.host()), data.size()}, root, p);
    if (rank() != root) stage.bring_back();
  }
  Request iall_reduce_raw(void* data, Index count, DataType type, ReduceOp op, CommPurpose p) override {
    if (!on_gpu(data)) return inner_->iall_reduce_raw(data, count, type, op, p);
    const std::size_t bytes = static_cast<std::size_t>(count) * size_of(type);
    return begin(nullptr, 0, data, bytes, true,
                 [&](const void*, void* to) { return inner_->iall_reduce_raw(to, count, type, op, p); });
  }
  Request iall_gather_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                            CommPurpose p) override {
    return begin(send.data(), send.size(), receive.data(), receive.size(), false,
                 [&](const void* from, void* to) {
                   return inner_->iall_gather_bytes({static_cast<const std::byte*>(from), send.size()},
                                                    {static_cast<std::byte*>(to), receive.size()}, p);
                 });
  }
  void all_gather_v_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                          std::vector<Index> counts, CommPurpose p) override {
    const Stage from(context_, send.data(), send.size(), true);
    Stage to(context_, receive.data(), receive.size(), false);
    inner_->all_gather_v_bytes({static_cast<const std::byte*>(from.host()), send.size()},
                               {static_cast<std::byte*>(to.host()), receive.size()}, std::move(counts), p);
    to.bring_back();
  }
  Request ireduce_scatter_raw(const void* send, void* receive, Index count, DataType type, ReduceOp op,
                              CommPurpose p) override {
    const std::size_t bytes = static_cast<std::size_t>(count) * size_of(type);
    return begin(send, bytes * static_cast<std::size_t>(size()), receive, bytes, false,
                 [&](const void* from, void* to) {
                   return inner_->ireduce_scatter_raw(from, to, count, type, op, p);
                 });
  }
  Request iall_to_all_v_bytes(std::span<const std::byte> send, std::vector<Index> send_counts,
                              std::span<std::byte> receive, std::vector<Index> receive_counts,
                              CommPurpose p) override {
    return begin(send.data(), send.size(), receive.data(), receive.size(), false,
                 [&](const void* from, void* to) {
                   return inner_->iall_to_all_v_bytes(
                       {static_cast<const std::byte*>(from), send.size()}, std::move(send_counts),
                       {static_cast<std::byte*>(to), receive.size()}, std::move(receive_counts), p);
                 });
  }

 private:
  /// Starts collective(from, to) on host memory in place of both; `in_place`: `to` is read as well.
  template <class Collective>
  Request begin(const void* send, std::size_t send_bytes, void* receive, std::size_t receive_bytes,
                bool in_place, Collective&& collective) {
    if ((send_bytes == 0 || !on_gpu(send)) && (receive_bytes == 0 || !on_gpu(receive)))
      return collective(send, receive);
    auto request = std::make_unique<StagedRequest>(Stage(context_, send, send_bytes, true),
                                                   Stage(context_, receive, receive_bytes, in_place));
    request->start(collective(request->send().host(), request->receive().host()));
    return Request(std::move(request));
  }

  device::Context& context_;
  std::unique_ptr<Communicator> owned_;
  Communicator* inner_;
};

}  // namespace

std::unique_ptr<Communicator> staged_communicator(device::Context& context, Communicator& inner) {
  return std::make_unique<StagedCommunicator>(context, inner);
}

}  // namespace opx::comm
