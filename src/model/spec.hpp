// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What a model is made of, and the list of its parameters: arithmetic only, nothing is allocated here. The
// trainer, the checkpoint and the memory model all read this one list.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "tensor/elementwise.hpp"

namespace opx::model {

enum class Kind : std::uint8_t { kGcn, kSage, kGin };
/// Which of A (X W) and (A X) W a layer computes. Auto: aggregate first if D_in <= D_out (design.md 4.3).
enum class Order : std::uint8_t { kAuto, kAggregateFirst, kTransformFirst };

[[nodiscard]] std::string_view name(Kind kind) noexcept;
[[nodiscard]] Kind parse_kind(std::string_view text);          ///< throws InvalidArgument with a suggestion
[[nodiscard]] Order parse_order(std::string_view text);        ///< auto, aggregate-first, transform-first
[[nodiscard]] tensor::Norm parse_norm(std::string_view text);  ///< none, layer, rms, batch

/// A model over features of width widths[0] with widths.size() - 1 layers, the last one giving widths.back()
/// logits.
struct ModelSpec {
  Kind kind = Kind::kGcn;
  std::vector<Index> widths;
  tensor::Norm norm = tensor::Norm::kNone;  ///< of hidden layers
  float dropout = 0;                        ///< on the output of every hidden layer
  float input_dropout = 0;                  ///< on the first layer's input
  bool residual = false;          ///< adds a hidden layer's input to its output where the widths agree
  bool learned_features = false;  ///< the first layer's input is a parameter, sharded by vertex
  bool cache_first = true;        ///< A X is computed once (ignored with learned features)
  Order order = Order::kAuto;
  bool few_last_rows =
      false;  ///< the last layer gives few of the rows that it takes: order auto aggregates first there
  bool host_input = false;  ///< on a GPU: the constant input stays in page-locked memory of the host
  std::uint64_t seed = 0;

  [[nodiscard]] Index layers() const noexcept { return static_cast<Index>(widths.size()) - 1; }
  [[nodiscard]] bool cached() const noexcept { return cache_first && !learned_features; }
  /// False where A X is all that a pass reads of the input.
  [[nodiscard]] bool reads_features() const noexcept {
    return !cached() || kind != Kind::kGcn || has_residual(0);
  }
  /// True where layer l aggregates before it transforms.
  [[nodiscard]] bool aggregates_first(Index layer) const noexcept;
  /// True where layer l adds its input to its output.
  [[nodiscard]] bool has_residual(Index layer) const noexcept;
};

enum class Initial : std::uint8_t { kGlorot, kZero, kOne };

/// One replicated parameter (or running statistic) as a rows x cols matrix; vectors have rows == 1.
struct ParameterSpec {
  std::string name;  ///< "layers.0.weight", "layers.1.norm.gamma", ...
  Index layer = 0;
  Index rows = 0, cols = 0;
  Initial initial = Initial::kZero;
  bool is_weight = false;  ///< a matrix of a transform (neither bias, norm nor eps)
  bool is_vector = false;  ///< its shape in a checkpoint has one dimension
  bool trained = true;     ///< false: running statistics of batch norm
  [[nodiscard]] Index size() const noexcept { return rows * cols; }
};

/// All replicated parameters in the order of layers. Throws InvalidArgument for widths that make no model.
[[nodiscard]] std::vector<ParameterSpec> parameter_specs(const ModelSpec& spec);

}  // namespace opx::model
