// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/job.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <thread>

#include "base/timer.hpp"
#include "comm/mpi/link.hpp"

namespace opx::comm::mpi {
namespace {

// How long a failed rank waits for the others to fail too, by the same agreed error.
constexpr double kMeetSeconds = 1.0;

void require(int code, const char* what) {
  OPX_REQUIRE(code == MPI_SUCCESS, CommError, "{} failed with code {}", what, code);
}

struct Outcome {
  std::int32_t kind = 0;  // 0: no error
  std::string message;
  std::exception_ptr error;
};

Outcome run_body(Communicator& world, base::FunctionRef<void(Communicator&)> body) {
  try {
    body(world);
    return {};
  } catch (const base::Error& e) {
    return {static_cast<std::int32_t>(e.kind()), e.what(), std::current_exception()};
  } catch (const std::bad_alloc&) {
    return {static_cast<std::int32_t>(base::ErrorKind::kOutOfMemory), "out of memory",
            std::current_exception()};
  } catch (const std::exception& e) {
    return {static_cast<std::int32_t>(base::ErrorKind::kInternal), e.what(), std::current_exception()};
  } catch (...) {
    return {static_cast<std::int32_t>(base::ErrorKind::kInternal), "an error of unknown type",
            std::current_exception()};
  }
}

// An agreed error (comm::agree) names its rank already.
std::string with_rank(int rank, int size, const std::string& message) {
  if (size == 1 || message.starts_with("rank ")) return message;
  return fmt::format("rank {}: {}", rank, message);
}

// The end of a run, on a communicator of its own, so that it cannot meet a collective of the body. A rank
// that succeeded waits for all; one that failed waits briefly, the lowest rank least: one message comes out.
void meet(Link& link, MPI_Comm comm, int size, const Outcome& mine) {
  std::vector<std::int32_t> kinds(static_cast<std::size_t>(size));
  MPI_Request request = MPI_REQUEST_NULL;
  link.call("MPI_Iallgather", [&] {
    return MPI_Iallgather(&mine.kind, 1, MPI_INT32_T, kinds.data(), 1, MPI_INT32_T, comm, &request);
  });
  const double patience = kMeetSeconds + 0.1 * std::min(link.world_rank(), 50);
  const double started = base::now_seconds();
  for (int done = 0; done == 0;) {
    link.call("MPI_Test", [&] { return MPI_Test(&request, &done, MPI_STATUS_IGNORE); });
    if (done != 0) break;
    if (mine.kind != 0 && base::now_seconds() - started > patience) {
      link.end_job(with_rank(link.world_rank(), size, mine.message),
                   base::exit_code(static_cast<base::ErrorKind>(mine.kind)));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  const auto failed = std::find_if(kinds.begin(), kinds.end(), [](std::int32_t k) { return k != 0; });
  if (failed == kinds.end()) return;
  if (size == 1) std::rethrow_exception(mine.error);
  const auto root = static_cast<int>(failed - kinds.begin());
  auto length = static_cast<int>(mine.message.size());
  link.call("MPI_Bcast", [&] { return MPI_Bcast(&length, 1, MPI_INT, root, comm); });
  std::string message = mine.message;
  message.resize(static_cast<std::size_t>(length));
  link.call("MPI_Bcast", [&] { return MPI_Bcast(message.data(), length, MPI_CHAR, root, comm); });
  base::throw_error(static_cast<base::ErrorKind>(*failed), with_rank(root, size, message));
}

MPI_Comm duplicate(Link& link) {
  MPI_Comm comm = MPI_COMM_NULL;
  link.call("MPI_Comm_dup", [&] { return MPI_Comm_dup(MPI_COMM_WORLD, &comm); });
  link.call("MPI_Comm_set_errhandler", [&] { return MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN); });
  return comm;
}

}  // namespace

Session::Session() {
  int initialised = 0, provided = MPI_THREAD_SINGLE;
  require(MPI_Initialized(&initialised), "MPI_Initialized");
  if (initialised == 0) {
    require(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
    finalise_ = true;
  } else {
    require(MPI_Query_thread(&provided), "MPI_Query_thread");
  }
  OPX_REQUIRE(provided >= MPI_THREAD_SERIALIZED, CommError,
              "this MPI offers thread level {}; MPI_THREAD_SERIALIZED is needed", provided);
  require(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  require(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
  require(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
}

Session::~Session() {
  if (finalise_) MPI_Finalize();
}

void Session::run(const CommOptions& options, base::FunctionRef<void(Communicator&)> body) {
  OPX_REQUIRE(options.timeout_seconds > 0, InvalidArgument, "the timeout is {} s; it must be positive",
              options.timeout_seconds);
  OPX_REQUIRE(options.chunk_bytes >= 1 && options.chunk_bytes <= 0x7fffffff, InvalidArgument,
              "chunk_bytes is {}; MPI takes 1 to 2147483647", options.chunk_bytes);
  CommOptions chosen = options;
#ifndef NDEBUG
  chosen.check_collectives = true;
#endif
  const auto link = std::make_shared<Link>(chosen, rank_);
  MPI_Comm end = duplicate(*link);
  const auto world = make_communicator(make_channel(link, duplicate(*link), CommAxis::kWorld));
  const Outcome outcome = run_body(*world, body);
  try {
    meet(*link, end, size_, outcome);
  } catch (...) {
    MPI_Comm_free(&end);
    throw;
  }
  link->call("MPI_Comm_free", [&] { return MPI_Comm_free(&end); });
}

}  // namespace opx::comm::mpi
