// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// METIS graph files: "n m [fmt [ncon]]", then one line a vertex with its neighbours counted from 1 ('%'
// comments). fmt's digits say: sizes, vertex weights, edge weights. Every edge stands in both its lines.
// Vertex sizes and weights are passed over; edge weights are taken.
#include <vector>

#include "graph/loaders/input.hpp"
#include "io/lines.hpp"
#include "io/number.hpp"

namespace opx::graph::loaders {
namespace {

constexpr std::size_t kBatch = std::size_t{1} << 18;

struct Header {
  Index vertices = 0, edges = 0;
  bool sizes = false, weighted = false;
  Index constraints = 0;  ///< weights of each vertex
};

// The whole line as numbers; false where something else is in it.
bool numbers_of(std::string_view line, std::vector<Index>& numbers) {
  numbers.clear();
  const char* p = line.data();
  const char* const end = p + line.size();
  for (;;) {
    while (p < end && (*p == ' ' || *p == '\t')) ++p;
    if (p >= end) return true;
    Index number = 0;
    p = io::parse_index(p, number);
    if (p == nullptr || p > end || (p < end && *p != ' ' && *p != '\t')) return false;
    numbers.push_back(number);
  }
}

bool is_comment(std::string_view line) { return line.starts_with('%'); }

Header parse_header(const io::LineReader& reader, std::string_view line) {
  std::vector<Index> n;
  const bool good = numbers_of(line, n) && n.size() >= 2 && n.size() <= 4;
  const Index format = good && n.size() >= 3 ? n[2] : 0;
  const Index ones = format % 10, tens = format / 10 % 10, hundreds = format / 100;
  if (!good || ones > 1 || tens > 1 || hundreds > 1)
    fail_line(reader.name(), reader.line(),
              fmt::format("'{}' is no METIS header 'n m [fmt [ncon]]'", shorten(line)));
  Header header{n[0], n[1], hundreds == 1, ones == 1, tens};
  if (n.size() == 4) header.constraints = tens == 1 ? n[3] : 0;
  return header;
}

class MetisEdges final : public EdgeSource {
 public:
  explicit MetisEdges(std::unique_ptr<io::InputStream> stream) : reader_(std::move(stream)) {
    std::string_view line;
    do {
      if (!reader_.next(line)) fail_line(reader_.name(), reader_.line() + 1, "the header 'n m' is missing");
    } while (is_comment(line));
    header_ = parse_header(reader_, line);
  }

  [[nodiscard]] Index vertices() const noexcept { return header_.vertices; }
  std::optional<Index> expected_edges() const override { return 2 * header_.edges; }
  double progress() const override { return reader_.progress(); }

  bool next(EdgeBatch& batch) override {
    batch.clear();
    std::string_view line;
    while (batch.src.size() < kBatch) {
      if (!reader_.next(line)) {
        check_counts(batch);
        break;
      }
      if (is_comment(line)) continue;
      if (vertex_ < header_.vertices)
        add_vertex(line, batch);
      else if (line.find_first_not_of(" \t") != std::string_view::npos)
        fail_line(reader_.name(), reader_.line(),
                  fmt::format("a line beyond the {} vertices", header_.vertices));
    }
    edges_ += std::ssize(batch.src);
    return !batch.src.empty();
  }

 private:
  void add_vertex(std::string_view line, EdgeBatch& batch) {
    if (!numbers_of(line, numbers_))
      fail_line(reader_.name(), reader_.line(), fmt::format("'{}' is no list of neighbours", shorten(line)));
    const auto skipped = static_cast<std::size_t>((header_.sizes ? 1 : 0) + header_.constraints);
    const std::size_t stride = header_.weighted ? 2 : 1;
    if (numbers_.size() < skipped || (numbers_.size() - skipped) % stride != 0)
      fail_line(reader_.name(), reader_.line(),
                fmt::format("has {} numbers, the header promises {} before the neighbours and {} a neighbour",
                            numbers_.size(), skipped, stride));
    for (std::size_t i = skipped; i < numbers_.size(); i += stride) {
      if (numbers_[i] < 1 || numbers_[i] > header_.vertices)
        fail_line(reader_.name(), reader_.line(),
                  fmt::format("neighbour {} is out of range [1, {}]", numbers_[i], header_.vertices));
      batch.src.push_back(vertex_);
      batch.dst.push_back(numbers_[i] - 1);
      if (header_.weighted) batch.weight.push_back(static_cast<float>(numbers_[i + 1]));
    }
    ++vertex_;
  }

  void check_counts(const EdgeBatch& batch) const {
    const Index edges = edges_ + std::ssize(batch.src);
    if (vertex_ != header_.vertices)
      fail_line(reader_.name(), reader_.line(),
                fmt::format("the file ends after {} of {} vertices", vertex_, header_.vertices));
    if (edges != 2 * header_.edges)
      throw base::FormatError(reader_.name(), "",
                              fmt::format("has {} neighbours, {} edges make twice as many: {}", edges,
                                          header_.edges, 2 * header_.edges));
  }

  io::LineReader reader_;
  Header header_;
  Index vertex_ = 0, edges_ = 0;
  std::vector<Index> numbers_;
};

}  // namespace

RawDataset open_metis(const Input& input) {
  RawDataset data = start_dataset(input, "metis");
  record_file(data, input.path);
  auto edges = std::make_unique<MetisEdges>(io::open_input(input.path));
  data.vertices = edges->vertices();
  data.edges = std::move(edges);
  data.stored_once = false;
  data.already_symmetric = true;
  compare_with_registry(data, input.known);
  return data;
}

}  // namespace opx::graph::loaders
