// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Datasets that are known by name (datasets/registry.json, compiled in): where they come from and what must
// be known to read them right but is not in their files.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace opx::graph {

struct RegistryEntry {
  std::string name;                  ///< "ogbn-products"
  std::vector<std::string> aliases;  ///< other names of its folder or archive: "products"
  std::string url;                   ///< of the archive at its publisher; empty: nowhere as one file
  std::string sha256;                ///< of the archive; empty: not known
  std::string layout;                ///< one of layout_names(), or what it would need
  bool heterogeneous = false;        ///< known, not served
  bool add_inverse_edge = false;     ///< each undirected edge is stored once
  Index vertices = 0, edges = 0;     ///< in the files; 0: not known
  Index feature_dim = 0, classes = 0, tasks = 1;
  std::string metric;  ///< "accuracy", "rocauc", "micro_f1_topk"
  std::string split;   ///< folder below split/ to take where there are several
  std::string licence, note;
};

/// All entries in order of the file. Parsed at the first call, constant from then on.
[[nodiscard]] std::span<const RegistryEntry> registry();
/// Finds by name or alias; case and '_' for '-' do not matter. Null where it is not known.
[[nodiscard]] const RegistryEntry* find_in_registry(std::string_view name);

}  // namespace opx::graph
