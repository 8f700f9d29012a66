// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to the loaders: what each is given, and small helpers they share.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/function_ref.hpp"
#include "graph/registry.hpp"
#include "graph/source.hpp"
#include "io/npz.hpp"
#include "io/tree.hpp"

namespace opx::graph::loaders {

/// The path that open_dataset was given, looked at once.
struct Input {
  std::filesystem::path path;
  OpenOptions options;
  std::shared_ptr<const io::FileTree> tree;   ///< a folder or a .zip, else null
  std::shared_ptr<const io::NpzArchive> npz;  ///< a .npz, else null
  std::string extension;                      ///< of the path without .gz, lower case: ".mtx"
  std::string head;                           ///< the first bytes of a text file, unpacked
  std::string name;                           ///< of the folder, or the file name without extensions
  const RegistryEntry* known = nullptr;       ///< the registry's entry of that name, or null
};

/// Calls task(i) for i in [0, tasks) on the Context's threads, or here where there is none.
void parallel_for(device::Context* context, Index tasks, base::FunctionRef<void(Index)> task);

/// "raw/edge.csv.gz" or "raw/edge.csv", whichever the tree has, or "".
[[nodiscard]] std::string find_csv(const io::FileTree& tree, const std::string& stem);

/// A RawDataset with name, layout and what the registry knows filled in.
[[nodiscard]] RawDataset start_dataset(const Input& input, std::string_view layout);
/// Adds the path itself to the provenance.
void record_file(RawDataset& data, const std::filesystem::path& path);
void record_file(RawDataset& data, const io::FileTree& tree, const std::string& path);
/// Appends a warning for each count that differs from the registry's (a part of a dataset stays loadable).
void compare_with_registry(RawDataset& data, const RegistryEntry* known);

/// Features, labels and splits in files of their own (--features and so on), for any layout whose N is known.
void read_extra_files(const Input& input, RawDataset& data);
/// Labels and splits whose rows name vertices by the ids of the edge list (OpenOptions::keyed).
void read_keyed_files(const Input& input, RawDataset& data);

[[noreturn]] inline void fail_line(const std::string& file, Index line, const std::string& what) {
  throw base::FormatError(file, fmt::format("line {}", line), what);
}

/// At most 60 bytes of a text, printable, for messages.
[[nodiscard]] std::string shorten(std::string_view text);

// One opener for each layout; detection is in open.cpp.
[[nodiscard]] RawDataset open_ogbn_csv(const Input& input);
[[nodiscard]] RawDataset open_ogbn_npz(const Input& input);
[[nodiscard]] RawDataset open_edge_list(const Input& input);
[[nodiscard]] RawDataset open_csv_edges(const Input& input);
[[nodiscard]] RawDataset open_matrix_market(const Input& input);
[[nodiscard]] RawDataset open_metis(const Input& input);
[[nodiscard]] RawDataset open_heterophilous(const Input& input);
[[nodiscard]] RawDataset open_graphsaint(const Input& input);
[[nodiscard]] RawDataset open_reddit(const Input& input);
[[nodiscard]] RawDataset open_scipy(const Input& input);

}  // namespace opx::graph::loaders
