// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include "base/error.hpp"
#include "base/random.hpp"
#include "io/checksum.hpp"
#include "io/gzip.hpp"
#include "io/lines.hpp"
#include "io/npz.hpp"
#include "io/tree.hpp"
#include "io/zip.hpp"
#include "support/file_writers.hpp"

namespace opx::io {
namespace {

using test::gzip;
using test::npy;
using test::ScratchFolder;
using test::write_file;
using test::ZipWriter;
using ::testing::HasSubstr;

// Text that compresses badly enough to span many buffers.
std::string random_lines(int lines) {
  std::string text;
  for (int i = 0; i < lines; ++i) {
    const auto r = base::philox({7, base::Purpose::kTest}, {.vertex = static_cast<std::uint64_t>(i)});
    text += fmt::format("{},{}\n", r[0] % 3000000, r[1] % 3000000);
  }
  return text;
}

std::string drain(InputStream& stream, std::size_t piece = 100000) {
  std::string text, block(piece, '\0');
  for (;;) {
    const std::size_t n = stream.read(block);
    text.append(block, 0, n);
    if (n < piece) return text;
  }
}

template <class F>
base::FormatError format_error(F&& f) {
  try {
    f();
  } catch (const base::FormatError& error) {
    return error;
  }
  ADD_FAILURE() << "no FormatError";
  return {"", "", ""};
}

std::vector<InflateBackend> backends() {
  std::vector<InflateBackend> all = {InflateBackend::kZlib};
  if (best_inflate_backend() == InflateBackend::kIsal) all.push_back(InflateBackend::kIsal);
  return all;
}

class Gzip : public ::testing::TestWithParam<InflateBackend> {
 protected:
  std::unique_ptr<InputStream> open(const std::string& bytes) {
    const auto path = write_file(folder_ / "x.gz", bytes);
    return std::make_unique<GzipStream>(std::make_unique<RangeStream>(FileRange::whole(path)), GetParam());
  }
  ScratchFolder folder_;
};

TEST_P(Gzip, UnpacksWhateverThePieces) {
  const std::string text = random_lines(100000);
  const std::string packed = gzip(text);
  for (const std::size_t piece : {std::size_t{1} << 20, std::size_t{4093}}) {
    const auto stream = open(packed);
    EXPECT_EQ(drain(*stream, piece), text);
    EXPECT_DOUBLE_EQ(stream->progress(), 1.0);
  }
  EXPECT_EQ(drain(*open(gzip("abc")), 1), "abc");
  EXPECT_EQ(drain(*open(gzip(""))), "");
}

TEST_P(Gzip, JoinsMembersAndIgnoresZeroPadding) {
  const std::string text = random_lines(20000);
  EXPECT_EQ(drain(*open(gzip(text) + gzip("") + gzip("end\n"))), text + "end\n");
  EXPECT_EQ(drain(*open(gzip("a") + std::string(700000, '\0'))), "a");
}

TEST_P(Gzip, ReportsDamage) {
  const std::string packed = gzip(random_lines(20000));
  for (const std::size_t cut : {packed.size() - 1, packed.size() - 8, packed.size() / 2, std::size_t{5}}) {
    const auto error = format_error([&] { drain(*open(packed.substr(0, cut))); });
    EXPECT_THAT(error.what(), HasSubstr("truncated")) << cut;
    EXPECT_EQ(error.position(), fmt::format("offset {}", cut));
  }
  std::string bad_crc = packed;
  bad_crc[packed.size() - 8] = static_cast<char>(bad_crc[packed.size() - 8] ^ 1);
  EXPECT_THAT(format_error([&] { drain(*open(bad_crc)); }).what(), HasSubstr("x.gz"));
  EXPECT_THAT(format_error([&] { drain(*open(packed + "more")); }).what(),
              HasSubstr("after the last member"));
  EXPECT_THAT(format_error([&] { drain(*open("")); }).what(), HasSubstr("empty"));
  std::string damaged = packed;
  for (std::size_t i = 200; i < 260; ++i) damaged[i] = static_cast<char>(0xA5);
  format_error([&] { drain(*open(damaged)); });
}

INSTANTIATE_TEST_SUITE_P(Backends, Gzip, ::testing::ValuesIn(backends()));

TEST(Stream, OpenInputUnpacksByMagicNumber) {
  const ScratchFolder folder;
  EXPECT_EQ(drain(*open_input(write_file(folder / "plain.gz", "no gzip"))), "no gzip");
  EXPECT_EQ(drain(*open_input(write_file(folder / "packed.csv", gzip("1,2\n")))), "1,2\n");
  EXPECT_THROW((void)open_input(folder / "missing"), base::InputError);
  EXPECT_THROW((void)open_input(folder.path()), base::InputError);
}

TEST(Stream, PrefetchGivesTheSameBytesAndTheErrorAfterThem) {
  const ScratchFolder folder;
  const std::string text = random_lines(300000);
  const auto path = write_file(folder / "x.gz", gzip(text));
  PrefetchStream stream(open_input(path));
  EXPECT_EQ(drain(stream, 777777), text);
  const std::string packed = gzip(text);
  PrefetchStream cut(open_input(write_file(folder / "cut.gz", packed.substr(0, packed.size() - 4))));
  EXPECT_THROW(drain(cut), base::FormatError);
  const PrefetchStream unread(open_input(path));  // ends its thread without being read
}

TEST(Lines, ChunksHoldWholeLinesWithTheirNumbers) {
  const ScratchFolder folder;
  const std::string text = random_lines(50000) + "last without newline";
  LineChunks lines(open_input(write_file(folder / "x.gz", gzip(text))), {.chunk = 1000, .ahead = 8});
  std::vector<LineChunk> chunks;
  std::string joined;
  Index line = 1;
  while (lines.next(chunks, 5)) {
    for (const auto& chunk : chunks) {
      EXPECT_EQ(chunk.first_line, line);
      EXPECT_EQ(chunk.text().back(), '\n');
      EXPECT_EQ(chunk.end()[0], '\0');
      joined += chunk.text();
      line += chunk.lines;
    }
  }
  EXPECT_EQ(joined, text + "\n");
  EXPECT_EQ(line, 50002);
}

TEST(Lines, LongLinesGrowTheChunkUpToALimit) {
  const ScratchFolder folder;
  const std::string text = "a\n" + std::string(5000, 'x') + "\nb\n";
  const auto path = write_file(folder / "x.txt", text);
  LineReader reader(open_input(path), {.chunk = 16});
  std::string_view line;
  ASSERT_TRUE(reader.next(line));
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line.size(), 5000U);
  EXPECT_EQ(reader.line(), 2);
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "b");
  EXPECT_FALSE(reader.next(line));
  LineReader limited(open_input(path), {.chunk = 16, .longest_line = 100});
  const auto error = format_error([&] {
    while (limited.next(line)) {
    }
  });
  EXPECT_EQ(error.position(), "line 2");
}

TEST(Number, ReadsIntegersOfAnyLength) {
  const auto parse = [](std::string text, std::size_t& length) {
    length = 0;
    const std::string padded = text + std::string(kTextPadding, '\0');
    Index value = -1;
    const char* end = parse_index(padded.data(), value);
    if (end == nullptr) return Index{-1};
    length = static_cast<std::size_t>(end - padded.data());
    return value;
  };
  std::size_t length = 0;
  Index expected = 0;
  std::string digits;
  for (int n = 1; n <= 18; ++n) {
    expected = expected * 10 + n % 10;
    digits += static_cast<char>('0' + n % 10);
    EXPECT_EQ(parse(digits + ",9", length), expected);
    EXPECT_EQ(length, digits.size());
  }
  EXPECT_EQ(parse("0000000000000000000012", length), -1);
  EXPECT_EQ(parse("1000000000000000000", length), 1'000'000'000'000'000'000);
  EXPECT_EQ(parse("1000000000000000001", length), -1);
  EXPECT_EQ(parse("99999999999999999999999", length), -1);
  EXPECT_EQ(parse("99999999999999999999", length), -1);
  for (const char* text : {"", "-1", " 1", "x", ":", "/", "\xb0"}) EXPECT_EQ(parse(text, length), -1) << text;
  EXPECT_EQ(parse("12:", length), 12);
  EXPECT_EQ(parse("12345678/", length), 12345678);
}

TEST(Zip, ReadsStoredAndDeflatedMembersOfBothKinds) {
  const ScratchFolder folder;
  const std::string text = random_lines(60000);
  for (const bool zip64 : {false, true}) {
    const auto path =
        write_file(folder / "x.zip",
                   ZipWriter(zip64).add("a/b.csv", text).add("c", text, false).add("empty", "").finish());
    const ZipArchive archive(FileRange::whole(path));
    ASSERT_EQ(archive.members().size(), 3U);
    for (const auto& member : archive.members())
      EXPECT_EQ(drain(*archive.open(member)), member.name == "empty" ? "" : text) << zip64;
    EXPECT_EQ(archive.find("nothing"), nullptr);
    EXPECT_EQ(drain(*open_input(archive.stored_range(*archive.find("c")))), text);
    EXPECT_THROW((void)archive.stored_range(*archive.find("a/b.csv")), base::FormatError);
  }
}

TEST(Zip, ReadsWhatLibzipWrites) {
  const ScratchFolder folder;
  const std::string text = random_lines(5000);
  const std::string path = (folder / "lib.zip").string();
  int code = 0;
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  ASSERT_NE(zip, nullptr);
  for (const char* name : {"stored", "deflated"}) {
    const auto index = zip_file_add(zip, name, zip_source_buffer(zip, text.data(), text.size(), 0), 0);
    ASSERT_GE(index, 0);
    ASSERT_EQ(zip_set_file_compression(zip, static_cast<zip_uint64_t>(index),
                                       name[0] == 's' ? ZIP_CM_STORE : ZIP_CM_DEFLATE, 0),
              0);
  }
  ASSERT_EQ(zip_set_archive_comment(zip, "a comment", 9), 0);
  ASSERT_EQ(zip_close(zip), 0);
  const ZipArchive archive(FileRange::whole(path));
  ASSERT_EQ(archive.members().size(), 2U);
  for (const auto& member : archive.members()) EXPECT_EQ(drain(*archive.open(member)), text);
}

TEST(Zip, ReportsDamage) {
  const ScratchFolder folder;
  const std::string text = random_lines(3000);
  const std::string good = ZipWriter().add("a", text).finish();
  const auto read_first = [&](const std::string& bytes) {
    return format_error([&] {
      const ZipArchive archive(FileRange::whole(write_file(folder / "x.zip", bytes)));
      drain(*archive.open(archive.members().at(0)));
    });
  };
  const std::size_t entry = good.find("PK\x01\x02");
  std::string bad = good;
  bad[entry + 16] = static_cast<char>(bad[entry + 16] ^ 1);
  EXPECT_THAT(read_first(bad).what(), HasSubstr("bad CRC"));
  bad = good, bad[entry + 10] = 12;  // bzip2
  EXPECT_THAT(read_first(bad).what(), HasSubstr("method 12"));
  bad = good, bad[entry + 8] = 1;
  EXPECT_THAT(read_first(bad).what(), HasSubstr("encrypted"));
  bad = good, bad[200] = static_cast<char>(~bad[200]);
  read_first(bad);
  bad = good, bad[entry + 24] = static_cast<char>(bad[entry + 24] + 1);
  EXPECT_THAT(read_first(bad).what(), HasSubstr("truncated"));
  bad = good, bad[entry + 42] = 99;  // offset of the local header
  EXPECT_THAT(read_first(bad).what(), HasSubstr("local header"));
  EXPECT_THAT(read_first(good.substr(0, good.size() - 5)).what(), HasSubstr("no end record"));
  EXPECT_THAT(read_first("PK").what(), HasSubstr("no zip archive"));
}

std::unique_ptr<InputStream> npy_stream(const ScratchFolder& folder, const std::string& bytes) {
  return open_input(write_file(folder / "x.npy", bytes));
}

TEST(Npy, ConvertsEveryType) {
  const ScratchFolder folder;
  const auto read = [&](const std::string& descr, const std::string& data, int version = 1) {
    NpyReader reader(npy_stream(folder, npy(descr, "(3,)", data, false, version)));
    std::vector<float> out(3);
    reader.read(out);
    return out;
  };
  const std::vector<float> expected = {1, 0, 2};
  EXPECT_EQ(read("<f4", test::bytes_of<float>({1, 0, 2})), expected);
  EXPECT_EQ(read("<f8", test::bytes_of<double>({1, 0, 2}), 2), expected);
  EXPECT_EQ(read("<f2", test::bytes_of<std::uint16_t>({0x3C00, 0, 0x4000})), expected);
  EXPECT_EQ(read("|i1", test::bytes_of<std::int8_t>({1, 0, 2})), expected);
  EXPECT_EQ(read("<i2", test::bytes_of<std::int16_t>({1, 0, 2})), expected);
  EXPECT_EQ(read("<i4", test::bytes_of<std::int32_t>({1, 0, 2}), 3), expected);
  EXPECT_EQ(read("<i8", test::bytes_of<std::int64_t>({1, 0, 2})), expected);
  EXPECT_EQ(read("|u1", test::bytes_of<std::uint8_t>({1, 0, 2})), expected);
  EXPECT_EQ(read("<u4", test::bytes_of<std::uint32_t>({1, 0, 2})), expected);
  EXPECT_EQ(read("<u8", test::bytes_of<std::uint64_t>({1, 0, 2})), expected);
  EXPECT_EQ(read(">i4", std::string("\0\0\0\1\0\0\0\0\0\0\0\2", 12)), expected);
  EXPECT_EQ(read("|b1", std::string("\1\0\1", 3)), (std::vector<float>{1, 0, 1}));
}

TEST(Npy, HalfFloatsIncludeSubnormalsAndInfinity) {
  const ScratchFolder folder;
  NpyReader reader(npy_stream(
      folder, npy("<f2", "(4,)", test::bytes_of<std::uint16_t>({0x0001, 0xC000, 0x7C00, 0x3555}))));
  std::vector<double> out(4);
  reader.read(out);
  EXPECT_EQ(out[0], 0x1p-24);
  EXPECT_EQ(out[1], -2);
  EXPECT_EQ(out[2], std::numeric_limits<double>::infinity());
  EXPECT_NEAR(out[3], 1.0 / 3, 1e-4);
}

TEST(Npy, HeaderSaysShapeAndOrder) {
  const auto header = parse_npy_header("{'fortran_order': True, 'shape': (3L, 2,), 'descr': '<f4'}", "x");
  EXPECT_TRUE(header.fortran);
  EXPECT_EQ(header.shape, (std::vector<Index>{3, 2}));
  EXPECT_EQ(header.describe(), "<f4 (3, 2), Fortran order");
  EXPECT_EQ(parse_npy_header("{'descr': '<i8', 'fortran_order': False, 'shape': (), }", "x").elements(), 1);
}

TEST(Npy, ReportsDamage) {
  const ScratchFolder folder;
  const auto message = [&](const std::string& bytes) {
    return std::string(format_error([&] {
                         NpyReader reader(npy_stream(folder, bytes));
                         std::vector<Index> out(static_cast<std::size_t>(reader.header().elements()));
                         reader.read(out);
                       }).what());
  };
  const std::string data = test::bytes_of<double>({1, 2.5});
  EXPECT_THAT(message("junk"), HasSubstr("magic"));
  EXPECT_THAT(message(npy("<f8", "(3,)", data)), HasSubstr("24 bytes, but 16 follow"));
  EXPECT_THAT(message(npy("<f8", "(2,)", data)), HasSubstr("element 1"));
  EXPECT_THAT(message(npy("|O", "(2,)", data)), HasSubstr("pickled"));
  EXPECT_THAT(message(npy("<c8", "(2,)", data)), HasSubstr("'<c8' is not read"));
  EXPECT_THAT(message(npy("<f8", "(99999999999, 99999999999)", data)), HasSubstr("absurdly"));
  EXPECT_THAT(message(npy("<f8", "(-2,)", data)), HasSubstr("length"));
  EXPECT_THAT(message(npy("<f8", "(2,)", data, false, 9)), HasSubstr("version"));
}

TEST(Npz, OpensArraysByKey) {
  const ScratchFolder folder;
  const auto path = write_file(
      folder / "x.npz", ZipWriter()
                            .add("a.npy", npy("<i8", "(2,)", test::bytes_of<Index>({5, 6})))
                            .add("format.npy", npy("|S3", "()", "csr"), false)
                            .add("unicode.npy", npy("<U3", "()", std::string("c\0\0\0o\0\0\0o\0\0\0", 12)))
                            .finish());
  const NpzArchive archive(FileRange::whole(path));
  for (const bool prefetch : {false, true}) {
    NpyReader reader = archive.open("a", prefetch);
    Index value = 0;
    reader.skip(1);
    reader.read(std::span(&value, 1));
    EXPECT_EQ(value, 6);
  }
  EXPECT_EQ(archive.open("format").read_text(), "csr");
  EXPECT_EQ(archive.open("unicode").read_text(), "coo");
  EXPECT_THAT(format_error([&] { (void)archive.open("b"); }).what(), HasSubstr("it has: a, format, unicode"));
}

TEST(Tree, FolderAndArchiveAreAlike) {
  const ScratchFolder folder;
  write_file(folder / "set/raw/x.csv.gz", gzip("1\n"));
  write_file(folder / "set/split/time/train.csv", "2\n");
  write_file(folder / "set.zip", ZipWriter()
                                     .add("set/raw/x.csv.gz", gzip("1\n"), false)
                                     .add("set/split/time/train.csv", "2\n")
                                     .finish());
  for (const char* name : {"set", "set.zip"}) {
    const auto tree = open_tree(folder / name);
    EXPECT_EQ(tree->name(), "set");
    EXPECT_EQ(tree->folders(""), (std::vector<std::string>{"raw", "split"}));
    EXPECT_EQ(tree->folders("split"), (std::vector<std::string>{"time"}));
    EXPECT_TRUE(tree->has_file("raw/x.csv.gz"));
    EXPECT_FALSE(tree->has_file("raw"));
    EXPECT_EQ(drain(*tree->open("raw/x.csv.gz")), "1\n");
    EXPECT_EQ(drain(*tree->open("split/time/train.csv")), "2\n");
    EXPECT_THROW((void)tree->open_raw("nothing"), base::InputError);
  }
}

TEST(Checksum, MatchesKnownValues) {
  Checksum sum;
  EXPECT_EQ(sum.hex(), "99aa06d3014798d86001c324468d497f");  // XXH3-128 of nothing, seed 0
  sum.add({"abc", 3});
  Checksum pieces;
  pieces.add({"a", 1});
  pieces.add({"bc", 2});
  EXPECT_EQ(sum.hex(), pieces.hex());
  const ScratchFolder folder;
  EXPECT_EQ(file_checksum(write_file(folder / "x", "abc")), sum.hex());
  EXPECT_EQ(crc32(crc32(0, {"12345", 5}), {"6789", 4}), 0xCBF43926U);
}

TEST(File, MapsARangeAndKeepsTemporaryData) {
  const ScratchFolder folder;
  const auto path = write_file(folder / "x", "0123456789");
  auto range = FileRange::whole(path);
  range.offset = 3, range.length = 4;
  const MappedFile mapped(range);
  EXPECT_EQ(std::string(mapped.bytes().begin(), mapped.bytes().end()), "3456");
  TemporaryFile temporary(folder.path());
  temporary.append({"hello", 5});
  char text[3];
  temporary.read_at(2, text);
  EXPECT_EQ(std::string(text, 3), "llo");
  EXPECT_THROW(temporary.read_at(4, text), base::ResourceError);
  EXPECT_THROW(TemporaryFile(folder / "missing"), base::ResourceError);
}

}  // namespace
}  // namespace opx::io
