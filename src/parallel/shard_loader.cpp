// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/shard_loader.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>

#include "base/error.hpp"
#include "device/transfer.hpp"
#include "layout/placement.hpp"
#include "parallel/tile_builder.hpp"

namespace opx::parallel {

namespace {

using layout::Tile;

/// The blocks of a tile's rows and columns, in slab order.
struct TileBlocks {
  std::vector<int> rows, cols;
  [[nodiscard]] TileBlocks mirrored() const { return {cols, rows}; }
  friend bool operator==(const TileBlocks&, const TileBlocks&) = default;
};

/// Builds the tiles of one rank, each distinct one once.
class ShardBuilder {
 public:
  ShardBuilder(device::Context& context, const graph::Store& store, const layout::Grid& grid,
               const ShardOptions& options)
      : context_(context), store_(store), grid_(grid), options_(options) {}

  void build(layout::GraphShard& shard) {
    std::array<TileBlocks, 3> blocks;
    for (std::size_t i = 0; i < 3; ++i) {
      if (!used(i, 0)) continue;
      const layout::Roles roles = layout::roles_of(static_cast<Index>(i));
      blocks[i] = {layout::row_blocks(grid_, roles, shard.coord[roles.r]),
                   layout::column_blocks(grid_, roles, shard.coord[roles.k])};
      shard.tile[i] = built(built_, blocks[i]);
      if (!shard.tile[i]) shard.tile[i] = add(built_, blocks[i], std::make_shared<spmm::Csr>(cut(blocks[i])));
    }
    for (std::size_t i = 0; options_.need_backward && i < 3; ++i) {
      if (!used(i, options_.first_backward_layer)) continue;
      shard.transposed[i] = transposed(shard.symmetric, blocks[i], *shard.tile[i]);
    }
  }

 private:
  struct Built {
    TileBlocks blocks;
    std::shared_ptr<const Tile> tile;
  };
  using List = std::vector<Built>;

  /// Whether a layer from `first` on has the roles of rotation i.
  [[nodiscard]] bool used(std::size_t i, Index first) const noexcept {
    const Index wait = (static_cast<Index>(i) - first % 3 + 3) % 3;
    return first + wait < options_.layers;
  }

  static std::shared_ptr<const Tile> built(const List& list, const TileBlocks& blocks) {
    for (const Built& b : list) {
      if (b.blocks == blocks) return b.tile;
    }
    return nullptr;
  }

  std::shared_ptr<const Tile> transposed(bool symmetric, const TileBlocks& blocks, const Tile& tile) {
    // The tile at the mirrored place is the transpose where A is symmetric; without symmetric factors its
    // pattern is.
    const std::shared_ptr<const Tile> mirror = built(built_, blocks.mirrored());
    if (symmetric && mirror) return mirror;
    if (auto same = built(transposed_, blocks)) return same;
    const bool share = store_.info().symmetric && mirror;
    auto csr =
        share ? mirror->csr : std::make_shared<const spmm::Csr>(spmm::transpose(context_, tile.view()));
    auto result =
        std::make_shared<Tile>(Tile{std::move(csr), scale(blocks.cols, false), scale(blocks.rows, true)});
    transposed_.push_back({blocks, result});
    return result;
  }

  std::shared_ptr<const Tile> add(List& list, const TileBlocks& blocks,
                                  std::shared_ptr<const spmm::Csr> csr) {
    auto tile =
        std::make_shared<Tile>(Tile{std::move(csr), scale(blocks.rows, true), scale(blocks.cols, false)});
    list.push_back({blocks, tile});
    return tile;
  }

  [[nodiscard]] Slab slab(const std::vector<int>& blocks) const {
    return {store_.info().vertices, grid_.tensor_ranks(), blocks};
  }
  [[nodiscard]] spmm::Csr cut(const TileBlocks& blocks) const {
    return build_tile(context_, store_, slab(blocks.rows), slab(blocks.cols), options_.add_self_loops);
  }

  /// s (of the rows of A) or t (of its columns) over a slab; empty for ones.
  [[nodiscard]] device::Buffer<float> scale(const std::vector<int>& blocks, bool of_rows) const {
    const Normalisation normalisation = options_.normalisation;
    if (normalisation == Normalisation::kNone || (normalisation == Normalisation::kRow && !of_rows))
      return {};
    const SlabDegrees degrees = read_slab_degrees(store_, slab(blocks), options_.add_self_loops);
    // One array for both where A is symmetric, so that s and t are equal to the bit.
    return normalisation_factors(
        context_, of_rows || store_.info().symmetric ? degrees.row_sums : degrees.col_sums, normalisation);
  }

  device::Context& context_;
  const graph::Store& store_;
  const layout::Grid& grid_;
  const ShardOptions& options_;
  List built_, transposed_;
};

}  // namespace

layout::GraphShard load_shard(device::Context& context, ProcessGrid& grid, const graph::Store& store,
                              const ShardOptions& options) {
  const graph::StoreInfo& info = store.info();
  const int parts = grid.grid().tensor_ranks();
  layout::GraphShard shard;
  shard.grid = grid.grid();
  shard.coord = grid.coord();
  shard.vertices = info.vertices;
  shard.block_rows = layout::padded_rows(info.vertices, parts);
  shard.own = layout::block_range(info.vertices, parts, grid.tensor().rank());
  shard.symmetric = info.symmetric && options.normalisation != Normalisation::kRow;
  comm::agree(grid.tensor(), [&] { ShardBuilder(context, store, grid.grid(), options).build(shard); });
  return shard;
}

VertexData load_vertices(device::Context& context, ProcessGrid& grid, const graph::Store& store,
                         const layout::GraphShard& shard) {
  const graph::StoreInfo& info = store.info();
  const Index rows = shard.block_rows, own = shard.own.size();
  const auto read_matrix = [&](Index cols, float padding, auto&& read) {
    tensor::Matrix<float> matrix(context, rows, cols);
    read(matrix.view().middle_rows({0, own}));
    std::fill(matrix.data() + own * cols, matrix.data() + rows * cols, padding);
    return matrix;
  };
  VertexData data;
  comm::agree(grid.tensor(), [&] {
    if (info.feature_dim > 0) {
      data.features =
          read_matrix(info.feature_dim, 0.0F, [&](auto out) { store.read_features(shard.own, out); });
    }
    if (info.task == graph::Task::kMultiClass) {
      data.labels.assign(static_cast<std::size_t>(rows), -1);
      store.read_labels(shard.own, std::span(data.labels).first(static_cast<std::size_t>(own)));
    } else if (info.task == graph::Task::kMultiLabel) {
      data.targets = read_matrix(info.classes, std::numeric_limits<float>::quiet_NaN(),
                                 [&](auto out) { store.read_targets(shard.own, out); });
    }
    data.split.assign(static_cast<std::size_t>(rows), graph::Split::kNone);
    store.read_splits(shard.own, std::span(data.split).first(static_cast<std::size_t>(own)));
  });
  return data;
}

namespace {

class Uploads {
 public:
  explicit Uploads(device::Context& context) : context_(context) {}

  std::shared_ptr<const layout::Tile> tile(const std::shared_ptr<const layout::Tile>& from) {
    if (!from) return nullptr;
    std::shared_ptr<const layout::Tile>& known = tiles_[from.get()];
    if (known) return known;
    auto made = std::make_shared<layout::Tile>();
    made->csr = csr(from->csr);
    made->row_scale = copy(from->row_scale);
    made->col_scale = copy(from->col_scale);
    return known = made;
  }

 private:
  template <class T>
  device::Buffer<T> copy(const device::Buffer<T>& from) {
    return device::device_copy(context_, from.span());
  }
  std::shared_ptr<const spmm::Csr> csr(const std::shared_ptr<const spmm::Csr>& from) {
    if (!from) return nullptr;
    std::shared_ptr<const spmm::Csr>& known = matrices_[from.get()];
    if (known) return known;
    auto made = std::make_shared<spmm::Csr>();
    made->rows = from->rows, made->cols = from->cols;
    made->row_offsets = copy(from->row_offsets);
    made->col_ids = copy(from->col_ids);
    made->values = copy(from->values);
    made->longest_row = spmm::longest_row(from->row_offsets.span());
    made->identity = context_.new_identity();
    return known = made;
  }

  device::Context& context_;
  std::map<const layout::Tile*, std::shared_ptr<const layout::Tile>> tiles_;
  std::map<const spmm::Csr*, std::shared_ptr<const spmm::Csr>> matrices_;
};

}  // namespace

layout::GraphShard to_device(device::Context& context, const layout::GraphShard& shard) {
  layout::GraphShard out = shard;
  Uploads uploads(context);
  for (auto& tile : out.tile) tile = uploads.tile(tile);
  for (auto& tile : out.transposed) tile = uploads.tile(tile);
  return out;
}

}  // namespace opx::parallel
