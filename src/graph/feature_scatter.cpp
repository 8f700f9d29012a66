// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What fits is scattered in memory. What does not is parted by ranges of positions, each written to its own
// temporary file as rows of (position, features), read back and scattered range by range: two sequential
// passes over the disk.
#include "graph/feature_scatter.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.hpp"
#include "device/buffer.hpp"
#include "graph/spill_file.hpp"

namespace opx::graph {
namespace {

constexpr Index kReadBytes = Index{8} << 20;

class Scatter {
 public:
  Scatter(device::Context& context, FeatureSource& source, std::span<const std::uint32_t> position_of,
          StoreWriter& writer, const FeatureScatterOptions& options)
      : context_(context),
        source_(source),
        position_of_(position_of),
        writer_(writer),
        options_(options),
        rows_(static_cast<Index>(position_of.size())),
        dim_(source.dim()) {
    const Index row_bytes = dim_ * static_cast<Index>(sizeof(float));
    step_ = std::max<Index>(1, std::min(kReadBytes, options.memory / 8) / row_bytes);
    const Index fit = std::max<Index>(1, options.memory / 2 / row_bytes);
    buckets_ = rows_ <= 2 * fit - step_ ? 1 : ceil_div(rows_, fit);
  }

  void run() {
    if (buckets_ == 1) return in_memory();
    std::vector<Bucket> buckets = part();
    device::Buffer<float> block(context_, even_range(rows_, buckets_, 0).size() * dim_ + dim_);
    std::vector<std::byte> records;
    for (Index b = 0; b < buckets_; ++b) {
      gather(buckets[static_cast<std::size_t>(b)], even_range(rows_, buckets_, b), block, records);
      report(0.5 + 0.5 * static_cast<double>(b + 1) / static_cast<double>(buckets_));
    }
  }

 private:
  struct Bucket {
    SpillFile file;
    std::vector<std::byte> pending;
  };
  [[nodiscard]] std::size_t record_bytes() const {
    return sizeof(std::uint32_t) + static_cast<std::size_t>(dim_) * sizeof(float);
  }
  void report(double fraction) const {
    if (options_.progress) options_.progress(fraction);
  }

  // Calls use(first row, block) for the source's rows in order.
  template <class Use>
  void read_all(double share, Use&& use) {
    device::Buffer<float> block(context_, std::min(step_, rows_) * dim_);
    for (Index at = 0; at < rows_; at += step_) {
      const Index n = std::min(step_, rows_ - at);
      source_.read({block.data(), n, dim_});
      use(at, n, block.data());
      report(share * static_cast<double>(at + n) / static_cast<double>(rows_));
    }
  }

  void in_memory() {
    device::Buffer<float> all(context_, rows_ * dim_);
    read_all(0.8, [&](Index at, Index n, const float* block) {
      for (Index i = 0; i < n; ++i)
        std::copy_n(block + i * dim_, dim_,
                    all.data() + Index{position_of_[static_cast<std::size_t>(at + i)]} * dim_);
    });
    writer_.add_features(all.span());
    report(1);
  }

  std::vector<Bucket> part() {
    std::vector<Bucket> buckets;
    for (Index b = 0; b < buckets_; ++b) buckets.push_back({SpillFile(options_.folder), {}});
    const auto flush =
        static_cast<std::size_t>(std::clamp<Index>(options_.memory / 8 / buckets_, 4096, Index{1} << 20));
    read_all(0.5, [&](Index at, Index n, const float* block) {
      for (Index i = 0; i < n; ++i) {
        const std::uint32_t p = position_of_[static_cast<std::size_t>(at + i)];
        // The range that holds p: floor(b rows / buckets) <= p for the largest such b.
        Bucket& b = buckets[static_cast<std::size_t>(((Index{p} + 1) * buckets_ - 1) / rows_)];
        const auto* id = reinterpret_cast<const std::byte*>(&p);
        const auto* row = reinterpret_cast<const std::byte*>(block + i * dim_);
        b.pending.insert(b.pending.end(), id, id + sizeof p);
        b.pending.insert(b.pending.end(), row, row + static_cast<std::size_t>(dim_) * sizeof(float));
        if (b.pending.size() >= flush) empty(b);
      }
    });
    for (auto& b : buckets) empty(b), b.pending = {};
    return buckets;
  }

  static void empty(Bucket& b) {
    b.file.append(b.pending.data(), b.pending.size());
    b.pending.clear();
  }

  void gather(const Bucket& bucket, Range range, device::Buffer<float>& block,
              std::vector<std::byte>& records) {
    const std::size_t size = record_bytes();
    const std::int64_t step = step_ * static_cast<std::int64_t>(size);
    for (std::int64_t at = 0; at < bucket.file.size(); at += step) {
      records.resize(static_cast<std::size_t>(std::min(step, bucket.file.size() - at)));
      bucket.file.read(at, records.data(), records.size());
      for (std::size_t r = 0; r < records.size(); r += size) {
        std::uint32_t p = 0;
        std::memcpy(&p, records.data() + r, sizeof p);
        std::memcpy(block.data() + (Index{p} - range.begin) * dim_, records.data() + r + sizeof p,
                    size - sizeof p);
      }
    }
    writer_.add_features(block.span().first(static_cast<std::size_t>(range.size() * dim_)));
  }

  device::Context& context_;
  FeatureSource& source_;
  std::span<const std::uint32_t> position_of_;
  StoreWriter& writer_;
  const FeatureScatterOptions& options_;
  Index rows_, dim_, step_ = 1, buckets_ = 1;
};

}  // namespace

void scatter_features(device::Context& context, FeatureSource& source,
                      std::span<const std::uint32_t> position_of, StoreWriter& writer,
                      const FeatureScatterOptions& options) {
  OPX_REQUIRE(source.dim() > 0, InvalidArgument, "features of {} columns", source.dim());
  writer.begin_features(static_cast<Index>(position_of.size()), source.dim(), options.type);
  if (position_of.empty()) return;
  Scatter(context, source, position_of, writer, options).run();
}

}  // namespace opx::graph
