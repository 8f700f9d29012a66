// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "base/timer.hpp"
#include "tensor/loss.hpp"
#include "train/features.hpp"

namespace opx::train {

using base::Phase;
using base::PhaseScope;
using comm::CommPurpose;
using comm::ReduceOp;
using graph::Task;

Trainer::Trainer(device::Context& context, parallel::ProcessGrid& grid, const graph::Store& store,
                 const RunConfig& config, bool for_training)
    : context_(context), grid_(grid), store_(store), config_(config) {
  const graph::StoreInfo& info = store.info();
  check(info);
  metric_ = resolve_metric(config.metric, info);
  const bool learned = config.model.features == "learned";
  spec_ = make_spec(config, learned ? config.model.feature_dim : info.feature_dim, info.classes);
  load(for_training);
  if (for_training) build_optimizer();
}

void Trainer::check(const graph::StoreInfo& info) const {
  OPX_REQUIRE(grid_.grid().gd == 1, InvalidArgument,
              "grid {}: {} replicas of full-graph training would all compute the same step; the data axis is "
              "for mini-batches",
              layout::to_string(grid_.grid()), grid_.grid().gd);
  OPX_REQUIRE(info.task != Task::kNone, InputError,
              "dataset '{}' has no labels: there is nothing to train on", info.name);
  OPX_REQUIRE(
      config_.model.features == "learned" || info.feature_dim > 0, InvalidArgument,
      "dataset '{}' has no features; train with features = learned (--features learned --feature-dim 128)",
      info.name);
}

void Trainer::load(bool for_training) {
  parallel::ShardOptions options = shard_options(config_, for_training);
  if (config_.scheme == "allreduce") options.layers = 0;  // that scheme cuts tiles of its own
  shard_ = parallel::load_shard(context_, grid_, store_, options);
  data_ = parallel::load_vertices(context_, grid_, store_, shard_);
  tensor::Matrix<float> features = std::move(data_.features);
  if (spec_.learned_features) {
    features = tensor::Matrix<float>(context_, shard_.block_rows, spec_.widths.front());
    std::vector<Index> ids(static_cast<std::size_t>(shard_.block_rows), -1);
    comm::agree(grid_.tensor(), [&] {
      store_.read_original_ids(shard_.own, std::span(ids).first(static_cast<std::size_t>(shard_.own.size())));
    });
    model::initialise_learned_features(context_, spec_.seed, ids, features.view());
  } else {
    normalise_features(context_, grid_.tensor(), config_.model.feature_norm, data_.split, shard_.own.size(),
                       features.view());
  }
  const auto rows = static_cast<std::size_t>(shard_.block_rows);
  const tensor::MatrixView<const float> targets = std::as_const(data_.targets).view();
  for (std::size_t s = 0; s < 3; ++s) {
    use_[s].assign(rows, 0);
    for (std::size_t i = 0; i < rows; ++i) {
      if (data_.split[i] != kSplits[s]) continue;
      use_[s][i] = 1;
      if (store_.info().task == Task::kMultiClass)
        terms_[s] += data_.labels[i] >= 0 ? 1 : 0;
      else
        for (Index c = 0; c < targets.cols; ++c)
          terms_[s] += std::isfinite(targets(static_cast<Index>(i), c)) ? 1 : 0;
    }
  }
  grid_.tensor().all_reduce(std::span<double>(terms_), ReduceOp::kSum, CommPurpose::kSetup);
  OPX_REQUIRE(!for_training || terms_[0] > 0, InputError,
              "dataset '{}' has no labelled training vertices; prepare it with --split", store_.info().name);
  network_ = make_network(context_, grid_, store_, shard_, config_, spec_, std::move(features));
}

void Trainer::build_optimizer() {
  std::vector<ParameterSlot> slots;
  const OptimizerConfig& config = config_.optimizer;
  const bool all = config.weight_decay_on != "first";
  model::Parameters& parameters = network_->parameters();
  for (const auto& entry : parameters.entries()) {
    if (!entry.spec.trained) continue;
    const auto value = parameters.value(entry), gradient = parameters.gradient(entry);
    const auto size = static_cast<std::size_t>(value.size());
    const bool decays = all || (entry.spec.layer == 0 && entry.spec.is_weight);
    slots.push_back(
        {entry.spec.name, {value.data, size}, {gradient.data, size}, decays ? config.weight_decay : 0});
  }
  if (const auto table = network_->learned_features(); table.data != nullptr) {
    const auto size = static_cast<std::size_t>(table.size());
    slots.push_back({"features",
                     {table.data, size},
                     {network_->learned_gradient().data, size},
                     all ? config.weight_decay : 0});
  }
  optimizer_ = std::make_unique<Optimizer>(context_, config, std::move(slots));
}

Index Trainer::parameter_count() {
  const Index table = spec_.learned_features ? store_.info().vertices * spec_.widths.front() : 0;
  return network_->parameters().count() + table;
}

tensor::LossSum Trainer::loss(tensor::MatrixView<const float> logits, std::size_t split, double scale,
                              tensor::MatrixView<float> gradient) {
  const PhaseScope scope(context_.clock(), Phase::kLoss, "loss");
  if (store_.info().task == Task::kMultiClass)
    return tensor::softmax_cross_entropy(context_, logits, data_.labels, use_[split], scale, gradient);
  return tensor::sigmoid_bce(context_, logits, std::as_const(data_.targets).view(), use_[split], scale,
                             gradient);
}

double Trainer::gradients(int epoch) {
  const auto share = [&](tensor::MatrixView<float> logits) {
    return loss(logits, 0, 1 / terms_[0], logits).sum / terms_[0];
  };
  const double mean = network_->train_pass(static_cast<std::uint32_t>(epoch), share);
  const PhaseScope scope(context_.clock(), Phase::kComm, "gradients");
  grid_.world().all_reduce(network_->parameters().gradients(), ReduceOp::kSum, CommPurpose::kGradient);
  return mean;
}

namespace {

// Ranges by size alone, added in order: the same for any number of threads.
double sum_of_squares(device::Context& context, std::span<const float> values) {
  constexpr Index kGrain = Index{1} << 16;
  const auto n = static_cast<Index>(values.size());
  const Index parts = std::max<Index>(1, ceil_div(n, kGrain));
  std::vector<double> sums(static_cast<std::size_t>(parts));
  context.parallel_for(parts, [&](Index part) {
    double sum = 0;
    const Range r = even_range(n, parts, part);
    for (const float v :
         values.subspan(static_cast<std::size_t>(r.begin), static_cast<std::size_t>(r.size())))
      sum += static_cast<double>(v) * static_cast<double>(v);
    sums[static_cast<std::size_t>(part)] = sum;
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace

double Trainer::gradient_norm() {
  const double replicated = sum_of_squares(context_, network_->parameters().gradients());
  double sharded = 0;
  if (const auto table = network_->learned_gradient(); table.data != nullptr) {
    sharded = sum_of_squares(context_, {table.data, static_cast<std::size_t>(table.size())});
    grid_.tensor().all_reduce(std::span<double>(&sharded, 1), ReduceOp::kSum, CommPurpose::kGradient);
  }
  return std::sqrt(replicated + sharded);
}

Trainer::Step Trainer::step(int epoch) {
  Step step;
  step.loss = gradients(epoch);
  const PhaseScope scope(context_.clock(), Phase::kOptimizer, "optimizer");
  step.learning_rate = learning_rate(config_.optimizer, epoch, config_.epochs);
  step.gradient_norm = gradient_norm();
  const double clip = config_.optimizer.clip;
  // as torch.nn.utils.clip_grad_norm_
  const double scale = clip > 0 ? std::min(1.0, clip / (step.gradient_norm + 1e-6)) : 1.0;
  optimizer_->step(step.learning_rate, scale);
  return step;
}

Evaluation Trainer::evaluate() {
  Evaluation out;
  const model::Array logits = network_->logits(nullptr);
  for (std::size_t s = 0; s < 3; ++s) out.loss[s] = loss(logits.view(), s, 1, {}).sum;
  grid_.tensor().all_reduce(std::span<double>(out.loss), ReduceOp::kSum, CommPurpose::kLoss);
  for (std::size_t s = 0; s < 3; ++s) out.loss[s] = terms_[s] > 0 ? out.loss[s] / terms_[s] : 0;
  const Truth truth{.task = store_.info().task,
                    .classes = store_.info().classes,
                    .labels = data_.labels,
                    .targets = std::as_const(data_.targets).view(),
                    .split = data_.split};
  out.metrics = compute_metrics(context_, grid_.tensor(), truth, logits.view(), metric_ == "rocauc");
  return out;
}

}  // namespace opx::train
