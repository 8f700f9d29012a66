// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Ranks as threads of one process.
#pragma once

#include "base/function_ref.hpp"
#include "comm/communicator.hpp"

namespace opx::comm {

/// Starts `ranks` threads (one rank: the calling thread), runs body(world) on each and joins them. When a
/// rank throws, the others' current or next collective throws CommError, and the first failing rank's error
/// is rethrown here, of the same kind, with "rank R: " before its message where there is more than one rank.
/// `world` lives until body returns. A rank that ends while others wait for it in a collective fails the job.
void run_threads(int ranks, const CommOptions& options, base::FunctionRef<void(Communicator&)> body);

}  // namespace opx::comm
