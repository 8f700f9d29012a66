// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The instruction sets that the Highway kernels are not compiled for, the same in every module, so that one
// choice (tensor/targets.hpp) holds for all: sets that give these kernels nothing over their neighbours, and
// vectors whose length is not known to the compiler. To be included before Highway.
#pragma once

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
