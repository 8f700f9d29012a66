// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/allreduce3d.hpp"

#include <algorithm>
#include <optional>

#include "base/error.hpp"
#include "parallel/reduce.hpp"
#include "parallel/sharded_loss.hpp"
#include "parallel/vertex_order.hpp"
#include "spmm/multiply.hpp"
#include "tensor/elementwise.hpp"
#include "tensor/gemm.hpp"

namespace opx::parallel {

namespace {

using base::Phase;
using base::PhaseScope;
using comm::CommPurpose;
using tensor::Matrix;
using tensor::MatrixView;
using tensor::Transpose;

/// What one layer has on this rank. Q becomes F' and then the gradient of F' in place; H becomes dH.
struct LayerShard {
  layout::Roles roles{};
  Range rows_r, rows_k;               ///< places: rows of H and Q; rows of F
  Range cols_c, cols_k;               ///< columns of F and H; columns of Q
  const VertexOrder* rows = nullptr;  ///< order of the rows of H and Q
  const VertexOrder* cols = nullptr;  ///< order of the rows of F
  const layout::Tile* tile = nullptr;
  const layout::Tile* transposed = nullptr;  ///< null in layer 0
  Matrix<float> h, q;
  tensor::PassMask mask;
};

struct OwnedTile {
  OrderedPart rows, cols;
  std::unique_ptr<layout::Tile> tile, transposed;
};

layout::Tile transpose(device::Context& context, const layout::Tile& tile) {
  const auto copy = [&](const device::Buffer<float>& from) {
    device::Buffer<float> to(context, from.size());
    std::copy(from.begin(), from.end(), to.begin());
    return to;
  };
  return {std::make_shared<spmm::Csr>(spmm::transpose(context, tile.view())), copy(tile.col_scale),
          copy(tile.row_scale)};
}

}  // namespace

struct AllreduceGcn::State {
  State(device::Context& context_, ProcessGrid& grid_, const graph::Store& store, AllreduceOptions options_)
      : context(context_), grid(grid_), options(std::move(options_)), natural(store.info().vertices) {}

  [[nodiscard]] Index layers() const noexcept { return std::ssize(options.widths) - 1; }
  comm::Communicator& axis(layout::Axis a) noexcept { return grid.axis(a); }
  [[nodiscard]] int at(layout::Axis a) const noexcept { return grid.coord()[a]; }

  void check(const graph::StoreInfo& info, MatrixView<const float> features) const;
  void plan();
  void load_tiles(const graph::Store& store);
  void load_labels(const graph::Store& store);
  void load_features(MatrixView<const float> features);

  void all_reduce(layout::Axis over, MatrixView<float> m, CommPurpose purpose);
  [[nodiscard]] tensor::Dropout dropout(float rate, std::uint32_t step, Index layer, const VertexOrder& order,
                                        Range places, Range cols) const;
  MatrixView<const float> aggregate(Index l, MatrixView<const float> f, bool training, std::uint32_t step);
  void combine(LayerShard& layer, MatrixView<const float> h, const LayerParameters& p);
  void forward(std::span<const LayerParameters> parameters, bool training, std::uint32_t step);
  void backward(Index l, const LayerParameters& p, const LayerGradients& g, std::uint32_t step);
  void output_gradient(Index l, const LayerParameters& p, std::span<float> bias, std::uint32_t step);

  device::Context& context;
  ProcessGrid& grid;
  AllreduceOptions options;
  VertexOrder natural;
  std::optional<VertexOrder> other;
  std::vector<OwnedTile> tiles;
  std::vector<LayerShard> layer;
  Matrix<float> features;  ///< F of layer 0
  Matrix<float> first;     ///< cached H of layer 0
  Matrix<float> dropped;   ///< F (or the cached H) of layer 0 after dropout
  bool first_known = false;
  std::vector<std::int32_t>
      labels;  ///< of this rank's rows of the logits: -1 unless labelled and for training
  Index training = 0;
  mutable std::vector<Index> scratch_positions;
};

void AllreduceGcn::State::check(const graph::StoreInfo& info, MatrixView<const float> f) const {
  OPX_REQUIRE(options.widths.size() >= 2, InvalidArgument,
              "{} widths: the all-reduce scheme needs at least one layer", options.widths.size());
  OPX_REQUIRE(grid.grid().gd == 1, InvalidArgument, "grid {}: full-graph training takes no data axis",
              layout::to_string(grid.grid()));
  OPX_REQUIRE(info.task == graph::Task::kMultiClass, InvalidArgument,
              "the all-reduce scheme trains on one class label a vertex; this dataset has none or several");
  OPX_REQUIRE(f.cols == options.widths.front() && info.classes == options.widths.back(), InvalidArgument,
              "widths from {} to {} for {} features and {} classes", options.widths.front(),
              options.widths.back(), f.cols, info.classes);
  const Index own = layout::padded_rows(info.vertices, grid.grid().tensor_ranks());
  OPX_REQUIRE(f.rows == own, DimensionMismatch, "{} rows of features; own rows are {}", f.rows, own);
}

/// Shapes and orders; no data yet.
void AllreduceGcn::State::plan() {
  const Index n = natural.vertices();
  if (options.permutation == Permutation::kDouble) other.emplace(n, options.seed);
  layer.resize(static_cast<std::size_t>(layers()));
  for (Index l = 0; l < layers(); ++l) {
    LayerShard& s = layer[static_cast<std::size_t>(l)];
    const layout::Grid& g = grid.grid();
    const layout::Roles roles = s.roles = layout::roles_of(l);
    s.rows_r = even_range(n, g.size(roles.r), at(roles.r));
    s.rows_k = even_range(n, g.size(roles.k), at(roles.k));
    s.cols_c =
        layout::split_columns(options.widths[static_cast<std::size_t>(l)], g.size(roles.c), at(roles.c));
    s.cols_k =
        layout::split_columns(options.widths[static_cast<std::size_t>(l) + 1], g.size(roles.k), at(roles.k));
    s.rows = other && l % 2 == 0 ? &*other : &natural;
    s.cols = other && l % 2 == 1 ? &*other : &natural;
    s.h = Matrix<float>(context, s.rows_r.size(), s.cols_c.size());
    s.q = Matrix<float>(context, s.rows_r.size(), s.cols_k.size());
    if (l + 1 < layers()) s.mask = tensor::PassMask(context, s.q.rows(), s.q.cols());
  }
}

void AllreduceGcn::State::load_tiles(const graph::Store& store) {
  tiles.reserve(6);
  for (Index l = 0; l < layers(); ++l) {
    LayerShard& s = layer[static_cast<std::size_t>(l)];
    const OrderedPart rows{s.rows, s.rows_r}, cols{s.cols, s.rows_k};
    auto found = std::find_if(tiles.begin(), tiles.end(),
                              [&](const OwnedTile& t) { return t.rows == rows && t.cols == cols; });
    if (found == tiles.end()) {
      tiles.push_back({rows, cols,
                       std::make_unique<layout::Tile>(build_ordered_tile(
                           context, store, rows, cols, options.normalisation, options.add_self_loops)),
                       nullptr});
      found = tiles.end() - 1;
    }
    s.tile = found->tile.get();
    if (l == 0) continue;
    if (!found->transposed)
      found->transposed = std::make_unique<layout::Tile>(transpose(context, *found->tile));
    s.transposed = found->transposed.get();
  }
}

void AllreduceGcn::State::load_labels(const graph::Store& store) {
  const LayerShard& last = layer.back();
  const Index n = natural.vertices();
  constexpr Index kPiece = Index{1} << 20;
  std::vector<std::int32_t> piece_labels;
  std::vector<graph::Split> piece_split;
  labels.assign(static_cast<std::size_t>(last.rows_r.size()), -1);
  for (Index begin = 0; begin < n; begin += kPiece) {
    const Range piece{begin, std::min(begin + kPiece, n)};
    piece_labels.resize(static_cast<std::size_t>(piece.size()));
    piece_split.resize(piece_labels.size());
    store.read_labels(piece, piece_labels);
    store.read_splits(piece, piece_split);
    for (Index v = piece.begin; v < piece.end; ++v) {
      const auto i = static_cast<std::size_t>(v - piece.begin);
      if (piece_split[i] != graph::Split::kTrain || piece_labels[i] < 0) continue;
      ++training;
      const Index place = last.rows->place(v);
      if (last.rows_r.contains(place))
        labels[static_cast<std::size_t>(place - last.rows_r.begin)] = piece_labels[i];
    }
  }
}

void AllreduceGcn::State::load_features(MatrixView<const float> own) {
  const LayerShard& s = layer.front();
  features = Plane(grid, *s.cols, s.roles.k, s.roles.c).from_own_rows(context, own, CommPurpose::kSetup);
  if (options.cache_first_aggregation) first = Matrix<float>(context, s.h.rows(), s.h.cols());
  if (options.input_dropout > 0) {
    dropped = options.cache_first_aggregation ? Matrix<float>(context, s.h.rows(), s.h.cols())
                                              : Matrix<float>(context, features.rows(), features.cols());
  }
}

void AllreduceGcn::State::all_reduce(layout::Axis over, MatrixView<float> m, CommPurpose purpose) {
  if (axis(over).size() == 1 || m.size() == 0) return;
  PhaseScope scope(context.clock(), Phase::kComm, "all-reduce");
  axis(over).all_reduce(std::span<float>(m.data, static_cast<std::size_t>(m.size())), comm::ReduceOp::kSum,
                        purpose);
}

/// The mask depends on the vertex's position in the store and on the column, so it is the one of every other
/// grid and scheme.
tensor::Dropout AllreduceGcn::State::dropout(float rate, std::uint32_t step, Index stream,
                                             const VertexOrder& order, Range places, Range cols) const {
  tensor::Dropout d{.rate = rate,
                    .seed = options.seed,
                    .step = step,
                    .layer = static_cast<std::uint32_t>(stream),
                    .vertex_begin = places.begin,
                    .col_begin = cols.begin};
  if (!order.identity() && rate > 0) {
    scratch_positions = order.positions(places);
    d.vertices = scratch_positions;
  }
  return d;
}

/// H of layer l, summed over K. Layer 0 may come from the cache; input dropout acts on F, or on the cached H.
MatrixView<const float> AllreduceGcn::State::aggregate(Index l, MatrixView<const float> f, bool training_pass,
                                                       std::uint32_t step) {
  LayerShard& s = layer[static_cast<std::size_t>(l)];
  const bool drops = l == 0 && training_pass && options.input_dropout > 0;
  const bool cached = l == 0 && options.cache_first_aggregation;
  const auto drop = [&](MatrixView<const float> x, const VertexOrder& order, Range places) {
    PhaseScope scope(context.clock(), Phase::kElementwise, "input dropout");
    tensor::dropout_forward(context, x, dropout(options.input_dropout, step, 0, order, places, s.cols_c),
                            dropped.view(), nullptr);
    return MatrixView<const float>(dropped.view());
  };
  if (drops && !cached) f = drop(f, *s.cols, s.rows_k);
  const MatrixView<float> h = cached ? first.view() : s.h.view();
  if (!cached || !first_known) {
    {
      PhaseScope scope(context.clock(), Phase::kSpmm, "aggregate");
      spmm::multiply(context, s.tile->view(), f, h, s.tile->factors());
    }
    all_reduce(s.roles.k, h, CommPurpose::kForward);
    first_known = first_known || cached;
  }
  return drops && cached ? drop(h, *s.rows, s.rows_r) : MatrixView<const float>(h);
}

/// Q = H W, summed over C.
void AllreduceGcn::State::combine(LayerShard& s, MatrixView<const float> h, const LayerParameters& p) {
  {
    PhaseScope scope(context.clock(), Phase::kGemm, "combine");
    if (h.cols == 0) {
      tensor::fill(context, 0.0F, s.q.view());
    } else if (!s.q.empty()) {
      tensor::gemm(context, Transpose::kNo, Transpose::kNo, 1.0F, h,
                   p.weight.middle_rows(s.cols_c).middle_cols(s.cols_k), 0.0F, s.q.view());
    }
  }
  all_reduce(s.roles.c, s.q.view(), CommPurpose::kForward);
}

namespace {

template <class T>
std::span<T> slice(std::span<T> values, Range r) {
  return values.empty()
             ? values
             : values.subspan(static_cast<std::size_t>(r.begin), static_cast<std::size_t>(r.size()));
}

}  // namespace

void AllreduceGcn::State::forward(std::span<const LayerParameters> parameters, bool training_pass,
                                  std::uint32_t step) {
  OPX_REQUIRE(std::ssize(parameters) == layers(), DimensionMismatch, "parameters of {} layers for {}",
              parameters.size(), layers());
  MatrixView<const float> f = features.view();
  for (Index l = 0; l < layers(); ++l) {
    LayerShard& s = layer[static_cast<std::size_t>(l)];
    const LayerParameters& p = parameters[static_cast<std::size_t>(l)];
    OPX_REQUIRE(p.weight.rows == options.widths[static_cast<std::size_t>(l)] &&
                    p.weight.cols == options.widths[static_cast<std::size_t>(l) + 1],
                DimensionMismatch, "the weight of layer {} is {} x {}", l, p.weight.rows, p.weight.cols);
    combine(s, aggregate(l, f, training_pass, step), p);
    PhaseScope scope(context.clock(), Phase::kElementwise, "activation");
    tensor::Epilogue epilogue{.bias = slice(p.bias, s.cols_k)};
    const bool hidden = l + 1 < layers();
    if (hidden) epilogue.activation = tensor::Activation::kRelu;
    if (hidden && training_pass)
      epilogue.dropout = dropout(options.dropout, step, l + 1, *s.rows, s.rows_r, s.cols_k);
    tensor::epilogue_forward(context, s.q.view(), epilogue, {}, s.q.view(),
                             hidden && training_pass ? &s.mask : nullptr, nullptr);
    f = s.q.view();
  }
}

/// dQ in place of dF' (the last layer's is the loss gradient already), and the bias's share.
void AllreduceGcn::State::output_gradient(Index l, const LayerParameters& p, std::span<float> bias,
                                          std::uint32_t step) {
  LayerShard& s = layer[static_cast<std::size_t>(l)];
  PhaseScope scope(context.clock(), Phase::kElementwise, "activation gradient");
  std::vector<float> sums(static_cast<std::size_t>(s.cols_k.size()), 0.0F);
  if (l + 1 < layers()) {
    tensor::Epilogue epilogue{.bias = slice(p.bias, s.cols_k), .activation = tensor::Activation::kRelu};
    epilogue.dropout = dropout(options.dropout, step, l + 1, *s.rows, s.rows_r, s.cols_k);
    tensor::epilogue_backward(context, s.q.view(), {}, epilogue, s.mask, nullptr, s.q.view(),
                              {.bias = p.bias.empty() ? std::span<float>() : std::span<float>(sums)});
  } else if (!bias.empty()) {
    std::vector<double> sum(sums.size()), squares(sums.size());
    tensor::column_sums(context, s.q.view(), {}, s.q.rows(), {}, sum, squares);
    std::transform(sum.begin(), sum.end(), sums.begin(), [](double v) { return static_cast<float>(v); });
  }
  // dQ is the same on every rank of C: one of them counts.
  if (at(s.roles.c) == 0 && !bias.empty()) std::copy(sums.begin(), sums.end(), slice(bias, s.cols_k).begin());
}

void AllreduceGcn::State::backward(Index l, const LayerParameters& p, const LayerGradients& g,
                                   std::uint32_t step) {
  LayerShard& s = layer[static_cast<std::size_t>(l)];
  output_gradient(l, p, g.bias, step);
  const bool kept_elsewhere = l == 0 && options.cache_first_aggregation;
  const MatrixView<const float> h = !kept_elsewhere             ? s.h.view()
                                    : options.input_dropout > 0 ? dropped.view()
                                                                : first.view();
  const auto block = g.weight.middle_rows(s.cols_c).middle_cols(s.cols_k);
  if (block.size() > 0 && h.rows > 0) {
    PhaseScope scope(context.clock(), Phase::kGemm, "weight gradient");
    tensor::gemm(context, Transpose::kYes, Transpose::kNo, 1.0F, h, s.q.view(), 0.0F, block);
  }
  if (l == 0) return;
  {
    PhaseScope scope(context.clock(), Phase::kGemm, "aggregate gradient");
    if (s.q.cols() == 0) {
      tensor::fill(context, 0.0F, s.h.view());
    } else if (!s.h.empty()) {
      tensor::gemm(context, Transpose::kNo, Transpose::kYes, 1.0F, s.q.view(),
                   p.weight.middle_rows(s.cols_c).middle_cols(s.cols_k), 0.0F, s.h.view());
    }
  }
  all_reduce(s.roles.k, s.h.view(), CommPurpose::kBackward);
  const MatrixView<float> df = layer[static_cast<std::size_t>(l) - 1].q.view();
  {
    PhaseScope scope(context.clock(), Phase::kSpmm, "aggregate backward");
    spmm::multiply(context, s.transposed->view(), s.h.view(), df, s.transposed->factors());
  }
  all_reduce(s.roles.r, df, CommPurpose::kBackward);
}

AllreduceGcn::AllreduceGcn(device::Context& context, ProcessGrid& grid, const graph::Store& store,
                           MatrixView<const float> features, AllreduceOptions options)
    : state_(std::make_unique<State>(context, grid, store, std::move(options))) {
  comm::agree(grid.tensor(), [&] {
    state_->check(store.info(), features);
    state_->plan();
    state_->load_tiles(store);
    state_->load_labels(store);
  });
  state_->load_features(features);
}

AllreduceGcn::~AllreduceGcn() = default;

double AllreduceGcn::step(std::span<const LayerParameters> parameters,
                          std::span<const LayerGradients> gradients, std::uint32_t step) {
  State& s = *state_;
  OPX_REQUIRE(gradients.size() == parameters.size(), DimensionMismatch, "gradients of {} layers for {}",
              gradients.size(), parameters.size());
  for (const LayerGradients& g : gradients) {
    tensor::fill(s.context, 0.0F, g.weight);
    std::fill(g.bias.begin(), g.bias.end(), 0.0F);
  }
  s.forward(parameters, true, step);
  LayerShard& last = s.layer.back();
  double loss = 0;
  {
    PhaseScope scope(s.context.clock(), Phase::kLoss, "loss");
    const double scale = s.training > 0 ? 1.0 / static_cast<double>(s.training) : 0.0;
    loss =
        sharded_cross_entropy(s.context, s.axis(last.roles.k), last.q.view(), last.cols_k, s.labels, scale);
    // The logits are the same on every rank of C: one of them counts.
    loss = sum(s.grid.tensor(), s.at(last.roles.c) == 0 ? loss * scale : 0.0, CommPurpose::kLoss);
  }
  for (Index l = s.layers() - 1; l >= 0; --l) {
    const auto i = static_cast<std::size_t>(l);
    s.backward(l, parameters[i], gradients[i], step);
  }
  return loss;
}

void AllreduceGcn::logits(std::span<const LayerParameters> parameters, MatrixView<float> own_rows) {
  State& s = *state_;
  s.forward(parameters, false, 0);
  LayerShard& last = s.layer.back();
  Plane(s.grid, *last.rows, last.roles.r, last.roles.k)
      .to_own_rows(s.context, last.q.view(), own_rows, CommPurpose::kMetric);
}

Index AllreduceGcn::training_vertices() const noexcept { return state_->training; }

std::size_t AllreduceGcn::tile_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const OwnedTile& t : state_->tiles) {
    bytes += t.tile->csr->bytes() + (t.transposed ? t.transposed->csr->bytes() : 0);
  }
  return bytes;
}

}  // namespace opx::parallel
