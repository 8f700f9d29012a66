// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.hpp"
#include "device/transfer.hpp"
#include "io/hdf5.hpp"
#include "train/checkpoint_files.hpp"
#include "train/durable.hpp"
#include "train/gather.hpp"
#include "train/options.hpp"

namespace opx::train {
namespace {

namespace fs = std::filesystem;
using comm::CommPurpose;

constexpr const char* kFormat = "orthoplex-checkpoint";
constexpr std::int64_t kVersion = 2;
constexpr const char* kFeatures = "features";

std::vector<Index> shape_of(const model::ParameterSpec& spec) {
  return spec.is_vector ? std::vector<Index>{spec.cols} : std::vector<Index>{spec.rows, spec.cols};
}
std::string parameter_path(const std::string& name) { return "parameters/" + name; }
std::string state_path(const std::string& state, const std::string& name) {
  return "optimizer/" + state + "/" + name;
}

/// Host memory that holds what lies in memory of the trainer's context.
std::vector<float> on_host(TrainerBase& trainer, std::span<const float> values) {
  return device::host_copy(trainer.context(), values);
}

/// A whole array with its sum.
template <class T>
void write_summed(io::H5File& file, const std::string& path, std::span<const T> data,
                  std::vector<Index> shape = {}) {
  io::H5Dataset dataset = file.write_array(path, data, std::move(shape));
  DatasetSum sum;
  sum.add(data);
  sum.store(dataset);
}

void write_attributes(io::H5File& file, TrainerBase& trainer, const RunConfig& config,
                      const Progress& progress) {
  const graph::StoreInfo& info = trainer.store().info();
  file.set_attribute("format", kFormat);
  file.set_attribute("version", kVersion);
  file.set_attribute("epoch", static_cast<std::int64_t>(progress.epochs_done));
  file.set_attribute("step", trainer.optimizer().steps());
  file.set_attribute("seed", static_cast<std::int64_t>(config.seed));
  file.set_attribute("dataset", info.name);
  file.set_attribute("dataset_checksum", info.checksum);
  file.set_attribute("config", to_toml(config));
  file.set_attribute("progress", to_json(progress));
}

void write_replicated(io::H5File& file, TrainerBase& trainer) {
  model::Parameters& parameters = trainer.network().parameters();
  Optimizer& optimizer = trainer.optimizer();
  for (const auto& entry : parameters.entries()) {
    const auto value = parameters.value(entry);
    const std::span<const float> all(value.data, static_cast<std::size_t>(value.size()));
    const std::vector<float> copy = on_host(trainer, all);
    write_summed(file, parameter_path(entry.spec.name), std::span<const float>(copy), shape_of(entry.spec));
  }
  for (std::size_t slot = 0; slot < optimizer.slots().size(); ++slot) {
    const std::string& name = optimizer.slots()[slot].name;
    if (name == kFeatures) continue;
    for (std::size_t k = 0; k < optimizer.state_names().size(); ++k)
      write_summed(file, state_path(optimizer.state_names()[k], name),
                   std::span<const float>(on_host(trainer, optimizer.state(slot, k))),
                   shape_of(parameters.find(name).spec));
  }
}

/// The learned table and its optimizer state, streamed to rank 0.
void write_sharded(io::H5File& file, RootWork& root, TrainerBase& trainer) {
  const tensor::MatrixView<float> table = trainer.network().learned_features();
  if (table.data == nullptr) return;
  const Index vertices = trainer.store().info().vertices;
  const auto stream = [&](const std::string& path, const float* data) {
    std::vector<float> copy;
    if (trainer.context().on_gpu()) {
      copy = on_host(trainer, {data, static_cast<std::size_t>(table.size())});
      data = copy.data();
    }
    io::H5Dataset dataset;
    DatasetSum sum;
    root.run([&] { dataset = file.create_dataset(path, io::H5Type::kFloat32, {vertices, table.cols}); });
    stream_rows_to_root(trainer.grid().tensor(), vertices, {data, table.rows, table.cols},
                        CommPurpose::kCheckpoint, [&](Index first, std::span<const float> rows) {
                          root.run([&] {
                            dataset.write(first, rows);
                            sum.add(rows);
                          });
                        });
    root.run([&] { sum.store(dataset); });
  };
  stream(parameter_path(kFeatures), table.data);
  Optimizer& optimizer = trainer.optimizer();
  for (std::size_t k = 0; k < optimizer.state_names().size(); ++k)
    stream(state_path(optimizer.state_names()[k], kFeatures),
           optimizer.state(optimizer.slots().size() - 1, k).data());
  root.run([&] {
    std::vector<Index> ids(static_cast<std::size_t>(vertices));
    trainer.store().read_original_ids({0, vertices}, ids);
    write_summed(file, "original_ids", std::span<const Index>(ids));
  });
}

/// DONE goes first: what is half removed is not whole.
void remove_checkpoint(const fs::path& checkpoint) {
  std::error_code ignored;
  fs::remove(checkpoint / kDone, ignored);
  fs::remove_all(checkpoint, ignored);
}

/// Leaves `last` and the keep - 1 before it. Later ones are of a run that was taken up again from before
/// them: kept, they would count as the newest.
void remove_others(const fs::path& folder, const fs::path& last, int keep) {
  const std::vector<fs::path> whole = whole_checkpoints(folder);
  const auto at = std::find(whole.begin(), whole.end(), last) - whole.begin();
  for (auto i = std::ptrdiff_t{0}; i < std::ssize(whole); ++i)
    if (i > at || i <= at - std::max(keep, 1)) remove_checkpoint(whole[static_cast<std::size_t>(i)]);
}

/// One tensor of the checkpoint into memory; `rows` of it for a sharded one.
void read_tensor(const io::H5File& file, const std::string& path, const std::vector<Index>& shape,
                 Index first, std::span<float> out) {
  if (!file.has(path))
    throw base::FormatError(file.file(), path, "the checkpoint has no such tensor; is it of another model?");
  const io::H5Dataset dataset = file.dataset(path);
  if (dataset.shape() != shape)
    throw base::FormatError(file.file(), path,
                            fmt::format("the shape is ({}), the model's is ({})",
                                        fmt::join(dataset.shape(), ", "), fmt::join(shape, ", ")));
  dataset.read(first, out);
}

/// The same into memory of the trainer's context.
void read_resident(const io::H5File& file, TrainerBase& trainer, const std::string& path,
                   const std::vector<Index>& shape, Index first, std::span<float> out) {
  if (!trainer.context().on_gpu()) {
    read_tensor(file, path, shape, first, out);
    return;
  }
  std::vector<float> staging(out.size());
  read_tensor(file, path, shape, first, staging);
  device::copy_to_device(trainer.context(), std::span<const float>(staging), out);
}

void read_replicated(const io::H5File& file, TrainerBase& trainer, bool resume) {
  model::Parameters& parameters = trainer.network().parameters();
  for (const auto& entry : parameters.entries()) {
    const auto value = parameters.value(entry);
    const std::span<float> all(value.data, static_cast<std::size_t>(value.size()));
    read_resident(file, trainer, parameter_path(entry.spec.name), shape_of(entry.spec), 0, all);
  }
  if (!resume) return;
  Optimizer& optimizer = trainer.optimizer();
  for (std::size_t slot = 0; slot < optimizer.slots().size(); ++slot) {
    const std::string& name = optimizer.slots()[slot].name;
    if (name == kFeatures) continue;
    for (std::size_t k = 0; k < optimizer.state_names().size(); ++k)
      read_resident(file, trainer, state_path(optimizer.state_names()[k], name),
                    shape_of(parameters.find(name).spec), 0, optimizer.state(slot, k));
  }
  optimizer.set_steps(file.int_attribute("step"));
}

void read_sharded(const io::H5File& file, TrainerBase& trainer, bool resume) {
  const tensor::MatrixView<float> table = trainer.network().learned_features();
  if (table.data == nullptr) return;
  const Range own = trainer.shard().own;
  const std::vector<Index> shape{trainer.store().info().vertices, table.cols};
  const auto count = static_cast<std::size_t>(own.size() * table.cols);
  read_resident(file, trainer, parameter_path(kFeatures), shape, own.begin, {table.data, count});
  if (!resume) return;
  Optimizer& optimizer = trainer.optimizer();
  for (std::size_t k = 0; k < optimizer.state_names().size(); ++k)
    read_resident(file, trainer, state_path(optimizer.state_names()[k], kFeatures), shape, own.begin,
                  optimizer.state(optimizer.slots().size() - 1, k).first(count));
}

}  // namespace

fs::path find_checkpoint(const fs::path& path) {
  if (path.filename() == kModelFile && fs::exists(path)) return path.parent_path();
  if (fs::exists(path / kModelFile)) {
    OPX_REQUIRE(fs::exists(path / kDone), InputError, "checkpoint {} was not finished (it has no file DONE)",
                path.string());
    return path;
  }
  for (const fs::path& folder : {path / "checkpoints", path})
    if (const auto whole = whole_checkpoints(folder); !whole.empty()) return whole.back();
  throw base::InputError(
      fmt::format("no checkpoint in {}: looked for {}, checkpoints/epoch-* and epoch-* with a file DONE",
                  path.string(), kModelFile));
}

bool has_checkpoints(const fs::path& run_dir) { return !whole_checkpoints(run_dir / "checkpoints").empty(); }

namespace {

CheckpointInfo read_info(const fs::path& folder) {
  CheckpointInfo info;
  info.folder = folder;
  const io::H5File file = io::H5File::open(info.folder / kModelFile);
  if (!file.has_attribute("format") || file.string_attribute("format") != kFormat)
    throw base::FormatError(file.file(), "", "not a checkpoint of this program");
  if (const std::int64_t version = file.int_attribute("version"); version != kVersion)
    throw base::FormatError(file.file(), "attribute 'version'",
                            fmt::format("version {} is not {}", version, kVersion));
  info.epoch = static_cast<int>(file.int_attribute("epoch"));
  info.step = file.int_attribute("step");
  info.dataset = file.string_attribute("dataset");
  info.dataset_checksum = file.string_attribute("dataset_checksum");
  read_recorded_toml_text(info.config, file.string_attribute("config"), file.file());
  info.progress = progress_from_json(file.string_attribute("progress"), file.file());
  return info;
}

}  // namespace

CheckpointInfo read_checkpoint_info(const fs::path& checkpoint) {
  const fs::path folder = find_checkpoint(checkpoint);
  try {
    return read_info(folder);
  } catch (const std::exception&) {
    verify_checkpoint(folder);  // damage explains it better
    throw;
  }
}

CheckpointInfo open_checkpoint_info(comm::Communicator& world, const fs::path& checkpoint) {
  comm::agree(world, [&] {
    if (world.rank() == 0) verify_checkpoint(find_checkpoint(checkpoint));
  });
  CheckpointInfo info;
  comm::agree(world, [&] { info = read_checkpoint_info(checkpoint); });
  return info;
}

std::string checkpoint_name(const Progress& progress) {
  const std::string name = fmt::format("epoch-{:06}", progress.epochs_done);
  return progress.epoch.steps == 0 ? name : fmt::format("{}-step-{:06}", name, progress.epoch.steps);
}

fs::path write_checkpoint(TrainerBase& trainer, const RunConfig& config, const Progress& progress,
                          const fs::path& run_dir, int keep) {
  const fs::path folder = run_dir / "checkpoints";
  const std::string name = checkpoint_name(progress);
  const fs::path temporary = folder / ("." + name + ".tmp"), last = folder / name;
  RootWork root(trainer.grid().world());
  io::H5File file;
  root.run([&] {
    remove_tree(temporary);
    make_folders(temporary);
    file = io::H5File::create(temporary / kModelFile);
    write_attributes(file, trainer, config, progress);
    write_replicated(file, trainer);
  });
  write_sharded(file, root, trainer);
  root.run([&] {
    file.close(true);
    sync_folder(temporary);
    remove_checkpoint(last);
    remove_tree(last);
    rename_path(temporary, last);
    write_done(last);
    sync_folder(folder);
    sync_folder(run_dir);
    remove_others(folder, last, keep);
  });
  root.agree();
  return last;
}

void load_checkpoint(TrainerBase& trainer, const fs::path& checkpoint, bool resume) {
  comm::agree(trainer.grid().world(), [&] {
    const CheckpointInfo info = read_checkpoint_info(checkpoint);
    const graph::StoreInfo& store = trainer.store().info();
    const std::string path = (info.folder / kModelFile).string();
    if (info.dataset_checksum != store.checksum)
      throw base::FormatError(path, "attribute 'dataset_checksum'",
                              fmt::format("the checkpoint is of dataset '{}' with checksum {}; '{}' has {}",
                                          info.dataset, info.dataset_checksum, store.name, store.checksum));
    const io::H5File file = io::H5File::open(path);
    read_replicated(file, trainer, resume);
    read_sharded(file, trainer, resume);
  });
}

}  // namespace opx::train
