// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The operators of a reduction, the same on CPU and GPU. Integers wrap; max and min take the left operand
// unless the right one compares greater (less), so a NaN on the left stays.
#pragma once

#include <type_traits>

#include "base/bfloat16.hpp"

namespace opx::comm::detail {

/// bf16 is summed in fp32 and rounded once.
template <class T>
using Accumulator = std::conditional_t<std::is_same_v<T, bfloat16>, float, T>;

struct Sum {
  template <class A>
  constexpr A operator()(A a, A b) const {
    if constexpr (std::is_integral_v<A>) {
      using U = std::make_unsigned_t<A>;
      return static_cast<A>(static_cast<U>(a) + static_cast<U>(b));
    } else {
      return a + b;
    }
  }
};
struct Max {
  template <class A>
  constexpr A operator()(A a, A b) const {
    return a < b ? b : a;
  }
};
struct Min {
  template <class A>
  constexpr A operator()(A a, A b) const {
    return b < a ? b : a;
  }
};

}  // namespace opx::comm::detail
