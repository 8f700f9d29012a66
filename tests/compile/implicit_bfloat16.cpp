// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Rounding to bf16 is never silent.
#include "base/bfloat16.hpp"

#if OPX_GOOD
opx::bfloat16 round(float f) { return opx::bfloat16(f); }
#else
opx::bfloat16 round(float f) { return f; }
#endif
