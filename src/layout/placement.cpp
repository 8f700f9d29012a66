// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "layout/placement.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

namespace opx::layout {
namespace {

constexpr std::array<std::string_view, 3> kDeals{"random", "degree", "contiguous"};
constexpr std::array<std::string_view, 4> kOrders{"natural", "random", "metis", "rcm"};
constexpr Index kSmallestBlock = 512, kMostBlocks = 4096;

// Streams of the permutations drawn under Purpose::kDeal.
constexpr std::uint64_t kVertexStream = 0, kLaneStream = 1;

// A block number scrambled by a keyed random tree (Owen 1995): each bit is flipped or not depending on the
// bits above it, so that neighbours at every power of two stay together and everything else about the number
// is random.
std::uint64_t scramble(std::uint64_t block, int bits, const base::RandomKey& key) {
  std::uint64_t out = 0;
  for (int bit = bits - 1; bit >= 0; --bit) {
    const std::uint64_t node =
        (std::uint64_t{1} << bits | block) >> (bit + 1);  // a leading 1, then the bits above
    const std::uint64_t flip = base::philox(key, {.step = 1, .vertex = node})[0] & 1U;
    out |= (((block >> bit) & 1U) ^ flip) << bit;
  }
  return out;
}

// The block of each lane of a snake deal. For a power of two, lane i gets the bit-reversed reflected Gray
// code of i: its low bits run forth and back over every power of two, and reversing makes them the high bits
// of the block, so that the blocks of every grid of 2^k ranks (unions of neighbours) are themselves dealt to
// by a snake; scrambled, so that the coordinates of neighbouring lanes have nothing in common. Other counts:
// lanes shuffled.
std::vector<std::int32_t> blocks_of_lanes(Index blocks, const base::RandomKey& key) {
  std::vector<std::int32_t> lane(static_cast<std::size_t>(blocks));
  const auto n = static_cast<std::uint64_t>(blocks);
  if (!std::has_single_bit(n)) {
    const base::KeyedPermutation shuffle(key, kLaneStream, blocks);
    for (Index i = 0; i < blocks; ++i)
      lane[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(shuffle(i));
    return lane;
  }
  const int bits = std::countr_zero(n);
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t gray = i ^ (i >> 1);
    std::uint64_t reversed = 0;
    for (int b = 0; b < bits; ++b) reversed |= ((gray >> b) & 1U) << (bits - 1 - b);
    lane[i] = static_cast<std::int32_t>(scramble(reversed, bits, key));
  }
  return lane;
}

// Element i of a permutation for each i.
std::vector<Index> table(const base::KeyedPermutation& permutation, device::Context* context) {
  constexpr Index kGrain = 1 << 14;
  std::vector<Index> out(static_cast<std::size_t>(permutation.size()));
  const auto fill = [&](Range part) {
    for (Index i = part.begin; i < part.end; ++i) out[static_cast<std::size_t>(i)] = permutation(i);
  };
  if (context != nullptr)
    context->parallel_ranges(permutation.size(), kGrain, fill);
  else
    fill({0, permutation.size()});
  return out;
}

// Vertices by falling degree, in keyed random order among equals.
std::vector<Index> by_falling_degree(std::span<const std::int32_t> degrees, const base::RandomKey& key,
                                     device::Context* context) {
  const auto n = static_cast<Index>(degrees.size());
  const std::int32_t most = n == 0 ? 0 : *std::max_element(degrees.begin(), degrees.end());
  std::vector<Index> order = table({key, kVertexStream, n}, context);
  if (most >
      4 * n + 1024) {  // multigraphs with few vertices: a table by degree would be larger than the graph
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
      return degrees[static_cast<std::size_t>(a)] > degrees[static_cast<std::size_t>(b)];
    });
    return order;
  }
  std::vector<Index> start(static_cast<std::size_t>(most) + 2, 0), sorted(order.size());
  for (const std::int32_t d : degrees) ++start[static_cast<std::size_t>(most - d) + 1];
  std::partial_sum(start.begin(), start.end(), start.begin());
  for (const Index v : order)
    sorted[static_cast<std::size_t>(
        start[static_cast<std::size_t>(most - degrees[static_cast<std::size_t>(v)])]++)] = v;
  return sorted;
}

std::vector<std::int32_t> deal_by_degree(Index n, Index blocks, const base::RandomKey& key,
                                         std::span<const std::int32_t> degrees, device::Context* context) {
  const std::vector<Index> order = by_falling_degree(degrees, key, context);
  const std::vector<std::int32_t> block_of_lane = blocks_of_lanes(blocks, key);
  std::vector<std::int32_t> block_of(static_cast<std::size_t>(n));
  const Index rounds = n / blocks;
  std::size_t next = 0;
  for (Index round = 0; round < rounds; ++round)
    for (Index i = 0; i < blocks; ++i) {
      const Index lane = round % 2 == 0 ? i : blocks - 1 - i;
      block_of[static_cast<std::size_t>(order[next++])] = block_of_lane[static_cast<std::size_t>(lane)];
    }
  for (const std::int32_t b : block_of_lane)  // the last round fills the blocks that hold one vertex more
    if (even_range(n, blocks, b).size() > rounds) block_of[static_cast<std::size_t>(order[next++])] = b;
  return block_of;
}

}  // namespace

std::string_view name(Deal deal) noexcept { return kDeals[static_cast<std::size_t>(deal)]; }
std::string_view name(Order order) noexcept { return kOrders[static_cast<std::size_t>(order)]; }
Deal parse_deal(std::string_view text) {
  return static_cast<Deal>(base::index_of_name(text, kDeals, "deal"));
}
Order parse_order(std::string_view text) {
  return static_cast<Order>(base::index_of_name(text, kOrders, "order"));
}

Index default_virtual_blocks(Index vertices) noexcept {
  Index blocks = 1;
  while (blocks < kMostBlocks && vertices / (2 * blocks) >= kSmallestBlock) blocks *= 2;
  return blocks;
}

std::vector<std::int32_t> deal_vertices(Deal deal, Index vertices, Index virtual_blocks, std::uint64_t seed,
                                        std::span<const std::int32_t> degrees, device::Context* context) {
  OPX_REQUIRE(virtual_blocks >= 1 && virtual_blocks <= (Index{1} << 30), InvalidArgument,
              "{} virtual blocks; at least one is needed", virtual_blocks);
  const base::RandomKey key{.seed = seed, .purpose = base::Purpose::kDeal};
  if (deal == Deal::kDegree) {
    OPX_REQUIRE(static_cast<Index>(degrees.size()) == vertices, DimensionMismatch,
                "the degree deal got {} degrees for {} vertices", degrees.size(), vertices);
    return deal_by_degree(vertices, virtual_blocks, key, degrees, context);
  }
  std::vector<std::int32_t> block_of(static_cast<std::size_t>(vertices));
  std::vector<Index> shuffled;
  if (deal == Deal::kRandom) shuffled = table({key, kVertexStream, vertices}, context);
  for (Index b = 0; b < virtual_blocks; ++b) {
    const Range slots = even_range(vertices, virtual_blocks, b);
    for (Index s = slots.begin; s < slots.end; ++s)
      block_of[static_cast<std::size_t>(shuffled.empty() ? s : shuffled[static_cast<std::size_t>(s)])] =
          static_cast<std::int32_t>(b);
  }
  return block_of;
}

std::vector<Index> positions_from_deal(std::span<const std::int32_t> block_of, Index virtual_blocks,
                                       std::span<const Index> rank_in_order) {
  const auto n = static_cast<Index>(block_of.size());
  std::vector<Index> next(static_cast<std::size_t>(virtual_blocks) + 1, 0);
  for (const std::int32_t b : block_of) {
    OPX_REQUIRE(b >= 0 && b < virtual_blocks, InvalidArgument, "block {} of {}", b, virtual_blocks);
    ++next[static_cast<std::size_t>(b) + 1];
  }
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<Index> original(block_of.size());
  const auto place = [&](Index v) {
    original[static_cast<std::size_t>(
        next[static_cast<std::size_t>(block_of[static_cast<std::size_t>(v)])]++)] = v;
  };
  if (rank_in_order.empty()) {
    for (Index v = 0; v < n; ++v) place(v);
    return original;
  }
  OPX_REQUIRE(static_cast<Index>(rank_in_order.size()) == n, DimensionMismatch, "{} ranks for {} vertices",
              rank_in_order.size(), n);
  std::vector<Index> vertex_of_rank(block_of.size(), -1);
  for (Index v = 0; v < n; ++v) {
    const Index r = rank_in_order[static_cast<std::size_t>(v)];
    OPX_REQUIRE(r >= 0 && r < n && vertex_of_rank[static_cast<std::size_t>(r)] < 0, InvalidArgument,
                "rank {} of vertex {} is out of range or taken", r, v);
    vertex_of_rank[static_cast<std::size_t>(r)] = v;
  }
  for (const Index v : vertex_of_rank) place(v);
  return original;
}

TileCounter::TileCounter(std::vector<std::int32_t> row_part, std::vector<std::int32_t> col_part, int rows,
                         int cols)
    : row_part_(std::move(row_part)),
      col_part_(std::move(col_part)),
      cols_(cols),
      counts_(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols), 0) {
  const auto inside = [](const std::vector<std::int32_t>& parts, int n) {
    return std::all_of(parts.begin(), parts.end(), [n](std::int32_t p) { return p >= 0 && p < n; });
  };
  OPX_REQUIRE(rows > 0 && cols > 0 && inside(row_part_, rows) && inside(col_part_, cols), InvalidArgument,
              "parts outside {} x {} tiles", rows, cols);
}

double TileCounter::max_over_mean() const {
  const Index total = std::accumulate(counts_.begin(), counts_.end(), Index{0});
  if (total == 0) return 1.0;
  const Index most = *std::max_element(counts_.begin(), counts_.end());
  return static_cast<double>(most) * static_cast<double>(counts_.size()) / static_cast<double>(total);
}

}  // namespace opx::layout
