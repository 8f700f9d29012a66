// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to mpi/: CommOptions::check_collectives. Before a collective its ranks tell each other what they
// are about to call; where calls differ all of them throw.
#pragma once

#include <memory>

#include "comm/detail/call.hpp"
#include "comm/mpi/link.hpp"

namespace opx::comm::mpi {

using detail::Call;

/// Nothing where the option is off or the group is one rank. Else gathers everyone's call (and, for
/// all_to_all_v, counts) and throws on all ranks the same CommError that names number, axis, two ranks and
/// what each calls. Not counted in Traffic; waits for all ranks, so it takes time from overlapping.
void check_same(const std::shared_ptr<Channel>& channel, const Call& call);

/// The call checked and counted: `received` bytes.
[[nodiscard]] std::unique_ptr<Operation> begin_operation(const std::shared_ptr<Channel>& channel,
                                                         const Call& call, Index received);

}  // namespace opx::comm::mpi
