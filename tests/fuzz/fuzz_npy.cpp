// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "fuzz_support.hpp"
#include "io/npy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = opx::fuzz::input_file({data, size}, ".npy");
  for (const bool whole : {false, true}) {
    try {
      opx::io::NpyReader reader(opx::io::open_input(path));
      std::vector<float> floats(64);
      std::vector<opx::Index> integers(64);
      // Past the end on purpose: that must be an error too.
      for (opx::Index i = 0; i <= reader.header().elements() + 64; i += 64)
        if (whole)
          reader.read(floats);
        else
          reader.read(integers);
    } catch (const opx::base::Error&) {
    }
  }
  return 0;
}
