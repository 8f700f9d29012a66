// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether a resumed run would go on as it began.
#pragma once

#include <filesystem>

#include "train/config.hpp"

namespace opx::train {

/// Throws InvalidArgument that names both values where `now` has another model than the run of the checkpoint
/// (kind, widths, norm, residual, what the adjacency and the features are normalised by), would draw other
/// sub-batches, or take other parts of an aggregation exactly: mode, sampler, batch size, estimator, first
/// aggregation, sub-batches a step (replicas x accumulate). Grids are resolved in both.
void check_same_run(const RunConfig& before, const RunConfig& now, const std::filesystem::path& checkpoint);

}  // namespace opx::train
