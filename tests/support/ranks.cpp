// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "support/ranks.hpp"

#include <cstdlib>
#include <memory>
#include <string_view>

#include <gtest/gtest.h>

#include "comm/mpi/job.hpp"
#include "comm/threads/job.hpp"

namespace opx::test {
namespace {

// Of this process, for all tests: MPI starts once.
std::unique_ptr<comm::mpi::Session> session;

// A failure on any rank is one on all, so that mpirun ends non-zero and the ranks stay together.
void share_failure(comm::Communicator& world) {
  std::int32_t failed = testing::Test::HasFailure() ? 1 : 0;
  world.all_reduce(std::span(&failed, 1), comm::ReduceOp::kMax, comm::CommPurpose::kOther);
  if (failed != 0 && !testing::Test::HasFailure()) ADD_FAILURE() << "another rank failed";
}

}  // namespace

// What ranks other than 0 print.
class FailurePrinter : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    fmt::print(stderr, "rank {}: {}:{}: {}\n", session->rank(), result.file_name() ? result.file_name() : "?",
               result.line_number(), result.message());
  }
};

bool under_mpi() noexcept { return session != nullptr; }

void for_each_world(std::initializer_list<int> sizes, base::FunctionRef<void(comm::Communicator&)> body,
                    const comm::CommOptions& options) {
  if (session) {
    comm::CommOptions loud = options;
    loud.check_collectives = true;
    if (!loud.fatal) loud.fatal = [](std::string_view message) { ADD_FAILURE() << message; };
    session->run(loud, [&](comm::Communicator& world) {
      body(world);
      // This rank left the body early: the others may wait for it in a collective.
      OPX_REQUIRE(!testing::Test::HasFatalFailure(), InternalError, "a fatal test failure");
      share_failure(world);
    });
    return;
  }
  for (const int size : sizes) {
    const testing::ScopedTrace trace(__FILE__, __LINE__, fmt::format("{} ranks as threads", size));
    comm::run_threads(size, options, body);
  }
}

}  // namespace opx::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const char* mpi = std::getenv("OPX_TEST_MPI");
  if (mpi != nullptr && std::string_view(mpi) == "1") {
    opx::test::session = std::make_unique<opx::comm::mpi::Session>();
    // Passing lines of rank 0 only; the others print their failures.
    if (opx::test::session->rank() != 0) {
      auto& listeners = testing::UnitTest::GetInstance()->listeners();
      delete listeners.Release(listeners.default_result_printer());
      listeners.Append(new opx::test::FailurePrinter);
    }
  }
  const int result = RUN_ALL_TESTS();
  opx::test::session.reset();
  return result;
}
