// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// An original id where a position is due does not compile.
#include "base/types.hpp"

opx::Index take(opx::Position position);

#if OPX_GOOD
opx::Index result() { return take(opx::Position{3}); }
#else
opx::Index result() { return take(opx::OriginalId{3}); }
#endif
