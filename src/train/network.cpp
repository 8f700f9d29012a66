// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/network.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "parallel/allreduce3d.hpp"

namespace opx::train {
namespace {

class ScatterNetwork final : public FullNetwork {
 public:
  ScatterNetwork(device::Context& context, parallel::ProcessGrid& grid, const layout::GraphShard& shard,
                 const RunConfig& config, model::ModelSpec spec, tensor::Matrix<float>&& features)
      : aggregator_(context, grid, shard, aggregate_options(config)),
        model_(context, grid, shard, aggregator_, std::move(spec), std::move(features)),
        grid_(grid) {}

  double train_pass(std::uint32_t step, LossFunction loss) override {
    model::Array logits = model_.forward({.training = true, .step = step}, nullptr);
    double share = loss(logits.view());
    model_.backward(std::move(logits));
    grid_.tensor().all_reduce(std::span<double>(&share, 1), comm::ReduceOp::kSum, comm::CommPurpose::kLoss);
    return share;
  }
  void train_pass_deferred(const model::Pass& pass,
                           base::FunctionRef<void(tensor::MatrixView<float> logits)> loss,
                           base::FunctionRef<void(Index)> layer_done) override {
    model::Array logits = model_.forward(pass, nullptr);
    loss(logits.view());
    model_.backward(std::move(logits), layer_done);
  }
  model::Array logits(model::Array* embeddings) override {
    return model_.forward({.training = false}, embeddings);
  }
  model::Parameters& parameters() override { return model_.parameters(); }
  tensor::MatrixView<float> learned_features() override { return model_.learned_features(); }
  tensor::MatrixView<float> learned_gradient() override { return model_.learned_gradient(); }
  std::string describe() const override {
    const model::ModelSpec& spec = model_.spec();
    const bool both = spec.has_residual(0) && spec.input_dropout > 0;
    return fmt::format("first aggregation {}, input dropout on: {}{}",
                       spec.cached() ? "cached" : "in every step", model_.input_dropout_on(),
                       !both           ? ""
                       : spec.cached() ? "; the first residual adds features without dropout"
                                       : "; the first residual adds features with dropout");
  }

 private:
  parallel::Aggregator aggregator_;
  model::Model model_;
  parallel::ProcessGrid& grid_;
};

parallel::Normalisation parse_normalisation(const std::string& text, const std::string& kind) {
  const std::string& name = text != "auto"   ? text
                            : kind == "gcn"  ? "symmetric"
                            : kind == "sage" ? "row"
                                             : "none";
  if (name == "symmetric") return parallel::Normalisation::kSymmetric;
  if (name == "row") return parallel::Normalisation::kRow;
  OPX_REQUIRE(name == "none", InvalidArgument, "normalisation '{}' is not one of symmetric, row, none", name);
  return parallel::Normalisation::kNone;
}

void check_allreduce(const RunConfig& config, const model::ModelSpec& spec, const graph::StoreInfo& info) {
  const auto need = [](bool fits, const char* what) {
    OPX_REQUIRE(
        fits, InvalidArgument,
        "scheme 'allreduce' is the baseline for plain GCN and does not serve {}; use scheme 'scatter'", what);
  };
  need(spec.kind == model::Kind::kGcn, "other kinds of layers than gcn");
  need(spec.norm == tensor::Norm::kNone, "norms");
  need(!spec.residual, "residual connections");
  need(!spec.learned_features, "learned features");
  need(spec.order != model::Order::kTransformFirst, "order 'transform-first'");
  need(config.wire == "fp32", "a bf16 wire");
  need(info.task == graph::Task::kMultiClass, "several labels a vertex");
}

class AllreduceNetwork final : public FullNetwork {
 public:
  AllreduceNetwork(device::Context& context, parallel::ProcessGrid& grid, const graph::Store& store,
                   Index rows, const RunConfig& config, model::ModelSpec spec,
                   tensor::Matrix<float>&& features)
      : rows_(rows), parameters_(context, spec), workspace_(context) {
    const parallel::ShardOptions shard = shard_options(config, true);
    cached_ = spec.cache_first && spec.input_dropout <= 0;
    gcn_ = std::make_unique<parallel::AllreduceGcn>(
        context, grid, store, std::as_const(features).view(),
        parallel::AllreduceOptions{.widths = spec.widths,
                                   .dropout = spec.dropout,
                                   .input_dropout = spec.input_dropout,
                                   .seed = spec.seed,
                                   .normalisation = shard.normalisation,
                                   .add_self_loops = shard.add_self_loops,
                                   .cache_first_aggregation = cached_});
    features = {};
    for (Index l = 0; l < spec.layers(); ++l) {
      const auto& weight = parameters_.find(fmt::format("layers.{}.weight", l));
      const auto& bias = parameters_.find(fmt::format("layers.{}.bias", l));
      const auto b = parameters_.value(bias), db = parameters_.gradient(bias);
      values_.push_back({parameters_.value(weight), {b.data, static_cast<std::size_t>(b.size())}});
      gradients_.push_back({parameters_.gradient(weight), {db.data, static_cast<std::size_t>(db.size())}});
    }
  }

  double train_pass(std::uint32_t step, LossFunction) override {
    return gcn_->step(values_, gradients_, step);
  }
  model::Array logits(model::Array* embeddings) override {
    OPX_REQUIRE(embeddings == nullptr, InvalidArgument,
                "scheme 'allreduce' gives no embeddings; use scheme 'scatter'");
    model::Array out = workspace_.take(rows_, values_.back().weight.cols);
    gcn_->logits(values_, out.view());
    return out;
  }
  model::Parameters& parameters() override { return parameters_; }
  tensor::MatrixView<float> learned_features() override { return {}; }
  tensor::MatrixView<float> learned_gradient() override { return {}; }
  std::string describe() const override {
    return fmt::format("all-reduce scheme, first aggregation {}, input dropout on features",
                       cached_ ? "cached" : "in every step");
  }

 private:
  Index rows_;
  model::Parameters parameters_;
  model::Workspace workspace_;
  bool cached_ = false;
  std::vector<parallel::LayerParameters> values_;
  std::vector<parallel::LayerGradients> gradients_;
  std::unique_ptr<parallel::AllreduceGcn> gcn_;
};

}  // namespace

void FullNetwork::train_pass_deferred(const model::Pass&, base::FunctionRef<void(tensor::MatrixView<float>)>,
                                      base::FunctionRef<void(Index)>) {
  throw base::InvalidArgument("this scheme does not run on a GPU; use scheme 'scatter'");
}

model::ModelSpec make_spec(const RunConfig& config, Index input, Index output) {
  const ModelConfig& m = config.model;
  model::ModelSpec spec;
  spec.kind = model::parse_kind(m.kind);
  spec.norm = model::parse_norm(m.norm);
  spec.order = model::parse_order(m.order);
  spec.dropout = static_cast<float>(m.dropout);
  spec.input_dropout = static_cast<float>(m.input_dropout < 0 ? m.dropout : m.input_dropout);
  spec.residual = m.residual;
  spec.learned_features = m.features == "learned";
  spec.cache_first = m.first_aggregation == "cached";
  spec.host_input = config.features_on == "host";
  spec.seed = config.seed;
  const auto hidden = static_cast<std::size_t>(m.layers - 1);
  OPX_REQUIRE(m.layers >= 1, InvalidArgument, "a model needs at least one layer, not {}", m.layers);
  OPX_REQUIRE(hidden == 0 || m.hidden.size() == 1 || m.hidden.size() == hidden, InvalidArgument,
              "{} hidden widths for {} hidden layers: give one for all or one for each", m.hidden.size(),
              hidden);
  spec.widths = {input};
  for (std::size_t i = 0; i < hidden; ++i) spec.widths.push_back(m.hidden[m.hidden.size() == 1 ? 0 : i]);
  spec.widths.push_back(output);
  return spec;
}

bool gives_loss_rows(const RunConfig& config, const graph::StoreInfo& info) noexcept {
  return config.mode == "mini" && !config.mini.all_rows && config.model.layers > 1 &&
         2 * info.train <= info.vertices;
}

bool cuts_on_gpu(const RunConfig& config) noexcept {
  const std::string& where = config.mini.build_batches;
  return where == "gpu" || (where == "auto" && config.cuda_graph == "off");
}

model::ModelSpec batch_spec(model::ModelSpec spec, const layout::Grid& grid, bool loss_rows) {
  spec.few_last_rows = loss_rows && grid.tensor_ranks() == 1;
  spec.host_input = false;  // rows of a batch come with the rest of it
  return spec;
}

parallel::AggregateOptions aggregate_options(const RunConfig& config) {
  return {.wire = config.wire == "bf16" ? parallel::Wire::kBfloat16 : parallel::Wire::kFloat32,
          .panels = config.panels};
}

/// Layer 0 then has no aggregation in a step, forward or backward.
static bool aggregates_once(const ModelConfig& model) {
  return model.first_aggregation == "cached" && model.features == "given";
}

parallel::ShardOptions shard_options(const RunConfig& config, bool need_backward) {
  return {.normalisation = parse_normalisation(config.model.normalisation, config.model.kind),
          .add_self_loops = config.model.self_loops && config.model.kind == "gcn",
          .need_backward = need_backward,
          .layers = config.model.layers,
          .first_backward_layer = aggregates_once(config.model) ? 1 : 0};
}

std::unique_ptr<FullNetwork> make_network(device::Context& context, parallel::ProcessGrid& grid,
                                          const graph::Store& store, const layout::GraphShard& shard,
                                          const RunConfig& config, model::ModelSpec spec,
                                          tensor::Matrix<float>&& features) {
  if (config.scheme == "allreduce") {
    check_allreduce(config, spec, store.info());
    return std::make_unique<AllreduceNetwork>(context, grid, store, shard.block_rows, config, std::move(spec),
                                              std::move(features));
  }
  OPX_REQUIRE(config.scheme == "scatter", InvalidArgument, "scheme '{}' is not one of scatter, allreduce",
              config.scheme);
  return std::make_unique<ScatterNetwork>(context, grid, shard, config, std::move(spec), std::move(features));
}

}  // namespace opx::train
