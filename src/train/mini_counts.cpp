// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What mini-batch training counts and how it evaluates on sub-batches.
#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "train/mini_trainer.hpp"

namespace opx::train {

namespace {

/// The epoch whose sub-batches sampled evaluation takes: always the same, and none of training's.
constexpr Index kEvaluationEpoch = Index{1} << 30;

template <class Counts>
auto fields(Counts& c) {
  return std::array{&c.sub_batches,   &c.vertices,      &c.sampled_degree, &c.measured_rows,
                    &c.isolated_rows, &c.skipped_steps, &c.degree_rows};
}

}  // namespace

/// Ranks along C hold the same tile of a layer: one of them counts. The neighbours of single rows are known
/// to no one rank: one sub-batch an epoch is measured, by an exchange of one column.
void MiniTrainer::count(const Sample& sample, sampling::Ticket ticket) {
  const Index layer = batch_options().first_layer;
  const layout::Roles roles = layout::roles_of(layer);
  const Index rows = sample.batch->rows_given(layer);
  counts_.degree_rows += rows;
  counts_.vertices += sample.batch->drawn;
  if (grid_.tensor().rank() == 0) ++counts_.sub_batches;
  if (grid_.coord()[roles.c] == 0) counts_.sampled_degree += sample.batch->sampled_degree;
  if (ticket.index != 0) return;
  counts_.measured_rows += rows;
  network_->add_rows_without_neighbours(sample, layer, isolated_.data());
}

BatchCounts MiniTrainer::counts() {
  BatchCounts all;
  std::array<Index, 7> sums{};
  BatchCounts own = counts_;
  own.isolated_rows += device::host_copy(context_, std::as_const(isolated_).span())[0];
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = *fields(own)[i];
  grid_.world().all_reduce(std::span<Index>(sums), comm::ReduceOp::kSum, comm::CommPurpose::kMetric);
  for (std::size_t i = 0; i < sums.size(); ++i) *fields(all)[i] = sums[i];
  return all;
}

void MiniTrainer::take_counts(const BatchCounts& counts) {
  counts_ = grid_.world().rank() == 0 ? counts : BatchCounts{};
  device::set_zero(context_, isolated_.span());
}

Evaluation MiniTrainer::evaluate() {
  if (!evaluation_source_) return TrainerBase::evaluate();
  // Rows that no sub-batch has count in no split.
  tensor::Matrix<float> logits(context_.host(), shard_.block_rows, spec_.widths.back());
  std::fill(logits.span().begin(), logits.span().end(), 0.0F);
  std::vector<std::uint8_t> seen(static_cast<std::size_t>(shard_.block_rows), 0);
  for (Index b = 0; b < batches(); ++b) {
    const Sample sample = evaluation_source_->next({kEvaluationEpoch, b});
    network_->bind(sample);
    const model::Array there = network_->forward({.training = false});
    tensor::Matrix<float> copied;
    if (context_.on_gpu()) copied = to_host(context_, there.view());
    const tensor::MatrixView<const float> rows = context_.on_gpu() ? copied.view() : there.view();
    for (std::size_t i = 0; i < sample.batch->local_row.size(); ++i) {
      const Index row = sample.batch->local_row[i];
      seen[static_cast<std::size_t>(row)] = 1;
      std::copy_n(rows.row(static_cast<Index>(i)), logits.cols(), logits.view().row(row));
    }
    network_->release();
  }
  std::vector<graph::Split> split = data_.split;
  std::array<std::vector<std::uint8_t>, 3> use = use_;
  std::array<double, 3> terms{};
  for (std::size_t i = 0; i < seen.size(); ++i)
    if (seen[i] == 0) split[i] = graph::Split::kNone;
  for (std::size_t s = 0; s < 3; ++s) {
    for (std::size_t i = 0; i < seen.size(); ++i) use[s][i] = use[s][i] != 0 && seen[i] != 0 ? 1 : 0;
    terms[s] = terms_of(use[s]);
  }
  grid_.tensor().all_reduce(std::span<double>(terms), comm::ReduceOp::kSum, comm::CommPurpose::kLoss);
  return judge(std::as_const(logits).view(), use, terms, split);
}

}  // namespace opx::train
