// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/communicator.hpp"

#include <exception>
#include <new>

namespace opx::comm {

std::string_view name(CommAxis axis) noexcept {
  switch (axis) {
    case CommAxis::kX:
      return "X";
    case CommAxis::kY:
      return "Y";
    case CommAxis::kZ:
      return "Z";
    case CommAxis::kD:
      return "D";
    case CommAxis::kTensor:
      return "tensor";
    case CommAxis::kWorld:
      return "world";
    case CommAxis::kCount:
      break;
  }
  return "?";
}

std::string_view name(CommPurpose purpose) noexcept {
  switch (purpose) {
    case CommPurpose::kSetup:
      return "setup";
    case CommPurpose::kForward:
      return "forward";
    case CommPurpose::kBackward:
      return "backward";
    case CommPurpose::kGradient:
      return "gradient";
    case CommPurpose::kNorm:
      return "norm";
    case CommPurpose::kLoss:
      return "loss";
    case CommPurpose::kMetric:
      return "metric";
    case CommPurpose::kCheckpoint:
      return "checkpoint";
    case CommPurpose::kOther:
      return "other";
    case CommPurpose::kCount:
      break;
  }
  return "?";
}

Index Traffic::bytes(CommAxis axis) const noexcept {
  Index sum = 0;
  for (const Cell& c : cells_[static_cast<std::size_t>(axis)]) sum += c.bytes;
  return sum;
}

Index Traffic::bytes(CommPurpose purpose) const noexcept {
  Index sum = 0;
  for (const auto& row : cells_) sum += row[static_cast<std::size_t>(purpose)].bytes;
  return sum;
}

Traffic Traffic::since(const Traffic& before) const noexcept {
  Traffic out = *this;
  for (std::size_t a = 0; a < cells_.size(); ++a)
    for (std::size_t p = 0; p < cells_[a].size(); ++p) {
      out.cells_[a][p].bytes -= before.cells_[a][p].bytes;
      out.cells_[a][p].calls -= before.cells_[a][p].calls;
    }
  return out;
}

Traffic& Traffic::operator+=(const Traffic& more) noexcept {
  for (std::size_t a = 0; a < cells_.size(); ++a)
    for (std::size_t p = 0; p < cells_[a].size(); ++p) {
      cells_[a][p].bytes += more.cells_[a][p].bytes;
      cells_[a][p].calls += more.cells_[a][p].calls;
    }
  return *this;
}

Index Traffic::total_bytes() const noexcept {
  Index sum = 0;
  for (std::size_t a = 0; a < cells_.size(); ++a) sum += bytes(static_cast<CommAxis>(a));
  return sum;
}

std::size_t size_of(DataType type) noexcept {
  switch (type) {
    case DataType::kByte:
      return 1;
    case DataType::kBfloat16:
      return 2;
    case DataType::kInt32:
    case DataType::kFloat:
      return 4;
    case DataType::kInt64:
    case DataType::kDouble:
      return 8;
  }
  return 0;
}

namespace {

void finish(std::unique_ptr<Request::Impl>& impl) noexcept {
  if (!impl) return;
  if (std::uncaught_exceptions() > 0) {
    impl->cancel();
  } else {
    try {
      impl->wait();
    } catch (...) {  // the next collective reports it
    }
  }
  impl.reset();
}

}  // namespace

Request& Request::operator=(Request&& other) noexcept {
  if (this != &other) {
    finish(impl_);
    impl_ = std::move(other.impl_);
  }
  return *this;
}

Request::~Request() { finish(impl_); }

void Request::wait() {
  if (!impl_) return;
  const std::unique_ptr<Impl> impl = std::move(impl_);
  impl->wait();
}

void Request::hand_on() {
  if (impl_ && !impl_->hand_on()) wait();
}

namespace {

struct Outcome {
  std::int32_t kind = 0;  // 0: no error
  std::string message;
  std::exception_ptr error;
};

Outcome run(base::FunctionRef<void()> work) {
  try {
    work();
    return {};
  } catch (const base::Error& e) {
    return {static_cast<std::int32_t>(e.kind()), e.what(), std::current_exception()};
  } catch (const std::bad_alloc&) {
    return {static_cast<std::int32_t>(base::ErrorKind::kOutOfMemory), "out of memory",
            std::current_exception()};
  } catch (const std::exception& e) {
    return {static_cast<std::int32_t>(base::ErrorKind::kInternal), e.what(), std::current_exception()};
  }
}

}  // namespace

void agree(Communicator& group, base::FunctionRef<void()> work) {
  Outcome mine = run(work);
  if (group.size() == 1) {
    if (mine.error) std::rethrow_exception(mine.error);
    return;
  }
  // {kind, length of the message} of every rank; then, only after a failure, the message of the lowest one.
  const std::array<std::int64_t, 2> send{mine.kind, static_cast<std::int64_t>(mine.message.size())};
  std::vector<std::int64_t> all(2 * static_cast<std::size_t>(group.size()));
  group.all_gather(std::span<const std::int64_t>(send), std::span(all), CommPurpose::kOther);
  for (int r = 0; r < group.size(); ++r) {
    const auto at = 2 * static_cast<std::size_t>(r);
    if (all[at] == 0) continue;
    std::string message =
        r == group.rank() ? mine.message : std::string(static_cast<std::size_t>(all[at + 1]), ' ');
    group.broadcast(std::span(message.data(), message.size()), r, CommPurpose::kOther);
    base::throw_error(static_cast<base::ErrorKind>(all[at]), fmt::format("rank {}: {}", r, message));
  }
}

}  // namespace opx::comm
