// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Input features before training: as given, scaled per row, or standardised.
#pragma once

#include <span>
#include <string>

#include "comm/communicator.hpp"
#include "device/context.hpp"
#include "graph/store.hpp"
#include "tensor/matrix.hpp"

namespace opx::train {

/// In place on this rank's rows, `split` gives each row's split (padded rows are kNone and all zero; they
/// stay zero).
///   none      as given
///   row       each row over the sum of its absolute values (rows of zeros stay)
///   standard  (x - mean) / std by column, both over the training vertices, as GraphSAINT does; a column that
///   does not
///             vary there is only centred. Collective over `group`: two all-reduces of D doubles.
/// Throws InvalidArgument for another kind, or for `standard` without training vertices.
void normalise_features(device::Context& context, comm::Communicator& group, const std::string& kind,
                        std::span<const graph::Split> split, Index valid_rows,
                        tensor::MatrixView<float> features);

}  // namespace opx::train
