// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Metrics of node classification over the splits, with the definitions of OGB (accuracy, ROC-AUC as the mean
// over the tasks that have both classes) and scikit-learn (micro and macro F1). All are exact: counts are
// summed over ranks, and the scores of a ROC-AUC task meet on one rank.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "device/context.hpp"
#include "graph/store.hpp"
#include "tensor/matrix.hpp"
#include "train/session.hpp"

namespace opx::train {

/// What the logits are compared with: this rank's rows. Multi-class: labels; multi-label: targets.
struct Truth {
  graph::Task task = graph::Task::kNone;
  Index classes = 0;
  std::span<const std::int32_t> labels{};
  tensor::MatrixView<const float> targets{};
  std::span<const graph::Split> split{};
};

/// Train, valid, test.
using SplitMetrics = std::array<Metrics, 3>;
inline constexpr std::array<graph::Split, 3> kSplits{graph::Split::kTrain, graph::Split::kValid,
                                                     graph::Split::kTest};

/// The headline metric of a run: `configured`, or where that is "auto" the dataset's own, or accuracy
/// (multi-class) or micro_f1 (multi-label). Throws InvalidArgument where the metric does not fit the task,
/// InputError where there are no labels.
[[nodiscard]] std::string resolve_metric(const std::string& configured, const graph::StoreInfo& info);

/// accuracy, micro_f1, macro_f1 (multi-class); micro_f1 and macro_f1 at probability 0.5, micro_f1_topk and
/// macro_f1_topk with each vertex's number of labels given (multi-label); rocauc where asked for. NaN where a
/// split has nothing to compute it from. Collective over `group`: one all-reduce of counts; rocauc one
/// all-to-all a split and round of tasks.
[[nodiscard]] SplitMetrics compute_metrics(device::Context& context, comm::Communicator& group,
                                           const Truth& truth, tensor::MatrixView<const float> logits,
                                           bool rocauc);

/// Area under the ROC curve: (score, positive) pairs in any order, ties by mid-ranks; NaN without both
/// classes.
struct ScoredLabel {
  float score = 0;
  float positive = 0;
};
[[nodiscard]] double roc_auc(std::vector<ScoredLabel> pairs);

}  // namespace opx::train
