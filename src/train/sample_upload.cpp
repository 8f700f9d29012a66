// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/sample_upload.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace opx::train {

using device::Upload;
using device::Uploaded;

void SampleUpload::send(const Sample& s, const FixedShape* shape, bool tiles_there) {
  upload_.begin();
  shard_ = *s.shard;
  sample_ = s;
  generation_ = shape != nullptr ? shape->generation : 0;
  parts_ = {};
  if (shape != nullptr) {
    const tensor::deferred::RowCounts counts{.valid = s.rows, .total = s.shard->vertices};
    const auto step = static_cast<std::uint32_t>(s.number);
    parts_.counts = upload_.add(std::span<const tensor::deferred::RowCounts>(&counts, 1));
    parts_.step = upload_.add(std::span<const std::uint32_t>(&step, 1));
  }
  add_rows(s);
  if (tiles_there)
    parts_.piece_of.fill(-1);
  else
    add_tiles(shape);
  if (shape != nullptr) {
    shard_.block_rows = shape->rows;
    if (shard_.loss_rows.layer >= 0) shard_.loss_rows.rows = shape->loss_rows;
  }
  upload_.send();
  sample_ = placed(upload_.there(), shard_);
}

void SampleUpload::add_rows(const Sample& s) {
  parts_.positions = upload_.add(s.positions);
  parts_.full_sum = upload_.add(s.full_sum);
  parts_.diagonal = upload_.add(s.diagonal);
  parts_.weights = upload_.add(s.weights);
  parts_.labels = upload_.add(s.labels);
  parts_.use = upload_.add(s.use);
  parts_.targets =
      upload_.add(std::span<const float>(s.targets.data, static_cast<std::size_t>(s.targets.size())));
  const std::span<const std::int32_t> local_row(s.batch->local_row);
  parts_.local_row =
      generation_ == 0 ? upload_.add(local_row) : upload_.add(local_row, s.use.size(), std::int32_t{-1});
}

void SampleUpload::add_tiles(const FixedShape* shape) {
  const auto tiles = tiles_of(shard_);
  for (std::size_t i = 0; i < kShardTiles; ++i) {
    const layout::Tile* tile = tiles[i]->get();
    int& piece = parts_.piece_of[i];
    piece = -1;
    if (tile == nullptr) continue;
    if (shape != nullptr) {
      piece = shape->piece_of[i];
      if (piece == static_cast<int>(parts_.pieces.size())) add_padded_tile(*tile, i, *shape);
      continue;
    }
    const auto known = std::ranges::find(parts_.pieces, tile, &Piece::from);
    piece = static_cast<int>(known - parts_.pieces.begin());
    if (known == parts_.pieces.end()) add_tile(*tile);
  }
}

void SampleUpload::add_tile(const layout::Tile& tile) {
  const spmm::Csr& csr = *tile.csr;
  parts_.pieces.push_back({.from = &tile,
                           .rows = csr.rows,
                           .cols = csr.cols,
                           .longest = spmm::longest_row(csr.row_offsets.span()),
                           .row_offsets = upload_.add(csr.row_offsets.span()),
                           .col_ids = upload_.add(csr.col_ids.span()),
                           .values = upload_.add(csr.values.span()),
                           .row_scale = upload_.add(tile.row_scale.span()),
                           .col_scale = upload_.add(tile.col_scale.span())});
}

// A batch's tiles have values (those without entries, too, have room for them) and no factors. Rows of
// several blocks keep their places.
void SampleUpload::add_padded_tile(const layout::Tile& tile, std::size_t place, const FixedShape& shape) {
  const layout::GraphShard& from = *sample_.shard;
  const spmm::Csr& csr = *tile.csr;
  const auto padded = [](Index all, Index have, Index want) {
    OPX_REQUIRE(have == want || all == have, InternalError, "{} rows of blocks of {} padded to blocks of {}",
                all, have, want);
    return have > 0 ? all / have * want : want;
  };
  const bool last = place >= kShardTiles - 2, transposed = place == kShardTiles - 1;
  const Index all = shape.rows, given = last ? shape.loss_rows : shape.rows;
  const Index given_here = last ? from.loss_rows.rows : from.block_rows;
  Piece piece;
  piece.from = &tile, piece.at_most = true;
  piece.rows = transposed ? padded(csr.rows, from.block_rows, all) : padded(csr.rows, given_here, given);
  piece.cols = transposed ? padded(csr.cols, given_here, given) : padded(csr.cols, from.block_rows, all);
  const FixedShape::Piece& room = shape.pieces[parts_.pieces.size()];
  const auto entries = static_cast<std::size_t>(room.entries);
  piece.longest = room.longest;
  piece.row_offsets =
      upload_.add(csr.row_offsets.span(), static_cast<std::size_t>(piece.rows) + 1, csr.nnz());
  piece.col_ids = upload_.add(csr.col_ids.span(), entries);
  piece.values = upload_.add(csr.values.span(), entries);
  parts_.pieces.push_back(piece);
}

Sample SampleUpload::placed(std::byte* place, layout::GraphShard& shard) const {
  const auto borrowed = [&](auto part) {
    const auto span = Upload::at(place, part);
    return device::Buffer<std::remove_reference_t<decltype(span[0])>>::borrow(span.data(), std::ssize(span));
  };
  std::vector<std::shared_ptr<const layout::Tile>> made;
  for (const Piece& piece : parts_.pieces) {
    auto csr = std::make_shared<spmm::Csr>();
    csr->rows = piece.rows, csr->cols = piece.cols;
    csr->row_offsets = borrowed(piece.row_offsets);
    csr->col_ids = borrowed(piece.col_ids);
    csr->values = borrowed(piece.values);
    csr->longest_row = piece.longest, csr->at_most = piece.at_most;
    auto tile = std::make_shared<layout::Tile>();
    tile->csr = std::move(csr);
    tile->row_scale = borrowed(piece.row_scale);
    tile->col_scale = borrowed(piece.col_scale);
    made.push_back(std::move(tile));
  }
  const auto tiles = tiles_of(shard);
  for (std::size_t i = 0; i < kShardTiles; ++i)
    if (parts_.piece_of[i] >= 0) *tiles[i] = made[static_cast<std::size_t>(parts_.piece_of[i])];
  const auto there = [&](auto part) { return Upload::at(place, part); };
  Sample out = sample_;
  out.shard = &shard;
  out.positions = there(parts_.positions);
  out.full_sum = there(parts_.full_sum);
  out.diagonal = there(parts_.diagonal);
  out.weights = there(parts_.weights);
  out.labels = there(parts_.labels);
  out.use = there(parts_.use);
  out.targets = {there(parts_.targets).data(), shard.block_rows, sample_.targets.cols};
  out.local_row = there(parts_.local_row);
  out.counts = parts_.counts.count > 0 ? there(parts_.counts).data() : nullptr;
  out.step_there = parts_.step.count > 0 ? there(parts_.step).data() : nullptr;
  out.generation = generation_;
  return out;
}

const Sample& SampleUpload::receive() {
  upload_.receive();
  return sample_;
}

const Sample& FixedSample::take(SampleUpload& upload) {
  const Sample& from = upload.receive();
  const std::size_t bytes = upload.upload_.bytes();
  if (from.generation != sample_.generation) {
    memory_ = {};  // first give back
    memory_ = device::Buffer<std::byte>(context_, static_cast<Index>(bytes));
    shard_ = upload.shard_;
    sample_ = upload.placed(memory_.data(), shard_);
  }
  shard_.vertices = upload.shard_.vertices, shard_.own = upload.shard_.own;
  sample_.batch = from.batch, sample_.rows = from.rows, sample_.number = from.number;
  sample_.weight = from.weight;
  context_.gpu().copy(memory_.data(), upload.upload_.there(), bytes, context_.gpu().compute());
  upload.release();
  return sample_;
}

}  // namespace opx::train
