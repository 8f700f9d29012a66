// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/trainer_base.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "base/timer.hpp"
#include "tensor/update.hpp"
#include "train/features.hpp"

namespace opx::train {

using base::Phase;
using base::PhaseScope;
using comm::CommPurpose;
using comm::ReduceOp;
using graph::Task;

TrainerBase::TrainerBase(device::Context& context, parallel::ProcessGrid& grid, const graph::Store& store,
                         const RunConfig& config)
    : context_(context), grid_(grid), store_(store), config_(config) {
  const graph::StoreInfo& info = store.info();
  check(info);
  metric_ = resolve_metric(config.metric, info);
  const bool learned = config.model.features == "learned";
  spec_ = make_spec(config, learned ? config.model.feature_dim : info.feature_dim, info.classes);
}

void TrainerBase::check(const graph::StoreInfo& info) const {
  OPX_REQUIRE(info.task != Task::kNone, InputError,
              "dataset '{}' has no labels: there is nothing to train on", info.name);
  OPX_REQUIRE(
      config_.model.features == "learned" || info.feature_dim > 0, InvalidArgument,
      "dataset '{}' has no features; train with features = learned (--features learned --feature-dim 128)",
      info.name);
}

// Within a replica errors are agreed on as they arise; between replicas here.
tensor::Matrix<float> TrainerBase::load(const parallel::ShardOptions& options, bool for_training,
                                        layout::GraphShard* on_host) {
  tensor::Matrix<float> features;
  if (grid_.grid().gd == 1) {
    features = read(options, on_host);
  } else {
    std::exception_ptr error;
    try {
      features = read(options, on_host);
    } catch (const base::Error&) {
      error = std::current_exception();
    }
    comm::agree(grid_.world(), [&] {
      if (error) std::rethrow_exception(error);
    });
  }
  count_terms();
  make_resident();
  OPX_REQUIRE(!for_training || terms_[0] > 0, InputError,
              "dataset '{}' has no labelled training vertices; prepare it with --split", store_.info().name);
  return features;
}

tensor::Matrix<float> TrainerBase::read(const parallel::ShardOptions& options, layout::GraphShard* on_host) {
  device::Context& host = context_.host();
  shard_ = parallel::load_shard(host, grid_, store_, options);
  if (on_host != nullptr) *on_host = shard_;
  data_ = parallel::load_vertices(host, grid_, store_, shard_);
  tensor::Matrix<float> features = std::move(data_.features);
  if (spec_.learned_features) {
    features = tensor::Matrix<float>(host, shard_.block_rows, spec_.widths.front());
    std::vector<Index> ids(static_cast<std::size_t>(shard_.block_rows), -1);
    comm::agree(grid_.tensor(), [&] {
      store_.read_original_ids(shard_.own, std::span(ids).first(static_cast<std::size_t>(shard_.own.size())));
    });
    model::initialise_learned_features(host, spec_.seed, ids, features.view());
  } else {
    normalise_features(host, grid_.tensor(), config_.model.feature_norm, data_.split, shard_.own.size(),
                       features.view());
  }
  if (context_.on_gpu()) move_to_gpu(features);
  return features;
}

// Memory may not suffice on one rank alone.
void TrainerBase::move_to_gpu(tensor::Matrix<float>& features) {
  comm::agree(grid_.tensor(), [&] {
    const device::MemoryUse shards(context_, "shards");
    shard_ = parallel::to_device(context_, shard_);
    if (spec_.host_input) return;
    const device::MemoryUse use(context_, "features");
    tensor::Matrix<float> resident(context_, features.rows(), features.cols());
    device::copy_to_device(context_, std::as_const(features).span(), resident.span());
    features = std::move(resident);
  });
}

/// Losses on a GPU leave their sum there and cannot tell of a label that is no class.
void TrainerBase::check_labels() const {
  for (std::size_t i = 0; i < data_.labels.size(); ++i)
    OPX_REQUIRE(data_.labels[i] < store_.info().classes, InvalidArgument,
                "row {} has label {}, but there are {} classes", i, data_.labels[i], store_.info().classes);
}

void TrainerBase::make_resident() {
  if (context_.on_gpu()) check_labels();
  resident_.labels = {context_, data_.labels};
  resident_.targets = {context_, std::as_const(data_.targets).span()};
  for (std::size_t s = 0; s < 3; ++s) resident_.use[s] = {context_, use_[s]};
}

void TrainerBase::count_terms() {
  const auto rows = static_cast<std::size_t>(shard_.block_rows);
  for (std::size_t s = 0; s < 3; ++s) {
    use_[s].assign(rows, 0);
    for (std::size_t i = 0; i < rows; ++i) use_[s][i] = data_.split[i] == kSplits[s] ? 1 : 0;
    terms_[s] = terms_of(use_[s]);
  }
  grid_.tensor().all_reduce(std::span<double>(terms_), ReduceOp::kSum, CommPurpose::kSetup);
}

std::size_t TrainerBase::peak_memory() const {
  const device::MemoryAccount* staging = grid_.world().staging();
  return context_.memory().peak() + (staging != nullptr ? staging->peak() : 0);
}

double TrainerBase::terms_of(std::span<const std::uint8_t> use) const {
  double terms = 0;
  for (std::size_t i = 0; i < use.size(); ++i) {
    if (use[i] == 0) continue;
    if (store_.info().task == Task::kMultiClass)
      terms += data_.labels[i] >= 0 ? 1 : 0;
    else
      for (Index c = 0; c < data_.targets.cols(); ++c)
        terms += std::isfinite(data_.targets(static_cast<Index>(i), c)) ? 1 : 0;
  }
  return terms;
}

void TrainerBase::build_optimizer() {
  std::vector<ParameterSlot> slots;
  const OptimizerConfig& config = config_.optimizer;
  const bool all = config.weight_decay_on != "first";
  model::Parameters& parameters = network().parameters();
  for (const auto& entry : parameters.entries()) {
    if (!entry.spec.trained) continue;
    const auto value = parameters.value(entry), gradient = parameters.gradient(entry);
    const auto size = static_cast<std::size_t>(value.size());
    const bool decays = all || (entry.spec.layer == 0 && entry.spec.is_weight);
    slots.push_back(
        {entry.spec.name, {value.data, size}, {gradient.data, size}, decays ? config.weight_decay : 0});
  }
  if (const auto table = network().learned_features(); table.data != nullptr) {
    const auto size = static_cast<std::size_t>(table.size());
    slots.push_back({"features",
                     {table.data, size},
                     {network().learned_gradient().data, size},
                     all ? config.weight_decay : 0});
  }
  optimizer_ = std::make_unique<Optimizer>(context_, config, std::move(slots));
  results_ = std::make_unique<StepResults>(context_);
  if (context_.on_gpu() && spec_.learned_features) other_squares_ = device::Buffer<double>(context_, 1);
}

Index TrainerBase::parameter_count() {
  const Index table = spec_.learned_features ? store_.info().vertices * spec_.widths.front() : 0;
  return network().parameters().count() + table;
}

tensor::LossSum TrainerBase::loss(tensor::MatrixView<const float> logits, std::size_t split, double scale,
                                  tensor::MatrixView<float> gradient) {
  const PhaseScope scope(context_.clock(), Phase::kLoss, "loss");
  if (store_.info().task == Task::kMultiClass)
    return tensor::softmax_cross_entropy(context_, logits, resident_.labels.span(),
                                         resident_.use[split].span(), scale, gradient);
  const tensor::MatrixView<const float> targets(resident_.targets.span().data(), data_.targets.rows(),
                                                data_.targets.cols());
  return tensor::sigmoid_bce(context_, logits, targets, resident_.use[split].span(), scale, gradient);
}

void TrainerBase::loss_deferred(tensor::MatrixView<const float> logits, std::size_t split, double scale,
                                tensor::MatrixView<float> gradient, double* sum) {
  const PhaseScope scope(context_.clock(), Phase::kLoss, "loss");
  const std::span<const std::uint8_t> use = resident_.use[split].span();
  if (store_.info().task == Task::kMultiClass)
    return tensor::deferred::softmax_cross_entropy(context_, logits, resident_.labels.span(), use, scale,
                                                   gradient, {}, sum);
  const tensor::MatrixView<const float> targets(resident_.targets.span().data(), data_.targets.rows(),
                                                data_.targets.cols());
  tensor::deferred::sigmoid_bce(context_, logits, targets, use, scale, gradient, {}, sum);
}

void TrainerBase::settle_deferred(tensor::deferred::StepSums sums, double learning_rate,
                                  const tensor::deferred::StepInputs* inputs) {
  const PhaseScope scope(context_.clock(), Phase::kOptimizer, "optimizer");
  sums.gradients = network().parameters().gradients();
  sums.clip = config_.optimizer.clip;
  sums.updates = optimizer_->updates();
  if (const auto table = network().learned_gradient(); table.data != nullptr) {
    tensor::deferred::sum_of_squares(context_, {table.data, static_cast<std::size_t>(table.size())},
                                     other_squares_.data());
    if (grid_.tensor().size() > 1)
      grid_.tensor().all_reduce(other_squares_.span(), ReduceOp::kSum, CommPurpose::kGradient);
    sums.other_squares = other_squares_.data();
  }
  tensor::deferred::settle_step(context_, sums, results_->record());
  optimizer_->step_deferred(learning_rate, results_->record(), inputs);
}

TrainerBase::Step TrainerBase::end_step() {
  const Step step = results_->pop();
  ended(step);
  return step;
}

double TrainerBase::gradient_norm(double factor) {
  const double replicated = tensor::sum_of_squares(context_, network().parameters().gradients());
  double sharded = 0;
  if (const auto table = network().learned_gradient(); table.data != nullptr) {
    sharded = tensor::sum_of_squares(context_, {table.data, static_cast<std::size_t>(table.size())});
    grid_.tensor().all_reduce(std::span<double>(&sharded, 1), ReduceOp::kSum, CommPurpose::kGradient);
  }
  return factor * std::sqrt(replicated + sharded);
}

Evaluation TrainerBase::judge(tensor::MatrixView<const float> logits,
                              const std::array<std::vector<std::uint8_t>, 3>& use,
                              std::array<double, 3> terms, std::span<const graph::Split> split) {
  Evaluation out;
  device::Context& host = context_.host();
  const tensor::MatrixView<const float> targets = std::as_const(data_.targets).view();
  const bool multi_class = store_.info().task == Task::kMultiClass;
  for (std::size_t s = 0; s < 3; ++s) {
    const PhaseScope scope(context_.clock(), Phase::kLoss, "loss");
    out.loss[s] = multi_class ? tensor::softmax_cross_entropy(host, logits, data_.labels, use[s], 1, {}).sum
                              : tensor::sigmoid_bce(host, logits, targets, use[s], 1, {}).sum;
  }
  grid_.tensor().all_reduce(std::span<double>(out.loss), ReduceOp::kSum, CommPurpose::kLoss);
  for (std::size_t s = 0; s < 3; ++s) out.loss[s] = terms[s] > 0 ? out.loss[s] / terms[s] : 0;
  const Truth truth{.task = store_.info().task,
                    .classes = store_.info().classes,
                    .labels = data_.labels,
                    .targets = targets,
                    .split = split};
  out.metrics = compute_metrics(host, grid_.tensor(), truth, logits, metric_ == "rocauc");
  return out;
}

tensor::Matrix<float> to_host(device::Context& context, tensor::MatrixView<const float> from) {
  tensor::Matrix<float> out(context.host(), from.rows, from.cols);
  if (from.size() == 0) return out;
  if (from.contiguous()) {
    device::copy_to_host(context, std::span<const float>(from.data, static_cast<std::size_t>(from.size())),
                         out.span());
    return out;
  }
  tensor::Matrix<float> packed(context, from.rows, from.cols);
  tensor::copy(context, from, packed.view());
  device::copy_to_host(context, std::as_const(packed).span(), out.span());
  return out;
}

Evaluation TrainerBase::evaluate() {
  const model::Array logits = network().logits(nullptr);
  if (!context_.on_gpu()) return judge(logits.view(), use_, terms_, data_.split);
  const tensor::Matrix<float> copy = to_host(context_, logits.view());
  return judge(copy.view(), use_, terms_, data_.split);
}

}  // namespace opx::train
