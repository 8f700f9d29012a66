// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A small labelled graph and configurations for it, for tests of training.
#pragma once

#include <string>
#include <vector>

#include "support/memory_store.hpp"
#include "train/config.hpp"

namespace opx::test {

/// Features of width 12, 5 classes that follow from the features, half the vertices train, a quarter valid
/// and test each, a few without label. Original ids are reversed positions.
inline MemoryStore training_store(Index vertices, bool symmetric, std::uint64_t seed = 1) {
  MemoryStore store = random_store({.vertices = vertices, .degree = 4, .symmetric = symmetric, .seed = seed});
  const Dense x = random_dense(vertices, 12, seed + 50);
  store.set_features(x);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(vertices));
  std::vector<graph::Split> splits(labels.size());
  std::vector<Index> original(labels.size());
  for (Index i = 0; i < vertices; ++i) {
    const auto row = static_cast<std::size_t>(i);
    std::int32_t best = 0;
    for (std::int32_t c = 1; c < 5; ++c)
      if (x(i, c) > x(i, best)) best = c;
    labels[row] = i % 17 == 5 ? -1 : best;
    splits[row] = i % 2 == 0 ? graph::Split::kTrain : i % 4 == 1 ? graph::Split::kValid : graph::Split::kTest;
    original[row] = vertices - 1 - i;
  }
  store.set_labels(std::move(labels), 5);
  store.set_splits(std::move(splits));
  store.set_original_ids(std::move(original));
  return store;
}

/// Three layers, dropout, Adam; resolved.
inline train::RunConfig training_config(const std::string& model) {
  train::RunConfig config;
  config.model.kind = model;
  config.model.hidden = {16};
  config.model.dropout = 0.3;
  config.model.normalisation = model == "gcn" ? "symmetric" : model == "sage" ? "row" : "none";
  config.epochs = 20;
  config.seed = 3;
  return config;
}

}  // namespace opx::test
