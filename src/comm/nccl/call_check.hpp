// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to nccl/: CommOptions::check_collectives for collectives over NCCL. NCCL itself would wait for ever
// where ranks call different things, or mix their bytes.
#pragma once

#include <vector>

#include "comm/detail/call.hpp"

namespace opx::comm::nccl {

/// The comparison for one group. All ranks of the job are to call the same collectives on the same axis at
/// the same time, each in its own group, as layers, trainers and loaders do: so ranks that are on different
/// axes find each other, too. The words go over the host's communicator of the job, which lets the host wait,
/// and are not counted in Traffic.
class CallCheck {
 public:
  /// Collective over `group`. Nothing where the job does not check.
  CallCheck(Communicator& world, Communicator& group);
  /// Collective over the job. Throws on all ranks the same CommError that names two ranks and what each calls
  /// where operation, purpose or axis differ between ranks of the job, or count, type, operator, root or the
  /// bytes of a pair between ranks of a group.
  void check(const detail::Call& call);

 private:
  Communicator& world_;
  Communicator& group_;
  std::vector<int> members_;  // their ranks in the job; empty: no checks
};

}  // namespace opx::comm::nccl
