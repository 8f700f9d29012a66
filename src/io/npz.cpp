// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/npz.hpp"

#include <memory>

#include <fmt/format.h>

#include "base/error.hpp"

namespace opx::io {

bool NpzArchive::has(std::string_view key) const {
  return archive_.find(std::string(key) + ".npy") != nullptr;
}

std::vector<std::string> NpzArchive::keys() const {
  std::vector<std::string> keys;
  for (const auto& member : archive_.members())
    if (member.name.ends_with(".npy")) keys.push_back(member.name.substr(0, member.name.size() - 4));
  return keys;
}

NpyReader NpzArchive::open(std::string_view key, bool prefetch) const {
  const ZipMember* member = archive_.find(std::string(key) + ".npy");
  if (member == nullptr)
    throw base::FormatError(name(), "",
                            fmt::format("has no array '{}' (it has: {})", key, fmt::join(keys(), ", ")));
  auto stream = archive_.open(*member);
  if (prefetch) stream = std::make_unique<PrefetchStream>(std::move(stream));
  return NpyReader(std::move(stream));
}

}  // namespace opx::io
