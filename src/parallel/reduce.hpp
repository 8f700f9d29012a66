// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums and maxima of scalars and short vectors over a group, for losses and metrics: doubles and 64-bit
// counts, added in rank order. All are collective over `group`; on one rank they return what they were given.
#pragma once

#include <span>

#include "comm/communicator.hpp"
#include "tensor/loss.hpp"

namespace opx::parallel {

[[nodiscard]] double sum(comm::Communicator& group, double value, comm::CommPurpose purpose);
[[nodiscard]] Index sum(comm::Communicator& group, Index value, comm::CommPurpose purpose);
[[nodiscard]] double max(comm::Communicator& group, double value, comm::CommPurpose purpose);
/// In place.
void sum(comm::Communicator& group, std::span<double> values, comm::CommPurpose purpose);
void sum(comm::Communicator& group, std::span<Index> values, comm::CommPurpose purpose);
/// Sum and count together, in one all-reduce of two doubles (counts below 2^53 stay exact).
[[nodiscard]] tensor::LossSum sum(comm::Communicator& group, tensor::LossSum value,
                                  comm::CommPurpose purpose);

}  // namespace opx::parallel
