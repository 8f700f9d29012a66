// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/upload.hpp"

#include <cstring>
#include <utility>

namespace opx::device {
namespace {

using gpu::StreamUse;

std::size_t grown(std::size_t bytes) noexcept { return bytes + bytes / 4; }

}  // namespace

Upload::~Upload() {
  gpu::Device& device = context_->gpu();
  const gpu::Stream stream = device.stream(StreamUse::kCopy);
  try {
    begin();
    device.wait(stream, released_);
  } catch (...) {  // a lost device says so elsewhere
  }
  free_there();
  device.deallocate_pinned(here_, here_bytes_);
}

void Upload::reserve(std::size_t bytes) {
  if (bytes > here_bytes_) reserve_here(bytes);
  if (bytes > there_bytes_) reserve_there(bytes);
}

void Upload::begin() {
  context_->gpu().wait_on_host(sent_);
  used_ = 0;
}

std::size_t Upload::append(const void* from, std::size_t bytes, std::size_t room) {
  const std::size_t at = (used_ + kAlignment - 1) / kAlignment * kAlignment;
  if (at + room > here_bytes_) reserve_here(grown(at + room));
  if (bytes > 0) std::memcpy(here_ + at, from, bytes);
  used_ = at + room;
  return at;
}

void Upload::reserve_here(std::size_t bytes) {
  auto* more = static_cast<std::byte*>(context_->gpu().allocate_pinned(bytes));
  if (used_ > 0) std::memcpy(more, here_, used_);
  context_->gpu().deallocate_pinned(std::exchange(here_, more), std::exchange(here_bytes_, bytes));
}

// In the order of the copy stream, behind the last reader.
void Upload::reserve_there(std::size_t bytes) {
  gpu::Device& device = context_->gpu();
  const gpu::Stream stream = device.stream(StreamUse::kCopy);
  device.wait(stream, released_);
  free_there();
  there_ = static_cast<std::byte*>(device.allocate(bytes, stream));
  there_bytes_ = bytes;
  context_->memory().add(bytes);
}

void Upload::free_there() noexcept {
  if (there_ == nullptr) return;
  gpu::Device& device = context_->gpu();
  device.deallocate(std::exchange(there_, nullptr), there_bytes_, device.stream(StreamUse::kCopy));
  context_->memory().remove(std::exchange(there_bytes_, 0));
}

void Upload::send() {
  gpu::Device& device = context_->gpu();
  const gpu::Stream stream = device.stream(StreamUse::kCopy);
  if (used_ > there_bytes_) reserve_there(grown(used_));
  device.wait(stream, released_);
  device.copy(there_, here_, used_, stream);
  device.record(sent_, stream);
}

void Upload::receive() {
  gpu::Device& device = context_->gpu();
  device.wait(device.compute(), sent_);
}

void Upload::release() {
  gpu::Device& device = context_->gpu();
  device.record(released_, device.compute());
}

}  // namespace opx::device
