// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/mini_trainer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include <unistd.h>

#include "base/error.hpp"
#include "base/timer.hpp"
#include "train/estimator_choice.hpp"

namespace opx::train {

using base::Phase;
using base::PhaseScope;
using comm::CommPurpose;
using graph::Task;

namespace {

/// Ranks of `world` on this machine, by its name.
int ranks_of_machine(comm::Communicator& world) {
  std::array<char, 256> name{};
  (void)::gethostname(name.data(), name.size() - 1);
  const std::uint64_t own = std::hash<std::string_view>{}(name.data());
  std::vector<std::uint64_t> all(static_cast<std::size_t>(world.size()));
  world.all_gather(std::span<const std::uint64_t>(&own, 1), std::span(all), CommPurpose::kSetup);
  return static_cast<int>(std::ranges::count(all, own));
}

}  // namespace

MiniTrainer::MiniTrainer(device::Context& context, parallel::ProcessGrid& grid, const graph::Store& store,
                         const RunConfig& config)
    : TrainerBase(context, grid, store, config), per_step_(Index{grid.grid().gd} * config.mini.accumulate) {
  resolve_estimator(config_, store.info());
  config_.mini.all_rows = !gives_loss_rows(config_, store.info());
  check();
  if (config_.cuda_graph == "on") graph_ = StepGraph::make(context_, grid_.world());
  if (graph_ && grid_.grid().tensor_ranks() > 1) config_.mini.all_rows = true;
  make_source(load(resident_options(), true, &host_shard_));
}

MiniTrainer::~MiniTrainer() = default;

void MiniTrainer::check() const {
  OPX_REQUIRE(
      !spec_.learned_features, InvalidArgument,
      "learned features are not trained on mini-batches: most rows of the table would have no gradient "
      "in a step; use mode full");
  OPX_REQUIRE(config_.scheme == "scatter", InvalidArgument,
              "scheme '{}' does not serve mini-batches; use scheme 'scatter'", config_.scheme);
  OPX_REQUIRE(config_.mini.build_batches != "gpu" || context_.on_gpu(), InvalidArgument,
              "build_batches gpu cuts sub-batches on a GPU, and this run is on the CPU");
}

parallel::ShardOptions MiniTrainer::resident_options() const {
  parallel::ShardOptions options = shard_options(config_, cuts_there());
  const sampling::BatchOptions batch = batch_options();
  options.first_backward_layer = std::max(batch.first_layer, batch.first_backward_layer);
  return options;
}

sampling::BatchOptions MiniTrainer::batch_options() const {
  // Of a model without sampled layers the tile is cut for its counts alone.
  const bool loss_rows = !config_.mini.all_rows;
  return {.layers = spec_.layers(),
          .first_layer = spec_.cached() && spec_.layers() > 1 ? 1 : 0,
          .first_backward_layer = spec_.aggregates_first(0) ? 1 : 0,
          .need_backward = true,
          .estimator = sampling::parse_estimator(config_.mini.estimator),
          .loss_rows = loss_rows,
          .drop_unread = loss_rows && spec_.norm != tensor::Norm::kBatch,
          .equal_rows = graph_ != nullptr && grid_.grid().tensor_ranks() > 1};
}

void MiniTrainer::require_weights_that_add() const {
  if (config_.mini.estimator != "self-normalised") return;
  const std::span<const float> values = host_shard_.forward(0).view().values;
  const auto least = std::min_element(values.begin(), values.end());
  OPX_REQUIRE(least == values.end() || *least >= 0, InvalidArgument,
              "estimator self-normalised divides by the sum of a row's sampled weights; dataset '{}' has a "
              "negative weight, {}: use estimator unbiased",
              store_.info().name, *least);
}

// The sampler's largest batch sizes the network; the source slices what the network keeps of its input.
void MiniTrainer::make_source(tensor::Matrix<float>&& features) {
  const Turn turn{.first = Index{grid_.coord().d} * config_.mini.accumulate,
                  .accumulate = config_.mini.accumulate,
                  .per_step = per_step_};
  const int ranks = config_.mini.sampler == "saint-walk" ? ranks_of_machine(grid_.world()) : 1;
  const SampleData data{.shard = cuts_there() ? shard_ : host_shard_,
                        .store = store_,
                        .vertices = data_,
                        .use = use_[0],
                        .ranks_here = ranks,
                        .gpu = context_.on_gpu() ? &context_ : nullptr,
                        .host_input = spec_.host_input && context_.on_gpu(),
                        .fixed_shape = graph_ != nullptr,
                        .shard_there = cuts_there()};
  comm::agree(grid_.world(), [&] {
    require_weights_that_add();
    if (cuts_there()) host_shard_ = {};
    source_ = std::make_unique<BatchSource>(data, config_, batch_options(), turn);
    OPX_REQUIRE(per_step_ <= batches(), InvalidArgument,
                "{} replicas with {} sub-batches each take {} sub-batches a step, but an epoch has only {}",
                grid_.grid().gd, config_.mini.accumulate, per_step_, batches());
    if (config_.mini.sampled_eval) {
      sampling::BatchOptions options = batch_options();
      options.need_backward = options.loss_rows = options.drop_unread = options.equal_rows = false;
      RunConfig own = config_;
      own.mini.pipeline_depth = 0;
      SampleData as_it_comes = data;
      as_it_comes.fixed_shape = false;
      evaluation_source_ = std::make_unique<BatchSource>(as_it_comes, own, options, Turn{.repeats = true});
    }
  });
  network_ = std::make_unique<BatchNetwork>(context_, grid_, shard_, config_, spec_, std::move(features),
                                            kTail, sampler().most_block_rows());
  comm::agree(grid_.world(), [&] {
    source_->set_input(network_->features(), network_->aggregated());
    if (evaluation_source_) evaluation_source_->set_input(network_->features(), network_->aggregated());
  });
  model::Parameters& parameters = network_->parameters();
  bucket_ = std::make_unique<parallel::GradientBucket>(context_, grid_.world(), parameters.bucket());
  if (config_.mini.accumulate > 1) accumulated_ = device::Buffer<float>(context_, parameters.count());
  if (batch_options().estimator == sampling::Estimator::kSelfNormalised) {
    const std::vector<float> sums = network_->full_row_sums();
    source_->set_row_sums(sums);
    if (evaluation_source_) evaluation_source_->set_row_sums(sums);
  }
  const Index statistics = std::ssize(parameters.statistics());
  statistics_before_ = device::Buffer<float>(context_, statistics);
  statistics_sum_ = device::Buffer<float>(context_, statistics);
  isolated_ = device::Buffer<Index>(context_, 1);
  device::set_zero(context_, isolated_.span());
  if (context_.on_gpu()) loss_ = device::Buffer<double>(context_, 1);
  scale_ = static_cast<double>(batches()) / (terms_[0] * static_cast<double>(per_step_));
  build_optimizer();
  log_start();
}

void MiniTrainer::log_start() {
  if (grid_.world().rank() != 0) return;
  const graph::StoreInfo& info = store_.info();
  const double ratio = sampler_options(config_, info.vertices).ratio;
  const double degree =
      static_cast<double>(info.edges - info.self_loops) / static_cast<double>(info.vertices);
  context_.logger().info("{} sub-batches an epoch, {} a step, {} steps an epoch; sampler {}, estimator {}{}",
                         batches(), per_step_, steps_per_epoch(), config_.mini.sampler,
                         config_.mini.estimator, cuts_there() ? "; cut on the GPU" : "");
  if (ratio < 1 && batches() == 1 && sampler().most_block_rows() >= shard_.block_rows)
    context_.logger().warning(
        "a batch ratio of {:.4g} is nearest to one sub-batch an epoch: every batch is the full graph of {} "
        "vertices",
        ratio, info.vertices);
  if (config_.mini.estimator == "unbiased" && !sampler().unbiased())
    context_.logger().warning(
        "estimator unbiased with sampler {} and this ratio is not unbiased: its factors are not the exact "
        "probabilities of pairs (docs/sampling.md)",
        config_.mini.sampler);
  if (ratio * degree < 2)
    context_.logger().warning(
        "a vertex has about {:.2f} neighbours in a batch (ratio {:.4g} x mean degree {:.1f}): below 2 most "
        "rows learn little from the graph; take a larger batch, estimator self-normalised or sampler "
        "cluster",
        ratio * degree, ratio, degree);
}

void MiniTrainer::begin_step(At at, bool stop) {
  const Index begin = at.step * per_step_ + Index{grid_.coord().d} * config_.mini.accumulate;
  const Index end = std::min(begin + config_.mini.accumulate, batches());
  const Index sub_batches = std::min(per_step_, batches() - at.step * per_step_);
  if (graph_) return begin_fixed_step(at.epoch, {begin, std::max(begin, end)}, sub_batches, stop);
  if (!loss_.empty()) device::set_zero(context_, loss_.span());
  Sums sums{.stop = stop, .learning_rate = scaled_rate(at.epoch)};
  for (Index number = begin; number < end; ++number) {
    const Sample sample = take({at.epoch, number});
    sums.weight += sample.weight;
    run_sub_batch(sample, number == begin, number + 1 == end, sums);
  }
  if (begin >= end) contribute_nothing(sums);
  bucket_->finish();
  if (context_.on_gpu()) {
    settle_there(sub_batches, sums);
    return results_->push_record(sums.learning_rate);
  }
  finish_statistics(sub_batches);
  results_->push(update(sums.learning_rate));
}

Sample MiniTrainer::take(sampling::Ticket ticket) {
  Sample sample;
  {
    const PhaseScope scope(context_.clock(), Phase::kSample, "wait for the batch");
    source_->set_trace(context_.clock().trace());
    sample = source_->next(ticket);
  }
  network_->bind(sample);
  count(sample, ticket);
  return sample;
}

/// On what is bound.
void MiniTrainer::run_sub_batch(const Sample& sample, bool first, bool last, Sums& sums) {
  keep_statistics(first);
  model::Array logits = network_->forward(
      {.training = true, .step = static_cast<std::uint32_t>(sample.number), .step_there = sample.step_there});
  sums.loss += loss_of(sample, logits.view());
  model::Parameters& parameters = network_->parameters();
  add_statistics();
  if (last) fill_tail(sums);
  network_->backward(std::move(logits), [&](Index layer) {
    const Range range = parameters.gradients_of(layer);
    if (!accumulated_.empty()) accumulate(range, first, last);
    if (last) bucket_->ready_from(range.begin);
  });
  network_->release();
}

void MiniTrainer::contribute_nothing(const Sums& sums) {
  device::set_zero(context_, network_->parameters().bucket());
  keep_statistics(true);
  fill_tail(sums);
  for (Index l = spec_.layers() - 1; l >= 0; --l)
    bucket_->ready_from(network_->parameters().gradients_of(l).begin);
}

void MiniTrainer::accumulate(Range range, bool first, bool last) {
  const tensor::MatrixView<float> gradients(network_->parameters().gradients().data() + range.begin, 1,
                                            range.size()),
      before(accumulated_.data() + range.begin, 1, range.size());
  if (!first) tensor::add_scaled(context_, 1, before, gradients);
  if (!last) tensor::copy(context_, gradients, before);
}

double MiniTrainer::loss_of(const Sample& sample, tensor::MatrixView<float> logits) {
  const PhaseScope scope(context_.clock(), Phase::kLoss, "loss");
  const auto first = [rows = static_cast<std::size_t>(logits.rows)](auto of_rows) {
    return of_rows.empty() ? of_rows : of_rows.first(rows);
  };
  const auto use = first(sample.use);
  const auto weights = first(sample.weights);
  const auto targets = sample.targets.middle_rows({0, logits.rows});
  const bool multi_class = store_.info().task == Task::kMultiClass;
  if (context_.on_gpu()) {
    namespace deferred = tensor::deferred;
    multi_class
        ? deferred::softmax_cross_entropy(context_, logits, first(sample.labels), use, scale_, logits,
                                          weights, loss_.data())
        : deferred::sigmoid_bce(context_, logits, targets, use, scale_, logits, weights, loss_.data());
    return 0;
  }
  if (multi_class)
    return tensor::softmax_cross_entropy(context_, logits, first(sample.labels), use, scale_, logits, weights)
        .sum;
  return tensor::sigmoid_bce(context_, logits, targets, use, scale_, logits, weights).sum;
}

/// Before a sub-batch: each of a step starts from the statistics that were there before the step.
void MiniTrainer::keep_statistics(bool first) {
  const std::span<float> now = network_->parameters().statistics();
  if (now.empty()) return;
  if (first) {
    device::detail::copy(context_, statistics_before_.data(), now.data(), now.size_bytes());
    device::set_zero(context_, statistics_sum_.span());
  } else {
    device::detail::copy(context_, now.data(), statistics_before_.data(), now.size_bytes());
  }
}

void MiniTrainer::add_statistics() {
  const std::span<float> now = network_->parameters().statistics();
  if (now.empty()) return;
  tensor::add_scaled(context_, 1, tensor::MatrixView<const float>(now.data(), 1, std::ssize(now)),
                     {statistics_sum_.data(), 1, std::ssize(now)});
}

/// One tensor rank of a replica speaks for all, which have the same statistics.
void MiniTrainer::fill_tail(const Sums& sums) {
  if (context_.on_gpu()) return fill_tail_there(sums);
  const std::span<float> tail = network_->parameters().tail();
  tail[kLoss] = static_cast<float>(sums.loss * scale_);
  tail[kWeight] = static_cast<float>(sums.weight);
  tail[kStop] = sums.stop ? 1.0F : 0.0F;
  const bool speaks = grid_.tensor().rank() == 0;
  for (Index i = 0; i < statistics_sum_.size(); ++i)
    tail[kTail + static_cast<std::size_t>(i)] = speaks ? statistics_sum_[i] : 0.0F;
}

void MiniTrainer::fill_tail_there(const Sums& sums) {
  const std::span<float> tail = network_->parameters().tail(), statistics = tail.subspan(kTail);
  static_assert(kLoss == 0 && kWeight == 1 && kStop == 2 && kTail == 3);  // as the op has them
  tensor::deferred::fill_tail(context_, loss_.data(), scale_, sums.weight, sums.stop, tail.data(),
                              sums.inputs);
  if (statistics.empty()) return;
  if (grid_.tensor().rank() == 0)
    device::detail::copy(context_, statistics.data(), statistics_sum_.data(), statistics_sum_.bytes());
  else
    device::set_zero(context_, statistics);
}

void MiniTrainer::finish_statistics(Index sub_batches) {
  const std::span<const float> sums = network_->parameters().tail().subspan(kTail);
  const std::span<float> now = network_->parameters().statistics();
  if (network_->parameters().tail()[kWeight] <= 0) {  // the step changes nothing
    std::copy(statistics_before_.begin(), statistics_before_.end(), now.begin());
    return;
  }
  for (std::size_t i = 0; i < now.size(); ++i) now[i] = sums[i] / static_cast<float>(sub_batches);
}

/// finish_statistics() and update() without the host.
void MiniTrainer::settle_there(Index sub_batches, const Sums& sums) {
  const std::span<const float> tail = network_->parameters().tail();
  tensor::deferred::settle_means(context_, &tail[kWeight], tail.subspan(kTail),
                                 std::as_const(statistics_before_).span(), static_cast<double>(sub_batches),
                                 network_->parameters().statistics());
  settle_deferred({.tail = tail.data(), .scale = scale_}, sums.learning_rate, sums.inputs);
}

double MiniTrainer::scaled_rate(int epoch) const {
  const double grow = config_.mini.lr_scaling == "linear" ? static_cast<double>(per_step_)
                      : config_.mini.lr_scaling == "sqrt" ? std::sqrt(static_cast<double>(per_step_))
                                                          : 1.0;
  return grow * learning_rate(config_.optimizer, epoch, config_.epochs);
}

TrainerBase::Step MiniTrainer::update(double learning_rate) {
  const PhaseScope scope(context_.clock(), Phase::kOptimizer, "optimizer");
  const std::span<const float> tail = network_->parameters().tail();
  Step step;
  step.weight = static_cast<double>(tail[kWeight]);
  step.stop = tail[kStop] > 0;
  step.learning_rate = learning_rate;
  if (step.weight <= 0) return step;
  const double factor = 1 / (scale_ * step.weight);
  step.loss = factor * static_cast<double>(tail[kLoss]);
  step.gradient_norm = gradient_norm(factor);
  optimizer_->step(step.learning_rate, factor * clip_factor(config_.optimizer, step.gradient_norm));
  return step;
}

void MiniTrainer::ended(const Step& step) {
  if (step.weight <= 0 && grid_.world().rank() == 0) ++counts_.skipped_steps;
}

std::size_t MiniTrainer::peak_memory() const {
  std::size_t bytes = TrainerBase::peak_memory() + source_->peak_memory();
  if (evaluation_source_) bytes += evaluation_source_->peak_memory();
  return bytes;
}

}  // namespace opx::train
