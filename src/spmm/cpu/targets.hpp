// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The instruction sets that the CPU kernels were compiled for and this machine has.
#pragma once

#include <string>
#include <vector>

namespace opx::spmm::cpu {

/// What multiply dispatches to now.
[[nodiscard]] std::string chosen_target();
/// Every instruction set that could be chosen here, best first.
[[nodiscard]] std::vector<std::string> available_targets();
/// Makes multiply use `name` from now on in the whole process; an empty name gives back the free choice. For
/// tests and benchmarks alone. Throws InvalidArgument for a name that is not available.
void force_target(const std::string& name);

}  // namespace opx::spmm::cpu
