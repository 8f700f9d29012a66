// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint_files.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "train/durable.hpp"

namespace opx::train {
namespace {

namespace fs = std::filesystem;
constexpr const char* kSum = "xxh3_128";
constexpr std::size_t kSumDigits = 32;

/// The sum in DONE; empty where there is none.
std::string promised_sum(const fs::path& folder) {
  std::ifstream in(folder / kDone);
  std::string sum, file;
  in >> sum >> file;
  return sum.size() == kSumDigits && file == kModelFile ? sum : std::string();
}

bool is_intact(const fs::path& folder) {
  const std::string sum = promised_sum(folder);
  return !sum.empty() && sum == io::file_checksum(folder / kModelFile);
}

template <class T>
std::string sum_of(const io::H5Dataset& dataset) {
  constexpr Index kPiece = Index{1} << 20;
  const Index width = std::max<Index>(1, dataset.row_size()), step = std::max<Index>(1, kPiece / width);
  io::Checksum sum;
  std::vector<T> rows;
  for (Index begin = 0; begin < dataset.rows(); begin += step) {
    const Index count = std::min(step, dataset.rows() - begin);
    rows.resize(static_cast<std::size_t>(count * dataset.row_size()));
    dataset.read(begin, std::span<T>(rows));
    const auto bytes = std::as_bytes(std::span<const T>(rows));
    sum.add({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  return sum.hex();
}

/// `bytes` of the file: elements are stored as they are, so a dataset of more has a damaged shape.
bool is_intact(const io::H5File& file, const std::string& path, std::uintmax_t bytes) {
  try {
    const io::H5Dataset dataset = file.dataset(path);
    const auto rows = static_cast<std::uintmax_t>(std::max<Index>(dataset.rows(), 1));
    const std::uintmax_t row = sizeof(float) * static_cast<std::uintmax_t>(dataset.row_size());
    if (row > bytes / rows) return false;
    const std::string sum =
        dataset.type() == io::H5Type::kInt64 ? sum_of<std::int64_t>(dataset) : sum_of<float>(dataset);
    return dataset.string_attribute(kSum) == sum;
  } catch (const std::exception&) {
    return false;
  }
}

/// Names below `group` with the group before them.
std::vector<std::string> paths_below(const io::H5File& file, const std::string& group) {
  std::vector<std::string> paths;
  if (!file.has(group)) return paths;
  for (const std::string& name : file.group(group).members()) paths.push_back(group + "/" + name);
  return paths;
}

/// The first dataset whose elements are not those that were written.
std::string find_damage(const fs::path& model) {
  constexpr const char* kElsewhere = "attributes or structure";
  try {
    const io::H5File file = io::H5File::open(model);
    const std::uintmax_t bytes = fs::file_size(model);
    std::vector<std::string> paths = paths_below(file, "parameters");
    for (const std::string& state : paths_below(file, "optimizer"))
      for (std::string& path : paths_below(file, state)) paths.push_back(std::move(path));
    if (file.has("original_ids")) paths.emplace_back("original_ids");
    for (const std::string& path : paths)
      if (!is_intact(file, path, bytes)) return fmt::format("dataset '{}'", path);
    return kElsewhere;
  } catch (const std::exception&) {
    return kElsewhere;
  }
}

/// What to go on from instead.
std::string advice(const fs::path& damaged) {
  std::vector<fs::path> others = whole_checkpoints(damaged.parent_path());
  const auto self = std::ranges::find_if(others, [&](const fs::path& other) {
    std::error_code ignored;
    return fs::equivalent(other, damaged, ignored);
  });
  others.erase(self, others.end());
  while (!others.empty() && !is_intact(others.back())) others.pop_back();
  return others.empty() ? std::string("no older checkpoint beside it is intact")
                        : fmt::format("the newest intact one before it is {}", others.back().string());
}

}  // namespace

namespace {

/// Epochs and steps of "epoch-000012-step-000034"; numbers, for epoch-999999 comes before epoch-1000000.
std::pair<std::int64_t, std::int64_t> place_in_run(const fs::path& folder) {
  long long epoch = 0, step = 0;
  (void)std::sscanf(folder.filename().c_str(), "epoch-%lld-step-%lld", &epoch, &step);
  return {epoch, step};
}

}  // namespace

std::vector<fs::path> whole_checkpoints(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().filename().string().starts_with("epoch-") && fs::exists(entry.path() / kDone) &&
        fs::exists(entry.path() / kModelFile))
      found.push_back(entry.path());
  std::ranges::sort(found, {}, place_in_run);
  return found;
}

void remove_unfinished(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".epoch-") && name.ends_with(".tmp")) found.push_back(entry.path());
  }
  for (const fs::path& path : found) remove_tree(path);
}

void DatasetSum::store(io::H5Dataset& dataset) const { dataset.set_attribute(kSum, sum_.hex()); }

void write_done(const fs::path& folder) {
  replace_file(folder / kDone, fmt::format("{}  {}\n", io::file_checksum(folder / kModelFile), kModelFile));
}

void verify_checkpoint(const fs::path& folder) {
  const fs::path model = folder / kModelFile;
  const std::string promised = promised_sum(folder);
  if (promised.empty())
    throw base::FormatError((folder / kDone).string(), "",
                            fmt::format("it holds no checksum of {}; {}", kModelFile, advice(folder)));
  const std::string found = io::file_checksum(model);
  if (found == promised) return;
  throw base::FormatError(model.string(), find_damage(model),
                          fmt::format("the checkpoint is damaged: its xxh3-128 is {}, DONE says {}; {}",
                                      found, promised, advice(folder)));
}

}  // namespace opx::train
