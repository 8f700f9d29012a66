// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The instruction sets that the Highway kernels (of tensor and spmm) were compiled for and this machine has.
// For tests, benchmarks and logs.
#pragma once

#include <string>
#include <vector>

namespace opx::tensor {

/// What the kernels dispatch to now.
[[nodiscard]] std::string chosen_target();
/// Every instruction set that could be chosen here, best first.
[[nodiscard]] std::vector<std::string> available_targets();
/// Makes every Highway kernel of the process use `name` from now on; an empty name gives back the free
/// choice. Throws InvalidArgument for a name that is not available.
void force_target(const std::string& name);

}  // namespace opx::tensor
