// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What the two layouts of OGB's node datasets share: the splits.
#pragma once

#include "graph/loaders/input.hpp"

namespace opx::graph::loaders {

/// Reads split/<name>/{train,valid,test}.csv(.gz): the folder asked for, the registry's, or the only one.
void read_ogbn_splits(const Input& input, RawDataset& data);
/// Throws InputError for a heterogeneous dataset (ogbn-mag), which is not served.
void refuse_heterogeneous(const Input& input);

}  // namespace opx::graph::loaders
