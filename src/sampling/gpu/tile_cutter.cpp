// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/gpu/tile_cutter.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "layout/placement.hpp"
#include "sampling/gpu/scan.hpp"

namespace opx::sampling::gpu {
namespace {

using device::gpu::StreamUse;

constexpr Index kMostCuts = 8;    // of a sub-batch: four tiles and their transposes
constexpr Index kShortRows = 24;  // mean entries of a row from which a whole warp works on it
constexpr std::size_t kAlignment = 16;

const float* given(const device::Buffer<float>& factors) {
  return factors.empty() ? nullptr : factors.data();
}
std::size_t room(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

/// Entries that a tile of the sub-batch has if its vertices are like all others.
Index expected(const CutWork& work, Index nnz, Index rows, Index cols, Index block_rows) {
  if (rows == 0 || cols == 0) return 0;
  const double share = static_cast<double>(work.rows.rows) / static_cast<double>(rows) *
                       static_cast<double>(work.cols.rows) / static_cast<double>(cols);
  return static_cast<Index>(std::ceil(1.25 * std::min(share, 1.0) * static_cast<double>(nnz))) + block_rows;
}

}  // namespace

TileCutter::TileCutter(device::Context& context, const layout::GraphShard& full, const CutterOptions& options)
    : context_(context), full_(full), options_(options) {
  OPX_REQUIRE(options.long_row > 0 && options.columns >= 0 && options.most_block_rows >= 0, InvalidArgument,
              "a cutter for {} columns, {} rows a block, long rows from {}", options.columns,
              options.most_block_rows, options.long_row);
  reserve(headers_, kMostCuts);
  reserve_here(headers_here_, headers_held_, kMostCuts);
  reserve(ids_, options.columns);
  reserve(words_, ceil_div(options.columns, 32));
  clear_map();
}

TileCutter::~TileCutter() {
  device::gpu::Device& device = context_.gpu();
  abandon();  // memory goes back in the order of the compute stream, and may still be in use here
  device.deallocate_pinned(sent_here_, sent_held_);
  device.deallocate_pinned(headers_here_, headers_held_ * sizeof(CutHeader));
  device.deallocate_pinned(own_here_, own_held_ * sizeof(float));
  device.deallocate_pinned(kept_here_, kept_held_ * sizeof(std::int32_t));
}

device::gpu::Stream TileCutter::stream() const { return context_.gpu().stream(StreamUse::kSample); }

// Buffers come and go in the order of the compute stream: the two streams meet where one grows.
template <class T>
void TileCutter::reserve(device::Buffer<T>& buffer, Index size) {
  if (size > buffer.capacity()) {
    device::gpu::Device& device = context_.gpu();
    device.order(stream(), device.compute());
    buffer = device::Buffer<T>();  // before the new memory is taken
    buffer.resize(context_, size);
    device.order(device.compute(), stream());
  }
  buffer.resize(context_, size);
}

template <class T>
void TileCutter::reserve_here(T*& here, std::size_t& held, std::size_t size) {
  if (size <= held) return;
  device::gpu::Device& device = context_.gpu();
  const std::size_t more = std::max(size, held + held / 2);
  T* taken = static_cast<T*>(device.allocate_pinned(more * sizeof(T)));
  device.deallocate_pinned(std::exchange(here, taken), std::exchange(held, more) * sizeof(T));
}

void TileCutter::clear_map() {
  context_.gpu().fill_bytes(words_.data(), 0, words_.bytes(), stream());
  tag_ = 0;
}

void TileCutter::begin(const Selection& selection, const device::gpu::Event* released,
                       const RowOrder* order) {
  static const RowOrder kRising;
  const RowOrder& rows = order == nullptr ? kRising : *order;
  device::gpu::Device& device = context_.gpu();
  const std::size_t count = selection.position.size();
  wait();
  jobs_.clear();
  jobs_.reserve(kMostCuts);
  own_count_ = 0;
  block_rows_ = selection.block_rows;
  offsets_.assign(selection.offsets.begin(), selection.offsets.end());
  loss_ends_.assign(offsets_.begin(), offsets_.end() - 1);
  for (std::size_t b = 0; b < loss_ends_.size(); ++b) loss_ends_[b] += rows.loss_rows(static_cast<int>(b));
  const std::size_t of_offsets = room(offsets_.size() * sizeof(Index)), of_each = room(count * sizeof(float));
  reserve_here(sent_here_, sent_held_, 2 * of_offsets + 4 * of_each);
  reserve(sent_, static_cast<Index>(2 * of_offsets + 4 * of_each));
  std::size_t used = 0;
  const auto place = [&]<class T>(const std::vector<T>&, std::size_t held) {
    const std::size_t at = std::exchange(used, used + held);
    return std::pair(reinterpret_cast<T*>(sent_here_ + at), reinterpret_cast<const T*>(sent_.data() + at));
  };
  const auto add = [&](const std::vector<Index>& values) {
    const auto [here, there] = place(values, of_offsets);
    std::ranges::copy(values, here);
    return there;
  };
  const auto add_ordered = [&](const auto& values) {
    const auto [here, there] = place(values, of_each);
    for (std::size_t i = 0; i < values.size(); ++i) here[i] = values[rows.vertex(static_cast<Index>(i), 0)];
    return there;
  };
  drawn_.offsets = add(offsets_);
  drawn_.loss_ends = add(loss_ends_);
  drawn_.position = add_ordered(selection.position);
  drawn_.stratum = add_ordered(selection.stratum);
  drawn_.same = add_ordered(selection.same);
  drawn_.other = add_ordered(selection.other);
  device.copy(sent_.data(), sent_here_, used, stream());
  device.record(done_, stream());
  if (released != nullptr) device.wait(stream(), *released);
}

const SlabBlock* TileCutter::blocks_there(std::span<const int> blocks) {
  for (const auto& known : slabs_)
    if (std::ranges::equal(known->blocks, blocks)) return known->there.data();
  auto made = std::make_unique<Slab>();
  std::vector<SlabBlock> here;
  for (std::size_t k = 0; k < blocks.size(); ++k) {
    const Index begin = layout::block_range(full_.vertices, full_.grid.tensor_ranks(), blocks[k]).begin;
    here.push_back({blocks[k], static_cast<Index>(k) * full_.block_rows - begin});
  }
  made->blocks.assign(blocks.begin(), blocks.end());
  reserve(made->there, std::ssize(here));
  context_.gpu().copy(made->there.data(), here.data(), here.size() * sizeof(SlabBlock), stream());
  return slabs_.emplace_back(std::move(made))->there.data();
}

SlabView TileCutter::slab(std::span<const int> blocks, Index loss_rows) {
  const bool all = loss_rows == 0;
  const Index each = all ? block_rows_ : loss_rows;
  for (const int block : blocks) {
    const auto b = static_cast<std::size_t>(block);
    const Index given = (all ? offsets_[b + 1] : loss_ends_[b]) - offsets_[b];
    OPX_REQUIRE(given <= each, InternalError, "block {} gives {} rows of at most {}", block, given, each);
  }
  return {.blocks = blocks_there(blocks),
          .ends = all ? drawn_.offsets + 1 : drawn_.loss_ends,
          .rows = std::ssize(blocks) * each,
          .block_rows = each};
}

void TileCutter::aim_at(const CutRequest& request, CutWork& work) {
  const spmm::CsrView from = request.tile.view();
  work.drawn = drawn_;
  work.rows = slab(request.row_blocks, request.transposed ? 0 : request.loss_rows);
  work.cols = slab(request.col_blocks, request.transposed ? request.loss_rows : 0);
  work.row_offsets = from.row_offsets.data();
  work.col_ids = from.col_ids.data();
  work.values = from.values.empty() ? nullptr : from.values.data();
  work.row_scale = given(request.tile.row_scale);
  work.col_scale = given(request.tile.col_scale);
  work.factors = request.estimator == Estimator::kSelfNormalised
                     ? Factors::kNone
                     : (request.transposed ? Factors::kOfRow : Factors::kOfColumn);
  const Index most_rows = std::ssize(request.row_blocks) * options_.most_block_rows;
  reserve(info_, std::ssize(request.col_blocks) * options_.most_block_rows);
  work.long_from = options_.long_row;
  work.most_long = std::min(from.nnz() / options_.long_row, work.rows.rows);
  reserve(long_rows_, std::min(from.nnz() / options_.long_row, most_rows));
  reserve(long_counts_, long_rows_.size() * kLongWarps);
  work.lanes = from.nnz() < kShortRows * std::max<Index>(from.rows, 1) ? 8 : 32;
  if (request.own_block < 0) return;
  const auto b = static_cast<std::size_t>(request.own_block);
  work.own_first = offsets_[b];
  work.own_count = offsets_[b + 1] - offsets_[b];
  own_count_ = static_cast<std::size_t>(work.own_count);
  reserve(own_, options_.most_block_rows);
  reserve_here(own_here_, own_held_, static_cast<std::size_t>(options_.most_block_rows));
}

void TileCutter::size(spmm::Csr& to, Index capacity, CutWork& work) {
  reserve(to.col_ids, capacity);
  reserve(to.values, capacity);
  work.capacity = std::min(to.col_ids.capacity(), to.values.capacity());
  to.col_ids.resize(context_, work.capacity);
  to.values.resize(context_, work.capacity);
  work.to_cols = to.col_ids.data();
  work.to_values = to.values.data();
}

int TileCutter::cut(const CutRequest& request, spmm::Csr& to) {
  const spmm::CsrView from = request.tile.view();
  OPX_REQUIRE(std::ssize(jobs_) < kMostCuts, InternalError, "more than {} cuts of a sub-batch", kMostCuts);
  OPX_REQUIRE(from.cols <= options_.columns && block_rows_ <= options_.most_block_rows, InvalidArgument,
              "a cutter for {} columns and {} rows a block; the tile has {} columns, the sub-batch {} rows",
              options_.columns, options_.most_block_rows, from.cols, block_rows_);
  Job job{.work = {}, .to = &to, .counts = {}};
  aim_at(request, job.work);
  const Index blocks = std::ssize(request.row_blocks), most = blocks * options_.most_block_rows + 1;
  to.rows = job.work.rows.rows;
  to.cols = job.work.cols.rows;
  to.longest_row = -1;
  reserve(to.row_offsets, most);
  to.row_offsets.resize(context_, to.rows + 1);
  job.work.to_offsets = to.row_offsets.data();
  reserve(scratch_, static_cast<Index>(scan_bytes(context_.gpu(), most)));
  Index capacity = std::min(to.col_ids.capacity(), to.values.capacity());
  if (capacity == 0)
    capacity =
        std::min(from.nnz(), expected(job.work, from.nnz(), from.rows, from.cols, options_.most_block_rows));
  size(to, capacity, job.work);
  jobs_.push_back(job);
  put(jobs_.size() - 1);
  return static_cast<int>(jobs_.size()) - 1;
}

void TileCutter::put(std::size_t index) {
  device::gpu::Device& device = context_.gpu();
  const device::gpu::Stream on = stream();
  CutWork& work = jobs_[index].work;
  if (++tag_ == 0) {
    clear_map();
    tag_ = 1;
  }
  work.tag = tag_;
  // Memory of all cuts, which one behind this may have made larger.
  work.words = words_.data();
  work.ids = ids_.data();
  work.info = info_.data();
  work.long_rows = long_rows_.data();
  work.long_counts = long_counts_.data();
  work.diagonal = work.own_count > 0 ? own_.data() : nullptr;
  work.header = headers_.data() + index;
  device.fill_bytes(work.header, 0, sizeof(CutHeader), on);
  if (work.diagonal != nullptr)
    device.fill_bytes(work.diagonal, 0, static_cast<std::size_t>(work.own_count) * sizeof(float), on);
  mark_columns(device, on, work);
  count_rows(device, on, work);
  inclusive_sum(device, on, work.to_offsets, work.rows.rows + 1, scratch_.data(),
                static_cast<std::size_t>(scratch_.capacity()));
  seal(device, on, work);
  fill_rows(device, on, work);
}

void TileCutter::wait() { context_.gpu().wait_on_host(done_); }

void TileCutter::abandon() noexcept {
  try {
    context_.gpu().record(done_, stream());
    wait();
  } catch (...) {  // the error before says what happened
  }
}

void TileCutter::finish() {
  device::gpu::Device& device = context_.gpu();
  const auto collect = [&] {
    device.copy(headers_here_, headers_.data(), jobs_.size() * sizeof(CutHeader), stream());
    if (own_count_ > 0) device.copy(own_here_, own_.data(), own_count_ * sizeof(float), stream());
    device.record(done_, stream());
    wait();
  };
  collect();
  bool again = false;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const auto nnz = static_cast<Index>(headers_here_[i].nnz);
    if (nnz <= jobs_[i].work.capacity) continue;
    size(*jobs_[i].to, nnz + nnz / 8, jobs_[i].work);
    put(i);
    ++made_again_;
    again = true;
  }
  if (again) collect();
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    const CutHeader& header = headers_here_[i];
    Job& job = jobs_[i];
    const auto nnz = static_cast<Index>(header.nnz);
    OPX_REQUIRE(nnz <= job.work.capacity, InternalError, "{} entries for {} places, counted before", nnz,
                job.work.capacity);
    job.to->col_ids.resize(context_, nnz);
    job.to->values.resize(context_, nnz);
    job.to->longest_row = static_cast<Index>(header.longest_row);
    job.counts = {.nnz = nnz,
                  .off_diagonal = nnz - static_cast<Index>(header.diagonals),
                  .rows_without_neighbours = static_cast<Index>(header.rows_without_neighbours)};
  }
}

std::span<std::int32_t> TileCutter::read_columns(const spmm::Csr& tile) {
  device::gpu::Device& device = context_.gpu();
  const auto columns = static_cast<std::size_t>(tile.cols);
  reserve_here(kept_here_, kept_held_, columns);
  reserve(kept_, tile.cols);
  device.fill_bytes(kept_.data(), 0xff, kept_.bytes(), stream());
  mark_read(device, stream(), tile.col_ids.data(), tile.nnz(), kept_.data());
  device.copy(kept_here_, kept_.data(), kept_.bytes(), stream());
  device.record(done_, stream());
  wait();
  return {kept_here_, columns};
}

void TileCutter::renumber_columns(std::span<const std::int32_t> kept, Index columns, spmm::Csr& tile,
                                  spmm::Csr* transposed) {
  device::gpu::Device& device = context_.gpu();
  device.copy(kept_.data(), kept.data(), kept.size_bytes(), stream());
  renumber(device, stream(), kept_.data(), tile.nnz(), tile.col_ids.data());
  tile.cols = columns;
  if (transposed != nullptr) {
    device::Buffer<Index>& offsets = transposed->row_offsets;
    reserve(scratch_, std::max(scratch_.size(), static_cast<Index>(offsets.bytes())));
    device.copy(scratch_.data(), offsets.data(), offsets.bytes(), stream());
    take_rows(device, stream(), kept_.data(), reinterpret_cast<const Index*>(scratch_.data()),
              transposed->rows, columns, offsets.data());
    transposed->rows = columns;
    offsets.resize(context_, columns + 1);
  }
  device.record(done_, stream());
  wait();
}

}  // namespace opx::sampling::gpu
