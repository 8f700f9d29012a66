// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/generate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numbers>
#include <utility>

#include "base/error.hpp"
#include "base/random.hpp"
#include "graph/splits.hpp"

namespace opx::graph {
namespace {

using base::Purpose;
using base::RandomKey;

constexpr Index kBatch = Index{1} << 20, kGrain = Index{1} << 14;

// `step` words of the counter: one stream for each thing that is drawn.
enum Stream : std::uint32_t { kEdges = 1, kFeatures, kLabels, kCentres, kNoise, kLabelled, kThinning };

RandomKey key_of(std::uint64_t seed) { return {.seed = seed, .purpose = Purpose::kGenerate}; }

double uniform(const std::array<std::uint32_t, 4>& r, int half) noexcept {
  return base::uniform_double(r[static_cast<std::size_t>(2 * half)],
                              r[static_cast<std::size_t>(2 * half + 1)]);
}

// Four N(0, 1) from one counter (Box and Muller 1958).
std::array<float, 4> normals(RandomKey key, std::uint32_t stream, Index vertex, Index word) noexcept {
  const auto r = base::philox(key, {.step = stream,
                                    .vertex = static_cast<std::uint64_t>(vertex),
                                    .word = static_cast<std::uint32_t>(word)});
  std::array<float, 4> out{};
  for (std::size_t i = 0; i < 4; i += 2) {
    const float radius = std::sqrt(-2.0F * std::log(1.0F - base::uniform_float(r[i])));
    const float angle = 2.0F * std::numbers::pi_v<float> * base::uniform_float(r[i + 1]);
    out[i] = radius * std::cos(angle);
    out[i + 1] = radius * std::sin(angle);
  }
  return out;
}

// A source whose edge i is a pure function of i: batches are filled by all threads.
class IndexedEdges : public EdgeSource {
 public:
  IndexedEdges(device::Context& context, Index edges) : context_(context), edges_(edges) {}
  bool next(EdgeBatch& batch) override {
    const Index n = std::min(kBatch, edges_ - at_);
    batch.weight.clear();
    if (n <= 0) return batch.clear(), false;
    batch.src.resize(static_cast<std::size_t>(n)), batch.dst.resize(static_cast<std::size_t>(n));
    context_.parallel_ranges(n, kGrain, [&](Range r) {
      for (Index i = r.begin; i < r.end; ++i) {
        const auto [s, d] = edge(at_ + i);
        batch.src[static_cast<std::size_t>(i)] = s, batch.dst[static_cast<std::size_t>(i)] = d;
      }
    });
    at_ += n;
    return true;
  }
  [[nodiscard]] std::optional<Index> expected_edges() const override { return edges_; }
  [[nodiscard]] double progress() const override {
    return edges_ == 0 ? 1 : static_cast<double>(at_) / static_cast<double>(edges_);
  }

 private:
  [[nodiscard]] virtual std::pair<Index, Index> edge(Index i) const = 0;
  device::Context& context_;
  Index edges_, at_ = 0;
};

class RmatEdges final : public IndexedEdges {
 public:
  RmatEdges(device::Context& context, const RmatOptions& o)
      : IndexedEdges(context, o.edge_factor << o.scale), key_(key_of(o.seed)), scale_(o.scale) {
    const double sums[3] = {o.a, o.a + o.b, o.a + o.b + o.c};
    for (int i = 0; i < 3; ++i) bound_[i] = static_cast<std::uint32_t>(std::lround(sums[i] * 65536.0));
  }

 private:
  // Each level picks a quadrant by 16 random bits: a, b (column), c (row), d (both); a draw of Philox has
  // eight.
  [[nodiscard]] std::pair<Index, Index> edge(Index i) const override {
    std::uint32_t u = 0, v = 0;
    for (int level = 0; level < scale_; level += 8) {
      const auto r = base::philox(key_, {.step = kEdges,
                                         .vertex = static_cast<std::uint64_t>(i),
                                         .word = static_cast<std::uint32_t>(level)});
      for (int j = 0; j < std::min(8, scale_ - level); ++j) {
        const std::uint32_t x = (r[static_cast<std::size_t>(j / 2)] >> (16 * (j % 2))) & 0xffffU;
        const std::uint32_t past_a = x >= bound_[0], past_b = x >= bound_[1], past_c = x >= bound_[2];
        u = 2 * u + past_b;
        v = 2 * v + ((past_a ^ past_b) | past_c);
      }
    }
    return {u, v};
  }
  RandomKey key_;
  int scale_;
  std::uint32_t bound_[3];
};

class RoadEdges final : public EdgeSource {
 public:
  explicit RoadEdges(const RoadOptions& o) : o_(o) {}
  bool next(EdgeBatch& batch) override {
    batch.clear();
    for (; row_ < o_.side && static_cast<Index>(batch.src.size()) < kBatch; ++row_)
      for (Index c = 0; c < o_.side; ++c) add_edges(row_ * o_.side + c, c, batch);
    return !batch.src.empty() || row_ < o_.side;
  }
  [[nodiscard]] double progress() const override {
    return static_cast<double>(row_) / static_cast<double>(std::max<Index>(1, o_.side));
  }

 private:
  void add_edges(Index v, Index column, EdgeBatch& batch) const {
    const auto r =
        base::philox(key_of(o_.seed), {.step = kThinning, .vertex = static_cast<std::uint64_t>(v)});
    const auto add = [&](Index to) { batch.src.push_back(v), batch.dst.push_back(to); };
    if (column + 1 < o_.side && uniform(r, 0) < o_.keep) add(v + 1);
    if (row_ + 1 < o_.side && uniform(r, 1) < o_.keep) add(v + o_.side);
  }
  RoadOptions o_;
  Index row_ = 0;
};

// Rows of N(0, 1), plus the centre of the vertex's class where there are centres.
class GaussianFeatures final : public FeatureSource {
 public:
  GaussianFeatures(device::Context& context, Index dim, std::uint64_t seed, std::vector<float> centres = {},
                   std::vector<std::int32_t> classes = {})
      : context_(context),
        key_(key_of(seed)),
        dim_(dim),
        centres_(std::move(centres)),
        class_of_(std::move(classes)) {}
  [[nodiscard]] Index dim() const override { return dim_; }
  void read(tensor::MatrixView<float> rows) override {
    context_.parallel_ranges(rows.rows, 256, [&](Range r) {
      for (Index i = r.begin; i < r.end; ++i) fill(at_ + i, rows.row(i));
    });
    at_ += rows.rows;
  }

 private:
  void fill(Index v, float* row) const {
    const float* centre =
        class_of_.empty() ? nullptr : centres_.data() + Index{class_of_[static_cast<std::size_t>(v)]} * dim_;
    for (Index j = 0; j < dim_; j += 4) {
      const auto z = normals(key_, kFeatures, v, j / 4);
      for (Index k = j; k < std::min(dim_, j + 4); ++k)
        row[k] = z[static_cast<std::size_t>(k - j)] + (centre ? centre[k] : 0.0F);
    }
  }
  device::Context& context_;
  RandomKey key_;
  Index dim_, at_ = 0;
  std::vector<float> centres_;
  std::vector<std::int32_t> class_of_;
};

// Sets features and labels that know nothing of the graph, for measuring.
void add_random_content(device::Context& context, Index dim, Index classes, std::uint64_t seed,
                        RawDataset& out) {
  if (dim > 0) out.features = std::make_unique<GaussianFeatures>(context, dim, seed);
  if (classes <= 0) return;
  const Index n = *out.vertices;
  out.labels = {.task = Task::kMultiClass,
                .classes = classes,
                .labels = std::vector<std::int32_t>(static_cast<std::size_t>(n)),
                .targets = {}};
  context.parallel_ranges(n, kGrain, [&](Range r) {
    for (Index v = r.begin; v < r.end; ++v) {
      const auto x = base::philox(key_of(seed), {.step = kLabels, .vertex = static_cast<std::uint64_t>(v)});
      out.labels.labels[static_cast<std::size_t>(v)] =
          static_cast<std::int32_t>(base::uniform_below(x[0], x[1], static_cast<std::uint64_t>(classes)));
    }
  });
  out.splits = draw_splits(labelled_vertices(out.labels, n), {0.6, 0.2, 0.2}, seed);
  out.metric = "accuracy";
}

// Vertices of one class in the order of falling weight; the j-th (of n) has weight (j + 1/2)^-slope.
struct ClassMembers {
  std::vector<std::int32_t> vertices;
  // Draws a member by weight: the inverse of the integral of x^-slope over [1/2, n + 1/2].
  [[nodiscard]] Index draw(double u, double slope) const {
    const double e = 1 - slope, low = std::pow(0.5, e),
                 high = std::pow(static_cast<double>(vertices.size()) + 0.5, e);
    const auto j = static_cast<Index>(std::pow(low + u * (high - low), 1 / e) - 0.5);
    return vertices[static_cast<std::size_t>(
        std::clamp<Index>(j, 0, static_cast<Index>(vertices.size()) - 1))];
  }
};

class PartitionEdges final : public IndexedEdges {
 public:
  PartitionEdges(device::Context& context, const PartitionOptions& o,
                 const std::vector<std::int32_t>& class_of)
      : IndexedEdges(context, static_cast<Index>(
                                  std::llround(static_cast<double>(o.vertices) * o.average_degree / 2))),
        o_(o),
        class_of_(class_of),
        members_(static_cast<std::size_t>(o.classes)) {
    for (std::size_t v = 0; v < class_of.size(); ++v)
      members_[static_cast<std::size_t>(class_of[v])].vertices.push_back(static_cast<std::int32_t>(v));
  }

 private:
  [[nodiscard]] std::pair<Index, Index> edge(Index i) const override {
    const auto at = [&](std::uint32_t word) {
      return base::philox(key_of(o_.seed),
                          {.step = kEdges, .vertex = static_cast<std::uint64_t>(i), .word = word});
    };
    const auto r = at(0), q = at(1), p = at(2);
    const auto n = static_cast<std::uint64_t>(o_.vertices);
    const std::int32_t c = class_of_[base::uniform_below(r[0], r[1], n)];
    std::int32_t d = c;
    // Another class, by its size: draw vertices until one falls outside c (a bounded number of times).
    if (uniform(r, 1) >= o_.homophily)
      for (std::uint32_t word = 3; d == c && word < 35; ++word) {
        const auto x = at(word);
        d = class_of_[base::uniform_below(x[0], x[1], n)];
      }
    const double slope = 1 / (o_.exponent - 1);
    return {members_[static_cast<std::size_t>(c)].draw(uniform(q, 0), slope),
            members_[static_cast<std::size_t>(d)].draw(uniform(p, 0), slope)};
  }
  PartitionOptions o_;
  std::vector<std::int32_t> class_of_;
  std::vector<ClassMembers> members_;
};

void check_partition(const PartitionOptions& o) {
  const auto share = [](double x, const char* what) {
    OPX_REQUIRE(x >= 0 && x <= 1, InvalidArgument, "{} is {}, not between 0 and 1", what, x);
  };
  OPX_REQUIRE(o.vertices > 0 && o.vertices < (Index{1} << 31), InvalidArgument, "a partition of {} vertices",
              o.vertices);
  OPX_REQUIRE(o.classes > 0 && o.classes <= o.vertices, InvalidArgument, "{} classes of {} vertices",
              o.classes, o.vertices);
  OPX_REQUIRE(o.average_degree >= 0, InvalidArgument, "an average degree of {}", o.average_degree);
  OPX_REQUIRE(o.exponent > 2, InvalidArgument, "a power law of exponent {}; it must be above 2", o.exponent);
  OPX_REQUIRE(o.feature_dim >= 0, InvalidArgument, "{} features", o.feature_dim);
  share(o.homophily, "homophily"), share(o.label_noise, "label_noise"), share(o.label_rate, "label_rate");
  share(o.train, "train"), share(o.valid, "valid"), share(o.train + o.valid, "train + valid");
}

// Class centres: random directions of length `signal`.
std::vector<float> draw_centres(const PartitionOptions& o) {
  std::vector<float> centres(static_cast<std::size_t>(o.classes * o.feature_dim));
  for (Index c = 0; c < o.classes; ++c) {
    float* row = centres.data() + c * o.feature_dim;
    double square = 0;
    for (Index j = 0; j < o.feature_dim; ++j) {
      row[j] = normals(key_of(o.seed), kCentres, c, j / 4)[static_cast<std::size_t>(j % 4)];
      square += static_cast<double>(row[j]) * row[j];
    }
    for (Index j = 0; j < o.feature_dim; ++j) row[j] *= static_cast<float>(o.signal / std::sqrt(square));
  }
  return centres;
}

}  // namespace

RawDataset generate_rmat(device::Context& context, const RmatOptions& o) {
  OPX_REQUIRE(o.scale >= 0 && o.scale <= 30, InvalidArgument, "R-MAT of scale {}; 0 to 30 are served",
              o.scale);
  OPX_REQUIRE(o.edge_factor >= 0 && o.edge_factor <= (Index{1} << 20), InvalidArgument,
              "an edge factor of {}", o.edge_factor);
  OPX_REQUIRE(o.a >= 0 && o.b >= 0 && o.c >= 0 && o.a + o.b + o.c <= 1 + 1e-9, InvalidArgument,
              "R-MAT probabilities {}, {}, {} do not leave a fourth", o.a, o.b, o.c);
  RawDataset out;
  out.name = fmt::format("rmat-{}", o.scale);
  out.layout = "generated-rmat";
  out.vertices = Index{1} << o.scale;
  out.edges = std::make_unique<RmatEdges>(context, o);
  out.stored_once = true;
  add_random_content(context, o.feature_dim, o.classes, o.seed, out);
  return out;
}

RawDataset generate_road(device::Context& context, const RoadOptions& o) {
  OPX_REQUIRE(o.side >= 0 && o.side <= 46340, InvalidArgument, "a lattice of side {}; at most 46340", o.side);
  OPX_REQUIRE(o.keep >= 0 && o.keep <= 1, InvalidArgument, "edges kept with probability {}", o.keep);
  RawDataset out;
  out.name = fmt::format("road-{}", o.side);
  out.layout = "generated-road";
  out.vertices = o.side * o.side;
  out.edges = std::make_unique<RoadEdges>(o);
  out.stored_once = true;
  add_random_content(context, o.feature_dim, o.classes, o.seed, out);
  return out;
}

RawDataset generate_partition(device::Context& context, const PartitionOptions& o) {
  check_partition(o);
  RawDataset out;
  out.name = "partition";
  out.layout = "generated-partition";
  out.vertices = o.vertices;
  out.stored_once = true;
  std::vector<std::int32_t> class_of(static_cast<std::size_t>(o.vertices));
  out.labels = {.task = Task::kMultiClass, .classes = o.classes, .labels = {}, .targets = {}};
  const auto classes = static_cast<std::uint64_t>(o.classes);
  for (Index v = 0; v < o.vertices; ++v) {
    const auto at = [&](Stream s) {
      return base::philox(key_of(o.seed), {.step = s, .vertex = static_cast<std::uint64_t>(v)});
    };
    const auto x = at(kLabels), noise = at(kNoise), has = at(kLabelled);
    // The first vertices make sure that no class is empty.
    class_of[static_cast<std::size_t>(v)] =
        v < o.classes ? static_cast<std::int32_t>(v)
                      : static_cast<std::int32_t>(base::uniform_below(x[0], x[1], classes));
    std::int32_t label = class_of[static_cast<std::size_t>(v)];
    if (uniform(noise, 0) < o.label_noise)
      label = static_cast<std::int32_t>(base::uniform_below(noise[2], noise[3], classes));
    out.labels.labels.push_back(uniform(has, 0) < o.label_rate ? label : -1);
  }
  out.splits = draw_splits(labelled_vertices(out.labels, o.vertices),
                           {o.train, o.valid, std::max(0.0, 1 - o.train - o.valid)}, o.seed);
  out.metric = "accuracy";
  out.edges = std::make_unique<PartitionEdges>(context, o, class_of);
  if (o.feature_dim > 0)
    out.features = std::make_unique<GaussianFeatures>(context, o.feature_dim, o.seed, draw_centres(o),
                                                      std::move(class_of));
  return out;
}

}  // namespace opx::graph
