// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Gradients of the epilogue. Sums over rows are made by threads that keep their columns (fp32 over a thread's
// rows, then fp64), per fixed range of rows, and added by a second kernel. A row norm up to 256 columns wide
// is one pass; a wider one takes a pass for gamma and beta, one for dq (which may overwrite dy), and one for
// the bias.
#include "device/transfer.hpp"
#include "tensor/gpu/epilogue.cuh"

namespace opx::tensor::gpu {
namespace {

constexpr Index kRowsEach = 8;      // of a thread, at least
constexpr Index kMostParts = 1024;  // ranges of rows with sums of their own

struct BackwardArgs {
  MatrixView<const float> dy, q;
  MatrixView<float> dq;  // data null: not written
  ColumnVectors columns;
  MaskBytes<const std::uint8_t> mask;  // data null: everything passes
  const float *means, *inverse_stds;   // of rows, or null
  float scale;
  bool quads;
};

/// The gradient of what the activation got, at (i, j); 0 past the row's end.
OPX_DEVICE Chunk passed_gradient(const BackwardArgs& a, Index i, Index j) {
  Chunk g = load_chunk(a.dy.row(i), j, a.dy.cols, a.quads);
  if (a.mask.data == nullptr) return g;
  const unsigned pass = a.mask.at(i, j);
  for (int k = 0; k < kChunk; ++k) g.v[k] = ((pass >> k) & 1U) != 0 ? g.v[k] * a.scale : 0.0F;
  return g;
}

OPX_DEVICE RowStatistics statistics(const BackwardArgs& a, Index i) {
  return {a.means != nullptr ? a.means[i] : 0.0F, a.inverse_stds != nullptr ? a.inverse_stds[i] : 1.0F};
}

/// Column sums of g (without a norm), or of g xhat and g; also dq = g where wanted.
template <Norm kNorm>
struct BackwardTiles {
  static constexpr const char* kName = "epilogue_backward";
  static constexpr int kThreads = kBlockThreads;
  static constexpr bool kNormed = kNorm != Norm::kNone;
  static constexpr Index kSums = kNormed ? 2 : 1;
  BackwardArgs args;
  Tiles tiles;
  double* partial;  // parts x kSums x cols

  OPX_DEVICE void operator()() const {
    const Index j = tiles.col(), cols = tiles.cols;
    float of_g[kChunk] = {}, of_gx[kChunk] = {};
    if (j < cols) {
      const NormChunk norm(args.columns, j, cols);
      for (Index i = tiles.first_row(); i < tiles.end_row(); i += tiles.row_step())
        add_row(i, j, norm, of_g, of_gx);
    }
    double* sums = partial + tiles.part() * kSums * cols;
    if constexpr (kNormed) sum_rows_of_block(of_gx, tiles.lanes, j, cols, sums);
    sum_rows_of_block(of_g, tiles.lanes, j, cols, sums + (kSums - 1) * cols);
  }
  OPX_DEVICE void add_row(Index i, Index j, const NormChunk& norm, float (&of_g)[kChunk],
                          float (&of_gx)[kChunk]) const {
    const Chunk g = passed_gradient(args, i, j);
    for (int k = 0; k < kChunk; ++k) of_g[k] += g.v[k];
    if constexpr (kNormed) {
      const Chunk q = load_chunk(args.q.row(i), j, tiles.cols, args.quads);
      const RowStatistics row = statistics(args, i);
      for (int k = 0; k < kChunk; ++k)
        of_gx[k] += j + k < tiles.cols ? g.v[k] * normalised<kNorm>(q.v[k], norm, k, row) : 0.0F;
    }
    if (args.dq.data != nullptr) store_chunk(g, args.dq.row(i), j, tiles.cols, args.quads);
  }
};

/// dq of a row norm: inverse_std (h - mean(h) - xhat mean(h xhat)), h = gamma g (rms: without mean(h)).
/// kFused: a lane holds all its columns of a row (at most 256 are), and the sums of dq, g xhat and g are made
/// on the way.
template <Norm kNorm, bool kFused>
struct BackwardRows {
  static constexpr const char* kName = kFused ? "epilogue_backward_rows" : "epilogue_backward_wide_rows";
  static constexpr int kThreads = kBlockThreads;
  BackwardArgs args;
  RowLanes lanes;
  Index parts;
  double* partial;  // kFused: parts x 3 x cols

  struct Gradients {  // of a chunk
    Chunk g, h, xhat;
  };
  struct Sums {
    float bias[kChunk], gamma[kChunk], beta[kChunk];
  };
  struct Means {
    float h, hx;
  };

  OPX_DEVICE void operator()() const {
    const Range rows = even_range(args.dy.rows, parts, block());
    const Index cols = args.dy.cols, own = lanes.in_row() * kChunk;
    Sums sums{};
    // All lanes of a warp go round as often: they sum together.
    for (Index first = rows.begin; first < rows.end; first += lanes.rows()) {
      const Index i = first + lanes.row();
      one_row(i, i < rows.end ? cols : 0, sums);
    }
    if constexpr (kFused) {
      double* to = partial + block() * 3 * cols;
      sum_rows_of_block(sums.bias, lanes.lanes, own, cols, to);
      sum_rows_of_block(sums.gamma, lanes.lanes, own, cols, to + cols);
      sum_rows_of_block(sums.beta, lanes.lanes, own, cols, to + 2 * cols);
    }
  }
  /// `cols` is 0 for a row past the end.
  OPX_DEVICE void one_row(Index i, Index cols, Sums& sums) const {
    const RowStatistics row = cols > 0 ? statistics(args, i) : RowStatistics{};
    const Index own = lanes.in_row() * kChunk, step = lanes.lanes * kChunk;
    Gradients held{};
    Means mean{0, 0};
    for (Index j = own; j < cols; j += step) {
      held = gradients(i, j, row);
      for (int k = 0; k < kChunk; ++k) {
        mean.h += held.h.v[k];
        mean.hx += held.h.v[k] * held.xhat.v[k];
      }
    }
    const auto n = static_cast<float>(args.dy.cols);
    mean = {kNorm == Norm::kLayer ? lanes.sum(mean.h) / n : 0.0F, lanes.sum(mean.hx) / n};
    for (Index j = own; j < cols; j += step) {
      if constexpr (!kFused) held = gradients(i, j, row);
      const Chunk dq = row_gradient(held, mean, row, j);
      store_chunk(dq, args.dq.row(i), j, cols, args.quads);
      if constexpr (kFused) add(held, dq, sums);
    }
  }
  OPX_DEVICE Gradients gradients(Index i, Index j, RowStatistics row) const {
    const Index cols = args.dy.cols;
    const Chunk q = load_chunk(args.q.row(i), j, cols, args.quads);
    const Chunk gamma = load_columns(args.columns.gamma, j, cols, 0);
    const NormChunk norm(args.columns, j, cols);
    Gradients out;
    out.g = passed_gradient(args, i, j);
    for (int k = 0; k < kChunk; ++k) {
      out.h.v[k] = out.g.v[k] * gamma.v[k];
      out.xhat.v[k] = j + k < cols ? normalised<kNorm>(q.v[k], norm, k, row) : 0.0F;
    }
    return out;
  }
  OPX_DEVICE Chunk row_gradient(const Gradients& of, Means mean, RowStatistics row, Index j) const {
    Chunk dq;
    for (int k = 0; k < kChunk; ++k) {
      const float d = row.inverse_std * (of.h.v[k] - mean.h - of.xhat.v[k] * mean.hx);
      dq.v[k] = j + k < args.dy.cols ? d : 0.0F;
    }
    return dq;
  }
  OPX_DEVICE static void add(const Gradients& of, const Chunk& dq, Sums& sums) {
    for (int k = 0; k < kChunk; ++k) {
      sums.bias[k] += dq.v[k];
      sums.gamma[k] += of.g.v[k] * of.xhat.v[k];
      sums.beta[k] += of.g.v[k];
    }
  }
};

/// Sums wanted by the caller; where the epilogue lacks what they are of, they become 0.
struct Wanted {
  float *bias, *gamma, *beta;
};

template <Norm kNorm>
void backward_tiles(device::Context& context, const BackwardArgs& args, Wanted to) {
  using Kernel = BackwardTiles<kNorm>;
  const Tiles tiles = Tiles::of(args.dy.rows, args.dy.cols, kRowsEach, kMostParts);
  device::Buffer<double> partial(context, tiles.parts * Kernel::kSums * tiles.cols);
  launch_blocks(context, tiles.blocks(), Kernel{args, tiles, partial.data()});
  if constexpr (kNorm == Norm::kNone)
    add_parts<float>(context, partial.data(), tiles.parts, 1, tiles.cols, {to.bias, nullptr, nullptr});
  else
    add_parts<float>(context, partial.data(), tiles.parts, 2, tiles.cols, {to.gamma, to.beta, nullptr});
}

template <Norm kNorm>
void backward_rows(device::Context& context, const BackwardArgs& args, Wanted to) {
  const Index rows = args.dy.rows, cols = args.dy.cols, chunks = ceil_div(cols, kChunk);
  const RowLanes lanes = RowLanes::of(chunks);
  const Index rows_at_once = kBlockThreads / lanes.lanes;
  if (chunks <= lanes.lanes) {
    const Index parts = row_parts(rows, kRowsEach * rows_at_once, kMostParts);
    device::Buffer<double> partial(context, parts * 3 * cols);
    launch_blocks(context, parts, BackwardRows<kNorm, true>{args, lanes, parts, partial.data()});
    return add_parts<float>(context, partial.data(), parts, 3, cols, {to.bias, to.gamma, to.beta});
  }
  BackwardArgs only_sums = args;
  only_sums.dq.data = nullptr;
  backward_tiles<kNorm>(context, only_sums, to);
  const Index parts = row_parts(rows, rows_at_once, kMostBlocks);
  launch_blocks(context, parts, BackwardRows<kNorm, false>{args, lanes, parts, nullptr});
  if (to.bias == nullptr) return;
  only_sums.dy = args.dq;
  only_sums.mask = {};
  backward_tiles<Norm::kNone>(context, only_sums, to);
}

}  // namespace

void epilogue_backward(device::Context& context, MatrixView<const float> dy, MatrixView<const float> q,
                       const Epilogue& e, const PassMask& mask, const RowMoments* moments,
                       MatrixView<float> dq, const EpilogueGradients& gradients) {
  if (dy.cols == 0) return;
  const bool row_norm = is_row_norm(e.norm);
  const BackwardArgs args{
      .dy = dy,
      .q = q,
      .dq = dq,
      .columns = ColumnVectors::of(e),
      .mask = {reinterpret_cast<const std::uint8_t*>(mask.row(0)), 8 * mask.words_per_row()},
      .means = e.norm == Norm::kLayer ? moments->mean.data() : nullptr,
      .inverse_stds = row_norm ? moments->inverse_std.data() : nullptr,
      .scale = static_cast<float>(1 / (1 - static_cast<double>(e.dropout.rate))),
      .quads = has_quads(dy) && has_quads(dq) && (e.norm == Norm::kNone || has_quads(q))};
  // What the epilogue lacks has no gradient; rms has no beta, kBatch's mean takes every bias out again.
  if (e.norm == Norm::kNone) device::set_zero(context, gradients.gamma);
  if (e.norm == Norm::kNone || e.norm == Norm::kRms) device::set_zero(context, gradients.beta);
  if (e.norm == Norm::kBatch) device::set_zero(context, gradients.bias);
  const Wanted to{gradients.bias.data(), gradients.gamma.data(),
                  e.norm == Norm::kRms ? nullptr : gradients.beta.data()};
  with_norm(e.norm, [&]<Norm kNorm>() {
    if constexpr (is_row_norm(kNorm))
      backward_rows<kNorm>(context, args, to);
    else
      backward_tiles<kNorm>(context, args, to);
  });
}

}  // namespace opx::tensor::gpu
