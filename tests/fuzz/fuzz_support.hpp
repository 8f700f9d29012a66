// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What the fuzz harnesses share: the input as a file, a dataset read to its end. Only base::Error may be
// thrown; anything else (and what AddressSanitizer finds) ends the run.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include <unistd.h>

#include "base/error.hpp"
#include "graph/source.hpp"

namespace opx::fuzz {

/// Writes the input to a file of this process with the extension; each call replaces it.
inline std::filesystem::path input_file(std::span<const std::uint8_t> data, const std::string& extension) {
  static const auto folder = std::filesystem::temp_directory_path();
  const auto path = folder / ("opx-fuzz-" + std::to_string(::getpid()) + extension);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
  if (!out.flush()) std::abort();
  return path;
}

inline void check_batch(const graph::EdgeBatch& batch, Index vertices) {
  const auto bad = [=](Index id) { return id < 0 || id >= vertices; };
  if (batch.src.empty() || batch.src.size() != batch.dst.size()) std::abort();
  if (!batch.weight.empty() && batch.weight.size() != batch.src.size()) std::abort();
  if (std::ranges::any_of(batch.src, bad) || std::ranges::any_of(batch.dst, bad)) std::abort();
}

/// Opens the input in that layout and reads edges and (where they are not absurdly many) features; ids out of
/// range abort.
inline void read_dataset(std::span<const std::uint8_t> data, const std::string& extension,
                         const std::string& layout) {
  try {
    graph::OpenOptions options;
    options.layout = layout;
    options.memory = std::int64_t{1} << 24;
    graph::RawDataset dataset = graph::open_dataset(input_file(data, extension), options);
    graph::EdgeBatch batch;
    while (dataset.edges->next(batch)) check_batch(batch, dataset.vertices.value());
    if (!dataset.features || dataset.features->dim() > 4096) return;
    std::vector<float> row(static_cast<std::size_t>(dataset.features->dim()));
    for (Index v = 0; v < dataset.vertices.value(); ++v)
      dataset.features->read({row.data(), 1, dataset.features->dim()});
  } catch (const base::Error&) {
  }
}

}  // namespace opx::fuzz
