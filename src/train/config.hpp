// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The resolved configuration of a run. One table (train/options.cpp) drives the flags, the TOML keys,
// `--help`, the resolved config.toml and the checks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace opx::train {

struct ModelConfig {
  std::string kind = "gcn";  ///< gcn | sage | gin
  int layers = 3;
  std::vector<int> hidden = {128};  ///< one width for all hidden layers, or layers - 1 widths
  std::string norm = "none";        ///< none | layer | rms | batch
  double dropout = 0.5;             ///< on every layer's input but the first
  double input_dropout = -1;        ///< on the first layer's input; negative: as dropout
  bool residual = false;            ///< adds a layer's input where the widths agree
  std::string normalisation =
      "auto";  ///< of A: auto (gcn symmetric, sage row, gin none; resolve()) | symmetric | row | none
  bool self_loops = true;                    ///< added to A (gcn only)
  std::string features = "given";            ///< given | learned
  int feature_dim = 128;                     ///< for learned
  std::string feature_norm = "none";         ///< none | row | standard
  std::string first_aggregation = "cached";  ///< cached | recomputed; see docs/algorithms.md for dropout
  std::string order = "auto";                ///< auto (the cheaper) | aggregate-first | transform-first
};

struct OptimizerConfig {
  std::string kind = "adam";  ///< sgd | adam | adamw
  double learning_rate = 0.01;
  double weight_decay = 0;
  std::string weight_decay_on = "all";  ///< all | first (the first layer's weights only)
  double momentum = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  std::string schedule = "constant";  ///< constant | cosine | step
  int warmup = 0;                     ///< epochs of linear warm-up
  int step_every = 100;
  double step_factor = 0.1;
  double clip = 0;  ///< largest global gradient norm; 0: off
};

/// Training on sub-batches (mode mini).
struct MiniConfig {
  double batch_ratio = 0.1;            ///< share of all vertices in a sub-batch
  int batch_size = 0;                  ///< the same in vertices; 0: by batch_ratio
  std::string sampler = "stratified";  ///< sampling::Kind
  std::string estimator = "auto";      ///< auto (resolve_estimator()) | sampling::Estimator
  int accumulate = 1;                  ///< sub-batches of a replica in a step
  int pipeline_depth = 1;              ///< sub-batches built ahead
  int sampler_threads = 1;
  std::string build_batches = "auto";  ///< of a run on a GPU: auto (cuts_on_gpu()) | cpu | gpu
  std::string lr_scaling = "none";     ///< none | linear | sqrt, with the sub-batches of a step
  double hub_share = 0.05;             ///< sampler train: share of a batch that are hubs
  double train_share = 0;              ///< sampler train: most training vertices in a batch; 0: no such bound
  int walk_length = 4;                 ///< sampler saint-walk
  int presamples = 50;                 ///< sampler saint-walk: epochs of draws behind its normalisers
  bool all_rows = false;               ///< of the last layer, also those that no loss reads
  bool sampled_eval = false;           ///< evaluate on sub-batches instead of the full graph
  int checkpoint_every_steps = 0;
};

struct RunConfig {
  std::string dataset;  ///< path of the *.opx store
  std::string run_dir;  ///< empty: runs/<dataset>-<time>
  std::string mode = "full";
  std::string grid = "auto";
  int ranks = 1;    ///< ranks as threads, where not under MPI
  int threads = 0;  ///< of each rank; 0: cores / ranks on this node
  std::string device = "auto";
  std::string features_on = "device";  ///< device | host (page-locked, streamed to the GPU)
  bool tf32 = false;                   ///< fp32 products on a GPU by TF32
  std::string scheme = "scatter";      ///< scatter | allreduce
  std::string wire = "fp32";           ///< fp32 | bf16
  int panels = 0;
  std::string cuda_graph = "off";  ///< on | off
  std::uint64_t seed = 0;
  int epochs = 200;
  int eval_every = 1;           ///< 0: only at the end
  int patience = 0;             ///< early stopping: evaluations without a better validation metric; 0: off
  std::string metric = "auto";  ///< accuracy | micro_f1 | macro_f1 | rocauc | micro_f1_topk | ...
  int checkpoint_every = 0;     ///< epochs; 0: only at the end and on Ctrl-C
  int keep_checkpoints = 2;
  std::string resume;  ///< a run directory or a checkpoint
  bool trace = false;
  bool verify = false;       ///< the dataset's content is held against its checksums first
  double timeout = 600;      ///< seconds of the communication watchdog
  double target_metric = 0;  ///< of the validation split: when it was first reached is reported; 0: none
  MiniConfig mini;
  ModelConfig model;
  OptimizerConfig optimizer;
};

}  // namespace opx::train
