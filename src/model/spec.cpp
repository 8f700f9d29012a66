// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/spec.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"

namespace opx::model {
namespace {

template <class Value, std::size_t N>
Value parse(std::string_view text, std::string_view what,
            const std::array<std::pair<std::string_view, Value>, N>& table) {
  std::vector<std::string> names;
  for (const auto& [key, found] : table) {
    if (key == text) return found;
    names.emplace_back(key);
  }
  throw base::InvalidArgument(fmt::format("{} '{}' is not one of {}{}", what, text, fmt::join(names, ", "),
                                          base::did_you_mean(text, names)));
}

constexpr std::array<std::pair<std::string_view, Kind>, 3> kKinds{
    {{"gcn", Kind::kGcn}, {"sage", Kind::kSage}, {"gin", Kind::kGin}}};
constexpr std::array<std::pair<std::string_view, Order>, 3> kOrders{
    {{"auto", Order::kAuto},
     {"aggregate-first", Order::kAggregateFirst},
     {"transform-first", Order::kTransformFirst}}};
constexpr std::array<std::pair<std::string_view, tensor::Norm>, 4> kNorms{{{"none", tensor::Norm::kNone},
                                                                           {"layer", tensor::Norm::kLayer},
                                                                           {"rms", tensor::Norm::kRms},
                                                                           {"batch", tensor::Norm::kBatch}}};

class SpecList {
 public:
  explicit SpecList(Index layer) : layer_(layer), prefix_(fmt::format("layers.{}.", layer)) {}
  void weight(std::string_view suffix, Index rows, Index cols) {
    add({prefix_ + std::string(suffix), layer_, rows, cols, Initial::kGlorot, true, false, true});
  }
  void vector(std::string_view suffix, Index cols, Initial initial, bool trained = true) {
    add({prefix_ + std::string(suffix), layer_, 1, cols, initial, false, true, trained});
  }
  [[nodiscard]] std::vector<ParameterSpec> take() { return std::move(list_); }

 private:
  void add(ParameterSpec spec) { list_.push_back(std::move(spec)); }
  Index layer_;
  std::string prefix_;
  std::vector<ParameterSpec> list_;
};

std::vector<ParameterSpec> layer_specs(const ModelSpec& spec, Index layer) {
  const Index in = spec.widths[static_cast<std::size_t>(layer)],
              out = spec.widths[static_cast<std::size_t>(layer) + 1];
  SpecList list(layer);
  switch (spec.kind) {
    case Kind::kGcn:
      list.weight("weight", in, out);
      break;
    case Kind::kSage:
      list.weight("weight_self", in, out);
      list.weight("weight_neigh", in, out);
      break;
    case Kind::kGin:
      list.vector("eps", 1, Initial::kZero);
      list.weight("mlp.0.weight", in, out);
      list.vector("mlp.0.bias", out, Initial::kZero);
      list.weight("mlp.1.weight", out, out);
      break;
  }
  list.vector(spec.kind == Kind::kGin ? "mlp.1.bias" : "bias", out, Initial::kZero);
  if (layer + 1 == spec.layers() || spec.norm == tensor::Norm::kNone) return list.take();
  list.vector("norm.gamma", out, Initial::kOne);
  if (spec.norm != tensor::Norm::kRms) list.vector("norm.beta", out, Initial::kZero);
  if (spec.norm == tensor::Norm::kBatch) {
    list.vector("norm.running_mean", out, Initial::kZero, false);
    list.vector("norm.running_var", out, Initial::kOne, false);
  }
  return list.take();
}

}  // namespace

std::string_view name(Kind kind) noexcept {
  for (const auto& [key, found] : kKinds)
    if (found == kind) return key;
  return "?";
}
Kind parse_kind(std::string_view text) { return parse(text, "model", kKinds); }
Order parse_order(std::string_view text) { return parse(text, "order", kOrders); }
tensor::Norm parse_norm(std::string_view text) { return parse(text, "norm", kNorms); }

bool ModelSpec::aggregates_first(Index layer) const noexcept {
  if (layer == 0 && cached()) return true;
  if (order != Order::kAuto) return order == Order::kAggregateFirst;
  if (few_last_rows && layer + 1 == layers()) return true;
  return widths[static_cast<std::size_t>(layer)] <= widths[static_cast<std::size_t>(layer) + 1];
}

bool ModelSpec::has_residual(Index layer) const noexcept {
  return residual && layer + 1 < layers() &&
         widths[static_cast<std::size_t>(layer)] == widths[static_cast<std::size_t>(layer) + 1];
}

std::vector<ParameterSpec> parameter_specs(const ModelSpec& spec) {
  OPX_REQUIRE(spec.layers() >= 1, InvalidArgument, "a model needs at least one layer");
  for (std::size_t i = 0; i < spec.widths.size(); ++i)
    OPX_REQUIRE(spec.widths[i] > 0, InvalidArgument, "width {} of the model is {}", i, spec.widths[i]);
  std::vector<ParameterSpec> all;
  for (Index layer = 0; layer < spec.layers(); ++layer)
    for (ParameterSpec& p : layer_specs(spec, layer)) all.push_back(std::move(p));
  return all;
}

}  // namespace opx::model
