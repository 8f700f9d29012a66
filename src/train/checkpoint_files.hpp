// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The files of a checkpoint and what proves them whole: DONE holds the xxh3-128 of model.h5, as `xxhsum -c`
// reads it, and every HDF5 dataset has that of its elements as attribute `xxh3_128`. The first tells that any
// byte changed, the second which dataset it was in.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "io/checksum.hpp"
#include "io/hdf5.hpp"

namespace opx::train {

inline constexpr const char* kModelFile = "model.h5";
inline constexpr const char* kDone = "DONE";

/// Checkpoints of a folder of them that have both files, oldest first. They may still be damaged.
[[nodiscard]] std::vector<std::filesystem::path> whole_checkpoints(const std::filesystem::path& folder);
/// Removes what a full disk or a kill left of an unfinished checkpoint: folders .epoch-*.tmp.
void remove_unfinished(const std::filesystem::path& folder);

/// Sum of a dataset's elements, given in the order of the dataset.
class DatasetSum {
 public:
  template <class T>
  void add(std::span<const T> elements) {
    const auto bytes = std::as_bytes(elements);
    sum_.add({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  void store(io::H5Dataset& dataset) const;

 private:
  io::Checksum sum_;
};

/// Writes DONE for the model.h5 that lies in `folder`, with its sum; atomically, synced.
void write_done(const std::filesystem::path& folder);

/// Throws FormatError where model.h5 is not what DONE says: names the file, the first dataset that is
/// damaged (or that none is: then it is an attribute or the structure), and the newest intact checkpoint
/// before this one. Reads the whole file.
void verify_checkpoint(const std::filesystem::path& folder);

}  // namespace opx::train
