// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// zip, npz and the two layouts in single .npz files.
#include "fuzz_support.hpp"
#include "io/zip.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const opx::io::ZipArchive archive(opx::io::FileRange::whole(opx::fuzz::input_file({data, size}, ".npz")));
    for (const auto& member : archive.members()) {
      const auto stream = archive.open(member);
      (void)opx::io::read_all(*stream, std::size_t{1} << 22);
    }
  } catch (const opx::base::Error&) {
  }
  opx::fuzz::read_dataset({data, size}, ".npz", "heterophilous");
  opx::fuzz::read_dataset({data, size}, ".npz", "scipy");
  return 0;
}
