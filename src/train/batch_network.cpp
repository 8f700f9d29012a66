// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/batch_network.hpp"

#include <utility>

#include <fmt/format.h>

#include "device/transfer.hpp"

namespace opx::train {

namespace {

Index statistics_of(const model::ModelSpec& spec) {
  Index size = 0;
  for (const model::ParameterSpec& p : model::parameter_specs(spec)) size += p.trained ? 0 : p.size();
  return size;
}

parallel::AggregateOptions batch_options(const RunConfig& config, Index most_rows) {
  parallel::AggregateOptions options = aggregate_options(config);
  options.most_rows = most_rows;
  return options;
}

}  // namespace

BatchNetwork::BatchNetwork(device::Context& context, parallel::ProcessGrid& grid,
                           const layout::GraphShard& shard, const RunConfig& config, model::ModelSpec spec,
                           tensor::Matrix<float>&& features, Index tail, Index most_rows)
    : context_(context),
      full_rows_(shard.block_rows),
      parameters_(std::make_shared<model::Parameters>(context, spec, tail + statistics_of(spec))),
      full_aggregator_(context, grid, shard, aggregate_options(config)),
      batch_aggregator_(context, grid, batch_shard_, batch_options(config, most_rows)),
      full_(context, grid, shard, full_aggregator_, spec, std::move(features), parameters_),
      batch_(context, grid, batch_aggregator_, batch_spec(spec, grid.grid(), !config.mini.all_rows),
             parameters_, most_rows) {}

void BatchNetwork::bind(const Sample& sample) {
  batch_shard_ = *sample.shard;
  batch_.bind({.positions = sample.positions,
               .valid = sample.rows,
               .total = batch_shard_.vertices,
               .counts = sample.counts},
              sample.features, sample.aggregated);
  batch_aggregator_.self_normalise(sample.full_sum, sample.diagonal.first(sample.full_sum.size()));
}

void BatchNetwork::release() {
  batch_shard_.tile = batch_shard_.transposed = {};
  batch_shard_.loss_rows = {};
}

void BatchNetwork::add_rows_without_neighbours(const Sample& sample, Index layer, Index* count) {
  const std::span<const float> diagonal =
      context_.on_gpu() ? sample.diagonal : std::span<const float>(sample.batch->diagonal);
  batch_aggregator_.add_rows_without_neighbours(
      layer, diagonal.first(static_cast<std::size_t>(sample.batch->rows_given(layer))), count,
      comm::CommPurpose::kMetric);
}

std::vector<float> BatchNetwork::full_row_sums() {
  device::Buffer<float> sums(context_, full_rows_);
  full_aggregator_.row_sums(0, sums.span(), comm::CommPurpose::kSetup);
  return device::host_copy(context_, std::as_const(sums).span());
}

std::string BatchNetwork::describe() const {
  return fmt::format("first aggregation {}, input dropout on: {}",
                     batch_.spec().cached() ? "cached: exact in every batch" : "sampled in every batch",
                     batch_.input_dropout_on());
}

}  // namespace opx::train
