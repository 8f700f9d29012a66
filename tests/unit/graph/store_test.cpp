// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Damaged stores, full disks, and what is told about a store.
#include "graph/store.hpp"

#include <cmath>
#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"
#include "graph/generate.hpp"
#include "graph/half.hpp"
#include "graph/info.hpp"
#include "graph/prepare.hpp"
#include "io/hdf5.hpp"
#include "support/raw_dataset.hpp"

namespace opx::graph {
namespace {

using test::TemporaryFolder;

RawDataset labelled(Index n) {
  auto raw = test::raw_dataset(n, test::random_edges(n, 5 * n, 1));
  raw.labels = {.task = Task::kMultiClass,
                .classes = 3,
                .labels = std::vector<std::int32_t>(static_cast<std::size_t>(n), 1),
                .targets = {}};
  raw.features =
      std::make_unique<test::ListFeatures>(std::vector<float>(static_cast<std::size_t>(n * 4), 0.5F), 4);
  return raw;
}

std::filesystem::path sound_store(device::Context& context, const TemporaryFolder& folder) {
  PrepareOptions o;
  o.virtual_blocks = 4;
  prepare(context, labelled(300), folder / "a.opx", o);
  return folder / "a.opx";
}

TEST(Store, RefusesWhatIsNotOurs) {
  const TemporaryFolder folder;
  EXPECT_THROW(Store::open(folder / "none.opx"), base::InputError);
  std::ofstream(folder / "empty.opx");
  EXPECT_THROW(Store::open(folder / "empty.opx"), base::FormatError);
  io::H5File other = io::H5File::create(folder / "other.opx");
  const std::vector<float> data{1, 2};
  other.write_array<float>("data", data);
  other.close();
  try {
    (void)Store::open(folder / "other.opx");
    FAIL();
  } catch (const base::FormatError& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("not a prepared dataset"));
  }
  io::H5File later = io::H5File::create(folder / "later.opx");
  later.set_attribute("format", "orthoplex-store");
  later.set_attribute("version", std::int64_t{99});
  later.close();
  EXPECT_THROW(Store::open(folder / "later.opx"), base::FormatError);
}

// Cut at any length the store is refused, at the latest when its content is verified.
TEST(Store, RefusesEveryTruncation) {
  const TemporaryFolder folder;
  device::Context context({.threads = 2});
  const auto path = sound_store(context, folder);
  verify_store(path);
  const auto size = std::filesystem::file_size(path);
  for (std::uintmax_t keep = 0; keep < size; keep += size / 41 + 1) {
    std::filesystem::copy_file(path, folder / "cut.opx", std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(folder / "cut.opx", keep);
    EXPECT_THROW(verify_store(folder / "cut.opx"), base::FormatError) << keep;
  }
}

// Bytes overwritten anywhere: an error or, where they mean nothing, none; never a crash, and content is never
// taken for sound.
TEST(Store, NoticesDamage) {
  const TemporaryFolder folder;
  device::Context context({.threads = 2});
  const auto path = sound_store(context, folder);
  const auto size = static_cast<std::streamoff>(std::filesystem::file_size(path));
  int noticed = 0, tried = 0;
  for (std::streamoff at = 0; at < size; at += size / 97 + 1, ++tried) {
    std::filesystem::copy_file(path, folder / "bad.opx", std::filesystem::copy_options::overwrite_existing);
    {
      std::fstream f(folder / "bad.opx", std::ios::in | std::ios::out | std::ios::binary);
      f.seekp(at);
      f.write("\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", 8);
    }
    std::filesystem::resize_file(folder / "bad.opx", static_cast<std::uintmax_t>(size));
    try {
      verify_store(folder / "bad.opx");
      const auto s = Store::open(folder / "bad.opx");
      const std::vector<Range> all{{0, s->info().vertices}};
      (void)s->read_edges(context, all[0], all);
    } catch (const base::Error&) {
      ++noticed;
    }
  }
  EXPECT_GT(noticed, tried / 4);
}

// A process of its own, because a file size limit holds for the whole process.
TEST(Prepare, AFullDiskIsAResourceErrorAndLeavesNothing) {
  const TemporaryFolder folder;
  for (const rlim_t limit : {rlim_t{0}, rlim_t{3000}, rlim_t{40000}, rlim_t{150000}}) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::signal(SIGXFSZ, SIG_IGN);  // writes beyond the limit fail with EFBIG
      const struct rlimit l { limit, limit };
      ::setrlimit(RLIMIT_FSIZE, &l);
      int code = 1;
      try {
        device::Context context({.threads = 1});
        prepare(context, labelled(20000), folder / "full.opx", {});
      } catch (const base::ResourceError&) {
        code = 42;
      } catch (...) {
        code = 2;
      }
      ::_exit(code);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << status;
    EXPECT_EQ(WEXITSTATUS(status), 42) << limit;
    EXPECT_EQ(folder.entries(), 0U);
  }
}

TEST(Prepare, AFullFileSystemIsAResourceErrorAndKeepsTheOldStore) {
  const TemporaryFolder folder;
  if (::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "a tmpfs cannot be mounted here";
  struct Unmount {
    const char* path;
    ~Unmount() { ::umount2(path, MNT_DETACH); }
  } const unmount{folder.path().c_str()};
  device::Context context({.threads = 2});
  const auto path = sound_store(context, folder);
  EXPECT_THROW(prepare(context, labelled(20000), path, {}), base::ResourceError);
  EXPECT_EQ(folder.entries(), 1U);
  verify_store(path);
  PrepareOptions spill;  // the temporary files are what does not fit
  spill.memory = 1500000, spill.temporary_folder = folder.path();
  const TemporaryFolder elsewhere;
  EXPECT_THROW(prepare(context, labelled(20000), elsewhere / "a.opx", spill), base::ResourceError);
  EXPECT_EQ(elsewhere.entries(), 0U);
}

TEST(Half, ConvertsEveryValueAndRoundsToEven) {
  for (std::uint32_t h = 0; h < 65536; ++h) {
    const float f = float_from_half(static_cast<std::uint16_t>(h));
    if (std::isnan(f))
      EXPECT_TRUE(std::isnan(float_from_half(half_from_float(f))));
    else
      EXPECT_EQ(half_from_float(f), h);
  }
  EXPECT_EQ(half_from_float(1.0F + 0x1p-11F), 0x3c00);  // half way: to even
  EXPECT_EQ(half_from_float(1.0F + 3 * 0x1p-11F), 0x3c02);
  EXPECT_EQ(half_from_float(65519.0F), 0x7bff);
  EXPECT_EQ(half_from_float(65520.0F), 0x7c00);
  EXPECT_EQ(half_from_float(0x1p-25F), 0x0000);
  EXPECT_EQ(half_from_float(0x1.8p-25F), 0x0001);
}

double imbalance_of(const std::vector<layout::Imbalance>& table, std::string_view policy) {
  for (const auto& i : table)
    if (i.policy == policy) return i.max_over_mean;
  ADD_FAILURE() << policy;
  return 0;
}

// The balance that reference/slabs.py prints for these graphs at 8 x 8 tiles, or better.
TEST(Info, BalanceOfRoadAndRmat) {
  const TemporaryFolder folder;
  device::Context context({.threads = 2});
  const layout::Grid grid{8, 2, 8, 1};
  prepare(context, generate_road(context, {.side = 400}), folder / "road.opx", {});
  auto table = measure_imbalance(context, *Store::open(folder / "road.opx"), grid, 1);
  EXPECT_NEAR(imbalance_of(table, "natural order"), 7.98, 0.05);
  EXPECT_NEAR(imbalance_of(table, "one permutation"), 3.2, 0.1);
  EXPECT_LT(imbalance_of(table, "two permutations"), 1.04);
  EXPECT_LT(imbalance_of(table, "slabs, random deal"), 1.03);
  EXPECT_LT(imbalance_of(table, "this store"), 1.03);
  prepare(context, generate_rmat(context, {.scale = 17, .edge_factor = 8}), folder / "rmat.opx", {});
  const auto rmat = Store::open(folder / "rmat.opx");
  table = measure_imbalance(context, *rmat, grid, 1);
  EXPECT_GT(imbalance_of(table, "natural order"), 9);
  EXPECT_GT(imbalance_of(table, "one permutation"), 1.3);
  EXPECT_LT(imbalance_of(table, "slabs, degree deal"), 1.08);
  EXPECT_LT(imbalance_of(table, "this store"), 1.08);
  const DegreeSummary d = summarise_degrees(context, *rmat);
  EXPECT_EQ(d.min, 0);
  EXPECT_NEAR(d.mean, static_cast<double>(rmat->info().edges) / 131072, 1e-9);
  EXPECT_GT(d.max, d.p99);
  EXPECT_GT(d.isolated, 0);
}

}  // namespace
}  // namespace opx::graph
