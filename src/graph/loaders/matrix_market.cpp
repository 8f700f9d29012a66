// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Matrix Market coordinate files (NIST): pattern, real and integer; general, symmetric and skew-symmetric.
// Entry (i, j) is the edge i -> j with the value as its weight; symmetric files hold one triangle and are
// completed here.
#include <algorithm>
#include <cctype>
#include <sstream>

#include "graph/loaders/edge_text.hpp"
#include "graph/loaders/input.hpp"
#include "io/lines.hpp"
#include "io/number.hpp"

namespace opx::graph::loaders {
namespace {

enum class Symmetry { kGeneral, kSymmetric, kSkew };

struct Header {
  EdgeTextOptions text;
  Symmetry symmetry = Symmetry::kGeneral;
};

class SymmetricEdges final : public EdgeSource {
 public:
  SymmetricEdges(std::unique_ptr<EdgeSource> half, float sign) : half_(std::move(half)), sign_(sign) {}
  bool next(EdgeBatch& batch) override {
    if (!half_->next(batch)) return false;
    const std::size_t n = batch.src.size();
    const bool weighted = !batch.weight.empty();
    for (std::size_t i = 0; i < n; ++i) {
      const Index src = batch.src[i], dst = batch.dst[i];
      if (src == dst) continue;
      batch.src.push_back(dst);
      batch.dst.push_back(src);
      if (weighted) batch.weight.push_back(sign_ * batch.weight[i]);
    }
    return true;
  }
  double progress() const override { return half_->progress(); }

 private:
  std::unique_ptr<EdgeSource> half_;
  float sign_;
};

void parse_banner(const std::string& file, std::string_view line, Header& header) {
  std::string text(line);
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::istringstream words(text);
  std::string magic, object, format, field, symmetry;
  words >> magic >> object >> format >> field >> symmetry;
  const auto refuse = [&](const std::string& what) {
    fail_line(file, 1, what + fmt::format(": '{}'", shorten(line)));
  };
  if (magic != "%%matrixmarket" || object != "matrix") refuse("no banner '%%MatrixMarket matrix ...'");
  if (format != "coordinate") refuse("only the coordinate format is a graph");
  if (field != "pattern" && field != "real" && field != "integer")
    refuse("values must be pattern, real or integer");
  header.text.weighted = field != "pattern";
  if (symmetry == "symmetric")
    header.symmetry = Symmetry::kSymmetric;
  else if (symmetry == "skew-symmetric")
    header.symmetry = Symmetry::kSkew;
  else if (symmetry != "general")
    refuse("symmetry must be general, symmetric or skew-symmetric");
  if (header.symmetry == Symmetry::kSkew && !header.text.weighted)
    refuse("a pattern cannot be skew-symmetric");
}

void parse_sizes(const io::LineReader& reader, std::string_view line, Header& header) {
  Index sizes[3] = {};
  const char* p = line.data();
  const char* const end = p + line.size();
  const auto skip = [&] {
    while (p != end && (*p == ' ' || *p == '\t')) ++p;
  };
  for (Index& size : sizes) {
    skip();
    p = p == end ? nullptr : io::parse_index(p, size);
    if (p == nullptr || p > end)
      fail_line(reader.name(), reader.line(),
                fmt::format("'{}' is not 'rows columns entries'", shorten(line)));
  }
  skip();
  if (p != end)
    fail_line(reader.name(), reader.line(), fmt::format("'{}' is not 'rows columns entries'", shorten(line)));
  if (sizes[0] != sizes[1])
    fail_line(reader.name(), reader.line(),
              fmt::format("the matrix is {} x {}, a graph's is square", sizes[0], sizes[1]));
  header.text.vertices = sizes[0];
  header.text.expected = sizes[2];
  header.text.expected_from = fmt::format("line {}", reader.line());
  header.text.first_line = reader.line() + 1;
}

Header read_header(const std::filesystem::path& path) {
  io::LineReader reader(io::open_input(path));
  Header header;
  header.text.separator = ' ';
  header.text.base = 1;
  std::string_view line;
  if (!reader.next(line)) fail_line(reader.name(), 1, "the file is empty");
  parse_banner(reader.name(), line, header);
  while (reader.next(line)) {
    if (is_comment(line)) continue;
    parse_sizes(reader, line, header);
    return header;
  }
  fail_line(reader.name(), reader.line(), "the line 'rows columns entries' is missing");
}

}  // namespace

RawDataset open_matrix_market(const Input& input) {
  RawDataset data = start_dataset(input, "matrix-market");
  record_file(data, input.path);
  const Header header = read_header(input.path);
  data.vertices = header.text.vertices;
  data.edges = std::make_unique<EdgeText>(io::open_input(input.path), header.text, input.options.context);
  if (header.symmetry != Symmetry::kGeneral) {
    data.already_symmetric = header.symmetry == Symmetry::kSymmetric;
    data.stored_once = false;
    data.edges =
        std::make_unique<SymmetricEdges>(std::move(data.edges), data.already_symmetric ? 1.0F : -1.0F);
  }
  compare_with_registry(data, input.known);
  return data;
}

}  // namespace opx::graph::loaders
