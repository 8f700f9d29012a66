// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A model on a parallel scheme: what a trainer steps. Full-width rows of the rank's own vertices in and
// out.
#pragma once

#include <memory>
#include <string>

#include "base/function_ref.hpp"
#include "graph/store.hpp"
#include "layout/graph_shard.hpp"
#include "model/model.hpp"
#include "parallel/aggregate.hpp"
#include "parallel/process_grid.hpp"
#include "parallel/shard_loader.hpp"
#include "train/config.hpp"

namespace opx::train {

/// Turns logits of this rank's rows into the gradient of the training loss in place; returns this rank's
/// share of the mean.
using LossFunction = base::FunctionRef<double(tensor::MatrixView<float> logits)>;

class Network {
 public:
  virtual ~Network() = default;
  /// Logits of this rank's rows, block_rows x classes, without dropout. `embeddings`, if not null, receives
  /// the input of the last layer. Collective over grid.tensor().
  [[nodiscard]] virtual model::Array logits(model::Array* embeddings) = 0;
  [[nodiscard]] virtual model::Parameters& parameters() = 0;
  /// This rank's rows of the learned feature table and their gradient; empty where features are given.
  [[nodiscard]] virtual tensor::MatrixView<float> learned_features() = 0;
  [[nodiscard]] virtual tensor::MatrixView<float> learned_gradient() = 0;
  /// One line for the log: what is cached, what the input dropout acts on.
  [[nodiscard]] virtual std::string describe() const = 0;
};

/// What is trained on the full graph.
class FullNetwork : public Network {
 public:
  /// One training pass with the dropout masks of `step`: overwrites the gradients by this rank's share of the
  /// sum over the world, and returns the mean loss over all ranks' labelled training vertices. Collective
  /// over grid.tensor().
  [[nodiscard]] virtual double train_pass(std::uint32_t step, LossFunction loss) = 0;
  /// The same on a GPU, where `loss` leaves this rank's share in its memory and nothing waits.
  /// `layer_done(l)`: the gradients of layer l and of those above it are complete, in the order of the
  /// compute stream. Throws InvalidArgument where the scheme does not run there.
  virtual void train_pass_deferred(const model::Pass& pass,
                                   base::FunctionRef<void(tensor::MatrixView<float> logits)> loss,
                                   base::FunctionRef<void(Index)> layer_done);
};

/// The layers' widths and settings from a configuration; `input` and `output` are those of the dataset.
/// Throws InvalidArgument for names or widths that make no model.
[[nodiscard]] model::ModelSpec make_spec(const RunConfig& config, Index input, Index output);
/// Normalisation and self loops of A for a configuration.
[[nodiscard]] parallel::ShardOptions shard_options(const RunConfig& config, bool need_backward);

/// The network of `config.scheme`. Collective over grid.tensor(). `shard` must outlive it. Throws
/// InvalidArgument where the scheme cannot serve the model: `allreduce` is GCN without norm and residual on
/// given features, one label a vertex, fp32 wire; it reads its own tiles from `store`.
[[nodiscard]] std::unique_ptr<FullNetwork> make_network(device::Context& context, parallel::ProcessGrid& grid,
                                                        const graph::Store& store,
                                                        const layout::GraphShard& shard,
                                                        const RunConfig& config, model::ModelSpec spec,
                                                        tensor::Matrix<float>&& features);

/// Whether the last layer of mini-batches gives the rows alone that a loss reads: models of several layers,
/// where at most half of the vertices train (else it costs more to cut their tile than it saves).
[[nodiscard]] bool gives_loss_rows(const RunConfig& config, const graph::StoreInfo& info) noexcept;
/// Whether a run on a GPU cuts the tiles of its sub-batches there: what build_batches says, and `auto` but
/// where steps are captured as graphs, which launch again on the same addresses.
[[nodiscard]] bool cuts_on_gpu(const RunConfig& config) noexcept;
/// What a sub-batch is trained with: where the last layer gives a few of the rows that it takes, it
/// aggregates first on a single rank, so that its products are of few rows too. (With several ranks the wire
/// decides, as ever.)
[[nodiscard]] model::ModelSpec batch_spec(model::ModelSpec spec, const layout::Grid& grid, bool loss_rows);

/// Wire and panels of a configuration.
[[nodiscard]] parallel::AggregateOptions aggregate_options(const RunConfig& config);

}  // namespace opx::train
