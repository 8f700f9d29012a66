// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// One maker for each family of samplers, called by make_sampler() after the checks that all share. Private to
// sampling/.
#pragma once

#include <memory>
#include <span>

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

[[nodiscard]] std::unique_ptr<Sampler> make_stratified(const Request& request);
[[nodiscard]] std::unique_ptr<Sampler> make_uniform(const Request& request);

}  // namespace opx::sampling
