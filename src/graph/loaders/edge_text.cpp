// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/loaders/edge_text.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.hpp"
#include "graph/loaders/input.hpp"
#include "io/number.hpp"

namespace opx::graph::loaders {
namespace {

constexpr std::size_t kChunksOfBatch = 16;

bool is_separator(char c) noexcept { return c == ' ' || c == '\t' || c == ',' || c == ';' || c == '\r'; }

// Where a chunk's edges go, and how many came of it.
struct Slot {
  Index* src;
  Index* dst;
  float* weight;
  Index count = 0;
};

class ChunkParser {
 public:
  ChunkParser(const io::LineChunk& chunk, const EdgeTextOptions& options, const std::string& file, Slot& slot)
      : chunk_(chunk), options_(options), file_(file), slot_(slot), bound_(bound(options)) {}

  void run() {
    const char* p = chunk_.begin();
    const char* const end = chunk_.end();
    line_ = chunk_.first_line;
    while (p < end && line_ < options_.first_line) p = after_line(p), ++line_;
    for (; p < end; ++line_) p = options_.weighted ? weighted_line(p) : plain_line(p);
  }

 private:
  static std::uint64_t bound(const EdgeTextOptions& options) {
    return options.vertices > 0 ? static_cast<std::uint64_t>(options.vertices)
                                : static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
  }
  const char* after_line(const char* p) const {
    return static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(chunk_.end() - p))) + 1;
  }
  bool in_range(Index id) const { return static_cast<std::uint64_t>(id - options_.base) < bound_; }
  void put(Index src, Index dst) {
    slot_.src[slot_.count] = src - options_.base;
    slot_.dst[slot_.count] = dst - options_.base;
    ++slot_.count;
  }

  // "12,34\n" as almost every line is; anything else goes the slow way.
  const char* plain_line(const char* p) {
    Index src = 0, dst = 0;
    const char* q = io::parse_index(p, src);
    if (q == nullptr || *q != options_.separator) return any_line(p);
    q = io::parse_index(q + 1, dst);
    if (q == nullptr || *q != '\n' || !in_range(src) || !in_range(dst)) return any_line(p);
    put(src, dst);
    return q + 1;
  }

  const char* weighted_line(const char* p) {
    Index src = 0, dst = 0;
    float weight = 0;
    const char* q = io::parse_index(p, src);
    if (q == nullptr || *q != options_.separator) return any_line(p);
    q = io::parse_index(q + 1, dst);
    if (q == nullptr || *q != options_.separator || !in_range(src) || !in_range(dst)) return any_line(p);
    q = io::parse_float(q + 1, chunk_.end(), weight);
    if (q == nullptr || *q != '\n' || !std::isfinite(weight)) return any_line(p);
    slot_.weight[slot_.count] = weight;
    put(src, dst);
    return q + 1;
  }

  // Comments, blank lines, several separators, '\r': and the errors.
  const char* any_line(const char* p) {
    const char* const next = after_line(p);
    const std::string_view line(p, static_cast<std::size_t>(next - 1 - p));
    if (is_comment(line)) return next;
    const char* at = p;
    const Index src = read_id(at, next - 1, "first", 0), dst = read_id(at, next - 1, "second", 1);
    const int marks = skip(at, next - 1);
    if (options_.weighted) {
      if (marks > 1) fail("the weight is missing");
      slot_.weight[slot_.count] = read_weight(at, next - 1);
      skip(at, next - 1);
    }
    if (at != next - 1)
      fail(fmt::format("has more than {} columns: '{}'", options_.weighted ? 3 : 2, shorten(line)));
    put(src, dst);
    return next;
  }

  /// Blanks, and the commas and semicolons among them: how many there were.
  static int skip(const char*& at, const char* end) {
    int marks = 0;
    for (; at < end && is_separator(*at); ++at) marks += *at == ',' || *at == ';';
    return marks;
  }

  Index read_id(const char*& at, const char* end, const char* which, int most_marks) const {
    if (skip(at, end) > most_marks) fail(fmt::format("the {} column is empty", which));
    Index id = 0;
    const char* after = io::parse_index(at, id);
    const char* word_end = std::find_if(at, end, is_separator);
    const std::string word = shorten({at, static_cast<std::size_t>(word_end - at)});
    if (at == end) fail(fmt::format("the {} column is missing", which));
    if (after != word_end) fail(fmt::format("the {} column is '{}', which is no vertex id", which, word));
    if (!in_range(id))
      fail(fmt::format("vertex id {} is out of range [{}, {}){}{}", id, options_.base,
                       options_.base + options_.vertices, options_.vertices_from.empty() ? "" : ", by ",
                       options_.vertices_from));
    at = after;
    return id;
  }

  float read_weight(const char*& at, const char* end) const {
    float weight = 0;
    const char* after = io::parse_float(at, end, weight);
    if (at == end) fail("the weight is missing");
    if (after == nullptr || (after != end && !is_separator(*after)) || !std::isfinite(weight))
      fail(fmt::format("the weight '{}' is no finite number",
                       shorten({at, static_cast<std::size_t>(end - at)})));
    at = after;
    return weight;
  }

  [[noreturn]] void fail(const std::string& what) const { fail_line(file_, line_, what); }

  const io::LineChunk& chunk_;
  const EdgeTextOptions& options_;
  const std::string& file_;
  Slot& slot_;
  std::uint64_t bound_;
  Index line_ = 1;
};

// Closes the gaps that comments and blank lines left between the chunks' places.
Index compact(EdgeBatch& batch, std::span<const Slot> slots) {
  Index count = 0;
  for (const Slot& slot : slots) {
    if (slot.src != batch.src.data() + count) {
      std::copy_n(slot.src, slot.count, batch.src.data() + count);
      std::copy_n(slot.dst, slot.count, batch.dst.data() + count);
      if (slot.weight != nullptr) std::copy_n(slot.weight, slot.count, batch.weight.data() + count);
    }
    count += slot.count;
  }
  return count;
}

}  // namespace

std::string shorten(std::string_view text) {
  constexpr std::size_t kMost = 60;
  return base::printable_line(text.substr(0, kMost)) + (text.size() > kMost ? "..." : "");
}

bool is_comment(std::string_view line) noexcept {
  const auto at = line.find_first_not_of(" \t\r");
  return at == std::string_view::npos || line[at] == '#' || line[at] == '%';
}

EdgeText::EdgeText(std::unique_ptr<io::InputStream> stream, EdgeTextOptions options, device::Context* context)
    : lines_(std::move(stream)), options_(std::move(options)), context_(context) {}

std::optional<Index> EdgeText::expected_edges() const {
  return options_.expected >= 0 ? std::optional(options_.expected) : std::nullopt;
}

void EdgeText::check_count() const {
  if (options_.expected >= 0 && edges_ != options_.expected)
    throw base::FormatError(
        lines_.name(), "",
        fmt::format("has {} edges, but {} says {}", edges_, options_.expected_from, options_.expected));
}

bool EdgeText::next(EdgeBatch& batch) {
  for (Index found = 0; found == 0;) {
    if (!lines_.next(chunks_, kChunksOfBatch)) {
      batch.clear();
      check_count();
      return false;
    }
    Index lines = 0;
    for (const auto& chunk : chunks_) lines += chunk.lines;
    const auto size = static_cast<std::size_t>(lines);
    batch.src.resize(size), batch.dst.resize(size);
    batch.weight.resize(options_.weighted ? size : 0);
    std::vector<Slot> slots;
    Index at = 0;
    for (const auto& chunk : chunks_) {
      slots.push_back({batch.src.data() + at, batch.dst.data() + at,
                       options_.weighted ? batch.weight.data() + at : nullptr});
      at += chunk.lines;
    }
    parallel_for(context_, static_cast<Index>(chunks_.size()), [&](Index i) {
      const auto c = static_cast<std::size_t>(i);
      ChunkParser(chunks_[c], options_, lines_.name(), slots[c]).run();
    });
    const auto count = static_cast<std::size_t>(compact(batch, slots));
    batch.src.resize(count), batch.dst.resize(count);
    if (options_.weighted) batch.weight.resize(count);
    found = static_cast<Index>(count);
    edges_ += found;
  }
  return true;
}

}  // namespace opx::graph::loaders
