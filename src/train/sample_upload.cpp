// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/sample_upload.hpp"

#include <algorithm>

namespace opx::train {

using device::Uploaded;
using TilePointer = std::shared_ptr<const layout::Tile>;

namespace {

template <class Body>
void for_each_tile(layout::GraphShard& shard, Body&& body) {
  for (TilePointer& tile : shard.tile) body(tile);
  for (TilePointer& tile : shard.transposed) body(tile);
  body(shard.loss_rows.tile);
  body(shard.loss_rows.transposed);
}

}  // namespace

void SampleUpload::send(const Sample& s) {
  upload_.begin();
  const Uploaded<Index> positions = upload_.add(s.positions);
  const Uploaded<float> full_sum = upload_.add(s.full_sum), diagonal = upload_.add(s.diagonal),
                        weights = upload_.add(s.weights);
  const Uploaded<std::int32_t> labels = upload_.add(s.labels);
  const Uploaded<std::uint8_t> use = upload_.add(s.use);
  const Uploaded<float> targets =
      upload_.add(std::span<const float>(s.targets.data, static_cast<std::size_t>(s.targets.size())));
  local_row_ = upload_.add(std::span<const std::int32_t>(s.batch->local_row));
  pieces_.clear();
  shard_ = *s.shard;
  for_each_tile(shard_, [&](const TilePointer& tile) { add_tile(tile); });
  upload_.send();
  sample_ = s;
  sample_.positions = upload_.there(positions);
  sample_.full_sum = upload_.there(full_sum);
  sample_.diagonal = upload_.there(diagonal);
  sample_.weights = upload_.there(weights);
  sample_.labels = upload_.there(labels);
  sample_.use = upload_.there(use);
  sample_.targets = {upload_.there(targets).data(), s.targets.rows, s.targets.cols};
  make_tiles();
  sample_.shard = &shard_;
}

void SampleUpload::add_tile(const TilePointer& tile) {
  const auto known = [&](const Piece& piece) { return piece.from == tile.get(); };
  if (!tile || std::ranges::any_of(pieces_, known)) return;
  const spmm::Csr& csr = *tile->csr;
  pieces_.push_back({.from = tile.get(),
                     .row_offsets = upload_.add(csr.row_offsets.span()),
                     .col_ids = upload_.add(csr.col_ids.span()),
                     .values = upload_.add(csr.values.span()),
                     .row_scale = upload_.add(tile->row_scale.span()),
                     .col_scale = upload_.add(tile->col_scale.span())});
}

std::shared_ptr<const layout::Tile> SampleUpload::tile_of(const Piece& piece) const {
  const auto there = [&](auto part) {
    const auto span = upload_.there(part);
    return device::Buffer<std::remove_reference_t<decltype(span[0])>>::borrow(span.data(), std::ssize(span));
  };
  const spmm::Csr& from = *piece.from->csr;
  auto csr = std::make_shared<spmm::Csr>();
  csr->rows = from.rows, csr->cols = from.cols;
  csr->row_offsets = there(piece.row_offsets);
  csr->col_ids = there(piece.col_ids);
  csr->values = there(piece.values);
  csr->longest_row = spmm::longest_row(from.row_offsets.span());
  auto tile = std::make_shared<layout::Tile>();
  tile->csr = std::move(csr);
  tile->row_scale = there(piece.row_scale);
  tile->col_scale = there(piece.col_scale);
  return tile;
}

/// Tiles that were one object are one again.
void SampleUpload::make_tiles() {
  std::vector<TilePointer> made;
  for (const Piece& piece : pieces_) made.push_back(tile_of(piece));
  for_each_tile(shard_, [&](TilePointer& tile) {
    const auto at = std::ranges::find(pieces_, tile.get(), &Piece::from);
    if (tile) tile = made[static_cast<std::size_t>(at - pieces_.begin())];
  });
}

const Sample& SampleUpload::receive() {
  upload_.receive();
  return sample_;
}

}  // namespace opx::train
