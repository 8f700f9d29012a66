// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Losses over a range of rows on one thread (Highway, dispatched at run time); loss.cpp spreads the ranges.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/loss.hpp"

namespace opx::tensor::cpu {

struct CrossEntropyRows {
  MatrixView<const float> logits;
  std::span<const std::int32_t> labels;
  std::span<const std::uint8_t> use;
  double scale;
  MatrixView<float> gradient;
  std::span<const float> weights;  ///< empty: ones
};
LossSum cross_entropy_rows(const CrossEntropyRows& args, Range rows);

struct BceRows {
  MatrixView<const float> logits, targets;
  std::span<const std::uint8_t> use;
  double scale;
  MatrixView<float> gradient;
  std::span<const float> weights;  ///< empty: ones
};
LossSum bce_rows(const BceRows& args, Range rows);

void softmax_range(MatrixView<float> x, Range rows);
void sigmoid_range(MatrixView<float> x, Range rows);
void argmax_range(MatrixView<const float> x, std::span<std::int32_t> best, Range rows);

}  // namespace opx::tensor::cpu
