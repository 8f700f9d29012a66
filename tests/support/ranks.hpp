// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs a test body on worlds of several sizes: as threads, one world after the other, or once on the world of
// mpirun (OPX_TEST_MPI=1). EXPECT and ASSERT in the body are reported on every rank.
#pragma once

#include <initializer_list>

#include "base/function_ref.hpp"
#include "comm/communicator.hpp"

namespace opx::test {

/// True under mpirun with OPX_TEST_MPI=1.
[[nodiscard]] bool under_mpi() noexcept;
/// Calls body(world) on every rank of a world of each size; under MPI once, on the world there is.
void for_each_world(std::initializer_list<int> sizes, base::FunctionRef<void(comm::Communicator&)> body,
                    const comm::CommOptions& options = {});

}  // namespace opx::test
