// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// y = dropout(activation(norm(q + bias))) + residual. Without a norm of rows, threads keep their columns;
// with one, a few lanes share a row and read it again for each moment (from the cache).
#include <cmath>

#include "base/random.hpp"
#include "tensor/gpu/epilogue.cuh"

namespace opx::tensor::gpu {
namespace {

/// Dropout's draws: which elements stay.
struct Keep {
  std::array<std::uint32_t, 2> key{};
  std::uint32_t step = 0;
  const std::uint32_t* step_there = nullptr;
  std::uint32_t layer = 0, threshold = 0;  // 0: all stay
  const Index* vertices = nullptr;
  Index vertex_begin = 0, col_begin = 0;

  [[nodiscard]] static Keep of(const Dropout& d) {
    return {.key = base::key_words({d.seed, base::Purpose::kDropout}),
            .step = d.step,
            .step_there = d.step_there,
            .layer = d.layer,
            .threshold = static_cast<std::uint32_t>(std::ceil(static_cast<double>(d.rate) * 65536.0)),
            .vertices = d.vertices.empty() ? nullptr : d.vertices.data(),
            .vertex_begin = d.vertex_begin,
            .col_begin = d.col_begin};
  }
  /// Bit k: column j + k of row i stays. j is a multiple of 8.
  [[nodiscard]] OPX_DEVICE unsigned bits(Index i, Index j) const {
    if (threshold == 0) return 0xFF;
    const auto vertex = static_cast<std::uint64_t>(vertices != nullptr ? vertices[i] : vertex_begin + i);
    const Index feature = col_begin + j;
    const auto shift = static_cast<unsigned>(feature % 8);
    const unsigned low = of_word(vertex, feature / 8);
    return shift == 0 ? low : ((low | of_word(vertex, feature / 8 + 1) << 8) >> shift) & 0xFF;
  }

 private:
  [[nodiscard]] OPX_DEVICE unsigned of_word(std::uint64_t vertex, Index word) const {
    const auto draws =
        base::philox_words(base::counter_words({.step = step_there != nullptr ? *step_there : step,
                                                .layer = layer,
                                                .vertex = vertex,
                                                .word = static_cast<std::uint32_t>(word)}),
                           key);
    unsigned kept = 0;
    for (unsigned h = 0; h < 8; ++h)
      kept |= static_cast<unsigned>(((draws[h / 2] >> (16 * (h % 2))) & 0xFFFFU) >= threshold) << h;
    return kept;
  }
};

struct ForwardArgs {
  MatrixView<const float> q, residual;
  MatrixView<float> y;
  ColumnVectors columns;
  Keep keep;
  MaskBytes<std::uint8_t> mask;
  float *means, *inverse_stds;  // null where not wanted
  float epsilon, scale;
  bool relu, quads;
};

struct AffineChunk {
  Chunk gamma, beta;
  OPX_DEVICE AffineChunk(const ColumnVectors& c, Index j, Index cols)
      : gamma(load_columns(c.gamma, j, cols, 1)), beta(load_columns(c.beta, j, cols, 0)) {}
};

/// The chunk at (i, j), from q to y and the mask.
template <Norm kNorm>
OPX_DEVICE void forward_chunk(const ForwardArgs& a, Index i, Index j, const NormChunk& norm,
                              const AffineChunk& affine, RowStatistics row) {
  const Index cols = a.q.cols;
  Chunk c = load_chunk(a.q.row(i), j, cols, a.quads);
  const unsigned keep = a.keep.bits(i, j);
  unsigned passed = 0;
  for (int k = 0; k < kChunk; ++k) {
    float v = normalised<kNorm>(c.v[k], norm, k, row);
    if constexpr (kNorm != Norm::kNone) v = v * affine.gamma.v[k] + affine.beta.v[k];
    const bool pass = ((keep >> k) & 1U) != 0 && j + k < cols && !(a.relu && v <= 0.0F);  // NaN passes
    c.v[k] = pass ? v * a.scale : 0.0F;
    passed |= static_cast<unsigned>(pass) << k;
  }
  if (a.residual.data != nullptr) {
    const Chunk r = load_chunk(a.residual.row(i), j, cols, a.quads);
    for (int k = 0; k < kChunk; ++k) c.v[k] += r.v[k];
  }
  store_chunk(c, a.y.row(i), j, cols, a.quads);
  if (a.mask.data == nullptr) return;
  a.mask.at(i, j) = static_cast<std::uint8_t>(passed);
  if (j + kChunk < cols) return;
  for (Index b = j + kChunk; b < a.mask.row_bytes * kChunk; b += kChunk) a.mask.at(i, b) = 0;
}

template <Norm kNorm>
struct ForwardTiles {
  static constexpr const char* kName = "epilogue_forward";
  static constexpr int kThreads = kBlockThreads;
  ForwardArgs args;
  Tiles tiles;

  OPX_DEVICE void operator()() const {
    const Index j = tiles.col();
    if (j >= tiles.cols) return;
    const NormChunk norm(args.columns, j, tiles.cols);
    const AffineChunk affine(args.columns, j, tiles.cols);
    for (Index i = tiles.first_row(); i < tiles.end_row(); i += tiles.row_step())
      forward_chunk<kNorm>(args, i, j, norm, affine, {});
  }
};

template <Norm kNorm>
struct ForwardRows {
  static constexpr const char* kName = "epilogue_forward_rows";
  static constexpr int kThreads = kBlockThreads;
  ForwardArgs args;
  RowLanes lanes;

  OPX_DEVICE void operator()() const {
    const Index rows = args.q.rows, cols = args.q.cols, step = dg::blocks() * lanes.rows();
    // All lanes of a warp go round as often: they sum together.
    for (Index first = block() * lanes.rows(); first < rows; first += step) {
      const Index i = first + lanes.row();
      const bool inside = i < rows;
      const RowStatistics row = statistics(i, inside ? cols : 0);
      if (!inside) continue;
      if (lanes.in_row() == 0 && kNorm == Norm::kLayer && args.means != nullptr) args.means[i] = row.mean;
      if (lanes.in_row() == 0 && args.inverse_stds != nullptr) args.inverse_stds[i] = row.inverse_std;
      for (Index j = lanes.in_row() * kChunk; j < cols; j += lanes.lanes * kChunk)
        forward_chunk<kNorm>(args, i, j, NormChunk(args.columns, j, cols), AffineChunk(args.columns, j, cols),
                             row);
    }
  }
  /// Sum of (x - mean)^power over the first columns of a row, x = q + bias.
  template <int kPower>
  OPX_DEVICE float sum(Index i, Index cols, float mean) const {
    float s = 0;
    for (Index j = lanes.in_row() * kChunk; j < cols; j += lanes.lanes * kChunk) {
      const Chunk c = load_chunk(args.q.row(i), j, cols, args.quads);
      const Chunk bias = load_columns(args.columns.bias, j, cols, 0);
      for (int k = 0; k < kChunk; ++k) {
        const float x = j + k < cols ? c.v[k] + bias.v[k] - mean : 0.0F;
        s += kPower == 1 ? x : x * x;
      }
    }
    return lanes.sum(s);
  }
  OPX_DEVICE RowStatistics statistics(Index i, Index cols) const {
    const auto n = static_cast<float>(args.q.cols);
    RowStatistics row;
    if constexpr (kNorm == Norm::kLayer) row.mean = sum<1>(i, cols, 0.0F) / n;
    row.inverse_std = 1.0F / std::sqrt(sum<2>(i, cols, row.mean) / n + args.epsilon);
    return row;
  }
};

}  // namespace

void epilogue_forward(device::Context& context, MatrixView<const float> q, const Epilogue& e,
                      MatrixView<const float> residual, MatrixView<float> y, PassMask* mask,
                      const RowMoments* moments) {
  if (q.size() == 0) return;
  ForwardArgs args{.q = q,
                   .residual = residual,
                   .y = y,
                   .columns = ColumnVectors::of(e),
                   .keep = Keep::of(e.dropout),
                   .mask = {},
                   .means = moments != nullptr ? moments->mean.data() : nullptr,
                   .inverse_stds = moments != nullptr ? moments->inverse_std.data() : nullptr,
                   .epsilon = e.epsilon,
                   .scale = static_cast<float>(1 / (1 - static_cast<double>(e.dropout.rate))),
                   .relu = e.activation == Activation::kRelu,
                   .quads = has_quads(q) && has_quads(y) && has_quads(residual)};
  if (mask != nullptr) args.mask = {reinterpret_cast<std::uint8_t*>(mask->row(0)), 8 * mask->words_per_row()};
  with_norm(e.norm, [&]<Norm kNorm>() {
    if constexpr (is_row_norm(kNorm)) {
      const RowLanes lanes = RowLanes::of(ceil_div(q.cols, kChunk));
      launch_blocks(context, lanes.blocks(q.rows), ForwardRows<kNorm>{args, lanes});
    } else {
      const Tiles tiles = Tiles::of(q.rows, q.cols, 4, kMostBlocks);
      launch_blocks(context, tiles.blocks(), ForwardTiles<kNorm>{args, tiles});
    }
  });
}

}  // namespace opx::tensor::gpu
