// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "train/option_checks.hpp"
#include "train/option_effects.hpp"

namespace opx::train {

namespace {

constexpr double kMany = 1e9;
constexpr std::string_view kInput = "Input and output";
constexpr std::string_view kRanks = "Ranks and communication";
constexpr std::string_view kTraining = "Training";
constexpr std::string_view kMini = "Mini-batches (--mode mini)";
constexpr std::string_view kModel = "Model";
constexpr std::string_view kOptimizer = "Optimiser";

#define OPX_FIELD(member) [](RunConfig& c) -> OptionField { return &c.member; }

const std::vector<Option>& table() {
  // One line an option.
  // clang-format off
  static const std::vector<Option> kTable = {
      {"dataset", "dataset", kInput, "Prepared dataset, a *.opx file made by 'orthoplex prepare' or 'generate'", OPX_FIELD(dataset)},
      {"run_dir", "--run-dir", kInput, "Folder for config.toml, metrics.jsonl and checkpoints (empty: runs/<dataset>-<time>)", OPX_FIELD(run_dir)},
      {"resume", "--resume", kInput, "Go on from the newest checkpoint of a run directory, or from this checkpoint", OPX_FIELD(resume)},
      {"checkpoint_every", "--checkpoint-every", kInput, "Epochs between checkpoints; 0: at the end and on Ctrl-C only", OPX_FIELD(checkpoint_every), {}, 0, kMany},
      {"keep_checkpoints", "--keep-checkpoints", kInput, "Newest checkpoints that are kept", OPX_FIELD(keep_checkpoints), {}, 1, 1000000},
      {"verify", "--verify", kInput, "Read the whole dataset and compare it with its checksums before training (--timeout must cover that)", OPX_FIELD(verify)},
      {"trace", "--trace", kInput, "Write trace.json (Chrome trace, one lane per rank)", OPX_FIELD(trace)},

      {"ranks", "--ranks", kRanks, "Ranks, run as threads of this process; under mpirun or srun the launcher decides", OPX_FIELD(ranks), {}, 1, 65536},
      {"grid", "--grid", kRanks, "auto (fewest words on the wire) or XxYxZ[xD], for example 2x2x2", OPX_FIELD(grid)},
      {"threads", "--threads", kRanks, "Threads of each rank; 0: the cores of this node over its ranks", OPX_FIELD(threads), {}, 0, 65536},
      {"device", "--device", kRanks, "Where a rank computes; auto: a GPU if this build and machine have one, else the CPU", OPX_FIELD(device), {"auto", "cpu", "cuda", "gpu-host"}},
      {"features_on", "--features-on", kRanks, "On a GPU: the constant input of the first layer in its memory, or page-locked in the host's: streamed in panels, and to sub-batches by rows", OPX_FIELD(features_on), {"device", "host"}},
      {"tf32", "--tf32", kRanks, "On a GPU: matrix products by TF32 (10 bits of mantissa), several times as fast", OPX_FIELD(tf32)},
      {"mode", "--mode", kRanks, "Full graph, or mini-batches", OPX_FIELD(mode), {"full", "mini"}},
      {"scheme", "--scheme", kRanks, "Parallel scheme of an aggregation", OPX_FIELD(scheme), {"scatter", "allreduce"}},
      {"wire", "--wire", kRanks, "Type of features and partial sums on the wire (sums are fp32)", OPX_FIELD(wire), {"fp32", "bf16"}},
      {"panels", "--panels", kRanks, "Column panels that are pipelined; 0: chosen", OPX_FIELD(panels), {}, 0, 1024},
      {"cuda_graph", "--cuda-graph", kRanks, "Launch a training step as one CUDA graph where it can be (on a GPU; one rank, or NCCL)", OPX_FIELD(cuda_graph), {"on", "off"}},
      {"timeout", "--timeout", kRanks, "Seconds after which the watchdog ends a stuck collective", OPX_FIELD(timeout), {}, 0.001, kMany},

      {"epochs", "--epochs", kTraining, "Epochs to train", OPX_FIELD(epochs), {}, 0, kMany},
      {"eval_every", "--eval-every", kTraining, "Epochs between evaluations; 0: at the end only", OPX_FIELD(eval_every), {}, 0, kMany},
      {"patience", "--patience", kTraining, "Stop after so many evaluations without a better validation metric; 0: never", OPX_FIELD(patience), {}, 0, kMany},
      {"metric", "--metric", kTraining, "Headline metric; auto: that of the dataset", OPX_FIELD(metric), {"auto", "accuracy", "micro_f1", "macro_f1", "rocauc", "micro_f1_topk", "macro_f1_topk"}},
      {"seed", "--seed", kTraining, "Seed of the weights and of dropout", OPX_FIELD(seed)},

      {"target_metric", "--target-metric", kTraining, "Report when the validation metric first reached this; 0: no target", OPX_FIELD(target_metric), {}, 0, 1},

      {"mini.batch_ratio", "--batch-ratio", kMini, "Share of all vertices in a sub-batch, above 0 and up to 1", OPX_FIELD(mini.batch_ratio)},
      {"mini.batch_size", "--batch-size", kMini, "The same in vertices, instead of a share; 0: by --batch-ratio", OPX_FIELD(mini.batch_size), {}, 0, kMany},
      {"mini.sampler", "--sampler", kMini, "How the vertices of a sub-batch are drawn (docs/sampling.md)", OPX_FIELD(mini.sampler), {"stratified", "uniform", "degree", "train", "cluster", "saint-walk"}},
      {"mini.estimator", "--estimator", kMini, "Of an aggregation: edges over their probability, or rows scaled to the full row's sum; auto: by layers and neighbours in a batch", OPX_FIELD(mini.estimator), {"auto", "unbiased", "self-normalised"}},
      {"mini.accumulate", "--accumulate", kMini, "Sub-batches of each replica in a step", OPX_FIELD(mini.accumulate), {}, 1, 1000000},
      {"mini.lr_scaling", "--lr-scaling", kMini, "Learning rate times the sub-batches of a step, or their root (with --warmup)", OPX_FIELD(mini.lr_scaling), {"none", "linear", "sqrt"}},
      {"mini.pipeline_depth", "--pipeline-depth", kMini, "Sub-batches built ahead, beside the step; 0: none", OPX_FIELD(mini.pipeline_depth), {}, 0, 64},
      {"mini.sampler_threads", "--sampler-threads", kMini, "Threads of each rank that build sub-batches", OPX_FIELD(mini.sampler_threads), {}, 1, 1024},
      {"mini.build_batches", "--build-batches", kMini, "Where tiles of sub-batches are cut in a run on a GPU: there, out of tiles in its memory, or by the CPU and uploaded; auto: there, but with --cuda-graph on", OPX_FIELD(mini.build_batches), {"auto", "cpu", "gpu"}},
      {"mini.hub_share", "--hub-share", kMini, "Share of a sub-batch that are hubs (sampler train)", OPX_FIELD(mini.hub_share), {}, 0, 1},
      {"mini.train_share", "--train-share", kMini, "Share of training vertices in a sub-batch that an epoch is made short for; 0: off (sampler train)", OPX_FIELD(mini.train_share), {}, 0, 1},
      {"mini.walk_length", "--walk-length", kMini, "Edges of a walk (sampler saint-walk)", OPX_FIELD(mini.walk_length), {}, 1, 1000},
      {"mini.presamples", "--presamples", kMini, "Epochs of draws behind the normalisers (sampler saint-walk)", OPX_FIELD(mini.presamples), {}, 1, 1000000},
      {"mini.all_rows", "--all-rows", kMini, "Compute all rows of the last layer, also those that no loss reads: the same steps, slower", OPX_FIELD(mini.all_rows)},
      {"mini.sampled_eval", "--sampled-eval", kMini, "Evaluate on sub-batches instead of the full graph", OPX_FIELD(mini.sampled_eval)},
      {"mini.checkpoint_every_steps", "--checkpoint-every-steps", kMini, "Steps between checkpoints within an epoch; 0: none", OPX_FIELD(mini.checkpoint_every_steps), {}, 0, kMany},

      {"model.kind", "--model", kModel, "Kind of graph layers", OPX_FIELD(model.kind), {"gcn", "sage", "gin"}},
      {"model.layers", "--layers", kModel, "Graph layers", OPX_FIELD(model.layers), {}, 1, 255},
      {"model.hidden", "--hidden", kModel, "Width of the hidden layers, or one width for each", OPX_FIELD(model.hidden), {}, 1, 1 << 20},
      {"model.norm", "--norm", kModel, "Norm after a hidden layer", OPX_FIELD(model.norm), {"none", "layer", "rms", "batch"}},
      {"model.dropout", "--dropout", kModel, "Share of the inputs of every layer but the first that is dropped", OPX_FIELD(model.dropout), {}, 0, 0.999},
      {"model.input_dropout", "--input-dropout", kModel, "The same for the first layer; negative: as --dropout", OPX_FIELD(model.input_dropout), {}, -1, 0.999},
      {"model.residual", "--residual", kModel, "Add a layer's input to its output where the widths agree", OPX_FIELD(model.residual)},
      {"model.normalisation", "--normalisation", kModel, "Of the adjacency; auto: gcn symmetric, sage row, gin none", OPX_FIELD(model.normalisation), {"auto", "symmetric", "row", "none"}},
      {"model.self_loops", "--self-loops", kModel, "Add self loops to the adjacency (gcn)", OPX_FIELD(model.self_loops)},
      {"model.features", "--features", kModel, "Features of the dataset, or a learned vector per vertex", OPX_FIELD(model.features), {"given", "learned"}},
      {"model.feature_dim", "--feature-dim", kModel, "Width of learned features", OPX_FIELD(model.feature_dim), {}, 1, 1 << 20},
      {"model.feature_norm", "--feature-norm", kModel, "Features as given, rows summing to one, or columns of mean 0 and deviation 1", OPX_FIELD(model.feature_norm), {"none", "row", "standard"}},
      {"model.first_aggregation", "--first-aggregation", kModel, "Aggregate the constant input once a run (exact in every sub-batch), or in every step", OPX_FIELD(model.first_aggregation), {"cached", "recomputed"}},
      {"model.order", "--order", kModel, "Order of aggregation and product with the weight; auto: the cheaper", OPX_FIELD(model.order), {"auto", "aggregate-first", "transform-first"}},

      {"optimizer.kind", "--optimizer", kOptimizer, "Optimiser", OPX_FIELD(optimizer.kind), {"sgd", "adam", "adamw"}},
      {"optimizer.learning_rate", "--lr", kOptimizer, "Learning rate", OPX_FIELD(optimizer.learning_rate), {}, 0, kMany},
      {"optimizer.weight_decay", "--weight-decay", kOptimizer, "Weight decay (adam, sgd: L2 in the gradient; adamw: decoupled)", OPX_FIELD(optimizer.weight_decay), {}, 0, kMany},
      {"optimizer.weight_decay_on", "--weight-decay-on", kOptimizer, "Which weights decay", OPX_FIELD(optimizer.weight_decay_on), {"all", "first"}},
      {"optimizer.momentum", "--momentum", kOptimizer, "Momentum (sgd)", OPX_FIELD(optimizer.momentum), {}, 0, 0.99999},
      {"optimizer.beta1", "--beta1", kOptimizer, "First moment's decay (adam, adamw)", OPX_FIELD(optimizer.beta1), {}, 0, 0.99999},
      {"optimizer.beta2", "--beta2", kOptimizer, "Second moment's decay (adam, adamw)", OPX_FIELD(optimizer.beta2), {}, 0, 0.999999},
      {"optimizer.epsilon", "--epsilon", kOptimizer, "Added to the root of the second moment", OPX_FIELD(optimizer.epsilon), {}, 0, 1},
      {"optimizer.schedule", "--schedule", kOptimizer, "Of the learning rate", OPX_FIELD(optimizer.schedule), {"constant", "cosine", "step"}},
      {"optimizer.warmup", "--warmup", kOptimizer, "Epochs of linear warm-up", OPX_FIELD(optimizer.warmup), {}, 0, kMany},
      {"optimizer.step_every", "--step-every", kOptimizer, "Epochs between steps (schedule step)", OPX_FIELD(optimizer.step_every), {}, 1, kMany},
      {"optimizer.step_factor", "--step-factor", kOptimizer, "Factor of a step (schedule step)", OPX_FIELD(optimizer.step_factor), {}, 0, 1},
      {"optimizer.clip", "--clip", kOptimizer, "Largest global norm of the gradient; 0: not clipped", OPX_FIELD(optimizer.clip), {}, 0, kMany},
  };
  // clang-format on
  return kTable;
}
#undef OPX_FIELD

// The accessor takes a mutable configuration; reading goes through the same pointer.
OptionField field_of(const Option& option, const RunConfig& config) {
  return option.field(const_cast<RunConfig&>(config));
}

template <class T>
T parse_number(std::string_view text, std::string_view what, const Option& option) {
  T number{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  OPX_REQUIRE(error == std::errc{} && rest == text.data() + text.size(), InvalidArgument,
              "{} is '{}'; it takes {}", what, text, type_name(option));
  return number;
}

bool parse_bool(std::string_view text, std::string_view what) {
  if (text == "true" || text == "1" || text == "on" || text == "yes") return true;
  OPX_REQUIRE(text == "false" || text == "0" || text == "off" || text == "no", InvalidArgument,
              "{} is '{}'; it takes true or false", what, text);
  return false;
}

std::string real_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string quoted_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += '\\', out += c;
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + '"';
}

}  // namespace

std::span<const Option> options() { return table(); }

const Option* find_option(std::string_view key) {
  const auto found = std::ranges::find(table(), key, &Option::key);
  return found == table().end() ? nullptr : &*found;
}

std::string plain_value(const Option& option, const RunConfig& config) {
  const OptionField field = field_of(option, config);
  if (const auto* text = std::get_if<std::string*>(&field)) return **text;
  if (const auto* list = std::get_if<std::vector<int>*>(&field))
    return fmt::format("{}", fmt::join(**list, ","));
  return toml_value(option, config);
}

std::string toml_value(const Option& option, const RunConfig& config) {
  struct Writer {
    std::string operator()(const std::string* v) const { return quoted_text(*v); }
    std::string operator()(const bool* v) const { return *v ? "true" : "false"; }
    std::string operator()(const int* v) const { return fmt::format("{}", *v); }
    std::string operator()(const std::uint64_t* v) const { return fmt::format("{}", *v); }
    std::string operator()(const double* v) const { return real_text(*v); }
    std::string operator()(const std::vector<int>* v) const {
      return fmt::format("[{}]", fmt::join(*v, ", "));
    }
  };
  return std::visit(Writer{}, field_of(option, config));
}

std::string type_name(const Option& option) {
  if (!option.choices.empty()) return fmt::format("{}", fmt::join(option.choices, "|"));
  RunConfig config;
  constexpr std::array kNames = {"TEXT", "true|false", "INT", "INT", "REAL", "INT[,INT...]"};
  return kNames[option.field(config).index()];
}

void set_from_text(RunConfig& config, const Option& option, std::string_view text) {
  const std::string_view what = option.flag;
  struct Reader {
    std::string_view text, what;
    const Option& option;
    void operator()(std::string* v) const { *v = std::string(text); }
    void operator()(bool* v) const { *v = parse_bool(text, what); }
    void operator()(int* v) const { *v = parse_number<int>(text, what, option); }
    void operator()(std::uint64_t* v) const { *v = parse_number<std::uint64_t>(text, what, option); }
    void operator()(double* v) const { *v = parse_number<double>(text, what, option); }
    void operator()(std::vector<int>* v) const {
      v->clear();
      for (const std::string& part : base::split_text(text, ','))
        v->push_back(parse_number<int>(part, what, option));
    }
  };
  std::visit(Reader{text, what, option}, option.field(config));
  detail::check_value(option, config, what);
}

std::string to_toml(const RunConfig& config) {
  std::string out;
  std::string_view section;
  for (const Option& option : options()) {
    if (!has_effect(option, config)) continue;
    const std::size_t dot = option.key.find('.');
    const std::string_view table_name =
        dot == std::string_view::npos ? std::string_view{} : option.key.substr(0, dot);
    if (table_name != section) out += fmt::format("\n[{}]\n", table_name), section = table_name;
    out += fmt::format("{} = {}\n", option.key.substr(dot == std::string_view::npos ? 0 : dot + 1),
                       toml_value(option, config));
  }
  return out;
}

}  // namespace opx::train
