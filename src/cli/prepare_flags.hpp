// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Flags and report that `prepare` and `generate` share: how a raw dataset becomes a store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "cli/command.hpp"
#include "graph/prepare.hpp"

namespace opx::cli {

class PrepareFlags {
 public:
  /// `default_output` says in the help what -o is where it is not given.
  PrepareFlags(CLI::App& app, const std::string& default_output);

  [[nodiscard]] std::int64_t memory() const;
  /// --threads; 0: all cores.
  [[nodiscard]] int threads() const noexcept { return threads_; }
  /// --temporary, or the output's folder.
  [[nodiscard]] std::filesystem::path temporary_folder(const std::filesystem::path& output) const;
  /// -o, or the input's name with .opx in the current folder.
  [[nodiscard]] std::filesystem::path output(const std::filesystem::path& input) const;
  /// Throws InvalidArgument where a flag that says how the store is made was given; `because` ends the
  /// message.
  void refuse_store_flags(const std::string& because) const;
  [[nodiscard]] bool splits() const noexcept { return !split_.empty(); }  ///< --split was given
  /// Prepares with a progress bar and reports. Flags without effect on this dataset are refused. `started`:
  /// base::now_seconds() before the dataset was opened.
  void run(const Environment& environment, graph::RawDataset&& dataset, const std::filesystem::path& output,
           double started) const;

 private:
  [[nodiscard]] graph::PrepareOptions options() const;
  [[nodiscard]] bool given(const std::string& flag) const;
  void check_effects(const graph::RawDataset& dataset) const;

  CLI::App& app_;
  std::string output_, deal_ = "degree", order_ = "natural", memory_ = "2GiB", feature_type_ = "fp32",
                       self_loops_ = "keep";
  std::string duplicates_ = "merge", temporary_, split_, parts_ = "0";
  bool add_inverse_ = false;
  Index virtual_blocks_ = 0;
  std::uint64_t placement_seed_ = 0, split_seed_ = 0;
  int threads_ = 0;
};

}  // namespace opx::cli
