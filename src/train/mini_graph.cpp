// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Steps of mini-batches that are launched as one graph. Samples are padded to one shape and copied, in memory
// of the GPU, to where the graph reads them: one graph with one set of activations serves every slot of the
// pipeline, and a slot is free when its copy is done. The copy reads and writes what came over the bus once.
// On a grid of several tensor ranks the builder itself pads blocks, to the most rows of any sub-batch, and
// the last layer gives all rows: those of the loss differ from row slab to row slab.
#include <algorithm>
#include <utility>

#include "train/mini_trainer.hpp"

namespace opx::train {

/// The last step of an epoch may have fewer sub-batches: other work, run as ever.
void MiniTrainer::begin_fixed_step(int epoch, Range numbers, Index sub_batches, bool stop) {
  samples_.clear();
  Sums sums{.stop = stop, .learning_rate = scaled_rate(epoch)};
  for (Index number = numbers.begin; number < numbers.end; ++number) {
    samples_.push_back(take({epoch, number}));
    sums.weight += samples_.back().weight;
    network_->release();
  }
  if (sub_batches == per_step_ && follow_shape()) {
    const tensor::deferred::StepInputs inputs{
        .learning_rate = sums.learning_rate, .weight = sums.weight, .stop = stop};
    sums.inputs = graph_->inputs();
    graph_->run(inputs, [&] { compute_fixed(sums, sub_batches); });
  } else {
    compute_fixed(sums, sub_batches);
  }
  results_->push_record(sums.learning_rate);
}

void MiniTrainer::compute_fixed(Sums sums, Index sub_batches) {
  device::set_zero(context_, loss_.span());
  for (const Sample& sample : samples_) {
    source_->gather(sample);
    network_->bind(sample);
    run_sub_batch(sample, &sample == &samples_.front(), &sample == &samples_.back(), sums);
  }
  if (samples_.empty()) contribute_nothing(sums);
  bucket_->finish();
  settle_there(sub_batches, sums);
}

/// Whether the step may be one of the graph's. Where a sub-batch on any rank has outgrown the shape, the
/// graph is made anew; a step whose sub-batches have several shapes is none of any graph's.
bool MiniTrainer::follow_shape() {
  enum : std::int32_t { kSame, kOther, kSeveral };
  const int shape = samples_.front().generation;
  const auto other = [&](const Sample& sample) { return sample.generation != shape; };
  std::int32_t change = shape == graph_generation_ ? kSame : kOther;
  if (std::ranges::any_of(samples_, other)) change = kSeveral;
  comm::Communicator& world = grid_.world();
  if (world.size() > 1) {
    const comm::Traffic counted = world.traffic();
    world.all_reduce(std::span(&change, 1), comm::ReduceOp::kMax, comm::CommPurpose::kSetup);
    world.traffic() = counted;
  }
  if (change == kOther) {
    graph_launches_ += graph_->launches();
    graph_ = std::make_unique<StepGraph>(context_, world);
    graph_generation_ = shape;
  }
  return change != kSeveral;
}

}  // namespace opx::train
