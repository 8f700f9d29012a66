// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/export.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include <fmt/compile.h>
#include <fmt/format.h>

#include "base/error.hpp"
#include "io/gzip_writer.hpp"

namespace opx::graph {
namespace {

namespace fs = std::filesystem;
using Text = fmt::memory_buffer;

void write_file(const fs::path& path, const Text& text) {
  io::GzipWriter out(path);
  out.write({text.data(), text.size()});
  out.close();
}

void write_number(const fs::path& path, Index number) {
  Text text;
  fmt::format_to(std::back_inserter(text), "{}\n", number);
  write_file(path, text);
}

// Gives the number of edges and the largest id + 1.
std::array<Index, 2> write_edges(device::Context& context, EdgeSource& edges, const fs::path& path) {
  io::GzipWriter out(path);
  EdgeBatch batch;
  std::array<Index, 2> counts{0, 0};
  while (edges.next(batch)) {
    OPX_REQUIRE(batch.weight.empty(), InvalidArgument, "{}: this layout has no edge weights", path.string());
    const auto n = static_cast<Index>(batch.src.size());
    constexpr Index kGrain = 1 << 15;
    std::vector<Text> pieces(static_cast<std::size_t>(ceil_div(n, kGrain)));
    context.parallel_for(static_cast<Index>(pieces.size()), [&](Index p) {
      for (Index i = p * kGrain; i < std::min(n, (p + 1) * kGrain); ++i)
        fmt::format_to(std::back_inserter(pieces[static_cast<std::size_t>(p)]), FMT_COMPILE("{},{}\n"),
                       batch.src[static_cast<std::size_t>(i)], batch.dst[static_cast<std::size_t>(i)]);
    });
    for (const auto& piece : pieces) out.write({piece.data(), piece.size()});
    for (const Index v : batch.src) counts[1] = std::max(counts[1], v + 1);
    for (const Index v : batch.dst) counts[1] = std::max(counts[1], v + 1);
    counts[0] += n;
  }
  out.close();
  return counts;
}

void write_features(FeatureSource& features, Index vertices, const fs::path& path) {
  constexpr Index kRows = 1024;
  io::GzipWriter out(path);
  std::vector<float> block(static_cast<std::size_t>(kRows * features.dim()));
  for (Index at = 0; at < vertices; at += kRows) {
    const Index n = std::min(kRows, vertices - at);
    features.read({block.data(), n, features.dim()});
    Text text;
    for (Index i = 0; i < n * features.dim(); ++i)
      fmt::format_to(std::back_inserter(text), FMT_COMPILE("{}{}"), block[static_cast<std::size_t>(i)],
                     (i + 1) % features.dim() == 0 ? '\n' : ',');
    out.write({text.data(), text.size()});
  }
  out.close();
}

void write_labels(const LabelData& labels, const fs::path& path) {
  Text text;
  const auto out = std::back_inserter(text);
  for (const std::int32_t l : labels.labels)
    l < 0 ? fmt::format_to(out, "nan\n") : fmt::format_to(out, "{}\n", l);
  for (std::size_t i = 0; i < labels.targets.size(); ++i) {
    const float t = labels.targets[i];
    std::isnan(t) ? fmt::format_to(out, "nan") : fmt::format_to(out, "{}", static_cast<int>(t));
    text.push_back((i + 1) % static_cast<std::size_t>(labels.classes) == 0 ? '\n' : ',');
  }
  write_file(path, text);
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  OPX_REQUIRE(!error, ResourceError, "{}: folder cannot be made: {}", folder.string(), error.message());
}

}  // namespace

void export_ogbn_csv(device::Context& context, RawDataset&& dataset, const fs::path& folder) {
  const fs::path raw = folder / "raw", split = folder / "split" / "random";
  make_folder(raw);
  const auto [edges, seen] = write_edges(context, *dataset.edges, raw / "edge.csv.gz");
  const Index vertices = dataset.vertices.value_or(seen);
  write_number(raw / "num-edge-list.csv.gz", edges);
  write_number(raw / "num-node-list.csv.gz", vertices);
  if (dataset.features) write_features(*dataset.features, vertices, raw / "node-feat.csv.gz");
  if (dataset.labels.task != Task::kNone) write_labels(dataset.labels, raw / "node-label.csv.gz");
  if (dataset.splits.empty()) return;
  make_folder(split);
  constexpr std::array kParts{std::pair{Split::kTrain, "train.csv.gz"},
                              std::pair{Split::kValid, "valid.csv.gz"},
                              std::pair{Split::kTest, "test.csv.gz"}};
  for (const auto& [part, name] : kParts) {
    Text text;
    for (std::size_t v = 0; v < dataset.splits.size(); ++v)
      if (dataset.splits[v] == part) fmt::format_to(std::back_inserter(text), "{}\n", v);
    write_file(split / name, text);
  }
}

}  // namespace opx::graph
