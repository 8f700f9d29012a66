// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Where the buffers of a collective lie, for communicators that move memory of GPUs themselves and leave the
// host's to another.
#pragma once

#include <cstddef>
#include <initializer_list>

#include "comm/communicator.hpp"

namespace opx::comm::detail {

struct Place {
  const void* data;
  std::size_t bytes;
};

/// Whether all buffers that are not empty are memory of a GPU. Where all are empty: by purpose, so that ranks
/// that have nothing to send go where the others go; kForward, kBackward, kGradient and kNorm are on GPUs.
[[nodiscard]] bool on_gpu(std::initializer_list<Place> places, CommPurpose p) noexcept;

}  // namespace opx::comm::detail
