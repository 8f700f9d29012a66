// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.hpp"
#include "io/hdf5.hpp"
#include "train/prediction_writer.hpp"

namespace opx::train {
namespace {

namespace fs = std::filesystem;

class PredictionFiles : public testing::Test {
 protected:
  PredictionFiles() : folder_(fs::temp_directory_path() / ("opx-prediction-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
  }
  ~PredictionFiles() override { fs::remove_all(folder_); }
  std::string text(const std::string& file) const {
    std::ifstream in(folder_ / file, std::ios::binary);
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
  }
  fs::path folder_;
};

TEST_F(PredictionFiles, CsvQuotesNamesAndNumbersTheRest) {
  const auto writer = make_prediction_writer(
      folder_ / "p.csv",
      {.vertices = 3, .columns = 1, .integers = true, .vector = true, .column_name = "class"});
  const std::vector<float> first{4, 0}, last{2};
  writer->write(0, first, std::vector<std::string>{"a,\"b\"", ""});
  writer->write(2, last, {});
  EXPECT_FALSE(fs::exists(folder_ / "p.csv")) << "not before it is whole";
  writer->finish();
  EXPECT_EQ(text("p.csv"), "vertex,class\n\"a,\"\"b\"\"\",4\n1,0\n2,2\n");
}

TEST_F(PredictionFiles, LeaveNothingBehindUnfinished) {
  for (const char* name : {"p.csv", "p.npy", "p.h5"})
    (void)make_prediction_writer(folder_ / name, {.vertices = 2, .columns = 2, .column_name = "p"});
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(PredictionFiles, NpyHeaderIsAligned) {
  const auto writer =
      make_prediction_writer(folder_ / "p.npy", {.vertices = 2, .columns = 2, .column_name = "p"});
  const std::vector<float> rows{1, 2, 3, 4};
  writer->write(0, rows, {});
  writer->finish();
  const std::string file = text("p.npy");
  ASSERT_EQ(file.substr(0, 6), "\x93NUMPY");
  const std::size_t header = static_cast<unsigned char>(file[8]) + 256U * static_cast<unsigned char>(file[9]);
  EXPECT_EQ((10 + header) % 64, 0U);
  EXPECT_EQ(file[10 + header - 1], '\n');
  EXPECT_NE(file.find("'shape': (2, 2)"), std::string::npos);
  EXPECT_EQ(file.size(), 10 + header + 16);
}

TEST_F(PredictionFiles, Hdf5HasIdsBesideValues) {
  const auto writer =
      make_prediction_writer(folder_ / "p.h5", {.vertices = 3, .columns = 2, .column_name = "p"});
  const std::vector<float> rows{1, 2, 3, 4}, last{5, 6};
  writer->write(0, rows, {});
  writer->write(2, last, {});
  writer->finish();
  const io::H5File file = io::H5File::open(folder_ / "p.h5");
  EXPECT_EQ(file.read_array<float>("prediction"), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(file.read_array<Index>("original_id"), (std::vector<Index>{0, 1, 2}));
}

TEST_F(PredictionFiles, Hdf5HoldsTheNamesOfVertices) {
  const auto writer = make_prediction_writer(
      folder_ / "n.h5", {.vertices = 4, .integers = true, .vector = true, .column_name = "class"});
  writer->write(0, std::vector<float>{1, 0, 3}, std::vector<std::string>{"1017", "", "carol"});
  writer->write(3, std::vector<float>{2}, std::vector<std::string>{"d"});
  writer->finish();
  const io::H5File file = io::H5File::open(folder_ / "n.h5");
  const auto bytes = file.read_array<std::uint8_t>("name_bytes");
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "1017carold");
  EXPECT_EQ(file.read_array<Index>("name_ends"), (std::vector<Index>{4, 4, 9, 10}));
  EXPECT_EQ(file.read_array<std::int32_t>("prediction"), (std::vector<std::int32_t>{1, 0, 3, 2}));
}

TEST_F(PredictionFiles, WrongNamesAndFolders) {
  EXPECT_THROW(check_prediction_output("p.txt"), base::InvalidArgument);
  EXPECT_THROW((void)make_prediction_writer("/proc/nowhere/p.csv", {.vertices = 1}), base::ResourceError);
}

}  // namespace
}  // namespace opx::train
