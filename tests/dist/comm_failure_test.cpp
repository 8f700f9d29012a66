// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What happens when a rank fails, disagrees, is late or leaves: ranks as threads (comm_fault.cpp has MPI's
// part).
#include <atomic>
#include <chrono>
#include <new>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "comm/threads/job.hpp"

namespace opx::comm {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using Action = void (*)(Communicator&);
constexpr std::size_t kLong = 5000;  // above what is staged

void barrier(Communicator& c) { c.barrier(); }
void broadcast(Communicator& c) {
  std::vector<float> v(kLong);
  c.broadcast(std::span(v), 0, CommPurpose::kForward);
}
void all_reduce(Communicator& c) {
  std::vector<float> v(kLong);
  c.all_reduce(std::span(v), ReduceOp::kSum, CommPurpose::kForward);
}
void all_gather(Communicator& c) {
  std::vector<float> v(kLong), all(kLong * static_cast<std::size_t>(c.size()));
  c.all_gather(std::span<const float>(v), std::span(all), CommPurpose::kForward);
}
void all_gather_v(Communicator& c) {
  const std::vector<Index> counts(static_cast<std::size_t>(c.size()), kLong);
  std::vector<float> v(kLong), all(kLong * static_cast<std::size_t>(c.size()));
  c.all_gather_v(std::span<const float>(v), std::span(all), counts, CommPurpose::kForward);
}
void reduce_scatter(Communicator& c) {
  std::vector<float> v(kLong), all(kLong * static_cast<std::size_t>(c.size()));
  c.reduce_scatter(std::span<const float>(all), std::span(v), ReduceOp::kSum, CommPurpose::kForward);
}
void all_to_all(Communicator& c) {
  const std::vector<Index> counts(static_cast<std::size_t>(c.size()), kLong);
  std::vector<float> a(kLong * static_cast<std::size_t>(c.size())), b(a.size());
  c.all_to_all_v(std::span<const float>(a), counts, std::span(b), counts, CommPurpose::kForward);
}
void split(Communicator& c) { (void)c.split(0, 0, CommAxis::kX); }
void agreement(Communicator& c) {
  agree(c, [] {});
}

constexpr Action kActions[] = {barrier,        broadcast,  all_reduce, all_gather, all_gather_v,
                               reduce_scatter, all_to_all, split,      agreement};

// The message of the E that running `body` throws.
template <class E>
std::string message_of(int ranks, const CommOptions& options, base::FunctionRef<void(Communicator&)> body) {
  try {
    run_threads(ranks, options, body);
  } catch (const E& e) {
    return e.what();
  }
  return "nothing was thrown";
}

CommOptions impatient(double seconds) {
  CommOptions options;
  options.timeout_seconds = seconds;
  return options;
}

TEST(Failure, OfOneRankInEachCollectiveEndsAll) {
  for (const Action action : kActions) {
    for (const int ranks : {2, 3, 4}) {
      for (int bad = 0; bad < ranks; ++bad) {
        std::atomic<int> woken = 0;
        const std::string message = message_of<base::InputError>(ranks, {}, [&](Communicator& world) {
          try {
            action(world);
            if (world.rank() == bad) throw base::InputError("no such file");
            for (int i = 0; i < 3; ++i) action(world);
          } catch (const base::CommError&) {
            ++woken;
            throw;
          }
        });
        EXPECT_EQ(message, fmt::format("rank {}: no such file", bad));
        EXPECT_EQ(woken, ranks - 1);
      }
    }
  }
}

TEST(Failure, KeepsTheKindOfTheError) {
  EXPECT_EQ(message_of<base::OutOfMemory>(2, {},
                                          [](Communicator& c) {
                                            if (c.rank() == 1) throw std::bad_alloc();
                                            c.barrier();
                                          }),
            "rank 1: out of memory");
  EXPECT_EQ(message_of<base::InternalError>(2, {},
                                            [](Communicator& c) {
                                              if (c.rank() == 1) throw std::runtime_error("odd");
                                              c.barrier();
                                            }),
            "rank 1: odd");
  const auto format = [](Communicator&) { throw base::FormatError("a.csv", "line 3", "no number"); };
  EXPECT_EQ(message_of<base::FormatError>(1, {}, format), "a.csv: line 3: no number");
  EXPECT_EQ(message_of<base::Error>(2, {}, format).substr(6), ": a.csv: line 3: no number");
}

TEST(Failure, AgreedErrorNamesItsRankOnce) {
  EXPECT_EQ(message_of<base::ResourceError>(3, {},
                                            [](Communicator& c) {
                                              agree(c, [&] {
                                                if (c.rank() == 2) throw base::ResourceError("disk full");
                                              });
                                            }),
            "rank 2: disk full");
}

TEST(Failure, WhileRequestsAreUnderWay) {
  for (int bad = 0; bad < 3; ++bad) {
    EXPECT_EQ(message_of<base::InputError>(
                  3, {},
                  [&](Communicator& c) {
                    const auto sub = c.split(0, c.rank(), CommAxis::kX);
                    std::vector<float> a(kLong), b(kLong);
                    Request first = c.iall_reduce(std::span(a), ReduceOp::kSum, CommPurpose::kForward);
                    if (c.rank() == bad) throw base::InputError("late");
                    Request second = sub->iall_reduce(std::span(b), ReduceOp::kSum, CommPurpose::kForward);
                    second.wait();
                    first.wait();
                  }),
              fmt::format("rank {}: late", bad));
  }
}

TEST(Failure, AbortFromAnotherThreadOfTheRank) {
  EXPECT_EQ(message_of<base::CommError>(2, {},
                                        [](Communicator& c) {
                                          if (c.rank() == 0) {
                                            std::jthread helper([&] { c.abort("the reader stopped"); });
                                          }
                                          c.barrier();
                                          c.barrier();
                                        }),
            "rank 0: the reader stopped");
}

TEST(Failure, OfARankThatEndsWhileOthersWait) {
  for (const Action action : kActions) {
    const std::string message = message_of<base::CommError>(3, {}, [&](Communicator& c) {
      if (c.rank() != 1) action(c);
    });
    EXPECT_THAT(message,
                MatchesRegex("rank [02]: .* number 0 on axis world for .*: rank 1 has ended without it"));
  }
}

TEST(Failure, StressOfManyJobs) {
  for (std::uint32_t k = 0; k < 200; ++k) {
    const auto w = base::philox({3, base::Purpose::kTest}, {.step = k});
    const int ranks = 2 + static_cast<int>(w[0] % 4), bad = static_cast<int>(w[1]) % ranks;
    EXPECT_EQ(message_of<base::InputError>(ranks, {},
                                           [&](Communicator& c) {
                                             for (std::uint32_t i = 0; i < 8; ++i) {
                                               if (c.rank() == (bad + ranks) % ranks && i == w[2] % 8)
                                                 throw base::InputError("bad");
                                               kActions[(i + w[3]) % std::size(kActions)](c);
                                             }
                                           }),
              fmt::format("rank {}: bad", (bad + ranks) % ranks));
  }
}

TEST(Mismatch, OfTheCollective) {
  const std::string message = message_of<base::CommError>(
      2, {}, [](Communicator& c) { c.rank() == 0 ? all_reduce(c) : all_gather(c); });
  EXPECT_THAT(message, HasSubstr("all_reduce"));
  EXPECT_THAT(message, HasSubstr("all_gather"));
  EXPECT_THAT(message, HasSubstr("does not fit rank"));
}

TEST(Mismatch, OfCountTypeRootAndPurpose) {
  const auto mismatch = [](base::FunctionRef<void(Communicator&)> body) {
    EXPECT_THAT(message_of<base::CommError>(3, {}, body), HasSubstr("does not fit rank"));
  };
  mismatch([](Communicator& c) {
    std::vector<float> v(c.rank() == 2 ? 3 : 4);
    c.all_reduce(std::span(v), ReduceOp::kSum, CommPurpose::kForward);
  });
  mismatch([](Communicator& c) {
    std::vector<float> v(4);
    c.all_reduce(std::span(v), c.rank() == 1 ? ReduceOp::kMax : ReduceOp::kSum, CommPurpose::kForward);
  });
  mismatch([](Communicator& c) {
    std::vector<float> v(4);
    c.broadcast(std::span(v), c.rank(), CommPurpose::kForward);
  });
  mismatch([](Communicator& c) {
    std::vector<float> v(4);
    c.broadcast(std::span(v), 0, c.rank() == 0 ? CommPurpose::kForward : CommPurpose::kLoss);
  });
  mismatch([](Communicator& c) {
    const std::vector<Index> one(3, 1);
    std::vector<Index> more(3, 1);
    more[static_cast<std::size_t>((c.rank() + 1) % 3)] = 2;
    std::vector<float> a(3), b(4);
    c.all_to_all_v(std::span<const float>(a), one, std::span(b), more, CommPurpose::kForward);
  });
}

TEST(Mismatch, OfARankWithItself) {
  const std::string message = message_of<base::DimensionMismatch>(3, {}, [](Communicator& c) {
    const std::vector<Index> one(3, 1);
    std::vector<Index> more(3, 1);
    more[static_cast<std::size_t>(c.rank())] = 2;
    std::vector<float> a(3), b(4);
    c.all_to_all_v(std::span<const float>(a), one, std::span(b), more, CommPurpose::kForward);
  });
  EXPECT_THAT(message, HasSubstr("sends itself 4 bytes and expects 8"));
}

TEST(Watchdog, NamesRankAxisCollectiveAndWhoIsMissing) {
  const std::string message = message_of<base::CommError>(4, impatient(0.3), [](Communicator& c) {
    const auto sub = c.split(c.rank() / 2, c.rank(), CommAxis::kY);
    if (c.rank() == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(900));
    }
    all_reduce(c.rank() < 2 ? *sub : c);
  });
  // Rank 0 lacks rank 1 on Y, ranks 2 and 3 lack 0 and 1 on the world: whichever looks first tells.
  EXPECT_THAT(
      message,
      MatchesRegex("rank [023]: all_reduce number [01] on axis (Y|world) for forward has waited 0\\.[3-9] s; "
                   "not arrived: .*rank 1 \\(in no collective\\)"));
}

TEST(Watchdog, CrossedCollectivesOfTwoGroups) {
  const std::string message = message_of<base::CommError>(2, impatient(0.3), [](Communicator& c) {
    const auto a = c.split(0, c.rank(), CommAxis::kX), b = c.split(0, c.rank(), CommAxis::kZ);
    all_gather(c.rank() == 0 ? *a : *b);
  });
  EXPECT_THAT(
      message,
      MatchesRegex("rank [01]: all_gather number 0 on axis [XZ] for forward has waited .* "
                   "not arrived: rank [01] \\(all_gather number 0 on axis [XZ] for forward, since .*"));
}

TEST(Watchdog, LateIsNotTooLate) {
  run_threads(3, impatient(30), [](Communicator& c) {
    if (c.rank() == 2) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    all_reduce(c);
  });
}

TEST(Watchdog, FatalIsToldOfARankThatDoesNotComeBack) {
  std::atomic<int> calls = 0;
  std::string told;
  CommOptions options = impatient(0.2);
  options.fatal = [&](std::string_view text) {
    ++calls;
    told = text;
  };
  const std::string message = message_of<base::InputError>(3, options, [](Communicator& c) {
    if (c.rank() == 0) throw base::InputError("gone");
    if (c.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(800));
  });
  EXPECT_EQ(message, "rank 0: gone");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(told, "rank 0: gone; 0.2 s later these ranks have not ended: 1");
}

TEST(Options, AreChecked) {
  EXPECT_THROW(run_threads(0, {}, [](Communicator&) {}), base::InvalidArgument);
  EXPECT_THROW(run_threads(2, impatient(0), [](Communicator&) {}), base::InvalidArgument);
}

TEST(Self, CopiesAndFailsWhenAborted) {
  const auto self = self_communicator();
  EXPECT_EQ(self->backend(), "self");
  for (const Action action : kActions) action(*self);
  EXPECT_EQ(self->traffic().total_bytes(), 0);
  EXPECT_GT(self->traffic().at(CommAxis::kWorld, CommPurpose::kForward).calls, 0);
  self->abort("stop");
  EXPECT_THROW(self->barrier(), base::CommError);
}

}  // namespace
}  // namespace opx::comm
