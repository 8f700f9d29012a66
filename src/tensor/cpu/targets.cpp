// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/targets.hpp"

#include <algorithm>
#include <cstdint>

#include "base/error.hpp"
#include "tensor/highway_targets.hpp"

// After the list of sets that are left out.
#include <hwy/highway.h>

namespace opx::tensor {

std::string chosen_target() {
  const std::int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);
}

std::vector<std::string> available_targets() {
  std::vector<std::string> names;
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets())
    names.emplace_back(hwy::TargetName(target));
  return names;
}

void force_target(const std::string& name) {
  hwy::SetSupportedTargetsForTest(0);
  if (!name.empty()) {
    const std::vector<std::int64_t> targets = hwy::SupportedAndGeneratedTargets();
    const auto found = std::find_if(targets.begin(), targets.end(),
                                    [&](std::int64_t target) { return name == hwy::TargetName(target); });
    OPX_REQUIRE(found != targets.end(), InvalidArgument, "instruction set '{}' is not available here", name);
    hwy::SetSupportedTargetsForTest(*found);
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace opx::tensor
