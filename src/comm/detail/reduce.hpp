// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The local half of every reduction: both backends sum with it, in rank order, so they agree to the bit.
#pragma once

#include <span>

#include "comm/communicator.hpp"

namespace opx::comm::detail {

/// out[i] = parts[0][i] op parts[1][i] op ..., left to right, for i in [0, count). `out` may be one of the
/// parts (same address). bf16 is summed in fp32 and rounded once; integers wrap; kByte is unsigned; max and
/// min take the left operand unless the right one compares greater (less), so a NaN on the left stays.
void reduce(std::span<const void* const> parts, void* out, Index count, DataType type, ReduceOp op);

}  // namespace opx::comm::detail
