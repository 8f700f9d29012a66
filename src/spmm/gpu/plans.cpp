// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/gpu/plans.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.hpp"
#include "spmm/gpu/variants.hpp"

namespace opx::spmm::gpu {
namespace {

bool same_arrays(const CsrView& a, const CsrView& b) noexcept {
  return a.rows == b.rows && a.cols == b.cols && a.row_offsets.data() == b.row_offsets.data() &&
         a.col_ids.data() == b.col_ids.data() && a.nnz() == b.nnz();
}

std::size_t offset_bytes(const CsrView& a) noexcept {
  return static_cast<std::size_t>(a.rows + 1) * sizeof(std::int32_t);
}

/// One product of a matrix that nothing is kept for.
void multiply_once(device::Context& context, const CsrView& a, const LibraryCall& call) {
  device::Buffer<std::int32_t> offsets(context, a.rows + 1);
  narrow_offsets(context.gpu(), a, offsets.data());
  LibraryMatrix matrix(context.gpu(), a, offsets.data());
  device::Buffer<std::byte> work(context, static_cast<Index>(matrix.work_bytes(call)));
  matrix.multiply(call, work.data());
}

}  // namespace

Plans& Plans::of(device::gpu::Device& device) {
  const auto kept = device.library("spmm.plans", [](device::gpu::Device& owner) -> std::shared_ptr<void> {
    return std::make_shared<Plans>(owner);
  });
  return *static_cast<Plans*>(kept.get());
}

Plans::Key Plans::key_of(const CsrView& a, const LibraryCall& call) noexcept {
  return {a.identity, call.algorithm, call.x.cols, call.x.ld, call.y.ld};
}

Plans::Plan* Plans::find(const CsrView& a, const LibraryCall& call) {
  if (a.identity == 0) return nullptr;
  const Key key = key_of(a, call);
  const auto found = plans_.find(key);
  if (found == plans_.end() && device_.capturing()) return nullptr;
  Plan& plan = found != plans_.end() ? found->second : make(key, a, call);
  OPX_REQUIRE(same_arrays(plan.a, a), InternalError,
              "a matrix of {} x {} with {} entries has the identity {} of another, of {} x {} with {}",
              a.rows, a.cols, a.nnz(), a.identity, plan.a.rows, plan.a.cols, plan.a.nnz());
  plan.used = ++uses_;
  return &plan;
}

void Plans::forget(const CsrView& a, const LibraryCall& call) { plans_.erase(key_of(a, call)); }

std::shared_ptr<KeptMemory> Plans::offsets_of(const CsrView& a) {
  const auto first = plans_.lower_bound({a.identity, 0, 0, 0, 0});
  if (first != plans_.end() && first->first.identity == a.identity && same_arrays(first->second.a, a))
    return first->second.offsets;
  auto made = std::make_shared<KeptMemory>(device_, offset_bytes(a));
  narrow_offsets(device_, a, static_cast<std::int32_t*>(made->data()));
  return made;
}

Plans::Plan& Plans::make(const Key& key, const CsrView& a, const LibraryCall& call) {
  if (plans_.size() >= kMost)
    plans_.erase(std::min_element(plans_.begin(), plans_.end(), [](const auto& one, const auto& other) {
      return one.second.used < other.second.used;
    }));
  std::shared_ptr<KeptMemory> offsets = offsets_of(a);
  LibraryMatrix matrix(device_, a, static_cast<const std::int32_t*>(offsets->data()));
  auto work = std::make_unique<KeptMemory>(device_, std::max<std::size_t>(matrix.work_bytes(call), 1));
  matrix.analyse(call, work->data());
  return plans_.emplace(key, Plan{a, std::move(offsets), std::move(matrix), std::move(work), 0})
      .first->second;
}

bool can_cusparse(const CsrView& a, Index cols, bool bf16) noexcept {
  return !bf16 && !a.at_most && cols > 0 && a.rows > 0 && a.nnz() > 0 &&
         a.nnz() < std::numeric_limits<std::int32_t>::max();
}

void multiply_cusparse(device::Context& context, const CsrView& a, tensor::MatrixView<const float> x,
                       tensor::MatrixView<float> y, const MultiplyOptions& options, int algorithm) {
  const Weighed weighed = weigh(context, a, options);
  const LibraryCall call{weighed.weights.data(), x, y, options.accumulate, algorithm};
  if (Plans::Plan* plan = Plans::of(context.gpu()).find(a, call); plan != nullptr)
    plan->matrix.multiply(call, plan->work->data());
  else
    multiply_once(context, a, call);
}

}  // namespace opx::spmm::gpu
