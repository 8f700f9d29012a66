// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Chunk c holds the entries [c C, (c + 1) C). A row whose entries lie in one chunk is written by it. A row
// cut by borders leaves one sum in each of its chunks: in slot 2 c + 1 of the chunk c where it begins, in
// slot 2 c of the others. Example, C = 4, rows of 3, 7, 0 and 2 entries:
//
//   chunk 0: 0 0 0 1   writes row 0, slot 1 (row 1)
//   chunk 1: 1 1 1 1   slot 2 (row 1)
//   chunk 2: 1 1 3 3   slot 4 (row 1), writes row 3
//   then    row 1 = slots 1 + 2 + 4, row 2 = 0
#include "spmm/gpu/lanes.cuh"

namespace opx::spmm::gpu {
namespace {

template <class T, class S>
struct ChunkSums {
  static constexpr const char* kName = "spmm_chunks";
  static constexpr int kThreads = gpu::kThreads;
  Operands<T> o;
  std::uint32_t tile_blocks;  // blocks for all chunks of one column tile
  Index nnz;
  bool at_most;  // nnz is a bound
  int chunk;
  float* slots;  // 2 per chunk, rows of slot_ld

  // Where the group is. Entries count from the start of the chunk.
  struct Walk {
    Index row;
    int row_end;    // more than the chunk holds: the row goes on in the next one
    bool cut_here;  // the row began in an earlier chunk
  };

  OPX_DEVICE void enter(Walk& walk, Index base, int at) const {
    walk.row = row_of(o.row_offsets, o.rows, walk.row, base + at);
    walk.row_end = static_cast<int>(std::min<Index>(o.row_offsets[walk.row + 1] - base, chunk + 1));
  }

  OPX_DEVICE float* slot(Index c, bool begins, int col) const {
    return slots + (2 * c + (begins ? 1 : 0)) * o.cols + col;
  }

  OPX_DEVICE void operator()() const { S::kVec == 4 && o.ragged ? run<true>() : run<false>(); }

  template <bool ragged>
  OPX_DEVICE void run() const {
    auto& stage = dev::shared<BlockStages<S>>().warps[dev::warp()];
    const auto block = static_cast<std::uint32_t>(dev::block());
    const Index c = Index{block % tile_blocks} * S::kBlockGroups + dev::thread() / S::kLanes;
    const int col = static_cast<int>(block / tile_blocks) * S::kTile + dev::lane() % S::kLanes * S::kVec;
    const Index base = c * chunk;
    const Index all = at_most ? o.row_offsets[o.rows] : nnz;
    const auto left = [&](Index from) {
      return static_cast<int>(std::min<Index>(std::max<Index>(all - from, 0), chunk));
    };
    const int entries = left(base), most = left((c - dev::lane() / S::kLanes) * chunk);
    Walk walk{0, 0, false};
    if (entries > 0) {
      enter(walk, base, 0);
      walk.cut_here = o.row_offsets[walk.row] < base;
    }
    const auto in_stage = [&](int at) { return std::min(std::max(entries - at, 0), int{S::kStage}); };
    Sums<S> sums;
    sums.clear();
    Fetched<S> next;
    fetch(o, base, in_stage(0), next);
    for (int at = 0, half = 0; at < most; at += S::kStage, half ^= 1) {
      const int count = in_stage(at);
      const Entry* staged = lay_out(o, next, stage, half, count);
      fetch(o, base + at + S::kStage, in_stage(at + S::kStage), next);
      add_stage<ragged>(staged, at, at + count, entries, c, col, walk, sums);
    }
    if (walk.row_end > entries) sums.store(slot(c, !walk.cut_here, col), o.cols - col, 1.0F, false, false);
  }

  // Entries [at, end) of the chunk, which are staged; writes the rows that end there.
  template <bool ragged>
  OPX_DEVICE void add_stage(const Entry* staged, int at, int end, int entries, Index c, int col, Walk& walk,
                            Sums<S>& sums) const {
    for (int e = at; e < end;) {
      const int stop = std::min(walk.row_end, end);
#pragma unroll 1
      for (int k = e; k < stop; k += S::kBatch)
        sums.template add<ragged>(o.x + col, o.x_row_bytes, staged + (k - at), stop - k, o.cols - col);
      e = stop;
      if (e < walk.row_end) continue;
      if (walk.cut_here)
        sums.store(slot(c, false, col), o.cols - col, 1.0F, false, false);
      else
        sums.store(o.y + walk.row * o.y_ld + col, o.cols - col, row_scale_of(o, walk.row), o.accumulate,
                   o.aligned_y);
      sums.clear();
      walk.cut_here = false;
      if (e < entries) enter(walk, c * chunk, e);
    }
  }
};

// A warp looks at 32 rows: those without entries, and those that chunk borders cut, it finishes one by one.
struct ChunkRows {
  static constexpr const char* kName = "spmm_chunk_rows";
  static constexpr int kThreads = gpu::kThreads;
  static constexpr int kColumns = 4;  // a lane's, at a time
  const Index* row_offsets;
  const float *row_scale, *slots;
  float* y;
  Index y_ld, rows;
  int cols, chunk_shift;
  bool accumulate;

  OPX_DEVICE void operator()() const {
    const Index first = (dev::block() * kWarps + dev::warp()) * dev::kWarp, mine = first + dev::lane();
    bool open = false;
    if (mine < rows) {
      const Index begin = row_offsets[mine], end = row_offsets[mine + 1];
      open = begin == end ? !accumulate : begin >> chunk_shift != (end - 1) >> chunk_shift;
    }
    for (unsigned bits = dev::ballot(open); bits != 0; bits &= bits - 1)
      finish(first + std::countr_zero(bits));
  }

  OPX_DEVICE void finish(Index row) const {
    const Index begin = row_offsets[row], end = row_offsets[row + 1];
    const Index from = begin >> chunk_shift, to = begin == end ? from : (end - 1) >> chunk_shift;
    const float scale = row_scale != nullptr ? row_scale[row] : 1.0F;
    for (int col = dev::lane(); col < cols; col += kColumns * dev::kWarp) {
      float sums[kColumns] = {};
      if (begin < end) add(slots + (2 * from + 1) * cols + col, col, sums);
#pragma unroll 4
      for (Index c = from + 1; c <= to; ++c) add(slots + 2 * c * cols + col, col, sums);
      float* out = y + row * y_ld + col;
#pragma unroll
      for (int k = 0; k < kColumns; ++k, out += dev::kWarp)
        if (col + k * dev::kWarp < cols) *out = std::fma(scale, sums[k], accumulate ? *out : 0.0F);
    }
  }

  OPX_DEVICE void add(const float* slot, int col, float (&sums)[kColumns]) const {
#pragma unroll
    for (int k = 0; k < kColumns; ++k)
      if (col + k * dev::kWarp < cols) sums[k] += dev::load_once(slot + k * dev::kWarp);
  }
};

}  // namespace

int chunk_of(Index nnz) noexcept {
  constexpr Index kLeast = 128, kChunks = Index{1} << 15, kMost = Index{1} << 20;
  const auto even = static_cast<std::uint64_t>(std::clamp(ceil_div(nnz, kChunks), kLeast, kMost));
  return static_cast<int>(std::bit_ceil(even));
}

template <class T>
void multiply_chunks(device::Context& context, const CsrView& a, tensor::MatrixView<const T> x,
                     tensor::MatrixView<float> y, const MultiplyOptions& options, int chunk) {
  const Operands<T> o = operands(a, x, y, options);
  dev::Device& device = context.gpu();
  const Index chunks = ceil_div(a.nnz(), chunk);
  device::Buffer<float> slots(context, 2 * chunks * o.cols);
  with_shape(o, [&]<class S>(S) {
    const Index blocks = ceil_div(chunks, S::kBlockGroups);
    dev::launch(
        device, device.compute(), {.blocks = blocks * ceil_div(o.cols, S::kTile), .threads = kThreads},
        ChunkSums<T, S>{o, static_cast<std::uint32_t>(blocks), a.nnz(), a.at_most, chunk, slots.data()});
  });
  dev::launch(device, device.compute(), {.blocks = dev::blocks_for(o.rows, kThreads), .threads = kThreads},
              ChunkRows{.row_offsets = o.row_offsets,
                        .row_scale = o.row_scale,
                        .slots = slots.data(),
                        .y = o.y,
                        .y_ld = o.y_ld,
                        .rows = o.rows,
                        .cols = o.cols,
                        .chunk_shift = std::countr_zero(static_cast<unsigned>(chunk)),
                        .accumulate = o.accumulate});
}

template void multiply_chunks(device::Context&, const CsrView&, tensor::MatrixView<const float>,
                              tensor::MatrixView<float>, const MultiplyOptions&, int);
template void multiply_chunks(device::Context&, const CsrView&, tensor::MatrixView<const bfloat16>,
                              tensor::MatrixView<float>, const MultiplyOptions&, int);

}  // namespace opx::spmm::gpu
