// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/pipeline.hpp"

#include <atomic>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/timer.hpp"
#include "support/whole_shard.hpp"

namespace opx::sampling {
namespace {

/// One rank with a graph, a sampler and a builder.
class Pipeline : public testing::Test {
 protected:
  [[nodiscard]] std::function<Ticket(Ticket)> in_turn() const {
    return [batches = sampler_.batches()](Ticket t) {
      return t.index + 1 < batches ? Ticket{t.epoch, t.index + 1} : Ticket{t.epoch + 1, 0};
    };
  }

  device::Context context_{{.threads = 1}};
  test::MemoryStore store_ = test::random_store({.vertices = 200, .degree = 6, .seed = 3});
  layout::GraphShard full_ = test::whole_shard(context_, store_);
  test::FakeSampler sampler_{200, {}, {0}, {}};
  BatchBuilder builder_{context_, full_, store_, sampler_, {}};
};

TEST_F(Pipeline, EveryDepthGivesTheBatchesOfBuildInTurn) {
  for (const int depth : {0, 1, 2, 3}) {
    SCOPED_TRACE(depth);
    std::vector<std::vector<std::int32_t>> filled(static_cast<std::size_t>(depth) + 1);
    const Fill fill = [&](int slot, Batch& batch) {
      filled[static_cast<std::size_t>(slot)] = batch.local_row;
    };
    BatchPipeline pipeline(builder_, {1, 3}, in_turn(), fill, {.depth = depth});
    // A sampler and a builder of its own: those above are the pipeline's.
    test::FakeSampler sampler(200, {}, {0}, {});
    BatchBuilder builder(context_, full_, store_, sampler, {});
    Batch want;
    Ticket ticket{1, 3};
    for (int i = 0; i < 14; ++i, ticket = in_turn()(ticket)) {  // over three ends of epochs
      const BatchPipeline::Item item = pipeline.next();
      builder.build(ticket.epoch, ticket.index, want);
      test::expect_equal(*item.batch, want);
      EXPECT_GE(item.slot, 0);
      EXPECT_LE(item.slot, depth);
      EXPECT_GE(item.waited_seconds, 0);
      EXPECT_GT(item.batch->build_seconds, 0);
      EXPECT_EQ(filled[static_cast<std::size_t>(item.slot)], want.local_row);
    }
  }
}

TEST_F(Pipeline, BuildsAheadOnItsOwnThreadAndNoFurther) {
  std::atomic<int> built{0};
  std::atomic<bool> elsewhere{true};
  const auto caller = std::this_thread::get_id();
  const Fill fill = [&](int, Batch&) {
    if (std::this_thread::get_id() == caller) elsewhere = false;
    ++built;
  };
  BatchPipeline pipeline(builder_, {}, in_turn(), fill, {.depth = 2});
  (void)pipeline.next();
  while (built.load() < 3) std::this_thread::yield();  // one in use, two ahead
  (void)pipeline.next();
  while (built.load() < 4) std::this_thread::yield();
  EXPECT_TRUE(elsewhere.load());
  EXPECT_LE(built.load(), 4);
}

TEST_F(Pipeline, StopsInTheMiddle) {
  for (const int depth : {0, 1, 3}) {
    for (const int taken : {0, 1, 5}) {
      BatchPipeline pipeline(builder_, {}, in_turn(), nullptr, {.depth = depth});
      for (int i = 0; i < taken; ++i) (void)pipeline.next();
    }
  }
}

TEST_F(Pipeline, HandsOverWhatCameBeforeAnErrorAndThenTheError) {
  for (const int depth : {0, 1, 3}) {
    SCOPED_TRACE(depth);
    const Fill fill = [&](int, Batch& batch) {
      if (batch.index == 2) throw base::ResourceError("the disk is full");
    };
    BatchPipeline pipeline(builder_, {}, in_turn(), fill, {.depth = depth});
    EXPECT_EQ(pipeline.next().batch->index, 0);
    EXPECT_EQ(pipeline.next().batch->index, 1);
    for (int again = 0; again < 2; ++again) {
      try {
        (void)pipeline.next();
        ADD_FAILURE() << "no error";
      } catch (const base::ResourceError& e) {
        EXPECT_STREQ(e.what(), "the disk is full");
      }
    }
  }
  EXPECT_THROW(BatchPipeline(builder_, {}, in_turn(), nullptr, {.depth = -1}), base::InvalidArgument);
}

TEST_F(Pipeline, TracesOneSpanASubBatchInItsOwnLane) {
  for (const int depth : {0, 2}) {
    base::TraceWriter trace(3, base::now_seconds());
    BatchPipeline pipeline(builder_, {}, in_turn(), nullptr, {.depth = depth});
    (void)pipeline.next();  // before anybody asked for a trace
    pipeline.set_trace(&trace);
    (void)pipeline.next();
    (void)pipeline.next();
    pipeline.set_trace(nullptr);
    (void)pipeline.next();
    const std::string text = trace.json_fragment();
    EXPECT_THAT(text, testing::ContainsRegex("\"name\":\"sample\".*\"pid\":3,\"tid\":1"));
    EXPECT_EQ(std::count(text.begin(), text.end(), '{'), 2);
  }
}

}  // namespace
}  // namespace opx::sampling
