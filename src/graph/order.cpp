// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/order.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

namespace opx::graph {
namespace {

constexpr Index kAutoPartVertices = 256;  // of the parts that samplers draw
constexpr Index kMetisPartVertices = 64;  // a part should fit the inner caches with its features

// Bytes at the peak: both directions of each edge, twice while duplicates are removed, and METIS's own
// copies.
std::int64_t bytes_needed(layout::Order order, Index edges, Index vertices) {
  return order == layout::Order::kMetis ? 2 * edges * 20 + vertices * 64 : 2 * edges * 4 + vertices * 40;
}

// Throws unless the graph fits what is left of the budget.
void require_memory(const std::string& what, layout::Order order, const EdgeLog& edges, Index vertices,
                    std::int64_t memory) {
  const std::int64_t need = bytes_needed(order, edges.size(), vertices);
  OPX_REQUIRE(need <= memory, ResourceError,
              "{} holds the graph of {} edges in memory: about {}, and {} of --memory are left for it; raise "
              "--memory or do without",
              what, base::format_count(edges.size()), base::format_bytes(static_cast<double>(need)),
              base::format_bytes(static_cast<double>(memory)));
}

struct Search {
  std::vector<Index> level_start;  // into the queue
  [[nodiscard]] Index depth() const { return static_cast<Index>(level_start.size()); }
};

class Rcm {
 public:
  explicit Rcm(const UndirectedGraph& g)
      : g_(g), n_(static_cast<Index>(g.offsets.size()) - 1), mark_(static_cast<std::size_t>(n_), 0) {
    queue_.reserve(static_cast<std::size_t>(n_));
  }

  std::vector<Index> run() {
    std::vector<Index> rank(static_cast<std::size_t>(n_), -1);
    Index next = n_;
    for (Index v = 0; v < n_; ++v) {
      if (rank[static_cast<std::size_t>(v)] >= 0) continue;
      search(far_vertex(v));
      for (const std::int32_t u : queue_) rank[static_cast<std::size_t>(u)] = --next;
    }
    return rank;
  }

 private:
  [[nodiscard]] Index degree(Index v) const {
    return g_.offsets[static_cast<std::size_t>(v) + 1] - g_.offsets[static_cast<std::size_t>(v)];
  }

  // Breadth-first from v, neighbours by rising degree; fills queue_.
  Search search(Index v) {
    ++epoch_;
    queue_.assign(1, static_cast<std::int32_t>(v));
    mark_[static_cast<std::size_t>(v)] = epoch_;
    Search s;
    for (std::size_t head = 0; head < queue_.size();) {
      s.level_start.push_back(static_cast<Index>(head));
      for (const std::size_t end = queue_.size(); head < end; ++head) visit(queue_[head]);
    }
    return s;
  }

  void visit(std::int32_t u) {
    const auto at = static_cast<std::ptrdiff_t>(queue_.size());
    for (Index e = g_.offsets[static_cast<std::size_t>(u)]; e < g_.offsets[static_cast<std::size_t>(u) + 1];
         ++e) {
      const std::int32_t w = g_.neighbours[static_cast<std::size_t>(e)];
      if (std::exchange(mark_[static_cast<std::size_t>(w)], epoch_) != epoch_) queue_.push_back(w);
    }
    std::stable_sort(queue_.begin() + at, queue_.end(),
                     [&](std::int32_t a, std::int32_t b) { return degree(a) < degree(b); });
  }

  // The pseudo-peripheral vertex of George and Liu (1979): from the last level's vertex of least degree,
  // until the levels grow no more. A few rounds do.
  Index far_vertex(Index v) {
    constexpr int kRounds = 4;
    Index depth = -1;
    for (int i = 0; i < kRounds; ++i) {
      const Search s = search(v);
      if (s.depth() <= depth) break;
      depth = s.depth();
      v = *std::min_element(queue_.begin() + s.level_start.back(), queue_.end(),
                            [&](std::int32_t a, std::int32_t b) { return degree(a) < degree(b); });
    }
    return v;
  }

  const UndirectedGraph& g_;
  Index n_;
  std::vector<std::int32_t> queue_;
  std::vector<std::int32_t> mark_;
  std::int32_t epoch_ = 0;
};

std::vector<Index> rank_random(Index vertices, std::uint64_t seed) {
  const base::KeyedPermutation shuffle({.seed = seed, .purpose = base::Purpose::kOrder}, 0, vertices);
  std::vector<Index> rank(static_cast<std::size_t>(vertices));
  for (Index v = 0; v < vertices; ++v) rank[static_cast<std::size_t>(v)] = shuffle(v);
  return rank;
}

}  // namespace

UndirectedGraph undirected(device::Context& context, const EdgeLog& edges, Index vertices) {
  UndirectedGraph g;
  g.offsets.assign(static_cast<std::size_t>(vertices) + 1, 0);
  const auto each = [&](auto&& use) {
    EdgeLog::Scratch scratch;
    for (Index c = 0; c < edges.chunks(); ++c)
      for (const std::uint64_t e : edges.load(c, scratch).edges)
        if (dst_of(e) != src_of(e)) use(dst_of(e), src_of(e)), use(src_of(e), dst_of(e));
  };
  each([&](std::uint32_t a, std::uint32_t) { ++g.offsets[a + std::size_t{1}]; });
  std::partial_sum(g.offsets.begin(), g.offsets.end(), g.offsets.begin());
  g.neighbours.resize(static_cast<std::size_t>(g.offsets.back()));
  std::vector<Index> next(g.offsets.begin(), g.offsets.end() - 1);
  each([&](std::uint32_t a, std::uint32_t b) {
    g.neighbours[static_cast<std::size_t>(next[a]++)] = static_cast<std::int32_t>(b);
  });
  context.parallel_ranges(vertices, 4096, [&](Range r) {
    for (Index v = r.begin; v < r.end; ++v) {
      const auto begin = g.neighbours.begin() + g.offsets[static_cast<std::size_t>(v)],
                 end = g.neighbours.begin() + g.offsets[static_cast<std::size_t>(v) + 1];
      std::sort(begin, end);
      next[static_cast<std::size_t>(v)] = std::unique(begin, end) - begin;
    }
  });
  Index at = 0;
  for (Index v = 0; v < vertices; ++v) {
    const auto i = static_cast<std::size_t>(v);
    std::copy_n(g.neighbours.begin() + std::exchange(g.offsets[i], at), next[i], g.neighbours.begin() + at);
    at += next[i];
  }
  g.offsets.back() = at;
  g.neighbours.resize(static_cast<std::size_t>(at));
  return g;
}

std::vector<Index> rank_rcm(const UndirectedGraph& graph) { return Rcm(graph).run(); }

std::vector<Index> rank_vertices(device::Context& context, const EdgeLog& edges, Index vertices,
                                 const OrderOptions& options) {
  if (options.order == layout::Order::kNatural) return {};
  if (options.order == layout::Order::kRandom) return rank_random(vertices, options.seed);
  require_memory(fmt::format("order={}", layout::name(options.order)), options.order, edges, vertices,
                 options.memory);
  const UndirectedGraph graph = undirected(context, edges, vertices);
  if (options.order == layout::Order::kRcm) return rank_rcm(graph);
  return rank_metis(graph, std::max(options.virtual_blocks, ceil_div(vertices, kMetisPartVertices)),
                    options.seed);
}

Index auto_parts(Index vertices) noexcept {
  return std::max<Index>(1, ceil_div(vertices, kAutoPartVertices));
}

std::vector<std::int32_t> partition_vertices(device::Context& context, const EdgeLog& edges, Index vertices,
                                             const PartitionRequest& request) {
  const Index parts = request.parts;
  OPX_REQUIRE(parts >= 1 && parts <= std::max<Index>(vertices, 1), InvalidArgument, "{} parts of {} vertices",
              parts, vertices);
  require_memory(fmt::format("--parts {}", parts), layout::Order::kMetis, edges, vertices, request.memory);
  return partition_metis(undirected(context, edges, vertices), parts, request.seed);
}

}  // namespace opx::graph
