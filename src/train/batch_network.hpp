// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Two models of the same parameters: one runs on the batch that is bound, the other on the full graph, for
// evaluation.
#pragma once

#include <memory>
#include <string>

#include "parallel/aggregate.hpp"
#include "train/batch_source.hpp"
#include "train/network.hpp"

namespace opx::train {

class BatchNetwork final : public Network {
 public:
  /// `config.mini.all_rows` says what the last layer gives. `shard` is the full graph's, without transposes;
  /// `tail` more floats lie behind the gradients, and the running statistics behind those. Collective over
  /// the tensor ranks where the first aggregation is cached: A X of the full graph is computed here, once,
  /// and batches take their rows of it.
  BatchNetwork(device::Context& context, parallel::ProcessGrid& grid, const layout::GraphShard& shard,
               const RunConfig& config, model::ModelSpec spec, tensor::Matrix<float>&& features, Index tail,
               Index most_rows);

  /// The passes that follow run on this sub-batch, until release(), which must come before the next one is
  /// asked for.
  void bind(const Sample& sample);
  void release();
  /// Logits of the batch's rows, or of the first ones that a loss reads (GraphShard::rows_given).
  [[nodiscard]] model::Array forward(const model::Pass& pass) { return batch_.forward(pass); }
  void backward(model::Array dlogits, base::FunctionRef<void(Index)> layer_done) {
    batch_.backward(std::move(dlogits), layer_done);
  }
  /// *count (memory of the context) grows by the rows that `layer` gives of the bound batch and that have no
  /// neighbour in it. Collective over the tensor ranks.
  void add_rows_without_neighbours(const Sample& sample, Index layer, Index* count);
  /// (A 1) of the full graph's own rows. Collective over the tensor ranks.
  [[nodiscard]] std::vector<float> full_row_sums();
  /// Input of the whole graph: X where the model reads it, A X where the first aggregation is cached.
  [[nodiscard]] tensor::MatrixView<const float> features() const { return full_.features(); }
  [[nodiscard]] tensor::MatrixView<const float> aggregated() const { return full_.aggregated(); }

  [[nodiscard]] model::Array logits(model::Array* embeddings) override {
    return full_.forward({.training = false}, embeddings);
  }
  [[nodiscard]] model::Parameters& parameters() override { return *parameters_; }
  [[nodiscard]] tensor::MatrixView<float> learned_features() override { return {}; }
  [[nodiscard]] tensor::MatrixView<float> learned_gradient() override { return {}; }
  [[nodiscard]] std::string describe() const override;

 private:
  device::Context& context_;
  layout::GraphShard batch_shard_;  ///< at one address; its contents are the bound batch's
  Index full_rows_;
  std::shared_ptr<model::Parameters> parameters_;
  parallel::Aggregator full_aggregator_, batch_aggregator_;
  model::Model full_, batch_;
};

}  // namespace opx::train
