// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "support/ranks.hpp"

#include <gtest/gtest.h>

#include "comm/threads/job.hpp"

namespace opx::test {

bool under_mpi() noexcept { return false; }

void for_each_world(std::initializer_list<int> sizes, base::FunctionRef<void(comm::Communicator&)> body,
                    const comm::CommOptions& options) {
  for (const int size : sizes) {
    const testing::ScopedTrace trace(__FILE__, __LINE__, fmt::format("{} ranks as threads", size));
    comm::run_threads(size, options, body);
  }
}

}  // namespace opx::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
