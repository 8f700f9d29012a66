// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// JSON objects whose values are numbers or lists of numbers, streamed: the class_map and role files of
// GraphSAINT.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "io/stream.hpp"

namespace opx::graph::loaders {

/// Calls entry(key, numbers) for each member; a bare number is a list of one. Throws FormatError with the
/// offset for anything else.
void read_json_lists(
    std::unique_ptr<io::InputStream> stream,
    const std::function<void(const std::string& key, std::span<const double> numbers)>& entry);

}  // namespace opx::graph::loaders
