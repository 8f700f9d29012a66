// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What full-graph and mini-batch training share on one rank: the data, the optimizer, evaluation on the full
// graph. Knows no files but the store; the session around it writes the run directory.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/transfer.hpp"
#include "graph/store.hpp"
#include "parallel/gradient_bucket.hpp"
#include "parallel/process_grid.hpp"
#include "parallel/shard_loader.hpp"
#include "tensor/loss.hpp"
#include "train/metrics.hpp"
#include "train/network.hpp"
#include "train/optimizer.hpp"
#include "train/progress.hpp"
#include "train/step_results.hpp"

namespace opx::train {

/// What one forward pass over the whole graph says about the three splits.
struct Evaluation {
  SplitMetrics metrics;
  std::array<double, 3> loss{};
};

/// A matrix of the context in host memory, contiguous; waits for it.
[[nodiscard]] tensor::Matrix<float> to_host(device::Context& context, tensor::MatrixView<const float> from);

class TrainerBase {
 public:
  virtual ~TrainerBase() = default;
  TrainerBase(const TrainerBase&) = delete;
  TrainerBase& operator=(const TrainerBase&) = delete;

  /// Where a step stands in the run, both from 0.
  struct At {
    int epoch = 0;
    Index step = 0;
  };
  using Step = StepResult;
  /// One optimizer step. Collective over the grid. `stop`: this rank wants to stop after it (heard only where
  /// an epoch has several steps). On a GPU it is put on the streams, and nothing waits for it.
  virtual void begin_step(At at, bool stop) = 0;
  /// The result of the oldest step that was begun; on a GPU it waits for that one.
  [[nodiscard]] Step end_step();
  [[nodiscard]] Index steps_under_way() const noexcept { return static_cast<Index>(results_->size()); }
  /// How many steps may be under way when the results of those before are read.
  [[nodiscard]] Index lag() const noexcept { return context_.on_gpu() ? 1 : 0; }
  /// Both.
  Step step(At at, bool stop) {
    begin_step(at, stop);
    return end_step();
  }
  [[nodiscard]] virtual Index steps_per_epoch() const noexcept = 0;
  /// Mini-batches: the most rows of this rank in one; 0: the full graph.
  [[nodiscard]] virtual Index batch_rows() const noexcept { return 0; }
  /// Mini-batches: what has been counted since take_counts(), over all ranks. Collective over the grid.
  [[nodiscard]] virtual BatchCounts counts() { return {}; }
  /// Goes on counting from what all ranks together had (0: a new epoch).
  virtual void take_counts(const BatchCounts&) {}

  /// Loss and metrics of the splits with the parameters as they are, over the full graph (mini-batches with
  /// sampled_eval: over sub-batches). Collective; with several replicas each does the same.
  [[nodiscard]] virtual Evaluation evaluate();

  [[nodiscard]] virtual Network& network() noexcept = 0;
  [[nodiscard]] device::Context& context() noexcept { return context_; }
  [[nodiscard]] Optimizer& optimizer() noexcept { return *optimizer_; }
  [[nodiscard]] const layout::GraphShard& shard() const noexcept { return shard_; }
  [[nodiscard]] const graph::Store& store() const noexcept { return store_; }
  [[nodiscard]] parallel::ProcessGrid& grid() noexcept { return grid_; }
  [[nodiscard]] const model::ModelSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] const std::string& metric() const noexcept { return metric_; }
  /// Trained scalars of the whole model, learned features included.
  [[nodiscard]] Index parameter_count();
  /// Bytes of Buffers at most, of all the contexts of this rank, and of what its collectives stage in.
  [[nodiscard]] virtual std::size_t peak_memory() const;

 protected:
  /// Checks that the dataset can be trained. `spec` is completed by the derived class.
  TrainerBase(device::Context& context, parallel::ProcessGrid& grid, const graph::Store& store,
              const RunConfig& config);
  /// Reads tiles, vertices and splits; returns the features. Collective; errors are agreed on over the grid.
  /// `on_host`, if not null, gets the shard in host memory: on the CPU the same tiles.
  [[nodiscard]] tensor::Matrix<float> load(const parallel::ShardOptions& options, bool for_training,
                                           layout::GraphShard* on_host = nullptr);
  void build_optimizer();
  /// Loss over the rows of a split of this rank.
  tensor::LossSum loss(tensor::MatrixView<const float> logits, std::size_t split, double scale,
                       tensor::MatrixView<float> gradient);
  /// Norm of the summed gradients times `factor`.
  double gradient_norm(double factor);
  /// On a GPU: adds this rank's loss to *sum, which is there.
  void loss_deferred(tensor::MatrixView<const float> logits, std::size_t split, double scale,
                     tensor::MatrixView<float> gradient, double* sum);
  /// On a GPU: the end of a step from the sums over all ranks, and its update; what is left is to push the
  /// record of results_. Of `sums` the caller gives the loss; `inputs` as Optimizer::step_deferred takes
  /// them.
  void settle_deferred(tensor::deferred::StepSums sums, double learning_rate,
                       const tensor::deferred::StepInputs* inputs = nullptr);
  /// A step's result has come.
  virtual void ended(const Step&) {}
  /// Labelled rows or entries among the rows of `use`, of this rank.
  [[nodiscard]] double terms_of(std::span<const std::uint8_t> use) const;
  /// Metrics and losses from logits of the own rows, with the splits as given.
  Evaluation judge(tensor::MatrixView<const float> logits,
                   const std::array<std::vector<std::uint8_t>, 3>& use, std::array<double, 3> terms,
                   std::span<const graph::Split> split);

  device::Context& context_;
  parallel::ProcessGrid& grid_;
  const graph::Store& store_;
  RunConfig config_;
  std::string metric_;
  model::ModelSpec spec_;
  layout::GraphShard shard_;
  parallel::VertexData data_;
  std::array<std::vector<std::uint8_t>, 3> use_;  ///< rows of each split
  std::array<double, 3> terms_{};                 ///< labelled rows or entries of each split over all ranks
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<StepResults> results_;

 private:
  /// What the loss reads, in memory of the context.
  struct ResidentData {
    device::Resident<std::int32_t> labels;
    device::Resident<float> targets;
    std::array<device::Resident<std::uint8_t>, 3> use;
  };
  void check(const graph::StoreInfo& info) const;
  tensor::Matrix<float> read(const parallel::ShardOptions& options, layout::GraphShard* on_host);
  void count_terms();
  void move_to_gpu(tensor::Matrix<float>& features);
  void make_resident();
  void check_labels() const;
  ResidentData resident_;
  device::Buffer<double> other_squares_;  ///< of the learned features' gradient, on a GPU
};

}  // namespace opx::train
