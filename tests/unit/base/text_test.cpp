// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace opx::base {
namespace {

TEST(ParseBytes, TakesUnits) {
  EXPECT_EQ(parse_bytes("2GiB", "memory"), std::int64_t{2} << 30);
  EXPECT_EQ(parse_bytes("512 MiB", "memory"), std::int64_t{512} << 20);
  EXPECT_EQ(parse_bytes("1.5k", "memory"), 1536);
  EXPECT_EQ(parse_bytes("4096", "memory"), 4096);
}

TEST(ParseBytes, RejectsNonsenseAndNamesTheOption) {
  for (const char* bad : {"", "two", "2XB", "-1", "1e30G"}) {
    try {
      (void)parse_bytes(bad, "--memory");
      ADD_FAILURE() << bad;
    } catch (const InvalidArgument& e) {
      EXPECT_NE(std::string(e.what()).find("--memory"), std::string::npos);
      EXPECT_EQ(exit_code(e.kind()), 2);
    }
  }
}

TEST(Format, CountsBytesDurations) {
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_count(-999), "-999");
  EXPECT_EQ(format_bytes(2147483648.0), "2.0 GiB");
  EXPECT_EQ(format_duration(3725), "1:02:05");
}

TEST(PrintableLine, IsOneLineOfTextWhateverAFileHolds) {
  using namespace std::string_literals;
  EXPECT_EQ(printable_line("a\nb 'caf\xc3\xa9' \xe2\x82\xac"), "a b 'caf\xc3\xa9' \xe2\x82\xac");
  EXPECT_EQ(printable_line("\0\x1b[2J\x7f\t"s), "\\x00\\x1b[2J\\x7f\\x09");
  EXPECT_EQ(printable_line("\xff\xc3"), "\\xff\\xc3");    // no UTF-8, or cut off
  EXPECT_EQ(printable_line("\xc0\x80z"), "\\xc0\\x80z");  // an overlong NUL
  EXPECT_EQ(printable_line("\xe2\x82"), "\\xe2\\x82");
}

TEST(Nearest, SuggestsOnlyWhatIsNear) {
  const std::vector<std::string> words = {"hidden", "epochs", "dropout"};
  EXPECT_EQ(nearest("hiden", words), "hidden");
  EXPECT_EQ(nearest("zzzzzzzz", words), "");
  EXPECT_EQ(did_you_mean("droput", words), "; did you mean 'dropout'?");
}

TEST(FormatError, SaysFileAndPosition) {
  const FormatError e("edge.csv.gz", "line 12", "three columns, not two");
  EXPECT_STREQ(e.what(), "edge.csv.gz: line 12: three columns, not two");
  EXPECT_EQ(exit_code(e.kind()), 3);
}

}  // namespace
}  // namespace opx::base
