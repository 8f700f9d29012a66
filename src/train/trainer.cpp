// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.hpp"

#include <algorithm>
#include <span>

#include "base/error.hpp"
#include "base/timer.hpp"

namespace opx::train {

Trainer::Trainer(device::Context& context, parallel::ProcessGrid& grid, const graph::Store& store,
                 const RunConfig& config, bool for_training)
    : TrainerBase(context, grid, store, config) {
  OPX_REQUIRE(grid_.grid().gd == 1, InvalidArgument,
              "grid {}: {} replicas of full-graph training would all compute the same step; the data axis is "
              "for mini-batches",
              layout::to_string(grid_.grid()), grid_.grid().gd);
  parallel::ShardOptions options = shard_options(config_, for_training);
  if (config_.scheme == "allreduce") options.layers = 0;  // that scheme cuts tiles of its own
  tensor::Matrix<float> features = load(options, for_training);
  network_ = make_network(context_, grid_, store_, shard_, config_, spec_, std::move(features));
  if (!for_training) return;
  build_optimizer();
  if (config_.cuda_graph == "on") graph_ = StepGraph::make(context_, grid_.world());
}

double Trainer::gradients(int epoch) {
  const auto share = [&](tensor::MatrixView<float> logits) {
    return loss(logits, 0, 1 / terms_[0], logits).sum / terms_[0];
  };
  const double mean = network_->train_pass(static_cast<std::uint32_t>(epoch), share);
  parallel::GradientBucket(context_, grid_.world(), network_->parameters().gradients()).finish();
  return mean;
}

void Trainer::begin_step(At at, bool) {
  const double rate = learning_rate(config_.optimizer, at.epoch, config_.epochs);
  if (context_.on_gpu()) return begin_deferred(at.epoch, rate);
  Step step;
  step.loss = gradients(at.epoch);
  const base::PhaseScope scope(context_.clock(), base::Phase::kOptimizer, "optimizer");
  step.learning_rate = rate;
  step.gradient_norm = gradient_norm(1);
  optimizer_->step(step.learning_rate, clip_factor(config_.optimizer, step.gradient_norm));
  results_->push(step);
}

void Trainer::begin_deferred(int epoch, double learning_rate) {
  if (loss_.empty()) loss_ = device::Buffer<double>(context_, 1);
  const tensor::deferred::StepInputs inputs{.learning_rate = learning_rate,
                                            .dropout_step = static_cast<std::uint32_t>(epoch)};
  if (graph_) {
    graph_->run(inputs, [&] { compute_deferred(inputs, graph_->inputs()); });
  } else {
    compute_deferred(inputs, nullptr);
  }
  results_->push_record(learning_rate);
}

void Trainer::compute_deferred(const tensor::deferred::StepInputs& inputs,
                               const tensor::deferred::StepInputs* there) {
  device::set_zero(context_, loss_.span());
  model::Parameters& parameters = network_->parameters();
  parallel::GradientBucket bucket(context_, grid_.world(), parameters.gradients());
  // Where a collective costs the host nothing, what is complete travels beside the rest of the backward pass.
  const bool early = grid_.world().on_streams();
  network_->train_pass_deferred(
      {.training = true,
       .step = inputs.dropout_step,
       .step_there = there != nullptr ? &there->dropout_step : nullptr},
      [&](tensor::MatrixView<float> logits) {
        loss_deferred(logits, 0, 1 / terms_[0], logits, loss_.data());
      },
      [&](Index layer) {
        if (early) bucket.ready_from(parameters.gradients_of(layer).begin);
      });
  tensor::deferred::divide(context_, loss_.span(), terms_[0]);
  if (grid_.tensor().size() > 1)
    grid_.tensor().all_reduce(loss_.span(), comm::ReduceOp::kSum, comm::CommPurpose::kLoss);
  bucket.finish();
  settle_deferred({.total_loss = loss_.data()}, inputs.learning_rate, there);
}

}  // namespace opx::train
