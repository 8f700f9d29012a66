// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Between host memory and the memory of a Context. On the CPU these are plain copies (Resident: none), so
// that code around them is the same for both.
#pragma once

#include <span>
#include <vector>

#include "base/error.hpp"
#include "device/buffer.hpp"

namespace opx::device {

namespace detail {
void copy_to_host(Context& context, void* to, const void* from, std::size_t bytes);
void copy_to_device(Context& context, void* to, const void* from, std::size_t bytes);
void fill_bytes(Context& context, void* to, int byte, std::size_t bytes);
}  // namespace detail

/// Host memory `to` from memory of the context `from`; there when it returns (waits for the compute stream).
template <class T>
void copy_to_host(Context& context, std::span<const T> from, std::span<T> to) {
  OPX_REQUIRE(from.size() == to.size(), DimensionMismatch, "a copy to the host of {} elements into {}",
              from.size(), to.size());
  detail::copy_to_host(context, to.data(), from.data(), from.size_bytes());
}

/// Memory of the context `to` from host memory `from`, in the order of the compute stream; `from` may be
/// changed as soon as it returns.
template <class T>
void copy_to_device(Context& context, std::span<const T> from, std::span<T> to) {
  OPX_REQUIRE(from.size() == to.size(), DimensionMismatch, "a copy to the device of {} elements into {}",
              from.size(), to.size());
  detail::copy_to_device(context, to.data(), from.data(), from.size_bytes());
}

/// All bytes zero, in the order of the compute stream.
template <class T>
void set_zero(Context& context, std::span<T> to) {
  detail::fill_bytes(context, to.data(), 0, to.size_bytes());
}

template <class T>
[[nodiscard]] std::vector<T> host_copy(Context& context, std::span<const T> from) {
  std::vector<T> out(from.size());
  copy_to_host(context, from, std::span<T>(out));
  return out;
}

template <class T>
[[nodiscard]] Buffer<T> device_copy(Context& context, std::span<const T> from) {
  Buffer<T> out(context, static_cast<Index>(from.size()));
  copy_to_device(context, from, out.span());
  return out;
}

/// Host data as ops of the Context can read it: the host's own memory on the CPU (which must stay), a copy on
/// a GPU.
template <class T>
class Resident {
 public:
  Resident() = default;
  Resident(Context& context, std::span<const T> host) : view_(host) {
    if (!context.on_gpu() || host.empty()) return;
    copy_ = device_copy(context, host);
    view_ = std::as_const(copy_).span();
  }
  [[nodiscard]] std::span<const T> span() const noexcept { return view_; }

 private:
  Buffer<T> copy_;
  std::span<const T> view_;
};

}  // namespace opx::device
