// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Sub-batches with everything that a step needs of them, in the order of the run: drawn, cut and sliced from
// what this rank holds, ahead of the step, without communication.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "base/trace.hpp"
#include "parallel/shard_loader.hpp"
#include "sampling/batch.hpp"
#include "sampling/pipeline.hpp"
#include "sampling/sampler.hpp"
#include "tensor/deferred.hpp"
#include "train/config.hpp"
#include "train/fixed_shape.hpp"

namespace opx::train {

[[nodiscard]] sampling::SamplerOptions sampler_options(const RunConfig& config, Index vertices);

/// One sub-batch on this rank; everything has shard.block_rows rows, padding last (features 0, used by
/// nobody), in memory of the context of the step.
struct Sample {
  sampling::Batch* batch = nullptr;                ///< host memory, but for tiles that were cut on the GPU
  const layout::GraphShard* shard = nullptr;       ///< the batch's, in memory of the step's context
  tensor::MatrixView<float> features, aggregated;  ///< empty where the model does not read them
  std::span<const Index> positions;
  std::span<const float> full_sum, diagonal;  ///< self-normalised: off-diagonal row sums of A, a_vv
  std::span<const std::int32_t> labels;
  tensor::MatrixView<const float> targets;
  std::span<const std::uint8_t> use;  ///< labelled rows of the training split
  std::span<const float> weights;     ///< of each row in the loss
  double weight = 0;                  ///< their sum over the terms of the loss
  Index rows = 0;                     ///< that are no padding
  Index number = 0;                   ///< of the sub-batch in the run: the step of its dropout
  /// Of a sample of fixed shape, in memory of the GPU: rows that count, `number`, and of each row which of
  /// the rank's it is (-1: padding); the features have not been gathered (BatchSource::gather).
  const tensor::deferred::RowCounts* counts = nullptr;
  const std::uint32_t* step_there = nullptr;
  std::span<const std::int32_t> local_row{};
  int generation = 0;  ///< of the shape: samples of one are alike but for their contents
};

/// What samples are sliced from: this rank's rows of the whole graph. All of it stays with the caller.
struct SampleData {
  const layout::GraphShard& shard;
  const graph::Store& store;
  const parallel::VertexData& vertices;
  std::span<const std::uint8_t> use;  ///< rows of the training split
  int ranks_here = 1;                 ///< ranks that share this machine's memory
  device::Context* gpu = nullptr;     ///< where samples are wanted; null: in host memory
  bool host_input = false;            ///< there: X and A X are in host memory, rows of them are sent
  /// There: samples of one shape (train/fixed_shape.hpp), those of a step each at an address of its own.
  bool fixed_shape = false;
  bool shard_there = false;  ///< `shard` is in memory of the GPU: tiles are cut there
};

/// Which sub-batches of an epoch a replica takes: `accumulate` of every `per_step` from `first` on.
/// `repeats`: the same epoch again and again (sampled evaluation).
struct Turn {
  Index first = 0, accumulate = 1, per_step = 1;
  bool repeats = false;
  [[nodiscard]] sampling::Ticket after(sampling::Ticket ticket, Index batches) const noexcept;
};

class SampleUpload;
class FixedSample;

/// On a GPU the builder's thread sends what it made through page-locked memory on the copy stream, but for
/// tiles that it cut there; rows of features are gathered there from those of the graph (host_input: by the
/// builder's thread, and sent too). A sample is valid for what is put on the compute stream before the next
/// next(); one of fixed shape until the same turn of the next step, but for `batch`.
class BatchSource {
 public:
  /// Makes sampler and builder; nothing is drawn yet. No communication; what reading throws is for the caller
  /// to agree on. `layers` of `options` and what goes backward are the model's.
  BatchSource(const SampleData& data, const RunConfig& config, const sampling::BatchOptions& options,
              Turn turn);
  ~BatchSource();

  [[nodiscard]] const sampling::Sampler& sampler() const noexcept { return *sampler_; }
  /// What the model reads of the whole graph's own rows, X and A X (either may be empty), in memory of the
  /// step's context (host_input: of the host); both stay with the caller. Before the first next().
  void set_input(tensor::MatrixView<const float> features, tensor::MatrixView<const float> aggregated);
  /// (A 1) of the own rows of the whole graph: before the first next() of a self-normalised run.
  void set_row_sums(std::vector<float> sums) { row_sums_ = std::move(sums); }
  /// The sub-batch `ticket`; the one before is given up. In the order of Turn it has been built beside the
  /// step; any other ticket (a resumed run) starts anew from there.
  [[nodiscard]] Sample next(sampling::Ticket ticket);
  /// Puts the rows of features of a sample of fixed shape where it says they are: one sample at a time.
  void gather(const Sample& sample);
  /// Spans of the builder go there.
  void set_trace(base::TraceWriter* trace);
  /// Bytes of the Buffers of the builder and the slots at most.
  [[nodiscard]] std::size_t peak_memory() { return context_.memory().peak(); }

 private:
  struct Slot;
  void fill(int slot, sampling::Batch& batch);
  void slice_input(Slot& slot, const sampling::Batch& batch);
  void fill_rows(Slot& slot, const sampling::Batch& batch, Index rows) const;
  [[nodiscard]] Sample sample_of(Slot& slot, sampling::Batch& batch, Index rows) const;
  [[nodiscard]] Sample received(Slot& slot);
  [[nodiscard]] Sample fixed(Slot& slot, sampling::Ticket ticket);
  [[nodiscard]] tensor::MatrixView<float> gathered(tensor::MatrixView<const float> from,
                                                   std::span<const std::int32_t> local_row,
                                                   tensor::Matrix<float>& to, Index rows);
  void estimate_shape();
  void release();
  void start(sampling::Ticket ticket);

  SampleData data_;
  tensor::MatrixView<const float> features_, aggregated_;
  device::Context context_;  ///< of the builder's thread
  bool self_normalised_;
  int depth_;
  Turn turn_;
  std::unique_ptr<sampling::Sampler> sampler_;
  std::unique_ptr<sampling::BatchBuilder> builder_;
  std::vector<float> row_sums_;
  std::vector<Slot> slots_;
  Slot* in_use_ = nullptr;
  FixedShape shape_;  ///< the builder thread's, once it runs
  std::vector<std::unique_ptr<FixedSample>> fixed_;
  sampling::Batch* batch_in_use_ = nullptr;
  tensor::Matrix<float> features_there_, aggregated_there_;  ///< rows of the sample in use, on a GPU
  sampling::Ticket expected_;
  base::TraceWriter* trace_ = nullptr;
  std::unique_ptr<sampling::BatchPipeline> pipeline_;  // last: its thread uses the rest
};

}  // namespace opx::train
