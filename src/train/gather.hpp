// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Bringing rows of all ranks to rank 0 in pieces of bounded size, and agreeing on what failed there.
#pragma once

#include <exception>
#include <span>
#include <vector>

#include "base/function_ref.hpp"
#include "comm/communicator.hpp"
#include "layout/placement.hpp"
#include "tensor/matrix.hpp"

namespace opx::train {

/// Everyone's `send` one after the other on rank 0 (empty on the others), and how many came from whom.
/// Collective.
template <class T>
std::vector<T> gather_to_root(comm::Communicator& group, std::span<const T> send, comm::CommPurpose purpose,
                              std::vector<Index>* counts = nullptr) {
  const auto ranks = static_cast<std::size_t>(group.size());
  std::vector<Index> to(ranks, 0), from(ranks, 0);
  const std::vector<Index> one(ranks, 1);
  to[0] = static_cast<Index>(send.size());
  group.all_to_all_v(std::span<const Index>(to), std::span<const Index>(one), std::span<Index>(from),
                     std::span<const Index>(one), purpose);
  Index total = 0;
  for (const Index n : from) total += n;
  std::vector<T> out(static_cast<std::size_t>(total));
  group.all_to_all_v(send, std::span<const Index>(to), std::span<T>(out), std::span<const Index>(from),
                     purpose);
  if (counts != nullptr) *counts = from;
  return out;
}

/// Work that rank 0 alone does between collectives: an error is kept, later work is skipped, and agree()
/// throws it on all.
class RootWork {
 public:
  explicit RootWork(comm::Communicator& group) : group_(group) {}
  void run(base::FunctionRef<void()> work) noexcept {
    if (group_.rank() != 0 || error_) return;
    try {
      work();
    } catch (...) {
      error_ = std::current_exception();
    }
  }
  void agree() {
    comm::agree(group_, [&] {
      if (error_) std::rethrow_exception(error_);
    });
  }

 private:
  comm::Communicator& group_;
  std::exception_ptr error_;
};

/// Calls sink(first position, rows of `cols` floats) on rank 0 for all N rows of a matrix cut by blocks, in
/// order of position, each rank giving its own (valid) rows; at most about 64 MiB at once. Collective over
/// the tensor ranks.
void stream_rows_to_root(comm::Communicator& group, Index vertices, tensor::MatrixView<const float> own,
                         comm::CommPurpose purpose,
                         base::FunctionRef<void(Index, std::span<const float>)> sink);

}  // namespace opx::train
