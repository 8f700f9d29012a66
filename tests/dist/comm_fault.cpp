// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// One failing MPI job per run: comm_fault SCENARIO, started by comm_fault.cmake, which checks exit code and
// output. Prints as the command line does: through `fatal`, or the error that run() throws, on rank 0 alone.
#include <csignal>
#include <cstdio>
#include <span>
#include <string_view>
#include <thread>

#include <unistd.h>

#include "comm/mpi/job.hpp"

namespace {

using namespace opx;
using comm::CommPurpose;

void reduce(comm::Communicator& c) {
  std::vector<float> v(5000, 1.0F);
  c.all_reduce(std::span(v), comm::ReduceOp::kSum, CommPurpose::kGradient);
}

/// Rank 1 calls something else than the others.
void differ(std::string_view name, comm::Communicator& c) {
  const bool bad = c.rank() == 1;
  std::vector<float> v(bad && name == "differ_count" ? 12 : 10, 1.0F);
  const auto op = bad && name == "differ_op" ? comm::ReduceOp::kMax : comm::ReduceOp::kSum;
  if (bad && name == "differ_collective") c.barrier();
  if (name == "differ_pair") {  // rank 1 expects 3 floats from rank 2, which sends it 2
    const std::vector<Index> send{2, 2, 2}, receive{2, 2, bad ? 3 : 2};
    std::vector<float> in(bad ? 7 : 6);
    c.all_to_all_v(std::span<const float>(v).first(6), std::span(send), std::span(in), std::span(receive),
                   CommPurpose::kForward);
  }
  c.all_reduce(std::span(v), op, CommPurpose::kGradient);
}

void scenario(std::string_view name, comm::Communicator& world) {
  const auto axis = world.split(0, world.rank(), comm::CommAxis::kZ);
  reduce(*axis);
  const bool bad = world.rank() == 1;
  if (name == "throw" && bad) throw base::InputError("no such file");
  if (name == "unwind" && bad) {
    std::vector<float> v(5000, 1.0F);  // as the others': calls that do not match are not this test's subject
    const comm::Request under_way =
        axis->iall_reduce(std::span(v), comm::ReduceOp::kSum, CommPurpose::kGradient);
    throw base::InputError("no such file");
  }
  if (name == "agreed") {
    comm::agree(world, [&] {
      if (bad) throw base::InputError("no such file");
    });
  }
  if (name == "abort" && bad) world.abort("the reader stopped");
  if (name == "kill" && bad) std::raise(SIGKILL);
  if (name == "hang" && bad) std::this_thread::sleep_for(std::chrono::seconds(60));
  if (name.starts_with("differ")) differ(name, *axis);
  for (int i = 0; i < 3; ++i) reduce(*axis);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  comm::mpi::Session session;
  comm::CommOptions options;
  options.timeout_seconds = std::string_view(argv[1]) == "hang" ? 0.3 : 30;
  options.check_collectives = std::string_view(argv[1]).starts_with("differ");
  options.fatal = [](std::string_view message) { fmt::print(stderr, "MESSAGE {}\n", message); };
  try {
    session.run(options, [&](comm::Communicator& world) { scenario(argv[1], world); });
  } catch (const base::Error& e) {
    if (session.rank() == 0) fmt::print(stderr, "MESSAGE {}\n", e.what());
    return base::exit_code(e.kind());
  }
  return 0;
}
