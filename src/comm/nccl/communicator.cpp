// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/communicator.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "comm/detail/place.hpp"
#include "comm/gpu/reduce.hpp"
#include "comm/nccl/call_check.hpp"
#include "comm/nccl/link.hpp"
#include "comm/staged.hpp"

namespace opx::comm::nccl {
namespace {

using detail::Call;
using detail::Collective;

// Below this an all_reduce gathers all vectors everywhere: one step in place of two.
constexpr Index kGatherReduceBytes = 4096;

/// The group's NCCL communicator, made at first use.
class Member {
 public:
  Member(std::shared_ptr<Link> link, Communicator& group) : link_(std::move(link)), group_(group) {}
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  ~Member() {
    if (comm_ != nullptr) link_->destroy(comm_);
  }
  [[nodiscard]] Link& link() noexcept { return *link_; }
  [[nodiscard]] const std::shared_ptr<Link>& shared_link() const noexcept { return link_; }
  [[nodiscard]] ncclComm_t comm();

 private:
  std::shared_ptr<Link> link_;
  Communicator& group_;
  ncclComm_t comm_ = nullptr;
};

// What travels for this is no traffic of the algorithms.
ncclComm_t Member::comm() {
  if (comm_ != nullptr) return comm_;
  ncclUniqueId id{};
  const Traffic counted = group_.traffic();
  agree(group_, [&] {
    if (group_.rank() == 0) link_->verify(ncclGetUniqueId(&id), "ncclGetUniqueId");
  });
  group_.broadcast(std::span<char>(id.internal), 0, CommPurpose::kSetup);
  group_.traffic() = counted;
  comm_ = link_->make(group_.size(), id, group_.rank());
  return comm_;
}

class NcclRequest final : public Request::Impl {
 public:
  NcclRequest(std::shared_ptr<Link> link, std::shared_ptr<gpu::Event> done)
      : link_(std::move(link)), done_(std::move(done)) {}
  bool hand_on() override {
    link_->check();
    link_->device().wait(link_->stream(), *done_);
    return true;
  }
  void wait() override {
    follow();  // after an error, too: buffers are freed in the order of the compute stream
    link_->check();
  }
  // The kernels of aborted communicators leave the buffers.
  void cancel() noexcept override {
    if (link_->device().capturing()) return;  // nothing of it runs: the capture is given up
    link_->fail("a collective was given up while an error unwinds", false);
    try {
      follow();
    } catch (...) {  // the error that unwinds is the one to report
    }
  }

 private:
  void follow() { link_->device().wait(link_->device().compute(), *done_); }
  std::shared_ptr<Link> link_;
  std::shared_ptr<gpu::Event> done_;
};

/// Memory in the order of the kComm stream, until another one reads it.
class Scratch {
 public:
  Scratch(Link& link, Index bytes)
      : link_(link),
        last_(link.stream()),
        bytes_(static_cast<std::size_t>(bytes)),
        data_(static_cast<std::byte*>(link.device().allocate(bytes_, link.stream()))) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { link_.device().deallocate(data_, bytes_, last_); }
  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  /// `reader` waits for the kComm stream, and the memory is given back in its order.
  void hand_to(gpu::Stream reader) {
    link_.device().order(link_.stream(), reader);
    last_ = reader;
  }

 private:
  Link& link_;
  gpu::Stream last_;
  std::size_t bytes_;
  std::byte* data_;
};

/// While a collective is put on the kComm stream, and perhaps its sum on kReduce. Where that is cut short by
/// an error, the compute stream, in whose order buffers are freed, waits for what was put there.
class Section {
 public:
  explicit Section(Link& link) : link_(&link) { link.device().order(link.device().compute(), link.stream()); }
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;
  ~Section() {
    if (link_ == nullptr) return;
    try {
      link_->device().order(link_->stream(), link_->device().compute());
      link_->device().order(link_->sums(), link_->device().compute());
    } catch (...) {  // the error that unwinds is the one to report
    }
  }
  void done() noexcept { link_ = nullptr; }

 private:
  Link* link_;
};

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(std::shared_ptr<Link> link, Communicator& inner)
      : inner_(&inner),
        staged_(staged_communicator(link->context(), inner)),
        check_(link->world(), inner),
        member_(std::move(link), inner) {}
  NcclCommunicator(std::shared_ptr<Link> link, std::unique_ptr<Communicator> inner)
      : NcclCommunicator(std::move(link), *inner) {
    owned_ = std::move(inner);
  }

  int rank() const noexcept override { return inner_->rank(); }
  int size() const noexcept override { return inner_->size(); }
  CommAxis axis() const noexcept override { return inner_->axis(); }
  Traffic& traffic() noexcept override { return inner_->traffic(); }
  const device::MemoryAccount* staging() const noexcept override { return inner_->staging(); }
  std::string_view backend() const noexcept override { return "nccl"; }
  bool on_streams() const noexcept override { return true; }
  void check_streams() override { member_.link().check(); }
  void watch_stream(const gpu::Stream& stream, std::string what) override {
    static_cast<void>(member_.link().launched(std::move(what), stream));
  }
  std::unique_ptr<Communicator> split(int color, int key, CommAxis axis) override {
    return std::make_unique<NcclCommunicator>(member_.shared_link(), inner_->split(color, key, axis));
  }
  void barrier() override { inner_->barrier(); }
  void abort(const std::string& message) noexcept override {
    inner_->abort(message);
    link().fail(message, false);
  }
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
  [[nodiscard]] Link& link() noexcept { return member_.link(); }
  [[nodiscard]] std::string title(Collective what, CommPurpose p) const {
    return fmt::format("{} on axis {} for {}", detail::name(what), name(axis()), name(p));
  }
  /// Checks and counts the call and lets the kComm stream wait for the compute stream.
  [[nodiscard]] Section begin(const Call& call, Index received);
  [[nodiscard]] Request end(Section& section, Collective what, CommPurpose p) {
    return end(section, what, p, link().stream());
  }
  /// `last`: the stream that holds the collective's end.
  [[nodiscard]] Request end(Section& section, Collective what, CommPurpose p, gpu::Stream last);
  /// For every peer in turn, within one group of NCCL calls: what to send it and where to receive.
  struct Message {
    const std::byte* send;
    Index send_bytes;
    std::byte* receive;
    Index receive_bytes;
  };
  void exchange(const std::string& what, base::FunctionRef<Message(int peer)> message);
  void copy(const void* from, void* to, Index bytes);
  void sum(const std::byte* others, const std::byte* own, std::byte* out, Index count, DataType type,
           ReduceOp op, gpu::Stream stream);
  void reduce_by_gather(const std::string& what, std::byte* data, Index count, DataType type, ReduceOp op);
  void reduce_by_scatter(const std::string& what, std::byte* data, Index count, DataType type, ReduceOp op);

  std::unique_ptr<Communicator> owned_;
  Communicator* inner_;
  std::unique_ptr<Communicator> staged_;
  CallCheck check_;
  Member member_;
};

// A rank whose capture fails meets the others in no collective of that step.
Section NcclCommunicator::begin(const Call& call, Index received) {
  link().check();
  if (!link().device().capturing()) check_.check(call);
  traffic().add(axis(), call.purpose, received);
  return Section(link());
}

Request NcclCommunicator::end(Section& section, Collective what, CommPurpose p, gpu::Stream last) {
  auto request = std::make_unique<NcclRequest>(member_.shared_link(), link().launched(title(what, p), last));
  section.done();
  return Request(std::move(request));
}

void NcclCommunicator::copy(const void* from, void* to, Index bytes) {
  if (bytes != 0 && from != to)
    link().device().copy(to, from, static_cast<std::size_t>(bytes), link().stream());
}

// Peers in turn, beginning on the right, so that not all send to the same one.
void NcclCommunicator::exchange(const std::string& what, base::FunctionRef<Message(int)> message) {
  if (size() == 1) return;
  const ncclComm_t comm = member_.comm();
  const auto stream = static_cast<cudaStream_t>(link().stream().native);
  link().group(what, [&] {
    for (int n = 1; n < size(); ++n) {
      const int to = (rank() + n) % size(), from = (rank() + size() - n) % size();
      const Message out = message(to), in = message(from);
      if (out.send_bytes > 0)
        link().verify(
            ncclSend(out.send, static_cast<std::size_t>(out.send_bytes), ncclUint8, to, comm, stream),
            "ncclSend");
      if (in.receive_bytes > 0)
        link().verify(
            ncclRecv(in.receive, static_cast<std::size_t>(in.receive_bytes), ncclUint8, from, comm, stream),
            "ncclRecv");
    }
  });
}

void NcclCommunicator::sum(const std::byte* others, const std::byte* own, std::byte* out, Index count,
                           DataType type, ReduceOp op, gpu::Stream stream) {
  comm::gpu::reduce(link().device(), stream,
                    {.others = others,
                     .own = own,
                     .out = out,
                     .count = count,
                     .ranks = size(),
                     .rank = rank(),
                     .type = type,
                     .op = op});
}

void NcclCommunicator::broadcast_bytes(std::span<std::byte> data, int root, CommPurpose p) {
  if (!detail::on_gpu({{data.data(), data.size()}}, p)) return staged_->broadcast_bytes(data, root, p);
  detail::check_root(root, size());
  const auto bytes = static_cast<Index>(data.size());
  Section section = begin({.what = Collective::kBroadcast, .purpose = p, .count = bytes, .root = root},
                          root == rank() ? 0 : bytes);
  if (size() > 1 && !data.empty()) {
    const ncclComm_t comm = member_.comm();
    link().group(title(Collective::kBroadcast, p), [&] {
      link().verify(ncclBroadcast(data.data(), data.data(), data.size(), ncclUint8, root, comm,
                                  static_cast<cudaStream_t>(link().stream().native)),
                    "ncclBroadcast");
    });
  }
  end(section, Collective::kBroadcast, p).wait();
}

void NcclCommunicator::reduce_by_gather(const std::string& what, std::byte* data, Index count, DataType type,
                                        ReduceOp op) {
  const Index bytes = count * static_cast<Index>(size_of(type));
  const Scratch others(link(), bytes * (size() - 1));
  exchange(what, [&](int peer) {
    return Message{data, bytes, others.data() + bytes * (peer < rank() ? peer : peer - 1), bytes};
  });
  sum(others.data(), data, data, count, type, op, link().stream());
}

// Reduce-scatter of even shares, then their all-gather, in place.
void NcclCommunicator::reduce_by_scatter(const std::string& what, std::byte* data, Index count, DataType type,
                                         ReduceOp op) {
  const auto width = static_cast<Index>(size_of(type));
  const auto share = [&](int r) {
    const Range part = even_range(count, size(), r);
    return Range{part.begin * width, part.end * width};
  };
  const Range mine = share(rank());
  const Scratch others(link(), mine.size() * (size() - 1));
  exchange(what, [&](int peer) {
    return Message{data + share(peer).begin, share(peer).size(),
                   others.data() + mine.size() * (peer < rank() ? peer : peer - 1), mine.size()};
  });
  sum(others.data(), data + mine.begin, data + mine.begin, mine.size() / width, type, op, link().stream());
  exchange(what, [&](int peer) {
    return Message{data + mine.begin, mine.size(), data + share(peer).begin, share(peer).size()};
  });
}

Request NcclCommunicator::iall_reduce_raw(void* data, Index count, DataType type, ReduceOp op,
                                          CommPurpose p) {
  const Index bytes = count * static_cast<Index>(size_of(type));
  if (!detail::on_gpu({{data, static_cast<std::size_t>(bytes)}}, p))
    return staged_->iall_reduce_raw(data, count, type, op, p);
  Section section =
      begin({.what = Collective::kAllReduce, .purpose = p, .count = count, .type = type, .op = op},
            detail::all_reduce_volume(count, type, size()));
  if (size() > 1 && bytes > 0) {
    auto* at = static_cast<std::byte*>(data);
    const std::string what = title(Collective::kAllReduce, p);
    bytes <= kGatherReduceBytes ? reduce_by_gather(what, at, count, type, op)
                                : reduce_by_scatter(what, at, count, type, op);
  }
  return end(section, Collective::kAllReduce, p);
}

Request NcclCommunicator::iall_gather_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                                            CommPurpose p) {
  if (!detail::on_gpu({{send.data(), send.size()}, {receive.data(), receive.size()}}, p))
    return staged_->iall_gather_bytes(send, receive, p);
  const auto bytes = static_cast<Index>(send.size());
  Section section =
      begin({.what = Collective::kAllGather, .purpose = p, .count = bytes}, bytes * (size() - 1));
  if (size() == 1) {
    copy(send.data(), receive.data(), bytes);
  } else if (bytes > 0) {
    const ncclComm_t comm = member_.comm();
    link().group(title(Collective::kAllGather, p), [&] {
      link().verify(ncclAllGather(send.data(), receive.data(), send.size(), ncclUint8, comm,
                                  static_cast<cudaStream_t>(link().stream().native)),
                    "ncclAllGather");
    });
  }
  return end(section, Collective::kAllGather, p);
}

void NcclCommunicator::all_gather_v_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                                          std::vector<Index> counts, CommPurpose p) {
  if (!detail::on_gpu({{send.data(), send.size()}, {receive.data(), receive.size()}}, p))
    return staged_->all_gather_v_bytes(send, receive, std::move(counts), p);
  detail::check_all_gather_v(counts, send.size(), receive.size(), rank(), size());
  const std::vector<Index> at = detail::offsets(counts);
  const auto part = [&](int r) { return receive.data() + at[static_cast<std::size_t>(r)]; };
  const auto bytes = static_cast<Index>(send.size());
  const std::vector<Index> to_each(counts.size(), bytes);
  Section section = begin({.what = Collective::kAllGatherV,
                           .purpose = p,
                           .count = at.back(),
                           .send_counts = to_each,
                           .receive_counts = counts},
                          detail::others(counts, rank()));
  copy(send.data(), part(rank()), bytes);
  exchange(title(Collective::kAllGatherV, p), [&](int peer) {
    return Message{send.data(), bytes, part(peer), counts[static_cast<std::size_t>(peer)]};
  });
  end(section, Collective::kAllGatherV, p).wait();
}

Request NcclCommunicator::ireduce_scatter_raw(const void* send, void* receive, Index count, DataType type,
                                              ReduceOp op, CommPurpose p) {
  const Index bytes = count * static_cast<Index>(size_of(type));
  const auto part_bytes = static_cast<std::size_t>(bytes);
  if (!detail::on_gpu({{send, part_bytes * static_cast<std::size_t>(size())}, {receive, part_bytes}}, p))
    return staged_->ireduce_scatter_raw(send, receive, count, type, op, p);
  Section section =
      begin({.what = Collective::kReduceScatter, .purpose = p, .count = count, .type = type, .op = op},
            bytes * (size() - 1));
  const auto* from = static_cast<const std::byte*>(send);
  auto* to = static_cast<std::byte*>(receive);
  gpu::Stream last = link().stream();
  if (size() == 1) {
    copy(from, to, bytes);
  } else if (bytes > 0) {
    Scratch others(link(), bytes * (size() - 1));
    exchange(title(Collective::kReduceScatter, p), [&](int peer) {
      return Message{from + bytes * peer, bytes, others.data() + bytes * (peer < rank() ? peer : peer - 1),
                     bytes};
    });
    last = link().sums();
    others.hand_to(last);
    sum(others.data(), from + bytes * rank(), to, count, type, op, last);
  }
  return end(section, Collective::kReduceScatter, p, last);
}

Request NcclCommunicator::iall_to_all_v_bytes(std::span<const std::byte> send, std::vector<Index> send_counts,
                                              std::span<std::byte> receive, std::vector<Index> receive_counts,
                                              CommPurpose p) {
  if (!detail::on_gpu({{send.data(), send.size()}, {receive.data(), receive.size()}}, p))
    return staged_->iall_to_all_v_bytes(send, std::move(send_counts), receive, std::move(receive_counts), p);
  detail::check_all_to_all_v(send_counts, send.size(), receive_counts, receive.size(), rank(), size());
  const std::vector<Index> from = detail::offsets(send_counts), to = detail::offsets(receive_counts);
  const auto me = static_cast<std::size_t>(rank());
  Section section = begin({.what = Collective::kAllToAllV,
                           .purpose = p,
                           .send_counts = send_counts,
                           .receive_counts = receive_counts},
                          detail::others(receive_counts, rank()));
  copy(send.data() + from[me], receive.data() + to[me], send_counts[me]);
  exchange(title(Collective::kAllToAllV, p), [&](int peer) {
    const auto i = static_cast<std::size_t>(peer);
    return Message{send.data() + from[i], send_counts[i], receive.data() + to[i], receive_counts[i]};
  });
  return end(section, Collective::kAllToAllV, p);
}

}  // namespace

bool compiled() noexcept { return true; }

std::unique_ptr<Communicator> make_communicator(device::Context& context, Communicator& inner,
                                                double timeout_seconds) {
  if (inner.backend() == "threads") context.gpu().share_memory();
  return std::make_unique<NcclCommunicator>(std::make_shared<Link>(context, inner, timeout_seconds), inner);
}

}  // namespace opx::comm::nccl
