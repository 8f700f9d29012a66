// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to parallel/: softmax cross-entropy where the classes are cut over the ranks of a group.
#pragma once

#include <span>

#include "comm/communicator.hpp"
#include "device/context.hpp"
#include "layout/grid.hpp"
#include "tensor/matrix.hpp"

namespace opx::parallel {

/// Logits of some rows and of the classes in `classes` (of all ranks together: every class once) become scale
/// * (softmax - onehot) where labels[row] >= 0, else 0; an empty slice of classes is fine. Returns this
/// rank's share of the sum of the losses: the shares of the group add up to it. Two vector all-reduces of one
/// float a row over `group`, purpose kLoss; labels are only read. Deterministic.
double sharded_cross_entropy(device::Context& context, comm::Communicator& group,
                             tensor::MatrixView<float> logits, Range classes,
                             std::span<const std::int32_t> labels, double scale);

}  // namespace opx::parallel
