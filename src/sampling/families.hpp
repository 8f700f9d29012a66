// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// One maker for each family of samplers, called by make_sampler() after the checks that all share. Private to
// sampling/.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "graph/store.hpp"
#include "sampling/blocks.hpp"
#include "sampling/sampler.hpp"

namespace opx::sampling {

/// What every maker gets.
struct Request {
  const graph::Store& store;
  const Blocks& blocks;
  const SamplerOptions& options;
  [[nodiscard]] Index vertices() const noexcept { return store.info().vertices; }
  [[nodiscard]] Index virtual_blocks() const noexcept { return store.info().virtual_blocks; }
};

/// Sub-batches of an epoch: 1 / ratio to the nearest integer, at least 1.
[[nodiscard]] Index batches_of(double ratio) noexcept;

/// Vertices that virtual block `block` gives to each sub-batch: ratio times its size to the nearest integer.
[[nodiscard]] Index share_of_block(const Request& request, Index block);
/// Throws InvalidArgument, with what would work, where share_of_block() is 0 for some block.
void require_a_vertex_of_each_block(const Request& request);

/// What a position weighs as a source: the square root of its column sum in A plus one, in integers (units of
/// 1 / 256), so that choices by it are the same on every machine. Negative sums count as 0.
[[nodiscard]] std::vector<Index> source_weights(const graph::Store& store, Range positions);

/// The most rows that virtual blocks with rows[v] sampled vertices each give to each block of the grid.
[[nodiscard]] std::vector<Index> rows_of_blocks(const Request& request, std::span<const Index> rows);

[[nodiscard]] std::unique_ptr<Sampler> make_stratified(const Request& request);
[[nodiscard]] std::unique_ptr<Sampler> make_uniform(const Request& request);
[[nodiscard]] std::unique_ptr<Sampler> make_degree(const Request& request);
[[nodiscard]] std::unique_ptr<Sampler> make_train(const Request& request);
[[nodiscard]] std::unique_ptr<Sampler> make_cluster(const Request& request);
[[nodiscard]] std::unique_ptr<Sampler> make_saint_walk(const Request& request);

}  // namespace opx::sampling
