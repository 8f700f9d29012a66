// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The one home of thread parallelism inside a rank: OpenMP, or std::thread where OPX_WITH_OPENMP is off (as
// under ThreadSanitizer, which cannot see into libgomp).
#pragma once

#include "base/function_ref.hpp"
#include "base/types.hpp"

namespace opx::device::cpu {

void parallel_for(int threads, Index tasks, base::FunctionRef<void(Index)> task);

}  // namespace opx::device::cpu
