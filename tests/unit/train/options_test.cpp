// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/options.hpp"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "train/estimator_choice.hpp"
#include "train/option_effects.hpp"

namespace opx::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

RunConfig parsed(std::string_view text) {
  RunConfig config;
  read_toml_text(config, text, "run.toml");
  return config;
}

TEST(Options, KeysAndFlagsAreUnique) {
  std::set<std::string_view> keys, flags;
  for (const Option& option : options()) {
    EXPECT_TRUE(keys.insert(option.key).second) << option.key;
    EXPECT_TRUE(flags.insert(option.flag).second) << option.flag;
    EXPECT_FALSE(option.help.empty()) << option.key;
  }
}

TEST(Options, DefaultsAreValid) {
  RunConfig config;
  EXPECT_NO_THROW(validate(config));
  resolve(config);
  EXPECT_EQ(config.model.normalisation, "symmetric");
}

TEST(Options, TomlRoundTripKeepsEveryOption) {
  RunConfig config;
  config.dataset = "a \"b\"\\c\n.opx";
  config.model.hidden = {64, 32};
  config.model.dropout = 0.1;
  config.optimizer.learning_rate = 1e-7;
  config.seed = 12345678901234ULL;
  config.trace = true;
  const std::string text = to_toml(config);
  EXPECT_EQ(to_toml(parsed(text)), text);
  EXPECT_EQ(parsed(text).dataset, config.dataset);
  EXPECT_EQ(parsed(text).model.hidden, config.model.hidden);
  EXPECT_EQ(parsed(text).optimizer.learning_rate, 1e-7);
  EXPECT_EQ(parsed(text).seed, config.seed);
}

TEST(Options, TomlTakesTablesAndDottedKeys) {
  const RunConfig config = parsed("epochs = 7\nmodel.kind = \"sage\"\n[optimizer]\nlearning_rate = 1\n");
  EXPECT_EQ(config.epochs, 7);
  EXPECT_EQ(config.model.kind, "sage");
  EXPECT_EQ(config.optimizer.learning_rate, 1.0);
  EXPECT_EQ(parsed("[model]\nhidden = 16").model.hidden, std::vector<int>{16});
}

TEST(Options, UnknownKeyNamesFileLineAndNearest) {
  EXPECT_THAT([] { (void)parsed("epochs = 3\n\n[model]\nhiden = 4\n"); },
              ThrowsMessage<base::InvalidArgument>(AllOf(HasSubstr("run.toml:4"), HasSubstr("'model.hiden'"),
                                                         HasSubstr("did you mean 'model.hidden'"))));
  EXPECT_THROW((void)parsed("[modle]\nhidden = 4\n"), base::InvalidArgument);
  EXPECT_THAT([] { (void)parsed("layers = 2\n"); },
              ThrowsMessage<base::InvalidArgument>(HasSubstr("did you mean 'model.layers'")));
}

TEST(Options, WrongTypesAndChoicesAreErrors) {
  EXPECT_THAT([] { (void)parsed("epochs = \"3\""); },
              ThrowsMessage<base::InvalidArgument>(
                  AllOf(HasSubstr("run.toml:1: epochs"), HasSubstr("it takes INT"))));
  EXPECT_THAT([] { (void)parsed("[model]\nkind = \"gnc\""); },
              ThrowsMessage<base::InvalidArgument>(
                  AllOf(HasSubstr("run.toml:2: model.kind is 'gnc'"), HasSubstr("did you mean 'gcn'"))));
  EXPECT_THAT([] { (void)parsed("model.dropout = 1.5"); },
              ThrowsMessage<base::InvalidArgument>(HasSubstr("from 0 to 0.999")));
  EXPECT_THROW((void)parsed("epochs = 3000000000"), base::InvalidArgument);
  EXPECT_THROW((void)parsed("seed = -1"), base::InvalidArgument);
  EXPECT_THROW((void)parsed("trace = 1"), base::InvalidArgument);
  EXPECT_THROW((void)parsed("model.hidden = []"), base::InvalidArgument);
  EXPECT_THROW((void)parsed("model.hidden = [3, \"4\"]"), base::InvalidArgument);
  EXPECT_THROW((void)parsed("model.dropout = true"), base::InvalidArgument);
  EXPECT_THAT([] { (void)parsed("epochs = \n"); },
              ThrowsMessage<base::InvalidArgument>(HasSubstr("run.toml:1")));
  EXPECT_THROW(read_toml(*std::make_unique<RunConfig>(), "/no/such/file.toml"), base::InputError);
}

TEST(Options, FlagsAreSetFromText) {
  RunConfig config;
  set_from_text(config, *find_option("model.hidden"), "64,32");
  EXPECT_EQ(config.model.hidden, (std::vector<int>{64, 32}));
  set_from_text(config, *find_option("model.residual"), "true");
  EXPECT_TRUE(config.model.residual);
  set_from_text(config, *find_option("optimizer.learning_rate"), "3e-4");
  EXPECT_EQ(config.optimizer.learning_rate, 3e-4);
  EXPECT_THAT([&] { set_from_text(config, *find_option("epochs"), "ten"); },
              ThrowsMessage<base::InvalidArgument>(HasSubstr("--epochs is 'ten'")));
  EXPECT_THROW(set_from_text(config, *find_option("epochs"), "-1"), base::InvalidArgument);
  EXPECT_THROW(set_from_text(config, *find_option("epochs"), "1x"), base::InvalidArgument);
  EXPECT_THROW(set_from_text(config, *find_option("model.dropout"), "nan"), base::InvalidArgument);
  EXPECT_EQ(find_option("nothing"), nullptr);
}

TEST(Options, CombinationsAreChecked) {
  RunConfig config;
  config.model.layers = 3;
  config.model.hidden = {8, 8, 8};
  EXPECT_THROW(validate(config), base::InvalidArgument);
  config.model.hidden = {8, 16};
  EXPECT_NO_THROW(validate(config));
  config.mode = "mini";
  EXPECT_NO_THROW(validate(config));
  for (const double ratio : {0.0, -1.0, 1.5}) {
    config.mini.batch_ratio = ratio;
    EXPECT_THAT([&] { validate(config); }, ThrowsMessage<base::InvalidArgument>(HasSubstr("batch_ratio is")));
  }
  config.mini.batch_ratio = RunConfig{}.mini.batch_ratio;
  config.mini.build_batches = "gpu";
  EXPECT_NO_THROW(validate(config));
  config.cuda_graph = "on";
  EXPECT_THAT([&] { validate(config); }, ThrowsMessage<base::InvalidArgument>(HasSubstr("build_batches")));
  config.cuda_graph = "off";
  config.mini.build_batches = "auto";
  config.scheme = "allreduce";
  EXPECT_THAT([&] { validate(config); }, ThrowsMessage<base::InvalidArgument>(HasSubstr("mode mini")));
  config.scheme = "scatter";
  config.model.features = "learned";
  EXPECT_THAT([&] { validate(config); }, ThrowsMessage<base::InvalidArgument>(HasSubstr("learned features")));
  config.model.features = "given";
  config.mode = "full";
  config.device = "cuda";
  EXPECT_THROW(validate(config), base::NotCompiled);
}

TEST(Options, WhatWouldHaveNoEffectIsRefused) {
  const auto refused = [](auto&& change, const char* text) {
    RunConfig config;
    change(config);
    EXPECT_THAT([&] { validate(config); }, ThrowsMessage<base::InvalidArgument>(HasSubstr(text)));
  };
  refused([](RunConfig& c) { c.patience = 3, c.eval_every = 0; }, "patience 3 has no effect");
  refused([](RunConfig& c) { c.optimizer.momentum = 0.9; },
          "optimizer.momentum 0.9 has no effect: it is for optimizer sgd");
  refused([](RunConfig& c) { c.scheme = "allreduce", c.panels = 2; }, "panels 2 has no effect");
  refused([](RunConfig& c) { c.model.features = "learned", c.model.feature_norm = "row"; }, "feature_norm");
  refused([](RunConfig& c) { c.optimizer.step_every = 7; }, "it is for schedule step");
  refused([](RunConfig& c) { c.model.layers = 1, c.model.norm = "layer"; }, "no hidden layer");
  refused([](RunConfig& c) { c.seed = std::uint64_t{1} << 63; }, "seed is 9223372036854775808");
  RunConfig config;
  config.seed = (std::uint64_t{1} << 63) - 1;
  config.optimizer.kind = "sgd", config.optimizer.momentum = 0.9;
  EXPECT_NO_THROW(validate(config));
  RunConfig back;
  read_toml_text(back, to_toml(config), "run.toml");
  EXPECT_EQ(back.seed, config.seed);
}

/// The options of the text, all of them given; the exception's text, or "" where they are taken.
std::string verdict(std::string_view text) {
  RunConfig config;
  GivenOptions given;
  read_toml_text(config, text, "run.toml", &given);
  resolve(config);
  try {
    validate(config, &given);
  } catch (const base::InvalidArgument& e) {
    return e.what();
  }
  return "";
}

TEST(Options, FeaturesOnTheHostServeBothModes) {
  EXPECT_EQ(verdict("features_on = \"host\""), "");
  EXPECT_EQ(verdict("features_on = \"host\"\nmode = \"mini\""), "");
  EXPECT_THAT(verdict("features_on = \"host\"\nscheme = \"allreduce\""),
              HasSubstr("features_on host serves scheme scatter, not scheme allreduce"));
  EXPECT_THAT(verdict("features_on = \"host\"\ncuda_graph = \"on\""), HasSubstr("not with cuda_graph on"));
}

// Every rule: the option given with its default or another value where it has no effect, then where it has.
TEST(Options, EveryRuleOfEffect) {
  struct Case {
    const char *option, *without, *with;
  };
  const std::vector<Case> cases = {
      {"patience = 3", "eval_every = 0", "eval_every = 2"},
      {"panels = 2", "scheme = \"allreduce\"", "scheme = \"scatter\""},
      {"tf32 = true", "device = \"cpu\"", "device = \"auto\""},
      {"features_on = \"host\"", "device = \"cpu\"", ""},
      {"features_on = \"host\"", "model.features = \"learned\"", ""},
      {"mini.build_batches = \"cpu\"", "", "mode = \"mini\""},
      {"mini.build_batches = \"cpu\"", "mode = \"mini\"\ndevice = \"cpu\"", "mode = \"mini\""},
      {"model.hidden = 128", "model.layers = 1", "model.layers = 2"},
      {"model.norm = \"rms\"", "model.layers = 1", "model.layers = 2"},
      {"model.residual = true", "model.layers = 1", "model.layers = 2"},
      {"model.dropout = 0.5", "model.layers = 1\nmodel.input_dropout = 0.1", "model.layers = 1"},
      {"model.self_loops = true", "model.kind = \"sage\"", "model.kind = \"gcn\""},
      {"model.self_loops = true", "model.kind = \"gin\"", ""},
      {"model.feature_dim = 128", "model.features = \"given\"", "model.features = \"learned\""},
      {"model.feature_norm = \"row\"", "model.features = \"learned\"", "model.features = \"given\""},
      {"model.first_aggregation = \"cached\"", "model.features = \"learned\"", "model.features = \"given\""},
      {"model.first_aggregation = \"cached\"", "scheme = \"allreduce\"",
       "scheme = \"allreduce\"\nmodel.input_dropout = 0"},
      {"model.order = \"transform-first\"", "model.layers = 1",
       "model.layers = 1\nmodel.first_aggregation = \"recomputed\""},
      {"optimizer.weight_decay_on = \"first\"", "", "optimizer.weight_decay = 5e-4"},
      {"optimizer.momentum = 0.9", "", "optimizer.kind = \"sgd\""},
      {"optimizer.beta1 = 0.9", "optimizer.kind = \"sgd\"", "optimizer.kind = \"adamw\""},
      {"optimizer.beta2 = 0.999", "optimizer.kind = \"sgd\"", ""},
      {"optimizer.epsilon = 1e-8", "optimizer.kind = \"sgd\"", ""},
      {"optimizer.step_every = 100", "optimizer.schedule = \"cosine\"", "optimizer.schedule = \"step\""},
      {"optimizer.step_factor = 0.1", "", "optimizer.schedule = \"step\""},
  };
  for (const Case& c : cases) {
    const std::string option = c.option, key = option.substr(0, option.find(' '));
    EXPECT_THAT(verdict(option + "\n" + c.without),
                AllOf(HasSubstr("run.toml:1: " + key), HasSubstr(" has no effect: ")));
    EXPECT_EQ(verdict(option + "\n" + c.with), "");
    EXPECT_EQ(verdict(c.without), "") << "not given";
  }
  for (const char* nothing : {"patience = 0\neval_every = 0", "panels = 0\nscheme = \"allreduce\"",
                              "optimizer.momentum = 0", "model.self_loops = false\nmodel.kind = \"gin\""})
    EXPECT_EQ(verdict(nothing), "") << nothing;
}

TEST(Options, AResolvedConfigurationMayBeGivenAgain) {
  for (const char* text : {"", "model.kind = \"sage\"", "model.features = \"learned\"", "model.layers = 1",
                           "optimizer.kind = \"sgd\"", "scheme = \"allreduce\""}) {
    RunConfig config = parsed(text);
    resolve(config);
    EXPECT_EQ(verdict(to_toml(config)), "") << text;
  }
  EXPECT_THAT(to_toml(parsed("")), testing::Not(HasSubstr("step_every")));
}

// 1000 vertices of mean degree 20: 2 neighbours at ratio 0.1, 4 at 0.2.
TEST(Options, EstimatorAutoFollowsLayersAndNeighbours) {
  graph::StoreInfo info;
  info.vertices = 1000, info.edges = 20100, info.self_loops = 100;
  const auto chosen = [&](const char* text) {
    RunConfig config = parsed(std::string("mode = \"mini\"\n") + text);
    EXPECT_EQ(config.mini.estimator, "auto");
    resolve_estimator(config, info);
    return config.mini.estimator;
  };
  EXPECT_EQ(chosen("mini.batch_ratio = 0.1\nmodel.layers = 2"), "unbiased") << "one sampled aggregation";
  EXPECT_EQ(chosen("mini.batch_ratio = 0.1\nmodel.layers = 2\nmodel.first_aggregation = \"recomputed\""),
            "self-normalised");
  EXPECT_EQ(chosen("mini.batch_ratio = 0.1\nmodel.layers = 4"), "self-normalised");
  EXPECT_EQ(chosen("mini.batch_ratio = 0.2\nmodel.layers = 4"), "unbiased");
  EXPECT_EQ(chosen("mini.batch_size = 150\nmodel.layers = 4"), "self-normalised");
  EXPECT_EQ(chosen("mini.batch_ratio = 0.1\nmodel.layers = 4\nmini.sampler = \"cluster\""), "unbiased");
  EXPECT_EQ(chosen("mini.batch_ratio = 0.1\nmodel.layers = 2\nmodel.kind = \"sage\""), "self-normalised");
  info.weighted = true;
  EXPECT_EQ(chosen("mini.batch_ratio = 0.1\nmodel.layers = 4"), "unbiased") << "sums may mean nothing";
  RunConfig asked = parsed("mode = \"mini\"\nmini.estimator = \"self-normalised\"\nmini.batch_ratio = 0.9");
  resolve_estimator(asked, info);
  EXPECT_EQ(asked.mini.estimator, "self-normalised");
  RunConfig full;
  resolve_estimator(full, info);
  EXPECT_EQ(full.mini.estimator, "auto") << "no estimator in mode full";
}

// Mini-batches sampled layer 0 before they recorded how it is aggregated.
TEST(Options, ARecordedRunHasWhatItWasMadeWith) {
  const auto recorded = [](const char* text) {
    RunConfig config;
    read_recorded_toml_text(config, text, "model.h5");
    return config.model.first_aggregation;
  };
  EXPECT_EQ(recorded("mode = \"mini\"\n[mini]\nbatch_ratio = 0.5\n"), "recomputed");
  EXPECT_EQ(recorded("mode = \"mini\"\n[model]\nfirst_aggregation = \"cached\"\n"), "cached");
  EXPECT_EQ(recorded("mode = \"full\"\n"), "cached");
  RunConfig config = parsed("mode = \"mini\"");
  resolve(config);
  EXPECT_EQ(recorded(to_toml(config).c_str()), "cached") << "every run of today records it";
}

TEST(Options, WhatARunThatGoesOnLeavesBehindIsDropped) {
  RunConfig config = parsed("[optimizer]\nschedule = \"step\"\nstep_every = 7\n");
  drop_without_effect(config);
  EXPECT_EQ(config.optimizer.step_every, 7);
  config.optimizer.schedule = "constant";
  EXPECT_THROW(validate(config), base::InvalidArgument);
  drop_without_effect(config);
  EXPECT_EQ(config.optimizer.step_every, RunConfig{}.optimizer.step_every);
  EXPECT_NO_THROW(validate(config));
}

TEST(Options, NormalisationFollowsTheModel) {
  RunConfig config;
  config.model.normalisation = "auto";
  config.model.kind = "sage";
  resolve(config);
  EXPECT_EQ(config.model.normalisation, "row");
  config.model.normalisation = "auto";
  config.model.kind = "gin";
  resolve(config);
  EXPECT_EQ(config.model.normalisation, "none");
}

}  // namespace
}  // namespace opx::train
