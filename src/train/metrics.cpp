// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "base/error.hpp"
#include "tensor/loss.hpp"

namespace opx::train {
namespace {

using graph::Split;
using graph::Task;
using tensor::MatrixView;

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kNoSplit = 3;

std::size_t index_of(Split split) noexcept {
  return split == Split::kNone ? kNoSplit : static_cast<std::size_t>(split) - 1;
}

/// True positives, false positives and false negatives by class, for the three splits.
class Counts {
 public:
  enum What : std::size_t { kTp, kFp, kFn, kCount };
  explicit Counts(Index classes)
      : classes_(static_cast<std::size_t>(classes)), cells_(3 * kCount * classes_) {}
  std::int64_t& at(std::size_t split, What what, std::size_t c) {
    return cells_[(split * kCount + what) * classes_ + c];
  }
  [[nodiscard]] std::size_t classes() const noexcept { return classes_; }
  [[nodiscard]] std::span<std::int64_t> cells() noexcept { return cells_; }
  void add(const Counts& other) {
    for (std::size_t i = 0; i < cells_.size(); ++i) cells_[i] += other.cells_[i];
  }
  [[nodiscard]] std::int64_t total(std::size_t split, What what) {
    std::int64_t sum = 0;
    for (std::size_t c = 0; c < classes_; ++c) sum += at(split, what, c);
    return sum;
  }
  [[nodiscard]] double micro_f1(std::size_t split) {
    return f1(total(split, kTp), total(split, kFp), total(split, kFn), kUndefined);
  }
  /// Mean over classes; those that neither truth nor prediction has are left out, or (multi-label) count 0.
  [[nodiscard]] double macro_f1(std::size_t split, bool absent_count) {
    double sum = 0;
    std::int64_t present = 0;
    for (std::size_t c = 0; c < classes_; ++c) {
      const double f = f1(at(split, kTp, c), at(split, kFp, c), at(split, kFn, c), kUndefined);
      if (std::isnan(f) && !absent_count) continue;
      sum += std::isnan(f) ? 0 : f;
      ++present;
    }
    return present == 0 ? kUndefined : sum / static_cast<double>(present);
  }

 private:
  static double f1(std::int64_t tp, std::int64_t fp, std::int64_t fn, double undefined) {
    const std::int64_t below = 2 * tp + fp + fn;
    return below == 0 ? undefined : static_cast<double>(2 * tp) / static_cast<double>(below);
  }
  std::size_t classes_;
  std::vector<std::int64_t> cells_;
};

/// Rows in pieces, each with its own counts; integers, so the order of adding does not matter.
template <class Body>
void count_rows(device::Context& context, Index rows, std::span<Counts*> totals, const Body& body) {
  constexpr Index kParts = 32;
  const Index parts = std::clamp<Index>(rows / 256, 1, kParts);
  std::vector<std::vector<Counts>> local(static_cast<std::size_t>(parts));
  context.parallel_for(parts, [&](Index p) {
    auto& mine = local[static_cast<std::size_t>(p)];
    for (const Counts* total : totals) mine.emplace_back(static_cast<Index>(total->classes()));
    const Range range = even_range(rows, parts, p);
    for (Index i = range.begin; i < range.end; ++i) body(i, mine);
  });
  for (const auto& mine : local)
    for (std::size_t k = 0; k < totals.size(); ++k) totals[k]->add(mine[k]);
}

void count(Counts& counts, std::size_t split, std::size_t c, bool predicted, bool positive) {
  if (predicted && positive)
    ++counts.at(split, Counts::kTp, c);
  else if (predicted)
    ++counts.at(split, Counts::kFp, c);
  else if (positive)
    ++counts.at(split, Counts::kFn, c);
}

SplitMetrics multi_class(device::Context& context, comm::Communicator& group, const Truth& truth,
                         MatrixView<const float> logits) {
  std::vector<std::int32_t> best(static_cast<std::size_t>(logits.rows));
  tensor::argmax_rows(context, logits, best);
  Counts counts(truth.classes);
  Counts* total = &counts;
  count_rows(context, logits.rows, {&total, 1}, [&](Index i, std::vector<Counts>& mine) {
    const auto row = static_cast<std::size_t>(i);
    const std::size_t split = index_of(truth.split[row]);
    const std::int32_t label = truth.labels[row];
    if (split == kNoSplit || label < 0) return;
    const auto predicted = static_cast<std::size_t>(best[row]), actual = static_cast<std::size_t>(label);
    if (predicted == actual) return count(mine[0], split, actual, true, true);
    count(mine[0], split, predicted, true, false);
    count(mine[0], split, actual, false, true);
  });
  group.all_reduce(counts.cells(), comm::ReduceOp::kSum, comm::CommPurpose::kMetric);
  SplitMetrics out;
  for (std::size_t s = 0; s < 3; ++s) {
    // one prediction and one label each: accuracy is micro F1
    out[s]["accuracy"] = out[s]["micro_f1"] = counts.micro_f1(s);
    out[s]["macro_f1"] = counts.macro_f1(s, false);
  }
  return out;
}

/// A NaN (of a run that diverges) would break the order that sorting needs: it counts as the least.
float ordered(float score) noexcept {
  return std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
}

/// Marks the `k` largest of the labelled logits (the lower column on ties).
void mark_largest(const float* logits, const float* targets, std::size_t classes,
                  std::vector<std::size_t>& order, std::vector<std::uint8_t>& marked) {
  order.clear();
  std::size_t k = 0;
  for (std::size_t c = 0; c < classes; ++c)
    if (std::isfinite(targets[c])) {
      order.push_back(c);
      k += targets[c] > 0.5F ? 1 : 0;
    }
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      const float x = ordered(logits[a]), y = ordered(logits[b]);
                      return x != y ? x > y : a < b;
                    });
  marked.assign(classes, 0);
  for (std::size_t i = 0; i < k; ++i) marked[order[i]] = 1;
}

SplitMetrics multi_label(device::Context& context, comm::Communicator& group, const Truth& truth,
                         MatrixView<const float> logits) {
  Counts threshold(truth.classes), topk(truth.classes);
  std::array<Counts*, 2> totals{&threshold, &topk};
  const auto classes = static_cast<std::size_t>(truth.classes);
  count_rows(context, logits.rows, totals, [&](Index i, std::vector<Counts>& mine) {
    const std::size_t split = index_of(truth.split[static_cast<std::size_t>(i)]);
    if (split == kNoSplit) return;
    std::vector<std::size_t> order;
    std::vector<std::uint8_t> marked;
    const float* targets = truth.targets.row(i);
    mark_largest(logits.row(i), targets, classes, order, marked);
    for (std::size_t c = 0; c < classes; ++c) {
      if (!std::isfinite(targets[c])) continue;
      const bool positive = targets[c] > 0.5F;
      count(mine[0], split, c, logits.row(i)[c] > 0, positive);
      count(mine[1], split, c, marked[c] != 0, positive);
    }
  });
  SplitMetrics out;
  for (Counts* counts : totals) {
    group.all_reduce(counts->cells(), comm::ReduceOp::kSum, comm::CommPurpose::kMetric);
    const std::string suffix = counts == &topk ? "_topk" : "";
    for (std::size_t s = 0; s < 3; ++s) {
      out[s]["micro_f1" + suffix] = counts->micro_f1(s);
      out[s]["macro_f1" + suffix] = counts->macro_f1(s, true);
    }
  }
  return out;
}

/// The scores of one task on the rows of one split of this rank. Multi-class with two classes: their
/// difference.
void append_scores(const Truth& truth, MatrixView<const float> logits, Split split, Index task,
                   std::vector<ScoredLabel>& out) {
  for (Index i = 0; i < logits.rows; ++i) {
    const auto row = static_cast<std::size_t>(i);
    if (truth.split[row] != split) continue;
    if (truth.task == Task::kMultiClass) {
      const std::int32_t label = truth.labels[row];
      if (label >= 0) out.push_back({logits(i, 1) - logits(i, 0), static_cast<float>(label)});
    } else if (std::isfinite(truth.targets(i, task))) {
      out.push_back({logits(i, task), truth.targets(i, task)});
    }
  }
}

/// Everyone's parts for this rank, in rank order.
std::vector<ScoredLabel> exchange(comm::Communicator& group, std::span<const ScoredLabel> send,
                                  std::span<const Index> counts) {
  const auto ranks = static_cast<std::size_t>(group.size());
  const std::vector<Index> one(ranks, 1);
  std::vector<Index> incoming(ranks), floats(counts.begin(), counts.end());
  group.all_to_all_v(counts, one, std::span(incoming), one, comm::CommPurpose::kMetric);
  const Index total = std::accumulate(incoming.begin(), incoming.end(), Index{0});
  std::vector<ScoredLabel> out(static_cast<std::size_t>(total));
  for (Index& c : floats) c *= 2;
  for (Index& c : incoming) c *= 2;
  const std::span<const float> from(send.empty() ? nullptr : &send.front().score, send.size() * 2);
  const std::span<float> to(out.empty() ? nullptr : &out.front().score, out.size() * 2);
  group.all_to_all_v(from, floats, to, incoming, comm::CommPurpose::kMetric);
  return out;
}

/// Tasks [first, first + size) meet, one on each rank: the scores of the one that is this rank's.
std::vector<ScoredLabel> meet(comm::Communicator& group, std::span<const std::vector<ScoredLabel>> tasks) {
  std::vector<ScoredLabel> send;
  std::vector<Index> counts(static_cast<std::size_t>(group.size()), 0);
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    send.insert(send.end(), tasks[t].begin(), tasks[t].end());
    counts[t] = std::ssize(tasks[t]);
  }
  return exchange(group, send, counts);
}

/// Task t meets on rank t modulo the ranks, so that the sorting is shared; a rank's tasks are sorted on its
/// threads, as many at once. Sums run in order of tasks, whatever the number of threads.
double mean_roc_auc(device::Context& context, comm::Communicator& group, const Truth& truth,
                    MatrixView<const float> logits, Split split) {
  static_assert(sizeof(ScoredLabel) == 2 * sizeof(float));
  const Index tasks = truth.task == Task::kMultiClass ? 1 : truth.classes, ranks = group.size();
  const Index batch = ranks * context.threads();
  std::array<double, 2> sum{};
  for (Index first = 0; first < tasks; first += batch) {
    const Index here = std::min(batch, tasks - first), rounds = ceil_div(here, ranks);
    std::vector<std::vector<ScoredLabel>> own(static_cast<std::size_t>(here));
    context.parallel_for(here, [&](Index t) {
      append_scores(truth, logits, split, first + t, own[static_cast<std::size_t>(t)]);
    });
    std::vector<std::vector<ScoredLabel>> met(static_cast<std::size_t>(rounds));
    for (Index r = 0; r < rounds; ++r)
      met[static_cast<std::size_t>(r)] =
          meet(group, std::span(own).subspan(static_cast<std::size_t>(r * ranks),
                                             static_cast<std::size_t>(std::min(ranks, here - r * ranks))));
    std::vector<double> areas(static_cast<std::size_t>(rounds));
    context.parallel_for(rounds, [&](Index r) {
      const auto at = static_cast<std::size_t>(r);
      areas[at] = roc_auc(std::move(met[at]));
    });
    for (const double area : areas)  // of a task that is not there, or has one class: NaN
      if (!std::isnan(area)) sum[0] += area, sum[1] += 1;
  }
  group.all_reduce(std::span<double>(sum), comm::ReduceOp::kSum, comm::CommPurpose::kMetric);
  return sum[1] > 0 ? sum[0] / sum[1] : kUndefined;
}

}  // namespace

double roc_auc(std::vector<ScoredLabel> pairs) {
  for (ScoredLabel& p : pairs) p.score = ordered(p.score);
  std::sort(pairs.begin(), pairs.end(),
            [](const ScoredLabel& a, const ScoredLabel& b) { return a.score < b.score; });
  double positives = 0, rank_sum = 0;
  for (std::size_t i = 0; i < pairs.size();) {
    std::size_t j = i;
    double here = 0;
    for (; j < pairs.size() && pairs[j].score == pairs[i].score; ++j)
      here += pairs[j].positive > 0.5F ? 1 : 0;
    rank_sum += here * (static_cast<double>(i + j + 1) / 2);  // mid-rank, from 1
    positives += here;
    i = j;
  }
  const double negatives = static_cast<double>(pairs.size()) - positives;
  if (positives == 0 || negatives == 0) return kUndefined;
  return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

std::string resolve_metric(const std::string& configured, const graph::StoreInfo& info) {
  OPX_REQUIRE(info.task != Task::kNone, InputError,
              "dataset '{}' has no labels: there is nothing to train on", info.name);
  const bool multi = info.task == Task::kMultiLabel;
  std::string metric = configured == "auto" ? info.metric : configured;
  if (metric == "f1") metric = "micro_f1";
  if (metric.empty() || (configured == "auto" && multi && metric == "accuracy"))
    metric = multi ? "micro_f1" : "accuracy";
  const bool topk = metric == "micro_f1_topk" || metric == "macro_f1_topk";
  const bool known =
      topk || metric == "accuracy" || metric == "micro_f1" || metric == "macro_f1" || metric == "rocauc";
  OPX_REQUIRE(known, InvalidArgument,
              "metric '{}' is not one of accuracy, micro_f1, macro_f1, micro_f1_topk, macro_f1_topk, rocauc",
              metric);
  OPX_REQUIRE(!multi || metric != "accuracy", InvalidArgument,
              "metric 'accuracy' is for one label a vertex; '{}' has {} tasks", info.name, info.classes);
  OPX_REQUIRE(multi || !topk, InvalidArgument,
              "metric '{}' is for several labels a vertex; '{}' has one of {} classes", metric, info.name,
              info.classes);
  OPX_REQUIRE(multi || metric != "rocauc" || info.classes == 2, InvalidArgument,
              "metric 'rocauc' is for two classes or several tasks; '{}' has {} classes", info.name,
              info.classes);
  return metric;
}

SplitMetrics compute_metrics(device::Context& context, comm::Communicator& group, const Truth& truth,
                             MatrixView<const float> logits, bool rocauc) {
  SplitMetrics out = truth.task == Task::kMultiClass ? multi_class(context, group, truth, logits)
                                                     : multi_label(context, group, truth, logits);
  for (std::size_t s = 0; rocauc && s < 3; ++s)
    out[s]["rocauc"] = mean_roc_auc(context, group, truth, logits, kSplits[s]);
  return out;
}

}  // namespace opx::train
