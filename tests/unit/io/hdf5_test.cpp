// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/hdf5.hpp"

#include <cstdlib>
#include <fstream>
#include <numeric>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "support/raw_dataset.hpp"

namespace opx::io {
namespace {

using ::testing::ElementsAre;

template <class T>
void expect_round_trip(const test::TemporaryFolder& folder) {
  std::vector<T> data;
  for (int i = 0; i < 12; ++i) data.push_back(static_cast<T>(static_cast<float>(i)));
  {
    H5File file = H5File::create(folder / "t.h5");
    file.write_array<T>("a/b", data, {4, 3});
    file.close();
  }
  const H5File file = H5File::open(folder / "t.h5");
  const H5Dataset d = file.dataset("a/b");
  EXPECT_THAT(d.shape(), ElementsAre(4, 3));
  EXPECT_EQ(d.type(), h5_type<T>());
  EXPECT_EQ(file.read_array<T>("a/b"), data);
  std::vector<T> middle(6);
  d.read(1, std::span<T>(middle));
  EXPECT_TRUE(std::equal(middle.begin(), middle.end(), data.begin() + 3));
}

TEST(Hdf5, EveryTypeRoundTrips) {
  const test::TemporaryFolder folder;
  expect_round_trip<std::int8_t>(folder);
  expect_round_trip<std::uint8_t>(folder);
  expect_round_trip<std::uint16_t>(folder);
  expect_round_trip<std::int32_t>(folder);
  expect_round_trip<std::uint32_t>(folder);
  expect_round_trip<std::int64_t>(folder);
  expect_round_trip<std::uint64_t>(folder);
  expect_round_trip<bfloat16>(folder);
  expect_round_trip<float>(folder);
  expect_round_trip<double>(folder);
}

TEST(Hdf5, HalfFloatsAreHalfFloatsInTheFile) {
  const test::TemporaryFolder folder;
  H5File file = H5File::create(folder / "t.h5");
  const std::vector<Float16Bits> halves{{0x3c00}, {0xc000}};
  file.write_array<Float16Bits>("h", halves);
  file.close();
  const H5File again = H5File::open(folder / "t.h5");
  const auto got = again.read_array<Float16Bits>("h");
  EXPECT_EQ(got[0].bits, 0x3c00);
  EXPECT_EQ(got[1].bits, 0xc000);
}

TEST(Hdf5, AttributesAndMembers) {
  const test::TemporaryFolder folder;
  H5File file = H5File::create(folder / "t.h5");
  file.set_attribute("text", "grün");
  file.set_attribute("text", "again");
  file.set_attribute("empty", "");
  file.set_attribute("number", std::int64_t{-5000000000});
  file.set_attribute("real", 0.25);
  H5Group g = file.create_group("x/y");
  g.set_attribute("where", "inside");
  const std::vector<float> one{1};
  file.write_array<float>("b", one);
  EXPECT_THAT(file.members(), ElementsAre("b", "x"));
  EXPECT_THAT(file.attributes(), ElementsAre("empty", "number", "real", "text"));
  EXPECT_EQ(file.string_attribute("text"), "again");
  EXPECT_EQ(file.string_attribute("empty"), "");
  EXPECT_EQ(file.int_attribute("number"), -5000000000);
  EXPECT_EQ(file.double_attribute("real"), 0.25);
  EXPECT_EQ(file.double_attribute("number"), -5e9);
  EXPECT_EQ(file.group("x/y").string_attribute("where"), "inside");
  EXPECT_TRUE(file.has("x/y"));
  EXPECT_FALSE(file.has("x/z/y"));
  EXPECT_THROW((void)file.string_attribute("none"), base::FormatError);
  EXPECT_THROW((void)file.int_attribute("text"), base::FormatError);
  EXPECT_THROW((void)file.int_attribute("real"), base::FormatError);
  EXPECT_THROW((void)file.string_attribute("real"), base::FormatError);
  EXPECT_THROW((void)file.dataset("none"), base::FormatError);
  EXPECT_THROW((void)file.group("none"), base::FormatError);
}

TEST(Hdf5, GrowsInChunksAndRefusesWhatDoesNotFit) {
  const test::TemporaryFolder folder;
  H5File file = H5File::create(folder / "t.h5");
  H5Dataset d = file.create_dataset("d", H5Type::kInt32, {0, 2}, {.chunk_rows = 3});
  for (int i = 0; i < 4; ++i) {
    d.resize(2 * i + 2);
    d.write<std::int32_t>(2 * i, std::vector<std::int32_t>{4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3});
  }
  std::vector<std::int32_t> want(16);
  std::iota(want.begin(), want.end(), 0);
  EXPECT_EQ(file.read_array<std::int32_t>("d"), want);
  EXPECT_THROW(d.write<float>(0, std::vector<float>{1, 2}), base::DimensionMismatch);
  EXPECT_THROW(d.write<std::int32_t>(0, std::vector<std::int32_t>{1}), base::DimensionMismatch);
  EXPECT_THROW(d.write<std::int32_t>(8, std::vector<std::int32_t>{1, 2}), base::DimensionMismatch);
  EXPECT_THROW(d.write<std::int32_t>(-1, std::vector<std::int32_t>{1, 2}), base::DimensionMismatch);
  EXPECT_THROW(file.create_dataset("d", H5Type::kInt8, {1}), base::ResourceError);  // is there already
  EXPECT_THROW(file.create_dataset("e", H5Type::kInt8, {1, 1, 1}), base::InvalidArgument);
}

TEST(Hdf5, SaysWhatIsWrongWithAFile) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(H5File::open(folder / "none"), base::InputError);
  EXPECT_THROW(H5File::open(folder.path()), base::InputError);
  EXPECT_THROW(H5File::create(folder / "no/such"), base::ResourceError);
  std::ofstream(folder / "text") << "not HDF5";
  EXPECT_THROW(H5File::open(folder / "text"), base::FormatError);
  const std::vector<double> data(1000);
  H5File file = H5File::create(folder / "cut");
  file.write_array<double>("d", data);
  file.close();
  std::filesystem::resize_file(folder / "cut", 1500);
  EXPECT_THROW(H5File::open(folder / "cut"), base::FormatError);
}

TEST(Hdf5, UseAfterCloseIsAnErrorAndClosingTwiceIsNot) {
  const test::TemporaryFolder folder;
  H5File file = H5File::create(folder / "t.h5");
  H5Dataset d = file.create_dataset("d", H5Type::kInt32, {1});
  file.close();
  file.close();
  EXPECT_THROW(d.write<std::int32_t>(0, std::vector<std::int32_t>{1}), base::Error);
  EXPECT_THROW((void)file.members(), base::InternalError);
}

TEST(Hdf5, ThreadsMayReadAtTheSameTime) {
  const test::TemporaryFolder folder;
  std::vector<std::int32_t> data(10000);
  std::iota(data.begin(), data.end(), 0);
  H5File file = H5File::create(folder / "t.h5");
  file.write_array<std::int32_t>("d", data);
  file.close();
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (Index i = 0; i < 50; ++i) {
        const H5File own = H5File::open(folder / "t.h5");
        std::vector<std::int32_t> piece(100);
        own.dataset("d").read(i * 100, std::span(piece));
        wrong[t] += piece[99] != i * 100 + 99;
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

}  // namespace
}  // namespace opx::io
