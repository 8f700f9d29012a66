// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "base/trace.hpp"

#include <fmt/core.h>

namespace opx::base {

std::string TraceWriter::json_fragment() const {
  std::string out;
  for (const Event& e : events_) {
    if (!out.empty()) out += ",\n";
    out += fmt::format(R"({{"name":"{}","cat":"{}","ph":"X","ts":{:.3f},"dur":{:.3f},"pid":{},"tid":{}}})",
                       e.name, e.category, e.start * 1e6, e.duration * 1e6, rank_, static_cast<int>(e.lane));
  }
  return out;
}

}  // namespace opx::base
