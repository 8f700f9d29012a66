// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows live in order of position, spread over ranks; the file wants them in order of original ids. Rank 0
// takes one range of original ids after the other (some 64 MiB each), to which every rank sends the rows that
// fall into it.
#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "tensor/loss.hpp"
#include "train/gather.hpp"
#include "train/prediction_writer.hpp"
#include "train/run_parts.hpp"
#include "train/session.hpp"

namespace opx::train {
namespace {

using comm::CommPurpose;
using tensor::MatrixView;

struct Prediction {
  tensor::Matrix<float> values;  ///< block_rows x columns, host memory
  PredictionShape shape;
};

Prediction embeddings(TrainerBase& trainer) {
  Prediction p;
  model::Array hidden;
  const model::Array logits = trainer.network().logits(&hidden);
  OPX_REQUIRE(!hidden.empty() && trainer.spec().layers() > 1, InvalidArgument,
              "a model of one layer has no hidden layer to take embeddings from");
  p.values = to_host(trainer.context(), hidden.view());
  p.shape = {.columns = p.values.cols(), .column_name = "e"};
  return p;
}

/// Classes (the largest logit), or 0/1 per task (logit > 0), as floats: exact below 2^24.
void to_classes(device::Context& context, bool multi_class, MatrixView<float> logits) {
  if (multi_class) {
    std::vector<std::int32_t> best(static_cast<std::size_t>(logits.rows));
    tensor::argmax_rows(context, logits, best);
    for (Index i = 0; i < logits.rows; ++i)
      logits(i, 0) = static_cast<float>(best[static_cast<std::size_t>(i)]);
    return;
  }
  for (Index i = 0; i < logits.rows; ++i)
    for (Index j = 0; j < logits.cols; ++j) logits(i, j) = logits(i, j) > 0 ? 1.0F : 0.0F;
}

Prediction predictions(device::Context& context, TrainerBase& trainer, bool probabilities) {
  const graph::StoreInfo& info = trainer.store().info();
  const bool multi_class = info.task == graph::Task::kMultiClass;
  Prediction p{to_host(trainer.context(), trainer.network().logits(nullptr).view()),
               {.columns = info.classes, .column_name = "p"}};
  if (probabilities) {
    if (multi_class)
      tensor::softmax_rows(context, p.values.view());
    else
      tensor::sigmoid(context, p.values.view());
    return p;
  }
  to_classes(context, multi_class, p.values.view());
  p.shape.integers = true;
  p.shape.vector = multi_class;
  p.shape.column_name = multi_class ? "class" : "label";
  if (multi_class) p.shape.columns = 1;
  return p;
}

class OriginalOrder {
 public:
  OriginalOrder(TrainerBase& trainer, MatrixView<const float> rows)
      : trainer_(trainer), group_(trainer.grid().tensor()), rows_(rows) {
    const Range own = trainer.shard().own;
    std::vector<Index> ids(static_cast<std::size_t>(own.size()));
    comm::agree(group_, [&] { trainer_.store().read_original_ids(own, ids); });
    for (Index i = 0; i < own.size(); ++i) order_.push_back({ids[static_cast<std::size_t>(i)], i});
    std::sort(order_.begin(), order_.end());
  }

  void write(RootWork& root, const PredictionShape& shape, std::unique_ptr<PredictionWriter>& writer) {
    constexpr Index kRangeFloats = Index{16} << 20;
    const Index step = std::max<Index>(1, kRangeFloats / shape.columns);
    for (Index begin = 0; begin < shape.vertices; begin += step)
      write_range(root, {begin, std::min(begin + step, shape.vertices)}, shape.columns, writer);
  }

 private:
  void write_range(RootWork& root, Range range, Index columns, std::unique_ptr<PredictionWriter>& writer) {
    std::vector<Index> ids;
    std::vector<float> values;
    const auto first =
        std::lower_bound(order_.begin(), order_.end(), std::pair<Index, Index>{range.begin, 0});
    for (auto it = first; it != order_.end() && it->first < range.end; ++it) {
      ids.push_back(it->first);
      const float* row = rows_.row(it->second);
      values.insert(values.end(), row, row + columns);
    }
    const std::vector<Index> all_ids =
        gather_to_root(group_, std::span<const Index>(ids), CommPurpose::kOther);
    const std::vector<float> all =
        gather_to_root(group_, std::span<const float>(values), CommPurpose::kOther);
    root.run([&] {
      std::vector<float> sorted(static_cast<std::size_t>(range.size() * columns));
      for (std::size_t i = 0; i < all_ids.size(); ++i)
        std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(i) * columns, columns,
                    sorted.begin() + (all_ids[i] - range.begin) * columns);
      writer->write(range.begin, sorted, names(range));
    });
  }

  std::vector<std::string> names(Range range) {
    std::vector<Index> ids;
    for (Index i = range.begin; i < range.end; ++i) ids.push_back(i);
    return trainer_.store().read_names(ids).value_or(std::vector<std::string>());
  }

  TrainerBase& trainer_;
  comm::Communicator& group_;
  MatrixView<const float> rows_;
  std::vector<std::pair<Index, Index>> order_;  // (original id, local row)
};

}  // namespace

void predict(device::Context& context, comm::Communicator& world, const RunConfig& config,
             const std::filesystem::path& checkpoint, const PredictOptions& options) {
  check_prediction_output(options.output);
  OPX_REQUIRE(!options.embeddings || !options.probabilities, InvalidArgument,
              "embeddings and probabilities exclude each other");
  const RunParts parts = open_checkpoint(context, world, config, checkpoint);
  TrainerBase& trainer = *parts.trainer;
  Prediction p =
      options.embeddings ? embeddings(trainer) : predictions(context.host(), trainer, options.probabilities);
  p.shape.vertices = trainer.store().info().vertices;
  RootWork root(world);
  std::unique_ptr<PredictionWriter> writer;
  root.run([&] { writer = make_prediction_writer(options.output, p.shape); });
  root.agree();  // before rows are gathered that nobody could write
  OriginalOrder order(trainer, std::as_const(p.values).view());
  order.write(root, p.shape, writer);
  root.run([&] { writer->finish(); });
  root.agree();
}

}  // namespace opx::train
