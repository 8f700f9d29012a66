// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/workspace.hpp"

#include <algorithm>
#include <utility>

namespace opx::model {
namespace {
constexpr Index kLargestExcess =
    2;  // a narrow matrix must not hold the buffer that a wide one will ask for next
}

Workspace::Workspace(device::Context& context) : context_(context), free_(std::make_shared<Pool>()) {}

Array Workspace::take(Index rows, Index cols) {
  const Index ld = aligned_rows_ ? tensor::line_stride<float>(cols) : cols;
  const Index need = std::max<Index>(std::max(rows, reserved_rows_) * ld, 1);
  auto best = free_->end();
  for (auto it = free_->begin(); it != free_->end(); ++it)
    if (it->size() >= need && it->size() / kLargestExcess <= need &&
        (best == free_->end() || it->size() < best->size()))
      best = it;
  device::Buffer<float> buffer;
  if (best != free_->end()) {
    buffer = std::move(*best);
    free_->erase(best);
  } else {
    const device::MemoryUse use(context_, "activations");
    buffer = device::Buffer<float>(context_, need);
  }
  float* data = buffer.data();
  auto held = new device::Buffer<float>(std::move(buffer));
  std::shared_ptr<void> lease(held, [pool = free_](void* pointer) {
    std::unique_ptr<device::Buffer<float>> back(static_cast<device::Buffer<float>*>(pointer));
    pool->push_back(std::move(*back));
  });
  return Array({data, rows, cols, ld}, std::move(lease));
}

void Workspace::trim() noexcept { free_->clear(); }

}  // namespace opx::model
