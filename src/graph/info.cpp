// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/info.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "base/random.hpp"
#include "graph/store_format.hpp"
#include "io/checksum.hpp"
#include "io/hdf5.hpp"

namespace opx::graph {
namespace {

constexpr Index kPieceEdges = Index{1} << 23;  // edges read at a time

// Calls use(rows, edges) for all of A in pieces of rows.
template <class Use>
void for_each_piece(device::Context& context, const Store& store, Use&& use) {
  const Index n = store.info().vertices;
  const Index pieces = std::clamp<Index>(ceil_div(store.info().edges, kPieceEdges), 1,
                                         std::max<Index>(1, store.info().tiles_per_side));
  const std::array<Range, 1> all{Range{0, n}};
  for (Index p = 0; p < pieces; ++p) {
    const Range rows = even_range(n, pieces, p);
    use(rows, store.read_edges(context, rows, all));
  }
}

struct EntryCounts {
  std::vector<std::int32_t> row, col;  // by position
};

EntryCounts count_entries(device::Context& context, const Store& store) {
  const auto n = static_cast<std::size_t>(store.info().vertices);
  EntryCounts counts{std::vector<std::int32_t>(n), std::vector<std::int32_t>(n)};
  if (!store.info().weighted) {  // the stored sums are counts
    std::vector<float> row(n), col(n);
    store.read_degrees({0, store.info().vertices}, row, col);
    std::transform(row.begin(), row.end(), counts.row.begin(),
                   [](float f) { return static_cast<std::int32_t>(f); });
    std::transform(col.begin(), col.end(), counts.col.begin(),
                   [](float f) { return static_cast<std::int32_t>(f); });
    return counts;
  }
  for_each_piece(context, store, [&](Range rows, const Edges& e) {
    for (const std::int32_t r : e.row) ++counts.row[static_cast<std::size_t>(rows.begin + r)];
    for (const std::int32_t c : e.col) ++counts.col[static_cast<std::size_t>(c)];
  });
  return counts;
}

// Part of [0, n) that holds i, the boundaries of even_range.
std::int32_t part_of(Index n, Index parts, Index i) {
  return static_cast<std::int32_t>(((i + 1) * parts - 1) / n);
}

// Row part and column part of every position under the policies.
class Policies {
 public:
  Policies(const Store& store, const layout::Grid& grid, std::uint64_t seed, const EntryCounts& counts)
      : n_(store.info().vertices), grid_(grid), original_(static_cast<std::size_t>(n_)) {
    store.read_original_ids({0, n_}, original_);
    const auto natural = [](Index id) { return id; };
    by_line("natural order", natural, natural);
    const base::KeyedPermutation p({.seed = seed, .purpose = base::Purpose::kBench}, 0, n_);
    const base::KeyedPermutation q({.seed = seed, .purpose = base::Purpose::kBench}, 1, n_);
    by_line("one permutation", p, p);
    by_line("two permutations", p, q);
    std::vector<std::int32_t> degrees(static_cast<std::size_t>(n_));
    for (std::size_t i = 0; i < degrees.size(); ++i)
      degrees[static_cast<std::size_t>(original_[i])] = counts.row[i] + counts.col[i];
    by_deal("slabs, random deal", layout::Deal::kRandom, seed, degrees);
    by_deal("slabs, degree deal", layout::Deal::kDegree, seed, degrees);
    std::vector<Index> own(static_cast<std::size_t>(n_));
    std::iota(own.begin(), own.end(), Index{0});
    by_block("this store", own);
  }
  std::vector<std::string> names;
  std::vector<layout::TileCounter> counters;

 private:
  // Rows cut by the line `row_place`, columns by `col_place`, of the original id.
  template <class Row, class Col>
  void by_line(const char* name, const Row& row_place, const Col& col_place) {
    std::vector<std::int32_t> row, col;
    for (const Index id : original_) {
      row.push_back(part_of(n_, grid_.gz, row_place(id)));
      col.push_back(part_of(n_, grid_.gx, col_place(id)));
    }
    add(name, std::move(row), std::move(col));
  }
  // As `prepare` places them: dealt to virtual blocks, cut at the boundaries of the grid's blocks.
  void by_deal(const char* name, layout::Deal deal, std::uint64_t seed,
               const std::vector<std::int32_t>& degrees) {
    const Index blocks = layout::default_virtual_blocks(n_);
    const auto order =
        layout::positions_from_deal(layout::deal_vertices(deal, n_, blocks, seed, degrees), blocks, {});
    std::vector<Index> position_of_id(static_cast<std::size_t>(n_)), position(static_cast<std::size_t>(n_));
    for (std::size_t i = 0; i < order.size(); ++i)
      position_of_id[static_cast<std::size_t>(order[i])] = static_cast<Index>(i);
    for (std::size_t i = 0; i < position.size(); ++i)
      position[i] = position_of_id[static_cast<std::size_t>(original_[i])];
    by_block(name, position);
  }
  void by_block(const char* name, const std::vector<Index>& position) {
    std::vector<std::int32_t> row, col;
    for (const Index p : position) {
      const layout::Coord c = grid_.coord_of(part_of(n_, grid_.tensor_ranks(), p));
      row.push_back(c.z), col.push_back(c.x);
    }
    add(name, std::move(row), std::move(col));
  }
  void add(const char* name, std::vector<std::int32_t> row, std::vector<std::int32_t> col) {
    names.emplace_back(name);
    counters.emplace_back(std::move(row), std::move(col), grid_.gz, grid_.gx);
  }
  Index n_;
  layout::Grid grid_;
  std::vector<Index> original_;
};

}  // namespace

DegreeSummary summarise_degrees(device::Context& context, const Store& store) {
  const auto n = static_cast<std::size_t>(store.info().vertices);
  DegreeSummary s;
  if (n == 0) return s;
  EntryCounts counts = count_entries(context, store);
  for (std::size_t i = 0; i < n; ++i) s.isolated += counts.row[i] == 0 && counts.col[i] == 0;
  auto& d = counts.row;
  std::sort(d.begin(), d.end());
  s.min = d.front(), s.max = d.back();
  s.median = d[(n - 1) / 2];
  s.p99 = d[std::min(n - 1, (n * 99 + 99) / 100 - 1)];
  s.mean = static_cast<double>(store.info().edges) / static_cast<double>(n);
  return s;
}

std::vector<layout::Imbalance> measure_imbalance(device::Context& context, const Store& store,
                                                 const layout::Grid& grid, std::uint64_t seed,
                                                 bool add_self_loops) {
  if (store.info().vertices == 0) return {};
  Policies policies(store, grid, seed, count_entries(context, store));
  std::vector<std::uint8_t> has_loop(static_cast<std::size_t>(store.info().vertices));
  store.read_self_loops({0, store.info().vertices}, has_loop);
  for_each_piece(context, store, [&](Range rows, const Edges& e) {
    context.parallel_for(static_cast<Index>(policies.counters.size()), [&](Index i) {
      layout::TileCounter& counter = policies.counters[static_cast<std::size_t>(i)];
      for (Index k = 0; k < e.row.size(); ++k) counter.add(rows.begin + e.row[k], e.col[k]);
      if (!add_self_loops) return;
      for (Index v = rows.begin; v < rows.end; ++v)
        if (has_loop[static_cast<std::size_t>(v)] == 0) counter.add(v, v);
    });
  });
  std::vector<layout::Imbalance> out;
  for (std::size_t i = 0; i < policies.names.size(); ++i)
    out.push_back({policies.names[i], policies.counters[i].max_over_mean()});
  return out;
}

namespace {

template <class T>
std::string hash_of(const io::H5Dataset& d) {
  io::Checksum sum;
  const Index step = std::max<Index>(1, (Index{1} << 22) / std::max<Index>(1, d.row_size()));
  std::vector<T> piece;
  for (Index at = 0; at < d.rows(); at += step) {
    piece.resize(static_cast<std::size_t>(std::min(step, d.rows() - at) * d.row_size()));
    d.read(at, std::span<T>(piece));
    sum.add({reinterpret_cast<const char*>(piece.data()), piece.size() * sizeof(T)});
  }
  return sum.hex();
}

std::string hash_of_any(const io::H5Dataset& d) {
  switch (d.type()) {
    case io::H5Type::kInt8:
      return hash_of<std::int8_t>(d);
    case io::H5Type::kUint8:
      return hash_of<std::uint8_t>(d);
    case io::H5Type::kUint16:
      return hash_of<std::uint16_t>(d);
    case io::H5Type::kInt32:
      return hash_of<std::int32_t>(d);
    case io::H5Type::kUint32:
      return hash_of<std::uint32_t>(d);
    case io::H5Type::kInt64:
      return hash_of<std::int64_t>(d);
    case io::H5Type::kUint64:
      return hash_of<std::uint64_t>(d);
    case io::H5Type::kFloat16:
      return hash_of<io::Float16Bits>(d);
    case io::H5Type::kBfloat16:
      return hash_of<bfloat16>(d);
    case io::H5Type::kFloat32:
      return hash_of<float>(d);
    case io::H5Type::kFloat64:
      return hash_of<double>(d);
  }
  throw base::InternalError("unknown type");
}

}  // namespace

void verify_store(const std::filesystem::path& path) {
  const std::string want = Store::open(path)->info().checksum;
  const io::H5File file = io::H5File::open(path);
  const auto lines = [&] {  // as StoreWriter combines them: in order of name
    std::string text;
    for (const char* name : format::kAllParts) {
      if (!file.has(name)) continue;
      const io::H5Dataset d = file.dataset(name);
      const std::string hash = hash_of_any(d);
      if (hash != d.string_attribute("xxh3_128"))
        throw base::FormatError(path.string(), std::string("dataset '") + name + "'",
                                "its content does not have the checksum stored with it");
      text += std::string(name) + ":" + hash + "\n";
    }
    return text;
  }();
  io::Checksum all;
  all.add(lines);
  if (all.hex() != want)
    throw base::FormatError(path.string(), "",
                            fmt::format("content has checksum {}, not {}", all.hex(), want));
}

}  // namespace opx::graph
