// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/edge_buckets.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

namespace opx::graph {
namespace {

constexpr Index kMostBuckets = 4096;  // a thread writes to all of them at once: their lines must stay cached
constexpr Index kSmallestBlock = 1 << 10, kLargestBlock = 1 << 14;
constexpr int kEntryBits = 32;
constexpr std::ptrdiff_t kAhead = 16;  // entries of a cache line: the next one is fetched while one is filled

bool aligned(const void* p, Index bytes) noexcept {
  return (reinterpret_cast<std::uintptr_t>(p) & (static_cast<std::uintptr_t>(bytes) - 1)) == 0;
}

}  // namespace

std::optional<BucketShape> BucketShape::fit(const TileCode& code, int threads, std::int64_t memory) {
  BucketShape shape;
  shape.column_bits = std::min(kEntryBits - code.local_bits, kEntryBits - 1);
  if (shape.column_bits < code.local_bits) return std::nullopt;
  shape.parts = ceil_div(code.tiles << code.local_bits, Index{1} << shape.column_bits);
  shape.buckets = shape.parts * code.tiles;
  if (shape.buckets > kMostBuckets) return std::nullopt;
  // Each thread may leave a block of each bucket nearly empty; and blocks are aligned when they are cut.
  shape.block_bytes = kLargestBlock;
  while (shape.block_bytes > kSmallestBlock && 2 * shape.block_bytes * shape.buckets * threads > memory)
    shape.block_bytes /= 2;
  if (2 * shape.block_bytes * shape.buckets * threads > memory) return std::nullopt;
  return shape;
}

// Hands out blocks: those cut from memory that was given back, else from fresh memory.
class EdgeBuckets::Pool {
 public:
  Pool(device::Context& context, Index block_bytes, Index fresh_words,
       std::vector<device::Buffer<std::uint64_t>>& memory)
      : context_(context),
        block_bytes_(block_bytes),
        fresh_words_(std::max(fresh_words, 2 * block_bytes / Index{sizeof(std::uint64_t)})),
        memory_(memory) {}

  std::uint32_t* take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) cut({context_, fresh_words_});
    std::uint32_t* const block = free_.back();
    free_.pop_back();
    return block;
  }
  void give(device::Buffer<std::uint64_t>&& memory) {
    const std::lock_guard lock(mutex_);
    cut(std::move(memory));
  }

 private:
  // Into aligned blocks: a full block is known by the address behind it. Memory too small for one is freed.
  void cut(device::Buffer<std::uint64_t> memory) {
    auto* const begin = reinterpret_cast<char*>(memory.data());
    const auto block = static_cast<std::size_t>(block_bytes_);
    const std::size_t skipped = (block - reinterpret_cast<std::uintptr_t>(begin) % block) % block;
    if (skipped + block > memory.bytes()) return;
    for (std::size_t at = skipped; at + block <= memory.bytes(); at += block)
      free_.push_back(reinterpret_cast<std::uint32_t*>(begin + at));
    memory_.push_back(std::move(memory));
  }

  device::Context& context_;
  Index block_bytes_, fresh_words_;
  std::vector<device::Buffer<std::uint64_t>>& memory_;
  std::mutex mutex_;
  std::vector<std::uint32_t*> free_;
};

// One thread's open blocks.
class EdgeBuckets::Filler {
 public:
  Filler(const BucketShape& shape, const TileCode& code, const VertexCodes& codes, bool mirror, Pool& pool)
      : shape_(shape),
        code_(code),
        codes_(codes),
        mirror_(mirror),
        pool_(pool),
        at_(static_cast<std::size_t>(shape.buckets), nullptr) {}

  void add(std::span<const std::uint64_t> edges) {
    for (const std::uint64_t e : edges) {
      const std::uint32_t dst = codes_(dst_of(e)), src = codes_(src_of(e));
      put(dst, src);
      if (mirror_ && dst != src) put(src, dst);
    }
  }

  // Hands all blocks over.
  void close(std::vector<std::vector<Block>>& out) {
    for (std::size_t b = 0; b < at_.size(); ++b)
      if (at_[b] != nullptr) end_block(b);
    for (const auto& [bucket, block] : done_) out[bucket].push_back(block);
  }

 private:
  void put(std::uint32_t row, std::uint32_t col) {
    const std::size_t bucket =
        std::size_t{code_.tile(row)} * static_cast<std::size_t>(shape_.parts) + (col >> shape_.column_bits);
    std::uint32_t*& at = at_[bucket];
    if (aligned(at, shape_.block_bytes)) next_block(bucket);
    __builtin_prefetch(at + kAhead, 1);
    *at++ = (code_.local(row) << shape_.column_bits) | (col & ((1U << shape_.column_bits) - 1U));
  }
  // `at` is null, or behind a full block.
  void next_block(std::size_t bucket) {
    if (at_[bucket] != nullptr) end_block(bucket);
    at_[bucket] = pool_.take();
  }
  void end_block(std::size_t bucket) {
    std::uint32_t* const end = at_[bucket];
    const auto words = static_cast<std::uintptr_t>(shape_.block_bytes) / sizeof(std::uint32_t);
    const std::uintptr_t place = reinterpret_cast<std::uintptr_t>(end) / sizeof(std::uint32_t) % words;
    const std::size_t count = place == 0 ? words : place;
    done_.push_back({bucket, Block(end - count, count)});
  }

  const BucketShape shape_;
  const TileCode code_;
  const VertexCodes& codes_;
  const bool mirror_;
  Pool& pool_;
  std::vector<std::uint32_t*> at_;
  std::vector<std::pair<std::size_t, Block>> done_;
};

EdgeBuckets::EdgeBuckets(device::Context& context, EdgeLog& log, const VertexCodes& codes,
                         const TileCode& code, const BucketShape& shape, bool mirror)
    : shape_(shape), blocks_(static_cast<std::size_t>(shape.buckets)) {
  const Index chunks = log.chunks();
  Pool pool(context, shape.block_bytes, log.chunk(), memory_);
  std::atomic<Index> next{0};
  std::mutex merge;
  context.parallel_for(std::min<Index>(context.threads(), chunks), [&](Index) {
    Filler filler(shape, code, codes, mirror, pool);
    EdgeLog::Scratch unused;
    for (Index c = next.fetch_add(1); c < chunks; c = next.fetch_add(1)) {
      filler.add(log.load(c, unused).edges);
      pool.give(log.take(c));
    }
    const std::lock_guard lock(merge);
    filler.close(blocks_);
  });
}

std::span<const EdgeBuckets::Block> EdgeBuckets::blocks(Index row_tile, Index part) const {
  return blocks_[static_cast<std::size_t>(row_tile * shape_.parts + part)];
}

}  // namespace opx::graph
