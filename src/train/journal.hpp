// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The run directory that rank 0 writes: config.toml (resolved), metrics.jsonl (one object an epoch, flushed
// line by line), trace.json on request.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "base/trace.hpp"
#include "comm/communicator.hpp"
#include "train/config.hpp"
#include "train/session.hpp"

namespace opx::train {

/// runs/<dataset>-<UTC time> where the configuration names none.
[[nodiscard]] std::filesystem::path choose_run_dir(const RunConfig& config);
/// One line of metrics.jsonl, without newline; NaN is null.
[[nodiscard]] std::string to_json(const EpochReport& report);

class Journal {
 public:
  /// Makes the folder and writes config.toml. Where a metrics.jsonl is there (a resumed run), its lines after
  /// `epochs_done` are dropped. Throws ResourceError.
  Journal(std::filesystem::path folder, const RunConfig& config, int epochs_done);
  /// Appends and flushes. Throws ResourceError (disk full).
  void append(const EpochReport& report);
  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }

 private:
  std::filesystem::path folder_;
  std::ofstream metrics_;
};

/// Gathers every rank's events and writes trace.json on rank 0. Collective; a failure ends all ranks.
void write_trace(comm::Communicator& world, const base::TraceWriter& mine, const std::filesystem::path& file);

}  // namespace opx::train
