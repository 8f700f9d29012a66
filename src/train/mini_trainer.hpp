// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Mini-batch training of one rank (design.md 4.5). A step is G = replicas x accumulate sub-batches: replica d
// takes numbers step G + d accumulate + a of the epoch (a < accumulate), those past the end contribute
// nothing. So what is learned depends on G, not on how many replicas share it.
//
// The gradients are those of the sum of the weighted losses, times a constant; they travel in one bucket with
// the sums of losses and weights, and are divided by the true total afterwards: the loss is the mean over all
// labelled training vertices of all replicas' sub-batches. Batch norm's running statistics go in the same
// bucket: after a step they are the mean of what each of its sub-batches alone would have made of them.
#pragma once

#include <memory>
#include <vector>

#include "train/batch_network.hpp"
#include "train/step_graph.hpp"
#include "train/trainer_base.hpp"

namespace opx::train {

class MiniTrainer final : public TrainerBase {
 public:
  /// Loads this rank's part of `store` and builds sampler and networks. Collective over the
  /// grid; errors are agreed on. Throws InvalidArgument as Trainer does, and for learned features, the
  /// all-reduce scheme, more sub-batches a step than an epoch has, and what the sampler refuses.
  MiniTrainer(device::Context& context, parallel::ProcessGrid& grid, const graph::Store& store,
              const RunConfig& config);
  ~MiniTrainer() override;

  void begin_step(At at, bool stop) override;
  [[nodiscard]] Index steps_per_epoch() const noexcept override {
    return ceil_div(source_->sampler().batches(), per_step_);
  }
  [[nodiscard]] Index batch_rows() const noexcept override { return sampler().most_block_rows(); }
  [[nodiscard]] BatchCounts counts() override;
  void take_counts(const BatchCounts& counts) override;
  [[nodiscard]] Evaluation evaluate() override;
  [[nodiscard]] BatchNetwork& network() noexcept override { return *network_; }
  [[nodiscard]] std::size_t peak_memory() const override;
  /// Steps that were launched as one graph.
  [[nodiscard]] Index graph_launches() const noexcept {
    return graph_launches_ + (graph_ ? graph_->launches() : 0);
  }

  /// Sub-batches of an epoch, and of a step (G).
  [[nodiscard]] Index batches() const noexcept { return source_->sampler().batches(); }
  [[nodiscard]] Index batches_per_step() const noexcept { return per_step_; }
  [[nodiscard]] const sampling::Sampler& sampler() const noexcept { return source_->sampler(); }

 private:
  /// Floats of the bucket behind the gradients; the running statistics follow.
  enum Tail : std::size_t { kLoss, kWeight, kStop, kTail };
  struct Sums {
    double loss = 0, weight = 0;
    bool stop = false;
    double learning_rate = 0;
    /// Of a captured step, in memory of the GPU: what is read in place of the three above.
    const tensor::deferred::StepInputs* inputs = nullptr;
  };

  void check() const;
  void make_source(tensor::Matrix<float>&& features);
  void require_weights_that_add() const;
  [[nodiscard]] sampling::BatchOptions batch_options() const;
  [[nodiscard]] Sample take(sampling::Ticket ticket);
  void run_sub_batch(const Sample& sample, bool first, bool last, Sums& sums);
  void contribute_nothing(const Sums& sums);
  void begin_fixed_step(int epoch, Range numbers, Index sub_batches, bool stop);
  void compute_fixed(Sums sums, Index sub_batches);
  [[nodiscard]] bool follow_shape();
  /// Whether tiles of sub-batches are cut on the GPU, out of shard_.
  [[nodiscard]] bool cuts_there() const { return context_.on_gpu() && cuts_on_gpu(config_); }
  /// What the whole graph is loaded with: transposes where those of sub-batches are cut out of them.
  [[nodiscard]] parallel::ShardOptions resident_options() const;
  void accumulate(Range range, bool first, bool last);
  double loss_of(const Sample& sample, tensor::MatrixView<float> logits);
  void count(const Sample& sample, sampling::Ticket ticket);
  void keep_statistics(bool first);
  void add_statistics();
  void fill_tail(const Sums& sums);
  void fill_tail_there(const Sums& sums);
  void finish_statistics(Index sub_batches);
  void settle_there(Index sub_batches, const Sums& sums);
  [[nodiscard]] Step update(double learning_rate);
  [[nodiscard]] double scaled_rate(int epoch) const;
  void ended(const Step& step) override;
  void log_start();

  Index per_step_;
  layout::GraphShard host_shard_;  ///< what the CPU cuts sub-batches from
  double scale_ = 1;               ///< of the gradients, constant: about one over the labelled rows of a step
  std::unique_ptr<BatchNetwork> network_;
  std::unique_ptr<BatchSource> source_;
  std::unique_ptr<BatchSource> evaluation_source_;  ///< sampled evaluation
  std::unique_ptr<parallel::GradientBucket> bucket_;
  device::Buffer<float> accumulated_;  ///< gradients of the step's sub-batches but the last
  device::Buffer<float> statistics_before_, statistics_sum_;
  device::Buffer<double> loss_;     ///< on a GPU: the sum of the step's losses
  device::Buffer<Index> isolated_;  ///< rows without neighbours since take_counts()
  BatchCounts counts_;
  std::vector<Sample> samples_;       ///< of the step under way, where they have a fixed shape
  std::unique_ptr<StepGraph> graph_;  ///< of steps on samples of shape graph_generation_
  int graph_generation_ = 0;
  Index graph_launches_ = 0;  ///< of the graphs before
};

}  // namespace opx::train
