// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Edges in text, one a line: two vertex ids and perhaps a weight. Chunks of lines are parsed by all threads
// of the Context straight into their place in the batch; order is that of the file, and batches do not depend
// on threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/source.hpp"
#include "io/lines.hpp"

namespace opx::graph::loaders {

struct EdgeTextOptions {
  char separator = ',';       ///< the usual one; spaces, tabs, commas and semicolons are read in any case
  bool weighted = false;      ///< a third column is the weight; else a third column is an error
  Index base = 0;             ///< number of the first vertex (1 for Matrix Market)
  Index vertices = 0;         ///< ids beyond are errors; 0: any up to 10^18
  std::string vertices_from;  ///< who says how many, for the message; may be empty
  Index first_line = 1;       ///< lines before this number are a header
  Index expected = -1;        ///< edges that must come; -1: not known
  std::string expected_from;  ///< who says so, for the message
};

class EdgeText final : public EdgeSource {
 public:
  EdgeText(std::unique_ptr<io::InputStream> stream, EdgeTextOptions options, device::Context* context);
  bool next(EdgeBatch& batch) override;
  std::optional<Index> expected_edges() const override;
  double progress() const override { return lines_.progress(); }

 private:
  void check_count() const;

  io::LineChunks lines_;
  EdgeTextOptions options_;
  device::Context* context_;
  std::vector<io::LineChunk> chunks_;
  Index edges_ = 0;
};

/// True for a line without data: blank, or a comment that begins with '#' or '%'.
[[nodiscard]] bool is_comment(std::string_view line) noexcept;

}  // namespace opx::graph::loaders
