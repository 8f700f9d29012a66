// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "csr_store.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "layout/placement.hpp"

namespace opx::bench {

namespace {

class CsrStore final : public graph::Store {
 public:
  CsrStore(std::shared_ptr<const spmm::Csr> pattern, Index virtual_blocks) : csr_(std::move(pattern)) {
    info_.name = "in memory";
    info_.vertices = csr_->rows;
    info_.edges = csr_->nnz();
    info_.self_loops = csr_->rows;
    info_.symmetric = true;
    info_.train = ceil_div(csr_->rows, 10);
    info_.virtual_blocks =
        virtual_blocks > 0 ? virtual_blocks : layout::default_virtual_blocks(info_.vertices);
  }

  [[nodiscard]] const graph::StoreInfo& info() const noexcept override { return info_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept override { return path_; }
  [[nodiscard]] graph::Edges read_edges(device::Context& context, Range rows,
                                        std::span<const Range> cols) const override {
    OPX_REQUIRE(cols.size() == 1 && cols[0] == (Range{0, info_.vertices}), InvalidArgument,
                "this store gives whole rows");
    const Index begin = csr_->row_offsets[rows.begin], end = csr_->row_offsets[rows.end];
    graph::Edges edges{{context, end - begin}, {context, end - begin}, {}};
    std::copy(csr_->col_ids.begin() + begin, csr_->col_ids.begin() + end, edges.col.begin());
    for (Index v = rows.begin; v < rows.end; ++v)
      std::fill(edges.row.begin() + csr_->row_offsets[v] - begin,
                edges.row.begin() + csr_->row_offsets[v + 1] - begin,
                static_cast<std::int32_t>(v - rows.begin));
    return edges;
  }
  void read_features(Range, tensor::MatrixView<float>) const override {}
  void read_labels(Range, std::span<std::int32_t> out) const override { std::ranges::fill(out, -1); }
  void read_targets(Range, tensor::MatrixView<float>) const override {}
  void read_splits(Range rows, std::span<graph::Split> out) const override {
    for (Index v = rows.begin; v < rows.end; ++v)
      out[static_cast<std::size_t>(v - rows.begin)] =
          v % 10 == 0 ? graph::Split::kTrain : graph::Split::kNone;
  }
  void read_degrees(Range rows, std::span<float> row_sums, std::span<float> col_sums) const override {
    for (Index v = rows.begin; v < rows.end; ++v) {
      const auto i = static_cast<std::size_t>(v - rows.begin);
      row_sums[i] = col_sums[i] = static_cast<float>(csr_->row_offsets[v + 1] - csr_->row_offsets[v]);
    }
  }
  void read_self_loops(Range, std::span<std::uint8_t> out) const override { std::ranges::fill(out, 1); }
  void read_original_ids(Range rows, std::span<Index> out) const override {
    std::iota(out.begin(), out.end(), rows.begin);
  }
  [[nodiscard]] std::optional<std::vector<std::string>> read_names(std::span<const Index>) const override {
    return std::nullopt;
  }

 private:
  std::shared_ptr<const spmm::Csr> csr_;
  graph::StoreInfo info_;
  std::filesystem::path path_;
};

}  // namespace

std::unique_ptr<graph::Store> store_of(std::shared_ptr<const spmm::Csr> pattern, Index virtual_blocks) {
  return std::make_unique<CsrStore>(std::move(pattern), virtual_blocks);
}

layout::GraphShard shard_of(device::Context& context, std::shared_ptr<const spmm::Csr> pattern,
                            bool as_directed) {
  const Index n = pattern->rows;
  auto tile = std::make_shared<layout::Tile>();
  tile->row_scale = {context, n};
  tile->col_scale = {context, n};
  for (Index v = 0; v < n; ++v) {
    const auto degree = static_cast<double>(pattern->row_offsets[v + 1] - pattern->row_offsets[v]);
    tile->row_scale[v] = tile->col_scale[v] = static_cast<float>(1 / std::sqrt(degree));
  }
  tile->csr = std::move(pattern);
  return {.grid = {},
          .coord = {},
          .vertices = n,
          .block_rows = n,
          .own = {0, n},
          .symmetric = !as_directed,
          .tile = {tile, tile, tile},
          .transposed = {},
          .loss_rows = {}};
}

}  // namespace opx::bench
