// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The command line inside the process: what goes to which stream, and with which exit code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/bench_statistics.hpp"
#include "cli/command.hpp"
#include "cli/node_cores.hpp"
#include "cli/progress.hpp"
#include "cli/run_report.hpp"

namespace opx::cli {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

struct Output {
  int code = 0;
  std::string out, err;
};

Output run(const std::vector<const char*>& words) {
  Output output;
  Terminal terminal;
  terminal.out = [&](std::string_view text) { output.out += text; };
  terminal.err = [&](std::string_view text) { output.err += text; };
  output.code =
      run_command_line(static_cast<int>(words.size()), words.data(), terminal, [] { return false; });
  return output;
}

/// Cores [begin, end) of a node.
NodeCores cores_of(std::uint64_t node, std::size_t begin, std::size_t end) {
  NodeCores cores{.node = node};
  for (std::size_t core = begin; core < end; ++core) cores.mask[core / 64] |= std::uint64_t{1} << (core % 64);
  return cores;
}

TEST(NodeCores, AreSharedWithThoseWhoMayUseThemToo) {
  const auto threads = [](const std::vector<NodeCores>& ranks) {
    std::vector<int> all;
    for (std::size_t r = 0; r < ranks.size(); ++r) all.push_back(threads_by_cores(ranks, r));
    return all;
  };
  using testing::ElementsAre;
  EXPECT_THAT(threads({cores_of(1, 0, 64), cores_of(1, 0, 64)}), ElementsAre(32, 32));      // not bound
  EXPECT_THAT(threads({cores_of(1, 0, 16), cores_of(1, 16, 32)}), ElementsAre(16, 16));     // to their own
  EXPECT_THAT(threads({cores_of(1, 64, 128), cores_of(2, 64, 128)}), ElementsAre(64, 64));  // two nodes
  EXPECT_THAT(threads({cores_of(1, 0, 1), cores_of(1, 1, 2)}), ElementsAre(1, 1));  // Open MPI's default
  EXPECT_THAT(threads({cores_of(1, 0, 8), cores_of(1, 0, 8), cores_of(1, 8, 16)}), ElementsAre(4, 4, 8));
  EXPECT_THAT(threads({cores_of(1, 0, 1), cores_of(1, 0, 8)}), ElementsAre(1, 7));
  EXPECT_THAT(threads({cores_of(1, 0, 3), cores_of(1, 0, 3), cores_of(1, 0, 3)}), ElementsAre(1, 1, 1));
  EXPECT_THAT(threads({cores_of(1, 0, 2), cores_of(1, 0, 2), cores_of(1, 0, 2)}), ElementsAre(1, 1, 1));
  EXPECT_THAT(threads({NodeCores{}}), ElementsAre(1));  // not known
}

TEST(CommandLine, HelpSaysHowFlagsAreNegatedAndWhatEveryCommandTakes) {
  const Output help = run({"orthoplex", "train", "--help"});
  EXPECT_THAT(help.out, HasSubstr("--trace,--no-trace  "));
  EXPECT_THAT(help.out, Not(HasSubstr("{false}")));
  for (const char* command : {"train", "prepare", "doctor", "bench"}) {
    const std::string text = run({"orthoplex", command, "--help"}).out;
    EXPECT_THAT(text, HasSubstr("--json, -q (--quiet) and -v (--verbose)")) << command;
    EXPECT_THAT(text, Not(HasSubstr("Exit codes"))) << command;
  }
  EXPECT_THAT(run({"orthoplex", "--help"}).out, HasSubstr("Exit codes"));
  EXPECT_THAT(run({"orthoplex", "bench", "--help"}).out, HasSubstr("orthoplex bench epoch"));
}

TEST(CommandLine, VersionAndHelpGoToStandardOutput) {
  EXPECT_THAT(run({"orthoplex", "--version"}).out, MatchesRegex("orthoplex [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  const Output help = run({"orthoplex", "train", "--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.err, "");
  EXPECT_THAT(help.out, HasSubstr("--weight-decay"));
  EXPECT_THAT(help.out, HasSubstr("Usage: orthoplex train "));
  EXPECT_THAT(run({"orthoplex", "generate", "rmat", "--help"}).out,
              HasSubstr("Usage: orthoplex generate rmat "));
}

TEST(CommandLine, ErrorsAreOneLineWithTheExitCodeOfTheirKind) {
  const Output unknown = run({"orthoplex", "train", "x.opx", "--hiden", "3"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_EQ(unknown.out, "");
  EXPECT_EQ(unknown.err, "orthoplex: error: unknown option '--hiden' of 'train'; did you mean '--hidden'?\n");
  EXPECT_EQ(run({"orthoplex", "info", "/no/such.opx"}).code, 3);
  EXPECT_THAT(run({"orthoplex"}).err, StartsWith("orthoplex: error: "));
  EXPECT_EQ(run({"orthoplex", "bench"}).code, 2);
}

TEST(ProgressLine, ShowsBarAndTimeLeft) {
  const std::string half = progress_line(0.5, "epoch 10/20", 3, 200);
  EXPECT_THAT(half, HasSubstr("[============>           ]"));
  EXPECT_THAT(half, HasSubstr(" 50 % epoch 10/20, 3.0 s left"));
  EXPECT_THAT(progress_line(1, "done", 3, 200), testing::Not(HasSubstr("left")));
  EXPECT_EQ(progress_line(0.5, std::string(300, 'x'), 3, 80).size(), 79U);
  EXPECT_THAT(progress_line(7, "x", 1, 80), HasSubstr("100 %"));
}

TEST(Progress, PlainLinesWithoutATerminalAndNothingWhenQuiet) {
  std::string err;
  Terminal terminal;
  terminal.err = [&](std::string_view text) { err += text; };
  Environment environment;
  environment.terminal = &terminal;
  {
    Progress progress(environment);
    progress.update(0.25, "first");
    progress.update(0.30, "too soon");
    progress.update(1, "last", true);
  }
  EXPECT_EQ(err, " 25 % first\n100 % last\n");
  err.clear();
  environment.quiet = true;
  Progress(environment).update(0.5, "x", true);
  EXPECT_EQ(err, "");
}

TEST(RunReport, TargetAndTimeOfTrainingApartFromEvaluation) {
  train::TrainResult r;
  r.epochs_done = 20;
  r.metric = "accuracy";
  r.seconds = 30, r.train_seconds = 12.25, r.evaluate_seconds = 4.5;
  EXPECT_THAT(train_text(r), HasSubstr("time                       training 12.2 s, evaluation 4.5 s\n"));
  EXPECT_THAT(train_text(r), testing::Not(HasSubstr("target")));
  EXPECT_FALSE(train_json(r).contains("target"));
  EXPECT_EQ(train_json(r)["train_seconds"], 12.25);
  EXPECT_EQ(train_json(r)["evaluate_seconds"], 4.5);
  r.target_metric = 0.85;
  EXPECT_THAT(train_text(r), HasSubstr("target accuracy 0.85       not reached\n"));
  EXPECT_EQ(train_json(r)["target"].dump(), R"({"value":0.85,"epoch":null,"seconds":null})");
  r.target_epoch = 7, r.target_seconds = 3.5;
  EXPECT_THAT(train_text(r), HasSubstr("target accuracy 0.85       epoch 7, 3.5 s of training\n"));
  EXPECT_EQ(train_json(r)["target"].dump(), R"({"value":0.85,"epoch":7,"seconds":3.5})");
}

TEST(Quantiles, NearestRank) {
  const Quantiles q = quantiles({5, 1, 3, 2, 4});
  EXPECT_EQ(q.median, 3);
  EXPECT_EQ(q.p10, 1);
  EXPECT_EQ(q.p90, 5);
  EXPECT_EQ(quantiles({7}).p90, 7);
}

}  // namespace
}  // namespace opx::cli
