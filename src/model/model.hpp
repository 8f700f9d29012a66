// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A stack of layers over the vertices of one rank. The parallel part is the Aggregator's; all else is local,
// except the moments of batch norm. The caller sums Parameters::gradients over all ranks once a step.
//
// Memory (rows n, widths D): with the first aggregation cached a GCN holds A X, per hidden layer one matrix
// of its backward pass (A x, or x where the layer transforms first) and one bit an element; one more matrix
// is under way.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "base/function_ref.hpp"
#include "layout/graph_shard.hpp"
#include "model/host_input.hpp"
#include "model/layer.hpp"
#include "parallel/process_grid.hpp"

namespace opx::model {

class Model {
 public:
  /// `features`: block_rows x widths[0] rows of this rank's vertices (or of the learned table), padded rows
  /// zero. Collective over grid.tensor(): with the first aggregation cached A X is computed here, and the
  /// features are freed unless the model needs them beside it. With spec.host_input on a GPU, `features` are
  /// memory of the host, and what is kept is page-locked. `shard` must have transposes for training.
  /// `parameters`: shared with other models of the same spec; null: of its own.
  Model(device::Context& context, parallel::ProcessGrid& grid, const layout::GraphShard& shard,
        parallel::Aggregator& aggregator, ModelSpec spec, tensor::Matrix<float>&& features,
        std::shared_ptr<Parameters> parameters = nullptr);
  /// A model whose input is bound before every pass: batches. No collective. Throws InvalidArgument for a
  /// spec with learned features.
  Model(device::Context& context, parallel::ProcessGrid& grid, parallel::Aggregator& aggregator,
        ModelSpec spec, std::shared_ptr<Parameters> parameters, Index most_rows);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  [[nodiscard]] const ModelSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] Parameters& parameters() noexcept { return *parameters_; }

  /// The input of the passes that follow; all stays with the caller. `features` and, with the first
  /// aggregation cached, `aggregated` (the rows of the full graph's A X) have the aggregator's block_rows,
  /// padded rows zero; `features` may be empty where the spec does not read them.
  void bind(const Rows& rows, tensor::MatrixView<float> features,
            tensor::MatrixView<float> aggregated = tensor::MatrixView<float>());
  /// What the passes run on: empty where the first aggregation is cached and nothing else needs it.
  [[nodiscard]] tensor::MatrixView<float> features() const noexcept { return input_; }
  /// A X where the first aggregation is cached.
  [[nodiscard]] tensor::MatrixView<float> aggregated() const noexcept { return aggregated_input_; }

  /// Logits, block_rows x widths.back(). `embeddings`, if not null, receives the input of the last layer.
  [[nodiscard]] Array forward(const Pass& pass, Array* embeddings = nullptr);
  /// From the gradient of the logits of the last training pass (consumed). Overwrites all gradients; calls
  /// layer_done(l) as soon as those of layer l are there, the last layer first.
  void backward(Array dlogits, base::FunctionRef<void(Index)> layer_done);
  void backward(Array dlogits) {
    backward(std::move(dlogits), [](Index) {});
  }

  /// The learned feature table and its gradient (this rank's rows, complete); empty views otherwise.
  [[nodiscard]] tensor::MatrixView<float> learned_features() noexcept;
  [[nodiscard]] tensor::MatrixView<float> learned_gradient() noexcept { return learned_gradient_.view(); }

  /// What the first layer's input dropout acts on, for the log: "none", "features", "aggregated features".
  [[nodiscard]] const char* input_dropout_on() const noexcept;

 private:
  void add_layers(parallel::ProcessGrid& grid, parallel::Aggregator& aggregator);
  void cache_first_aggregation(parallel::Aggregator& aggregator, Index rows);
  [[nodiscard]] bool streams() const noexcept { return spec_.host_input && context_.on_gpu(); }
  void keep_on_host(parallel::Aggregator& aggregator);
  [[nodiscard]] Operand constant(tensor::MatrixView<float> x, const tensor::Dropout& dropout) const;
  [[nodiscard]] ConvolutionInput first_input(const Pass& pass);
  [[nodiscard]] tensor::Dropout input_dropout(const Pass& pass, std::uint32_t stream) const;

  device::Context& context_;
  ModelSpec spec_;
  Rows rows_;
  std::shared_ptr<Parameters> parameters_;
  Workspace workspace_;
  tensor::Matrix<float> features_, aggregated_, learned_gradient_;
  HostMatrix host_features_, host_aggregated_;          ///< in place of these two, with host_input on a GPU
  tensor::MatrixView<float> input_, aggregated_input_;  ///< features_ and aggregated_, or what is bound
  tensor::PassMask input_mask_;
  std::array<std::vector<tensor::PassMask>, 2> panel_masks_;  ///< of x and A x with dropout
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace opx::model
