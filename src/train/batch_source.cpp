// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/batch_source.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "tensor/update.hpp"
#include "train/input_upload.hpp"
#include "train/sample_upload.hpp"

namespace opx::train {

sampling::SamplerOptions sampler_options(const RunConfig& config, Index vertices) {
  const MiniConfig& mini = config.mini;
  OPX_REQUIRE(mini.batch_size <= vertices, InvalidArgument, "a batch of {} vertices; the graph has {}",
              mini.batch_size, vertices);
  const double ratio = mini.batch_size > 0
                           ? static_cast<double>(mini.batch_size) / static_cast<double>(vertices)
                           : mini.batch_ratio;
  return {.kind = sampling::parse_kind(mini.sampler),
          .ratio = ratio,
          .seed = config.seed,
          .hub_share = mini.hub_share,
          .train_share = mini.train_share,
          .walk_length = mini.walk_length,
          .presamples = mini.presamples};
}

sampling::Ticket Turn::after(sampling::Ticket ticket, Index batches) const noexcept {
  const Index in_step = ticket.index % per_step - first;
  const Index next = in_step + 1 < accumulate ? ticket.index + 1 : ticket.index - in_step + per_step;
  if (next < batches) return {ticket.epoch, next};
  return {ticket.epoch + (repeats ? 0 : 1), first};
}

/// Memory of one sub-batch beside the builder's, for the most rows that there can be.
struct BatchSource::Slot {
  tensor::Matrix<float> features, aggregated, targets;
  std::vector<Index> positions;
  std::vector<float> full_sum, diagonal, weights;
  std::vector<std::int32_t> labels;
  std::vector<std::uint8_t> use;
  double weight = 0;
  std::unique_ptr<SampleUpload> upload;  ///< where samples are wanted on a GPU
  std::unique_ptr<InputUpload> input;    ///< and their input is in host memory

  void allocate(device::Context& context, Index rows, const SampleData& data, bool self_normalised) {
    const auto n = static_cast<std::size_t>(rows);
    positions.resize(n), weights.resize(n), use.resize(n);
    if (self_normalised) full_sum.resize(n);
    if (self_normalised || data.gpu != nullptr) diagonal.resize(n);
    if (!data.vertices.labels.empty()) labels.resize(n);
    if (!data.vertices.targets.empty())
      targets = tensor::Matrix<float>(context, rows, data.vertices.targets.cols());
    if (data.gpu != nullptr) upload = std::make_unique<SampleUpload>(*data.gpu);
  }
};

BatchSource::BatchSource(const SampleData& data, const RunConfig& config,
                         const sampling::BatchOptions& options, Turn turn)
    : data_(data),
      context_({.threads = config.mini.sampler_threads}),
      self_normalised_(options.estimator == sampling::Estimator::kSelfNormalised),
      depth_(config.mini.pipeline_depth),
      turn_(turn) {
  const layout::Grid& grid = data.shard.grid;
  const std::vector<int> blocks = sampling::blocks_of_rank(grid, data.shard.coord, options.layers);
  sampling::SamplerOptions of_sampler = sampler_options(config, data.store.info().vertices);
  of_sampler.ranks_here = data.ranks_here;
  sampler_ = sampling::make_sampler(data.store, grid, blocks, of_sampler);
  builder_ = std::make_unique<sampling::BatchBuilder>(data.shard_there ? *data.gpu : context_, data.shard,
                                                      data.store, *sampler_, options);
  slots_.resize(static_cast<std::size_t>(depth_) + 1);
  for (Slot& slot : slots_) slot.allocate(context_, sampler_->most_block_rows(), data_, self_normalised_);
}

BatchSource::~BatchSource() {
  try {
    release();
  } catch (...) {  // a lost device has said so
  }
}

void BatchSource::set_input(tensor::MatrixView<const float> features,
                            tensor::MatrixView<const float> aggregated) {
  features_ = features, aggregated_ = aggregated;
  if (data_.host_input) {
    for (Slot& slot : slots_)
      slot.input = std::make_unique<InputUpload>(*data_.gpu, InputUpload::Input{features, aggregated},
                                                 sampler_->most_block_rows());
    return;
  }
  if (data_.gpu != nullptr) {
    features_there_ = tensor::Matrix<float>(*data_.gpu, sampler_->most_block_rows(), features.cols);
    aggregated_there_ = tensor::Matrix<float>(*data_.gpu, sampler_->most_block_rows(), aggregated.cols);
    return;
  }
  for (Slot& slot : slots_) {
    slot.features = tensor::Matrix<float>(context_, sampler_->most_block_rows(), features.cols);
    slot.aggregated = tensor::Matrix<float>(context_, sampler_->most_block_rows(), aggregated.cols);
  }
}

// By the first sub-batches of the run, wherever it starts: one that is resumed has the same shape.
void BatchSource::estimate_shape() {
  constexpr int kLooks = 2;
  sampling::Batch batch;
  sampling::Ticket ticket{0, turn_.first};
  for (int look = 0; look < kLooks; ++look, ticket = turn_.after(ticket, sampler_->batches())) {
    builder_->build(ticket.epoch, ticket.index, batch);
    shape_.cover(batch.shard, sampler_->most_block_rows());
  }
}

void BatchSource::start(sampling::Ticket ticket) {
  pipeline_.reset();
  if (data_.fixed_shape && shape_.generation == 0) estimate_shape();
  const Index batches = sampler_->batches();
  pipeline_ = std::make_unique<sampling::BatchPipeline>(
      *builder_, ticket, [this, batches](sampling::Ticket t) { return turn_.after(t, batches); },
      [this](int slot, sampling::Batch& batch) { fill(slot, batch); },
      sampling::PipelineOptions{.depth = depth_});
  pipeline_->set_trace(trace_);
  expected_ = ticket;
}

void BatchSource::set_trace(base::TraceWriter* trace) {
  trace_ = trace;
  if (pipeline_) pipeline_->set_trace(trace);
}

// On the builder's thread: touches the slot alone, reads what does not change.
void BatchSource::fill(int index, sampling::Batch& batch) {
  Slot& slot = slots_[static_cast<std::size_t>(index)];
  const Index rows = batch.shard.block_rows;
  OPX_REQUIRE(rows <= sampler_->most_block_rows(), InternalError,
              "sub-batch {} of epoch {} has {} rows a block; the sampler promised at most {}", batch.index,
              batch.epoch, rows, sampler_->most_block_rows());
  if (data_.fixed_shape) shape_.cover(batch.shard, sampler_->most_block_rows());
  const Index padded = data_.fixed_shape ? shape_.rows : rows;
  fill_rows(slot, batch, padded);
  if (slot.upload) {
    slot.upload->send(sample_of(slot, batch, padded), data_.fixed_shape ? &shape_ : nullptr,
                      data_.shard_there);
    if (slot.input) slot.input->send(context_, batch.local_row, rows);
    return;
  }
  slice_input(slot, batch);
}

void BatchSource::slice_input(Slot& slot, const sampling::Batch& batch) {
  const auto slice = [&](tensor::MatrixView<const float> from, tensor::Matrix<float>& to) {
    tensor::gather_rows(context_, from, batch.local_row, {to.data(), batch.shard.block_rows, to.cols()});
  };
  slice(features_, slot.features);
  slice(aggregated_, slot.aggregated);
}

void BatchSource::fill_rows(Slot& slot, const sampling::Batch& batch, Index rows) const {
  slot.weight = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i) {
    const bool valid = i < batch.positions.size();
    const auto row = valid ? static_cast<std::size_t>(batch.local_row[i]) : 0;
    slot.positions[i] = valid ? batch.positions[i] : 0;
    slot.weights[i] = valid ? batch.weight[i] : 0;
    slot.use[i] = valid ? data_.use[row] : 0;
    if (!slot.diagonal.empty()) slot.diagonal[i] = valid ? batch.diagonal[i] : 0;
    if (self_normalised_) slot.full_sum[i] = valid ? row_sums_[row] - batch.diagonal[i] : 0;
    const auto weight = static_cast<double>(slot.weights[i]);
    if (!slot.labels.empty()) {
      slot.labels[i] = valid ? data_.vertices.labels[row] : -1;
      if (slot.use[i] != 0 && slot.labels[i] >= 0) slot.weight += weight;
    }
    for (Index c = 0; c < slot.targets.cols(); ++c) {
      float& target = slot.targets(static_cast<Index>(i), c);
      target = valid ? data_.vertices.targets(static_cast<Index>(row), c) : std::nanf("");
      if (slot.use[i] != 0 && std::isfinite(target)) slot.weight += weight;
    }
  }
}

Sample BatchSource::sample_of(Slot& slot, sampling::Batch& batch, Index rows) const {
  const auto n = static_cast<std::size_t>(rows);
  const auto first = [n](const auto& values) { return std::span(values).first(values.empty() ? 0 : n); };
  return {.batch = &batch,
          .shard = &batch.shard,
          .features = {slot.features.data(), rows, slot.features.cols()},
          .aggregated = {slot.aggregated.data(), rows, slot.aggregated.cols()},
          .positions = first(std::as_const(slot.positions)),
          .full_sum = first(std::as_const(slot.full_sum)),
          .diagonal = first(std::as_const(slot.diagonal)),
          .labels = first(std::as_const(slot.labels)),
          .targets = {slot.targets.data(), rows, slot.targets.cols()},
          .use = first(std::as_const(slot.use)),
          .weights = first(std::as_const(slot.weights)),
          .weight = slot.weight,
          .rows = batch.rows(),
          .number = batch.epoch * sampler_->batches() + batch.index};
}

Sample BatchSource::received(Slot& slot) {
  Sample sample = slot.upload->receive();
  if (slot.input) {
    const InputUpload::Rows rows = slot.input->receive();
    sample.features = rows.features, sample.aggregated = rows.aggregated;
    return sample;
  }
  sample.features = gathered(features_, slot.upload->local_row(), features_there_, sample.shard->block_rows);
  sample.aggregated =
      gathered(aggregated_, slot.upload->local_row(), aggregated_there_, sample.shard->block_rows);
  return sample;
}

tensor::MatrixView<float> BatchSource::gathered(tensor::MatrixView<const float> from,
                                                std::span<const std::int32_t> local_row,
                                                tensor::Matrix<float>& to, Index rows) {
  const tensor::MatrixView<float> view(to.data(), rows, to.cols());
  tensor::gather_rows(*data_.gpu, from, local_row, view);
  return view;
}

Sample BatchSource::fixed(Slot& slot, sampling::Ticket ticket) {
  const auto turn = static_cast<std::size_t>(ticket.index % turn_.per_step - turn_.first);
  while (fixed_.size() <= turn) fixed_.push_back(std::make_unique<FixedSample>(*data_.gpu));
  Sample sample = fixed_[turn]->take(*slot.upload);
  const Index rows = sample.shard->block_rows;
  sample.features = {features_there_.data(), rows, features_there_.cols()};
  sample.aggregated = {aggregated_there_.data(), rows, aggregated_there_.cols()};
  return sample;
}

void BatchSource::gather(const Sample& sample) {
  (void)gathered(features_, sample.local_row, features_there_, sample.features.rows);
  (void)gathered(aggregated_, sample.local_row, aggregated_there_, sample.aggregated.rows);
}

void BatchSource::release() {
  Slot* slot = std::exchange(in_use_, nullptr);
  if (slot == nullptr || !slot->upload) return;
  slot->upload->release();
  if (slot->input) slot->input->release();
  if (data_.shard_there) sampling::release(*data_.gpu, *batch_in_use_);
}

Sample BatchSource::next(sampling::Ticket ticket) {
  release();
  if (!pipeline_ || !(expected_ == ticket)) start(ticket);
  const sampling::BatchPipeline::Item item = pipeline_->next();
  expected_ = turn_.after(ticket, sampler_->batches());
  Slot& slot = slots_[static_cast<std::size_t>(item.slot)];
  if (data_.fixed_shape) return fixed(slot, ticket);
  in_use_ = &slot;
  batch_in_use_ = item.batch;
  return in_use_->upload ? received(*in_use_)
                         : sample_of(*in_use_, *item.batch, item.batch->shard.block_rows);
}

}  // namespace opx::train
