// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes a raw dataset as the published layouts have it, so that other programs can read what `generate`
// makes.
#pragma once

#include <filesystem>

#include "device/context.hpp"
#include "graph/source.hpp"

namespace opx::graph {

/// An OGB node-property folder: raw/{edge,num-node-list,num-edge-list,node-feat,node-label}.csv.gz and
/// split/random/{train,valid,test}.csv.gz. Edges are written as they come (`stored_once` data need
/// --undirected or the like to be read back). Streams. Throws ResourceError; InvalidArgument for weighted
/// edges.
void export_ogbn_csv(device::Context& context, RawDataset&& dataset, const std::filesystem::path& folder);

}  // namespace opx::graph
