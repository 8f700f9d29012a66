// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The matrices that a pass of a model asks its Workspace for, played through with its pool: what the memory
// model counts as activations. Everything is in columns of row-sized matrices.
#pragma once

#include <utility>
#include <vector>

#include "model/spec.hpp"

namespace opx::train {

class ActivationTape {
 public:
  /// `aligned_rows`: of a single rank, whose rows start on cache lines. The spec must outlive it.
  ActivationTape(const model::ModelSpec& spec, bool aligned_rows)
      : spec_(spec), aligned_rows_(aligned_rows) {}

  /// What the pool holds after a training step, and after a forward pass that keeps nothing.
  [[nodiscard]] Index training();
  [[nodiscard]] Index evaluation();

 private:
  void take(Index columns);
  void give(Index columns);
  void forward(Index l);
  void backward(Index l);
  [[nodiscard]] bool owns_input(Index l) const;
  [[nodiscard]] Index in(Index l) const;
  [[nodiscard]] Index out(Index l) const { return in(l + 1); }
  [[nodiscard]] Index owned(Index l) const { return owns_input(l) ? in(l) : 0; }
  [[nodiscard]] bool computes_h(Index l) const;
  [[nodiscard]] bool has_norm(Index l) const;

  const model::ModelSpec& spec_;
  bool aligned_rows_;
  bool training_ = false, drops_ = false;       ///< the pass drops of its input
  std::vector<Index> free_;                     ///< sizes of buffers that nobody holds
  std::vector<std::pair<Index, Index>> taken_;  ///< columns asked for, size of the buffer
  Index held_ = 0;
};

}  // namespace opx::train
