// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/parameters.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/random.hpp"
#include "device/transfer.hpp"

namespace opx::model {
namespace {

/// Uniform in [-bound, bound).
float uniform(std::uint32_t bits, double bound) noexcept {
  return static_cast<float>((2.0 * static_cast<double>(base::uniform_float(bits)) - 1.0) * bound);
}

/// Element e is word e % 4 of the draw (layer = index of the parameter, vertex = e / 4).
void glorot(tensor::MatrixView<float> weight, std::uint64_t seed, std::uint32_t index) {
  const double bound = std::sqrt(6.0 / static_cast<double>(weight.rows + weight.cols));
  const base::RandomKey key{seed, base::Purpose::kInit};
  for (Index e = 0; e < weight.size(); e += 4) {
    const auto words = base::philox(
        key, {.step = index, .layer = 0, .vertex = static_cast<std::uint64_t>(e / 4), .word = 0});
    for (Index j = e; j < std::min(e + 4, weight.size()); ++j)
      weight.data[j] = uniform(words[static_cast<std::size_t>(j - e)], bound);
  }
}

}  // namespace

Parameters::Parameters(device::Context& context, const ModelSpec& spec, Index tail) {
  Index trained = 0, statistics = 0;
  for (ParameterSpec& p : parameter_specs(spec)) {
    Index& used = p.trained ? trained : statistics;
    entries_.push_back({std::move(p), used});
    const Index size = entries_.back().spec.size();
    if (entries_.back().spec.trained) count_ += size;
    used += size;
  }
  const device::MemoryUse use(context, "parameters and their gradients");
  values_ = device::Buffer<float>(context, trained);
  gradients_ = device::Buffer<float>(context, trained + tail);
  statistics_ = device::Buffer<float>(context, statistics);
  device::set_zero(context, gradients_.span());
  std::vector<float> initial(static_cast<std::size_t>(trained), 0.0F);
  std::vector<float> initial_statistics(static_cast<std::size_t>(statistics), 0.0F);
  std::uint32_t index = 0;
  for (const Entry& entry : entries_) {
    float* home = entry.spec.trained ? initial.data() : initial_statistics.data();
    const tensor::MatrixView<float> v(home + entry.offset, entry.spec.rows, entry.spec.cols);
    if (entry.spec.initial == Initial::kGlorot) glorot(v, spec.seed, index);
    if (entry.spec.initial == Initial::kOne) std::fill(v.data, v.data + v.size(), 1.0F);
    ++index;
  }
  device::copy_to_device(context, std::span<const float>(initial), values_.span());
  device::copy_to_device(context, std::span<const float>(initial_statistics), statistics_.span());
}

Range Parameters::gradients_of(Index layer) const noexcept {
  Range range{count_, 0};
  for (const Entry& entry : entries_)
    if (entry.spec.trained && entry.spec.layer == layer)
      range = {std::min(range.begin, entry.offset), std::max(range.end, entry.offset + entry.spec.size())};
  return range;
}

const Parameters::Entry& Parameters::find(std::string_view name) const {
  const auto it =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.spec.name == name; });
  OPX_REQUIRE(it != entries_.end(), InternalError, "the model has no parameter '{}'", name);
  return *it;
}

tensor::MatrixView<float> Parameters::value(const Entry& entry) noexcept {
  device::Buffer<float>& home = entry.spec.trained ? values_ : statistics_;
  return {home.data() + entry.offset, entry.spec.rows, entry.spec.cols};
}

tensor::MatrixView<float> Parameters::gradient(const Entry& entry) {
  OPX_REQUIRE(entry.spec.trained, InternalError, "'{}' has no gradient", entry.spec.name);
  return {gradients_.data() + entry.offset, entry.spec.rows, entry.spec.cols};
}

void initialise_learned_features(device::Context& context, std::uint64_t seed, std::span<const Index> ids,
                                 tensor::MatrixView<float> table) {
  OPX_REQUIRE(static_cast<Index>(ids.size()) == table.rows, DimensionMismatch,
              "{} ids for a table of {} rows", ids.size(), table.rows);
  const double bound = std::sqrt(3.0 / static_cast<double>(std::max<Index>(table.cols, 1)));
  const base::RandomKey key{seed, base::Purpose::kLearnedFeatures};
  context.parallel_ranges(table.rows, 1024, [&](Range rows) {
    for (Index i = rows.begin; i < rows.end; ++i) {
      float* out = table.row(i);
      const Index id = ids[static_cast<std::size_t>(i)];
      std::fill(out, out + table.cols, 0.0F);
      for (Index j = 0; id >= 0 && j < table.cols; ++j) {
        const auto words = base::philox(key, {.step = 0,
                                              .layer = 0,
                                              .vertex = static_cast<std::uint64_t>(id),
                                              .word = static_cast<std::uint32_t>(j / 4)});
        out[j] = uniform(words[static_cast<std::size_t>(j % 4)], bound);
      }
    }
  });
}

}  // namespace opx::model
