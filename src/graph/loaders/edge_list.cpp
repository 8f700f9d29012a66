// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Edge lists: SNAP's (spaces or tabs, '#' comments) and csv, plain or gzip. Two columns, or three with a
// weight. Ids that are not 0..N-1 are given places and remembered by name, unless feature or label files say
// what the ids mean.
//
// Two passes: the first finds the ids (a bitmap), the second gives the edges. Whether ids are numbers is
// decided by the first line of data, so that a stray word later is an error with its line and not a new
// vertex. Empty columns, quotes and negative numbers are errors either way.
#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/loaders/edge_text.hpp"
#include "graph/loaders/features.hpp"
#include "graph/loaders/input.hpp"
#include "graph/loaders/vertex_ids.hpp"
#include "io/number.hpp"

namespace opx::graph::loaders {
namespace {

constexpr std::size_t kWordsBatch = std::size_t{1} << 17;

// The columns of a line. One before the first comma or semicolon, or between two, is empty; behind the last
// there is none.
std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kSeparators = " \t,;\r", kMarks = ",;";
  std::vector<std::string_view> words;
  for (std::size_t at = 0;;) {
    const std::size_t begin = std::min(line.find_first_not_of(kSeparators, at), line.size());
    if (begin == line.size()) return words;
    auto marks = std::ranges::count_if(line.substr(at, begin - at),
                                       [&](char c) { return kMarks.find(c) != kMarks.npos; });
    for (marks -= words.empty() ? 0 : 1; marks > 0; --marks) words.emplace_back();
    at = std::min(line.find_first_of(kSeparators, begin), line.size());
    words.push_back(line.substr(begin, at - begin));
  }
}

// "-3", "1.0": a number, but no id.
bool is_other_number(std::string_view word) {
  const std::string_view rest = word.substr(word.starts_with('-') ? 1 : 0);
  const auto points = std::ranges::count(rest, '.');
  return (rest.size() < word.size() || points == 1) && points <= 1 && !rest.empty() && rest.front() != '.' &&
         rest.find_first_not_of("0123456789.") == std::string_view::npos;
}

// Refuses words that are no ids, whatever the others are.
void check_words(const std::string& file, Index line, std::span<const std::string_view> words) {
  for (std::size_t column = 0; column < words.size(); ++column) {
    const std::string_view word = words[column];
    const auto fail = [&](const std::string& what) {
      fail_line(file, line, fmt::format("column {} is {}", column + 1, what));
    };
    if (word.empty()) fail("empty");
    if (word.front() == '"') fail(fmt::format("{}: quotes are not read", shorten(word)));
    if (column < 2 && is_other_number(word)) fail(fmt::format("'{}', which is no vertex id", shorten(word)));
  }
}

bool is_number(std::string_view word) {
  std::string padded(word);
  padded.append(io::kTextPadding, '\0');
  Index id = 0;
  return io::parse_index(padded.data(), id) == padded.data() + word.size();
}

// What the first lines of data say of the file.
struct Sniffed {
  EdgeTextOptions text;
  bool numbers = true;
};

bool are_numbers(const std::vector<std::string_view>& words) {
  return words.size() >= 2 && is_number(words[0]) && is_number(words[1]);
}

bool are_words(std::span<const std::string_view> words) {
  return words.size() >= 2 && std::ranges::none_of(words.first(2), [](std::string_view word) {
           return word.empty() || is_number(word) || is_other_number(word);
         });
}

// "source,target" and the like, which would else pass for an edge between words.
bool names_columns(std::span<const std::string_view> words) {
  constexpr std::array<std::string_view, 3> kFirst = {"src", "source", "from"},
                                            kSecond = {"dst", "target", "to"};
  const auto is_one_of = [](std::string_view word, std::span<const std::string_view> names) {
    std::string plain;
    for (const char c : word)
      if (c != '"') plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return std::ranges::find(names, plain) != names.end();
  };
  return words.size() >= 2 && is_one_of(words[0], kFirst) && is_one_of(words[1], kSecond);
}

struct DataLine {
  std::string text;
  Index number = 0;
  [[nodiscard]] std::vector<std::string_view> words() const { return words_of(text); }
};

// The first two lines of data, without a header row: a first line that names its columns, or one of words
// above numbers.
std::vector<DataLine> first_lines(io::LineReader& reader, bool may_have_header) {
  std::vector<DataLine> lines;
  for (std::string_view line; lines.size() < 2 && reader.next(line);)
    if (!is_comment(line)) lines.push_back({std::string(line), reader.line()});
  if (!may_have_header || lines.empty()) return lines;
  const bool above_numbers =
      lines.size() == 2 && are_words(lines[0].words()) && are_numbers(lines[1].words());
  const auto top = lines[0].words();
  if (top.size() > 2 && names_columns(std::span(top).subspan(1)))
    fail_line(reader.name(), lines[0].number,
              fmt::format("columns '{}': source and target must be the first two", shorten(lines[0].text)));
  if (above_numbers || names_columns(top)) lines.erase(lines.begin());
  return lines;
}

Sniffed sniff(const Input& input, bool may_have_header) {
  io::LineReader reader(io::open_input(input.path));
  const std::vector<DataLine> lines = first_lines(reader, may_have_header);
  Sniffed sniffed;
  sniffed.text.first_line = reader.line() + 1;
  if (lines.empty()) return sniffed;
  const DataLine& first = lines.front();
  const auto words = first.words();
  if (words.size() < 2 || words.size() > 3)
    fail_line(reader.name(), first.number,
              fmt::format("an edge has 2 or 3 columns, '{}' has {}", shorten(first.text), words.size()));
  for (const DataLine& line : lines) check_words(reader.name(), line.number, line.words());
  sniffed.text.first_line = first.number;
  sniffed.text.weighted = words.size() == 3;
  sniffed.text.separator = words[0].data()[words[0].size()];
  sniffed.numbers = are_numbers(words);
  return sniffed;
}

class RankedEdges final : public EdgeSource {
 public:
  RankedEdges(std::unique_ptr<EdgeSource> edges, std::shared_ptr<const NumberIds> ids,
              device::Context* context)
      : edges_(std::move(edges)), ids_(std::move(ids)), context_(context) {}
  bool next(EdgeBatch& batch) override {
    if (!edges_->next(batch)) return false;
    constexpr Index kPart = 1 << 15;
    const Index n = std::ssize(batch.src);
    parallel_for(context_, ceil_div(n, kPart), [&](Index part) {
      for (Index i = part * kPart; i < std::min(n, (part + 1) * kPart); ++i) {
        auto& src = batch.src[static_cast<std::size_t>(i)];
        auto& dst = batch.dst[static_cast<std::size_t>(i)];
        src = ids_->rank(src), dst = ids_->rank(dst);
      }
    });
    return true;
  }
  std::optional<Index> expected_edges() const override { return edges_->expected_edges(); }
  double progress() const override { return edges_->progress(); }

 private:
  std::unique_ptr<EdgeSource> edges_;
  std::shared_ptr<const NumberIds> ids_;
  device::Context* context_;
};

class WordEdges final : public EdgeSource {
 public:
  WordEdges(std::unique_ptr<io::InputStream> stream, EdgeTextOptions options, std::shared_ptr<WordIds> ids)
      : reader_(std::move(stream)), options_(std::move(options)), ids_(std::move(ids)) {}

  bool next(EdgeBatch& batch) override {
    batch.clear();
    std::string_view line;
    while (batch.src.size() < kWordsBatch && reader_.next(line)) {
      if (reader_.line() < options_.first_line || is_comment(line)) continue;
      const auto words = words_of(line);
      const std::size_t columns = options_.weighted ? 3 : 2;
      if (words.size() != columns)
        fail_line(
            reader_.name(), reader_.line(),
            fmt::format("has {} columns where {} are needed: '{}'", words.size(), columns, shorten(line)));
      check_words(reader_.name(), reader_.line(), words);
      batch.src.push_back(ids_->add(words[0]));
      batch.dst.push_back(ids_->add(words[1]));
      if (options_.weighted) batch.weight.push_back(weight(words[2]));
    }
    return !batch.src.empty();
  }
  std::optional<Index> expected_edges() const override {
    return options_.expected >= 0 ? std::optional(options_.expected) : std::nullopt;
  }
  double progress() const override { return reader_.progress(); }

 private:
  float weight(std::string_view word) const {
    float value = 0;
    if (io::parse_float(word.data(), word.data() + word.size(), value) != word.data() + word.size() ||
        !std::isfinite(value))
      fail_line(reader_.name(), reader_.line(),
                fmt::format("the weight '{}' is no finite number", shorten(word)));
    return value;
  }
  io::LineReader reader_;
  EdgeTextOptions options_;
  std::shared_ptr<WordIds> ids_;
};

// N where something but the edges tells it: then ids are what they say, 0..N-1.
Index told_vertices(const Input& input) {
  const OpenOptions& options = input.options;
  if (options.vertices > 0) return options.vertices;
  if (!options.features.empty()) return count_rows(options.features);
  if (!options.labels.empty()) return count_rows(options.labels);
  const bool splits = !options.train.empty() || !options.valid.empty() || !options.test.empty();
  OPX_REQUIRE(
      !splits, InvalidArgument,
      "split files for '{}' need to know what vertex ids mean: give --vertices, --features or --labels too",
      input.path.string());
  return 0;
}

std::string vertices_from(const Input& input) {
  const OpenOptions& options = input.options;
  if (options.vertices > 0) return "the number of vertices given";
  const auto& file = options.features.empty() ? options.labels : options.features;
  return fmt::format("the rows of '{}'", file.string());
}

void open_numbers(const Input& input, EdgeTextOptions text, RawDataset& data) {
  device::Context* context = input.options.context;
  const auto ids = std::make_shared<NumberIds>(input.options.memory);
  EdgeText first_pass(io::open_input(input.path), text, context);
  EdgeBatch batch;
  Index edges = 0;
  while (first_pass.next(batch)) {
    ids->add(batch.src);
    ids->add(batch.dst);
    edges += std::ssize(batch.src);
  }
  ids->finish();
  data.vertices = ids->size();
  text.expected = edges;
  text.expected_from = "the first reading of the file";
  data.edges = std::make_unique<EdgeText>(io::open_input(input.path), text, context);
  if (ids->identity()) return;
  data.names = std::make_shared<std::vector<std::string>>(ids->names());
  data.edges = std::make_unique<RankedEdges>(std::move(data.edges), ids, context);
}

void open_words(const Input& input, EdgeTextOptions text, RawDataset& data) {
  const auto ids = std::make_shared<WordIds>();
  WordEdges first_pass(io::open_input(input.path), text, ids);
  EdgeBatch batch;
  Index edges = 0;
  while (first_pass.next(batch)) edges += std::ssize(batch.src);
  text.expected = edges;
  data.vertices = ids->size();
  data.names = std::make_shared<std::vector<std::string>>(ids->names());
  data.edges = std::make_unique<WordEdges>(io::open_input(input.path), text, ids);
}

RawDataset open_list(const Input& input, const char* layout) {
  RawDataset data = start_dataset(input, layout);
  record_file(data, input.path);
  Sniffed sniffed = sniff(input, layout == std::string_view("csv"));
  data.stored_once = !input.options.directed;
  const Index told = input.options.keyed ? 0 : told_vertices(input);
  if (told > 0) {
    OPX_REQUIRE(
        sniffed.numbers, InputError,
        "'{}' has vertex ids that are no numbers; with feature, label or split files they must be 0 to {}",
        input.path.string(), told - 1);
    sniffed.text.vertices = told;
    sniffed.text.vertices_from = vertices_from(input);
    data.vertices = told;
    data.edges = std::make_unique<EdgeText>(io::open_input(input.path), sniffed.text, input.options.context);
  } else if (sniffed.numbers) {
    open_numbers(input, sniffed.text, data);
  } else {
    open_words(input, sniffed.text, data);
  }
  OPX_REQUIRE(*data.vertices > 0, InputError, "'{}' has no edges: there are no vertices",
              input.path.string());
  compare_with_registry(data, input.known);
  return data;
}

}  // namespace

RawDataset open_edge_list(const Input& input) { return open_list(input, "snap"); }
RawDataset open_csv_edges(const Input& input) { return open_list(input, "csv"); }

}  // namespace opx::graph::loaders
