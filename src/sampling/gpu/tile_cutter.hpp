// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to sampling/: the tiles of a sub-batch cut out of resident tiles in memory of a GPU, on its stream
// for sampling, beside what computes. Equal to sampling::TileCutter (and spmm::transpose of what it cuts) to
// the bit. How many entries a tile gets is not known before it is made: it is written into the memory that
// there is, never past it, and one that did not fit is made again by finish() with more. So memory grows in
// the first few sub-batches and then no more.
//
//   begin(selection)  cut(...) cut(...) ...     put on the stream; no wait
//   finish()                                    waits for it on the host, for a thread that works ahead
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "device/buffer.hpp"
#include "device/context.hpp"
#include "device/gpu/device.hpp"
#include "layout/graph_shard.hpp"
#include "sampling/gpu/cut.hpp"
#include "sampling/row_order.hpp"
#include "sampling/sampler.hpp"
#include "sampling/tile_cutter.hpp"
#include "spmm/csr.hpp"

namespace opx::sampling::gpu {

struct CutterOptions {
  Index columns = 0;          ///< the most columns of a resident tile
  Index most_block_rows = 0;  ///< the most rows of a block in a sub-batch (Sampler::most_block_rows())
  Index long_row = 2048;      ///< rows of more entries in a resident tile are cut by a block of threads each
};

/// What is cut: rows and columns of `tile`, in memory of the GPU, with its slabs' blocks in slab order.
struct CutRequest {
  const layout::Tile& tile;
  std::span<const int> row_blocks, col_blocks;
  Estimator estimator = Estimator::kUnbiased;
  /// `tile` is of A^T: entry (u, v) gets the factor of (v, u).
  bool transposed = false;
  /// Of the tile's rows (transposed: columns) those of the loss alone, padded to so many a block; 0: all.
  Index loss_rows = 0;
  /// Block whose diagonal entries diagonal() is to have; of one cut at most.
  int own_block = -1;
};

class TileCutter {
 public:
  /// `context` is on a GPU, `full` in its memory; both outlive it.
  TileCutter(device::Context& context, const layout::GraphShard& full, const CutterOptions& options);
  ~TileCutter();
  TileCutter(const TileCutter&) = delete;
  TileCutter& operator=(const TileCutter&) = delete;

  /// Uploads `selection`, with rows in `order` (null: rising positions); both may be changed afterwards. What
  /// is cut next is written after `released`, where one is given: whoever reads the tiles' memory recorded it
  /// behind the last reader.
  void begin(const Selection& selection, const device::gpu::Event* released = nullptr,
             const RowOrder* order = nullptr);
  /// Puts a cut on the stream. Its number counts from 0 since begin(). Until finish() `to` has the size of
  /// its memory; its offsets are right and stay within it. O(entries of the sampled rows + padded rows and
  /// columns of the sub-batch). Throws OutOfMemory.
  int cut(const CutRequest& request, spmm::Csr& to);
  /// Waits for the cuts on the host (Device::wait_on_host()), makes those again that did not fit, and
  /// gives each tile its true size and longest row.
  void finish();
  /// After an error, where the tiles' memory may go: waits for what is on the stream.
  void abandon() noexcept;

  /// Of a tile that finish() has made: 0 for each column that an entry is in, -1 for the others; host memory
  /// that the caller may change. Waits on the host.
  [[nodiscard]] std::span<std::int32_t> read_columns(const spmm::Csr& tile);
  /// What read_columns() gave, with the number of the column that each becomes, of `columns`, or -1: that of
  /// `tile`, and of rows of `transposed`, if not null. Waits on the host.
  void renumber_columns(std::span<const std::int32_t> kept, Index columns, spmm::Csr& tile,
                        spmm::Csr* transposed);

  /// Of a cut, after finish().
  [[nodiscard]] const CutCounts& counts(int cut) const { return jobs_[static_cast<std::size_t>(cut)].counts; }
  /// One for each sampled row of the own block, 0 where there is none; host memory, until the next begin().
  [[nodiscard]] std::span<const float> diagonal() const noexcept { return {own_here_, own_count_}; }
  /// Cuts that were made again so far.
  [[nodiscard]] Index made_again() const noexcept { return made_again_; }

 private:
  struct Job {
    CutWork work;
    spmm::Csr* to;
    CutCounts counts;
  };
  /// The blocks of a slab there.
  struct Slab {
    std::vector<int> blocks;
    device::Buffer<SlabBlock> there;
  };

  [[nodiscard]] device::gpu::Stream stream() const;
  template <class T>
  void reserve(device::Buffer<T>& buffer, Index size);
  template <class T>
  void reserve_here(T*& here, std::size_t& held, std::size_t size);
  const SlabBlock* blocks_there(std::span<const int> blocks);
  SlabView slab(std::span<const int> blocks, Index loss_rows);
  void clear_map();
  void aim_at(const CutRequest& request, CutWork& work);
  void size(spmm::Csr& to, Index capacity, CutWork& work);
  void put(std::size_t job);
  void wait();

  device::Context& context_;
  const layout::GraphShard& full_;
  CutterOptions options_;
  std::vector<std::unique_ptr<Slab>> slabs_;
  Drawn drawn_{};
  Index block_rows_ = 0;                    ///< of the Selection
  std::vector<Index> offsets_, loss_ends_;  ///< as in drawn_
  std::vector<Job> jobs_;
  std::uint32_t tag_ = 0;
  Index made_again_ = 0;
  std::size_t own_count_ = 0;
  // Page-locked: what goes there, and what comes back.
  std::byte* sent_here_ = nullptr;
  CutHeader* headers_here_ = nullptr;
  float* own_here_ = nullptr;
  std::int32_t* kept_here_ = nullptr;
  std::size_t sent_held_ = 0, headers_held_ = 0, own_held_ = 0, kept_held_ = 0;
  device::Buffer<std::byte> sent_, scratch_;
  device::Buffer<CutHeader> headers_;
  device::Buffer<float> own_;
  device::Buffer<std::uint64_t> words_;
  device::Buffer<std::int32_t> ids_, long_rows_, long_counts_, kept_;
  device::Buffer<ColumnInfo> info_;
  device::gpu::Event done_;
};

}  // namespace opx::sampling::gpu
