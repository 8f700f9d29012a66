// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// How often operator new was called. A test that asks lists tests/support/allocations.cpp among its sources;
// Buffers are counted by their context's MemoryAccount instead.
#pragma once

namespace opx::test {

[[nodiscard]] long allocations() noexcept;

}  // namespace opx::test
