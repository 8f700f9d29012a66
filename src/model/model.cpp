// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/model.hpp"

#include <utility>

#include "base/error.hpp"

namespace opx::model {

Model::Model(device::Context& context, parallel::ProcessGrid& grid, const layout::GraphShard& shard,
             parallel::Aggregator& aggregator, ModelSpec spec, tensor::Matrix<float>&& features,
             std::shared_ptr<Parameters> parameters)
    : context_(context),
      spec_(std::move(spec)),
      rows_{.begin = shard.own.begin, .valid = shard.own.size(), .total = shard.vertices},
      parameters_(parameters ? std::move(parameters) : std::make_shared<Parameters>(context, spec_)),
      workspace_(context),
      features_(std::move(features)),
      input_(features_.view()) {
  OPX_REQUIRE(features_.rows() == shard.block_rows && features_.cols() == spec_.widths.front(),
              DimensionMismatch, "features are {} x {}, the model takes {} x {}", features_.rows(),
              features_.cols(), shard.block_rows, spec_.widths.front());
  add_layers(grid, aggregator);
  if (streams())
    keep_on_host(aggregator);
  else if (spec_.cached())
    cache_first_aggregation(aggregator, shard.block_rows);
  if (!spec_.learned_features) return;
  const device::MemoryUse use(context_, "gradients");
  learned_gradient_ = tensor::Matrix<float>(context_, shard.block_rows, spec_.widths.front());
}

Model::Model(device::Context& context, parallel::ProcessGrid& grid, parallel::Aggregator& aggregator,
             ModelSpec spec, std::shared_ptr<Parameters> parameters, Index most_rows)
    : context_(context), spec_(std::move(spec)), parameters_(std::move(parameters)), workspace_(context) {
  OPX_REQUIRE(!spec_.learned_features, InvalidArgument, "a model of batches has no learned features");
  workspace_.reserve_rows(most_rows);
  add_layers(grid, aggregator);
}

void Model::add_layers(parallel::ProcessGrid& grid, parallel::Aggregator& aggregator) {
  if (grid.grid().tensor_ranks() == 1) workspace_.align_rows();
  const Environment environment{context_, aggregator, workspace_, *parameters_, rows_};
  for (Index l = 0; l < spec_.layers(); ++l)
    layers_.push_back(std::make_unique<Layer>(environment, grid.tensor(), spec_, l));
}

void Model::bind(const Rows& rows, tensor::MatrixView<float> features, tensor::MatrixView<float> aggregated) {
  OPX_REQUIRE(features_.empty() && aggregated_.empty(), InvalidArgument,
              "this model has an input of its own");
  const auto check = [&](const char* what, tensor::MatrixView<float> x) {
    OPX_REQUIRE(x.cols == spec_.widths.front() &&
                    (rows.positions.empty() || static_cast<Index>(rows.positions.size()) == x.rows),
                DimensionMismatch, "{} are {} x {} for {} positions, the model takes {} columns", what,
                x.rows, x.cols, rows.positions.size(), spec_.widths.front());
  };
  if (spec_.reads_features()) check("features", features);
  if (spec_.cached()) check("aggregated features", aggregated);
  rows_ = rows;
  input_ = features;
  aggregated_input_ = aggregated;
}

void Model::cache_first_aggregation(parallel::Aggregator& aggregator, Index rows) {
  const device::MemoryUse use(context_, "aggregated features");
  aggregated_ = tensor::Matrix<float>(context_, rows, spec_.widths.front());
  aggregator.forward(0, std::as_const(features_).view(), aggregated_.view());
  aggregated_input_ = aggregated_.view();
  if (!spec_.reads_features()) features_ = {}, input_ = {};
}

void Model::keep_on_host(parallel::Aggregator& aggregator) {
  const device::MemoryUse use(context_, "panels of the aggregated features");
  if (spec_.cached())
    host_aggregated_ = host_aggregation(context_, aggregator, std::as_const(features_).view());
  if (spec_.reads_features()) host_features_ = host_matrix(context_, std::as_const(features_).view());
  features_ = {};
  input_ = host_features_.view(), aggregated_input_ = host_aggregated_.view();
}

tensor::MatrixView<float> Model::learned_features() noexcept {
  return spec_.learned_features ? features_.view() : tensor::MatrixView<float>();
}

const char* Model::input_dropout_on() const noexcept {
  if (spec_.input_dropout <= 0) return "none";
  if (!spec_.cached()) return "features";
  return spec_.kind == Kind::kGcn ? "aggregated features" : "features and aggregated features";
}

tensor::Dropout Model::input_dropout(const Pass& pass, std::uint32_t stream) const {
  if (!pass.training || spec_.input_dropout <= 0) return {};
  return rows_.dropout(spec_.input_dropout, spec_.seed, pass.step, stream, pass.step_there);
}

// On a GPU in panels wherever it is: the same bits from both memories.
Operand Model::constant(tensor::MatrixView<float> x, const tensor::Dropout& dropout) const {
  constexpr Index kPanelElements = Index{1} << 23;
  return {Array::borrow(x), dropout, nullptr, streams(), context_.on_gpu() ? kPanelElements : 0};
}

ConvolutionInput Model::first_input(const Pass& pass) {
  Operand x = constant(input_, input_dropout(pass, kInputStream));
  if (spec_.cached()) {
    Operand h = constant(aggregated_input_, input_dropout(pass, kAggregatedInputStream));
    x.masks = &panel_masks_[0], h.masks = &panel_masks_[1];
    return {std::move(x), std::move(h)};
  }
  x.panel = 0;
  if (x.dropout.rate <= 0 && !x.on_host) return {std::move(x), {}};
  tensor::PassMask* mask = spec_.learned_features ? &input_mask_ : nullptr;
  if (mask != nullptr && mask->words_per_row() == 0)
    *mask = tensor::PassMask(context_, x.x.rows(), x.x.cols());
  return {{materialise(context_, workspace_, x, mask)}, {}};
}

Array Model::forward(const Pass& pass, Array* embeddings) {
  Array x;
  for (Index l = 0; l < spec_.layers(); ++l) {
    ConvolutionInput input = l == 0 ? first_input(pass) : ConvolutionInput{{std::move(x)}, {}};
    if (embeddings != nullptr && l + 1 == spec_.layers()) *embeddings = input.x.x;
    x = layers_[static_cast<std::size_t>(l)]->forward(std::move(input), pass);
  }
  return x;
}

void Model::backward(Array dlogits, base::FunctionRef<void(Index)> layer_done) {
  Array dy = std::move(dlogits);
  for (Index l = spec_.layers() - 1; l >= 0; --l) {
    dy = layers_[static_cast<std::size_t>(l)]->backward(std::move(dy), l > 0 || spec_.learned_features);
    layer_done(l);
  }
  if (!spec_.learned_features) return;
  const base::PhaseScope scope(context_.clock(), base::Phase::kElementwise, "elementwise");
  if (spec_.input_dropout > 0)
    tensor::masked_scale(context_, dy.view(), input_mask_, 1 / (1 - spec_.input_dropout),
                         learned_gradient_.view());
  else
    tensor::copy(context_, dy.view(), learned_gradient_.view());
}

}  // namespace opx::model
