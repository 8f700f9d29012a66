// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The replicated parameters of a model in one buffer, their gradients in another of the same layout: one
// all-reduce carries all gradients of a step, one loop of the optimizer updates all of them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "device/buffer.hpp"
#include "device/context.hpp"
#include "model/spec.hpp"
#include "tensor/matrix.hpp"

namespace opx::model {

class Parameters {
 public:
  /// Values, gradients and statistics are memory of the context, on a GPU too. Allocates and initialises:
  /// Glorot-uniform weights from philox(kInit, seed), a function of the position of the parameter in the list
  /// and of the element alone; the same on every rank. `tail` more floats lie behind the gradients, for what
  /// is summed over ranks in the same message.
  Parameters(device::Context& context, const ModelSpec& spec, Index tail = 0);

  struct Entry {
    ParameterSpec spec;
    Index offset = 0;  ///< into the flat buffer of its sort (trained, or statistics)
  };
  [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }
  /// Throws InternalError where no parameter has that name.
  [[nodiscard]] const Entry& find(std::string_view name) const;
  [[nodiscard]] tensor::MatrixView<float> value(const Entry& entry) noexcept;
  [[nodiscard]] tensor::MatrixView<float> value(std::string_view name) { return value(find(name)); }
  /// Of trained parameters only.
  [[nodiscard]] tensor::MatrixView<float> gradient(const Entry& entry);
  [[nodiscard]] tensor::MatrixView<float> gradient(std::string_view name) { return gradient(find(name)); }

  /// All trained parameters, one after the other: what one all-reduce sums.
  [[nodiscard]] std::span<float> values() noexcept { return values_.span(); }
  [[nodiscard]] std::span<float> gradients() noexcept {
    return gradients_.span().first(static_cast<std::size_t>(count_));
  }
  /// Gradients and tail, contiguous; the tail alone.
  [[nodiscard]] std::span<float> bucket() noexcept { return gradients_.span(); }
  [[nodiscard]] std::span<float> tail() noexcept {
    return gradients_.span().subspan(static_cast<std::size_t>(count_));
  }
  /// Where the gradients of a layer lie in bucket(); layers follow one another.
  [[nodiscard]] Range gradients_of(Index layer) const noexcept;
  /// Running statistics of batch norm, one after the other.
  [[nodiscard]] std::span<float> statistics() noexcept { return statistics_.span(); }
  /// Number of trained scalars.
  [[nodiscard]] Index count() const noexcept { return count_; }

 private:
  std::vector<Entry> entries_;
  device::Buffer<float> values_, gradients_, statistics_;
  Index count_ = 0;
};

/// Fills rows of the learned feature table: row i belongs to original vertex ids[i] (ids[i] < 0: zero).
/// Uniform with the variance of Glorot's rule for a square matrix of the table's width, so that the first
/// layer sees a spread like a hidden layer's. A function of (seed, vertex, feature) alone.
void initialise_learned_features(device::Context& context, std::uint64_t seed, std::span<const Index> ids,
                                 tensor::MatrixView<float> table);

}  // namespace opx::model
