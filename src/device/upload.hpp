// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Data that a thread of its own prepares for a GPU beside what computes there: collected in page-locked
// memory, sent by the copy stream into memory of the GPU, and waited for by the compute stream, never by the
// thread that computes. One Upload is one slot of a double buffer: its memory is kept between uses.
//
//   preparing thread   begin()  add() add() ...  send()                      begin() ...
//   computing thread                                     receive() ... release()
//
// One thread at a time: the two hand the object to each other (sampling::BatchPipeline does).
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "device/context.hpp"
#include "device/gpu/device.hpp"

namespace opx::device {

/// Where an array lies in an Upload.
template <class T>
struct Uploaded {
  std::size_t offset = 0, count = 0;
};

class Upload {
 public:
  static constexpr std::size_t kAlignment = 256;  ///< of every part

  /// `context` is on a GPU and outlives it.
  explicit Upload(Context& context) : context_(&context) {}
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;
  ~Upload();

  /// Takes memory for so many bytes, before the first use: until it holds more nothing is allocated.
  void reserve(std::size_t bytes);
  /// Empty again; waits until the copy before has read the page-locked memory.
  void begin();
  /// Copies `from`, which may be changed afterwards. Throws OutOfMemory.
  template <class T>
  [[nodiscard]] Uploaded<T> add(std::span<const T> from) {
    return {append(from.data(), from.size_bytes(), from.size_bytes()), from.size()};
  }
  /// The same with room for `room` elements, of which those behind `from` are not set.
  template <class T>
  [[nodiscard]] Uploaded<T> add(std::span<const T> from, std::size_t room) {
    return {append(from.data(), from.size_bytes(), room * sizeof(T)), room};
  }
  /// And these are `rest`.
  template <class T>
  [[nodiscard]] Uploaded<T> add(std::span<const T> from, std::size_t room, T rest) {
    const Uploaded<T> part = add(from, room);
    auto* first = reinterpret_cast<T*>(here_ + part.offset);
    std::fill(first + from.size(), first + room, rest);
    return part;
  }
  /// Room for `count` elements, which are to be written to here() before send().
  template <class T>
  [[nodiscard]] Uploaded<T> room(std::size_t count) {
    return {append(nullptr, 0, count * sizeof(T)), count};
  }
  /// Of what was added, in page-locked memory; until the next add() or room().
  template <class T>
  [[nodiscard]] std::span<T> here(Uploaded<T> part) const noexcept {
    return {reinterpret_cast<T*>(here_ + part.offset), part.count};
  }
  /// Puts the copy on the copy stream, behind what read the memory of the GPU before release().
  void send();
  /// Of what was added, in memory of the GPU; from send() on.
  template <class T>
  [[nodiscard]] std::span<T> there(Uploaded<T> part) const noexcept {
    return at(there_, part);
  }
  /// The same in a copy of there() at another place.
  template <class T>
  [[nodiscard]] static std::span<T> at(std::byte* place, Uploaded<T> part) noexcept {
    return {reinterpret_cast<T*>(place + part.offset), part.count};
  }
  /// All that was added: bytes() bytes in memory of the GPU.
  [[nodiscard]] std::byte* there() const noexcept { return there_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return used_; }

  /// What is put on the compute stream from now on runs after the copy.
  void receive();
  /// What is on the compute stream now is the last that reads.
  void release();

 private:
  /// Room for `room` >= `bytes`; where it begins.
  [[nodiscard]] std::size_t append(const void* from, std::size_t bytes, std::size_t room);
  void reserve_here(std::size_t bytes);
  void reserve_there(std::size_t bytes);
  void free_there() noexcept;

  Context* context_ = nullptr;
  std::byte *here_ = nullptr, *there_ = nullptr;
  std::size_t used_ = 0, here_bytes_ = 0, there_bytes_ = 0;
  gpu::Event sent_, released_;
};

}  // namespace opx::device
