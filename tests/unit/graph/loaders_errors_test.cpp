// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Malformed input ends in a FormatError that names the file, the line or place, and the value.
#include <gmock/gmock.h>

#include "loaders_support.hpp"

namespace opx::graph {
namespace {

using namespace test_support;
using test::bytes_of;
using test::gzip;
using test::npy;
using test::read_file;
using test::ScratchFolder;
using test::write_file;
using test::ZipWriter;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The tiny OGB folder with one file replaced.
class Ogbn : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::copy(tiny("ogbn"), folder_ / "set", std::filesystem::copy_options::recursive);
  }

  std::string with(const std::string& file, const std::string& text, const std::string& position) {
    const auto path = folder_ / ("set/" + file);
    const std::string before = read_file(path);
    write_file(path, text);
    const auto error = load_error(folder_ / "set");
    write_file(path, before);
    EXPECT_EQ(error.file(), path.string());
    EXPECT_EQ(error.position(), position) << error.what();
    return error.what();
  }
  ScratchFolder folder_;
};

TEST_F(Ogbn, Edges) {
  const std::string file = "raw/edge.csv";
  EXPECT_THAT(with(file, "0,1\n0,7\n", "line 2"), HasSubstr("vertex id 7 is out of range [0, 7)"));
  EXPECT_THAT(with(file, "0,1\n\n0,-2\n", "line 3"), HasSubstr("'-2'"));
  EXPECT_THAT(with(file, "0,1,2\n", "line 1"), HasSubstr("more than 2 columns"));
  EXPECT_THAT(with(file, "0,1\n3\n", "line 2"), HasSubstr("second column is missing"));
  EXPECT_THAT(with(file, "0,1\nx,2\n", "line 2"), HasSubstr("'x', which is no vertex id"));
  EXPECT_THAT(with(file, "0,1\n2.5,2\n", "line 2"), HasSubstr("'2.5'"));
  EXPECT_THAT(with(file, "0,99999999999999999999999999\n", "line 1"), HasSubstr("no vertex id"));
  EXPECT_THAT(with(file, "0,1\n", ""), AllOf(HasSubstr("has 1 edges"), HasSubstr("says 8")));
}

TEST_F(Ogbn, Features) {
  const std::string file = "raw/node-feat.csv";
  EXPECT_THAT(with(file, "0,1\n1,nan\n", "line 2"), AllOf(HasSubstr("column 2"), HasSubstr("'nan'")));
  EXPECT_THAT(with(file, "0,1\n1,2\n-inf,3\n", "line 3"), HasSubstr("'-inf'"));
  EXPECT_THAT(with(file, "0,1\n1,1e99\n", "line 2"), HasSubstr("'1e99'"));
  EXPECT_THAT(with(file, "0,1\n1\n", "line 2"), HasSubstr("1 columns where 2"));
  EXPECT_THAT(with(file, "0,1\n1,2,3\n", "line 2"), HasSubstr("more than 2 columns"));
  EXPECT_THAT(with(file, "0,1\n1,\n", "line 2"), HasSubstr("1 columns where 2"));
  EXPECT_THAT(with(file, "0,1\nx,1\n", "line 2"), HasSubstr("'x'"));
  EXPECT_THAT(with(file, "0,1\n0,1\n", "line 3"), HasSubstr("after 2 rows of 7"));
  EXPECT_THAT(with(file, "0\n1\n2\n3\n4\n5\n6\n7\n", "line 8"), HasSubstr("beyond the 7 vertices"));
  EXPECT_THAT(with(file, "", "line 1"), HasSubstr("after 0 rows"));
}

TEST_F(Ogbn, Labels) {
  const std::string file = "raw/node-label.csv";
  EXPECT_THAT(with(file, "0\n-1\n", "line 2"), HasSubstr("label -1 is negative"));
  EXPECT_THAT(with(file, "0\n70000\n", "line 2"), HasSubstr("out of range"));
  EXPECT_THAT(with(file, "0\n0.5\n", "line 2"), HasSubstr("label 0.5"));
  EXPECT_THAT(with(file, "0\nx\n", "line 2"), HasSubstr("'x' is no label"));
  EXPECT_THAT(with(file, "0,1\n0\n", "line 2"), HasSubstr("1 label columns"));
  EXPECT_THAT(with(file, "0,1\n0,2\n", "line 2"), HasSubstr("label 2 is neither 0 nor 1"));
  EXPECT_THAT(with(file, "0\n1\n", ""), HasSubstr("2 rows of labels for 7 vertices"));
}

TEST_F(Ogbn, CountsAndSplits) {
  EXPECT_THAT(with("raw/num-node-list.csv", "7\n3\n", "line 1"), HasSubstr("one graph"));
  EXPECT_THAT(with("raw/num-node-list.csv", "", "line 1"), HasSubstr("one graph"));
  EXPECT_THAT(with("split/hand/train.csv", "0\n7\n", "line 2"), HasSubstr("vertex id 7 is out of range"));
  EXPECT_THAT(with("split/hand/train.csv", "0\n1.5\n", "line 2"), HasSubstr("'1.5'"));
  EXPECT_THAT(with("split/hand/test.csv", "4\n3\n", "line 2"), HasSubstr("vertex 3 is in valid and in test"));
}

TEST_F(Ogbn, TruncatedGzip) {
  for (const char* name : {"edge", "node-feat", "node-label"}) {
    const std::string stem = std::string("set/raw/") + name;
    const std::string text = read_file(folder_ / (stem + ".csv")), packed = gzip(text);
    std::filesystem::remove(folder_ / (stem + ".csv"));
    write_file(folder_ / (stem + ".csv.gz"), packed.substr(0, packed.size() - 3));
    const auto error = load_error(folder_ / "set");
    EXPECT_THAT(error.what(), AllOf(HasSubstr(name), HasSubstr("truncated"), HasSubstr("offset")));
    std::filesystem::remove(folder_ / (stem + ".csv.gz"));
    write_file(folder_ / (stem + ".csv"), text);
  }
}

TEST_F(Ogbn, MissingFiles) {
  for (const char* name : {"raw/num-node-list.csv", "split/hand/valid.csv", "raw/edge.csv"}) {
    const auto path = folder_ / (std::string("set/") + name);
    const std::string text = read_file(path);
    std::filesystem::remove(path);
    EXPECT_THROW(load(folder_ / "set"), base::InputError) << name;
    write_file(path, text);
  }
  OpenOptions options;
  options.split_name = "other";
  EXPECT_THROW(load(folder_ / "set", options), base::InputError);
  std::filesystem::create_directories(folder_ / "set/split/second");
  EXPECT_THROW(load(folder_ / "set"), base::InputError);  // two splits, none named
  options.split_name = "hand";
  EXPECT_EQ(load(folder_ / "set", options).splits, kTinySplits);
}

TEST_F(Ogbn, BadCrcInAnArchive) {
  std::string zip = ZipWriter()
                        .add("set/raw/edge.csv", read_file(folder_ / "set/raw/edge.csv"))
                        .add("set/raw/num-node-list.csv", "7\n")
                        .finish();
  const std::size_t entry = zip.find("PK\x01\x02");
  zip[entry + 16] = static_cast<char>(zip[entry + 16] ^ 1);
  EXPECT_THAT(load_error(write_file(folder_ / "bad.zip", zip)).what(),
              AllOf(HasSubstr("edge.csv"), HasSubstr("bad CRC")));
}

template <class F>
std::string input_error(F&& f) {
  try {
    f();
  } catch (const base::InputError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no InputError";
  return "";
}

TEST(Open, RefusesHeterogeneousAndUnknown) {
  const ScratchFolder folder;
  write_file(folder / "mag/raw/triplet-type-list.csv.gz", gzip("author,writes,paper\n"));
  EXPECT_THAT(input_error([&] { load(folder / "mag"); }), HasSubstr("heterogeneous"));
  write_file(folder / "ogbn_mag/raw/num-node-list.csv", "7\n");
  EXPECT_THAT(input_error([&] { load(folder / "ogbn_mag"); }), HasSubstr("heterogeneous"));
  write_file(folder / "empty/readme.doc", "");
  EXPECT_THAT(input_error([&] { load(folder / "empty"); }),
              AllOf(HasSubstr("Looked for"), HasSubstr("raw/edge.csv.gz")));
  EXPECT_THAT(input_error([&] { load(folder / "nothing"); }), HasSubstr("does not exist"));
  OpenOptions options;
  options.layout = "metsi";
  try {
    load(tiny("tiny.graph"), options);
    ADD_FAILURE() << "an unknown layout was taken";
  } catch (const base::InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("did you mean 'metis'"));
  }
  options.layout = "ogbn-csv";
  EXPECT_THAT(input_error([&] { load(tiny("tiny.graph"), options); }),
              HasSubstr("is not of the layout ogbn-csv"));
}

TEST(EdgeListErrors, NameTheLine) {
  const ScratchFolder folder;
  const auto error = [&](const std::string& text, const std::string& position) {
    const auto e = load_error(write_file(folder / "x.txt", text));
    EXPECT_EQ(e.position(), position) << e.what();
    return std::string(e.what());
  };
  EXPECT_THAT(error("0 1\n1 two\n", "line 2"), HasSubstr("'two'"));
  EXPECT_THAT(error("0 1\n1 -5\n", "line 2"), HasSubstr("'-5'"));
  EXPECT_THAT(error("0\n", "line 1"), HasSubstr("2 or 3 columns"));
  EXPECT_THAT(error("0 1 2 3\n", "line 1"), HasSubstr("2 or 3 columns"));
  EXPECT_THAT(error("0 1 0.5\n0 1\n", "line 2"), HasSubstr("weight is missing"));
  EXPECT_THAT(error("0 1 0.5\n0 1 nan\n", "line 2"), HasSubstr("'nan'"));
  EXPECT_THAT(error("a b\nc\n", "line 2"), HasSubstr("1 columns where 2"));
  OpenOptions options;
  options.train = tiny("train.txt");
  EXPECT_THROW(load(tiny("edges.txt"), options), base::InvalidArgument);
  options.vertices = 5;
  EXPECT_EQ(load_error(tiny("edges.txt"), options).position(), "line 9");  // vertex 5
}

TEST(EdgeListErrors, WordsThatAreNoIdsAndHeaderRows) {
  const ScratchFolder folder;
  const auto error = [&](const std::string& text, const std::string& position) {
    const auto e = load_error(write_file(folder / "x.csv", text));
    EXPECT_EQ(e.position(), position) << e.what();
    return std::string(e.what());
  };
  // Each of these was once read as words, or as a header row above the numbers.
  EXPECT_THAT(error("-1,0\n1,2\n", "line 1"), HasSubstr("'-1', which is no vertex id"));
  EXPECT_THAT(error("0.0,1.0\n1.0,2.0\n", "line 1"), HasSubstr("'0.0', which is no vertex id"));
  EXPECT_THAT(error("\"0\",\"1\"\n", "line 1"), HasSubstr("quotes are not read"));
  EXPECT_THAT(error("0,,1\n1,,2\n", "line 1"), HasSubstr("column 2 is empty"));
  EXPECT_THAT(error("0,1\n1,2\n1,,2\n", "line 3"), HasSubstr("second column is empty"));
  EXPECT_THAT(error("0,1,1\n1,2,1\n1,2,,3\n", "line 3"), HasSubstr("weight is missing"));
  EXPECT_THAT(error("0,1\n,2\n", "line 2"), HasSubstr("column 1 is empty"));
  EXPECT_THAT(error("a,b\nb,c\n\"c\",d\n", "line 3"), HasSubstr("quotes"));
  EXPECT_THAT(error("a,b\n,c,d\n", "line 2"), HasSubstr("column 1 is empty"));
  EXPECT_THAT(error(",source,target\n0,5,7\n", "line 1"), HasSubstr("must be the first two"));
  EXPECT_THAT(error("id,source,target\n0,5,7\n", "line 1"), HasSubstr("must be the first two"));
  EXPECT_THROW(load(write_file(folder / "head.csv", "Source,Target\n")), base::InputError);
  const Gathered words = load(write_file(folder / "words.csv", "src,dst\nada,bob\nbob,cem\n"));
  EXPECT_THAT(words.names, ::testing::ElementsAre("ada", "bob", "cem"));
}

TEST(TextErrors, ByteOrderMarks) {
  const ScratchFolder folder;
  const std::string mark = "\xef\xbb\xbf";
  for (const char* name : {"x.csv", "x.txt"}) {
    const Gathered got = load(write_file(folder / name, mark + "0,1\n1,2\n"));
    EXPECT_EQ(got.edges, both_directions({{0, 1}, {1, 2}})) << name;
    EXPECT_TRUE(got.names.empty());
  }
  EXPECT_EQ(load(write_file(folder / "x.mtx",
                            mark + "%%MatrixMarket matrix coordinate pattern general\n2 2 1\n1 2\n"))
                .edges,
            (std::vector<Pair>{{0, 1}}));
  EXPECT_EQ(load_error(write_file(folder / "x.csv", mark + "0,1\nx,2\n")).position(), "line 2");
  const std::string utf16(
      "\xff\xfe"
      "0\0,\0"
      "1\0\n\0",
      10);
  EXPECT_THAT(load_error(write_file(folder / "x.csv", utf16)).what(), HasSubstr("UTF-16"));
  OpenOptions options;
  options.features = write_file(folder / "f.csv", mark + "1,2\n3,4\n5,6\n");
  EXPECT_EQ(load(write_file(folder / "x.csv", "0,1\n"), options).features,
            (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(EdgeListErrors, SayWhereTheNumberOfVerticesIsFrom) {
  const ScratchFolder folder;
  OpenOptions options;
  options.features = write_file(folder / "f.csv", "1\n2\n");
  const auto list = write_file(folder / "x.csv", "0,1\n1,2\n");
  EXPECT_THAT(load_error(list, options).what(),
              AllOf(HasSubstr("[0, 2), by the rows of"), HasSubstr("f.csv")));
  options.features.clear();
  for (const Index vertices : {Index{-2}, Index{99'999'999'999}}) {
    options.vertices = vertices;
    EXPECT_THROW(load(list, options), base::InvalidArgument);
  }
}

TEST(Open, SuggestsTheDatasetWithin) {
  const ScratchFolder folder;
  std::filesystem::create_directories(folder / "outer/a");
  write_file(folder / "outer/b.zip", "no archive");
  std::filesystem::copy(tiny("ogbn"), folder / "outer/set", std::filesystem::copy_options::recursive);
  EXPECT_THAT(input_error([&] { load(folder / "outer"); }),
              AllOf(HasSubstr("did you mean '"), HasSubstr("outer/set'?"), Not(HasSubstr("heterophilous"))));
}

TEST(MatrixMarketErrors, NameTheLine) {
  const ScratchFolder folder;
  const auto error = [&](const std::string& text, const std::string& position) {
    const auto e = load_error(write_file(folder / "x.mtx", text));
    EXPECT_EQ(e.position(), position) << e.what();
    return std::string(e.what());
  };
  const std::string banner = "%%MatrixMarket matrix coordinate pattern general\n";
  EXPECT_THAT(error("1 1 1\n", "line 1"), HasSubstr("no banner"));
  EXPECT_THAT(error("%%MatrixMarket matrix array real general\n", "line 1"), HasSubstr("coordinate"));
  EXPECT_THAT(error("%%MatrixMarket matrix coordinate complex general\n", "line 1"),
              HasSubstr("pattern, real or integer"));
  EXPECT_THAT(error("%%MatrixMarket matrix coordinate real hermitian\n", "line 1"), HasSubstr("symmetry"));
  EXPECT_THAT(error(banner + "2 3 1\n1 1\n", "line 2"), HasSubstr("square"));
  EXPECT_THAT(error(banner + "2 2\n", "line 2"), HasSubstr("rows columns entries"));
  EXPECT_THAT(error(banner + "% c\n2 2 1\n0 1\n", "line 4"), HasSubstr("vertex id 0 is out of range [1, 3)"));
  EXPECT_THAT(error(banner + "2 2 1\n1 3\n", "line 3"), HasSubstr("vertex id 3"));
  EXPECT_THAT(error(banner + "2 2 2\n1 2\n", ""), HasSubstr("has 1 edges"));
  EXPECT_THAT(error(banner, "line 1"), HasSubstr("missing"));
}

TEST(MetisErrors, NameTheLine) {
  const ScratchFolder folder;
  const auto error = [&](const std::string& text, const std::string& position) {
    const auto e = load_error(write_file(folder / "x.graph", text));
    EXPECT_EQ(e.position(), position) << e.what();
    return std::string(e.what());
  };
  EXPECT_THAT(error("", "line 1"), HasSubstr("header"));
  EXPECT_THAT(error("2\n", "line 1"), HasSubstr("no METIS header"));
  EXPECT_THAT(error("2 1 7\n", "line 1"), HasSubstr("no METIS header"));
  EXPECT_THAT(error("2 1\n2\n3\n", "line 3"), HasSubstr("neighbour 3 is out of range [1, 2]"));
  EXPECT_THAT(error("2 1\n2\n0\n", "line 3"), HasSubstr("neighbour 0"));
  EXPECT_THAT(error("2 1\n2\nx\n", "line 3"), HasSubstr("'x'"));
  EXPECT_THAT(error("2 1\n2\n", "line 2"), HasSubstr("after 1 of 2 vertices"));
  EXPECT_THAT(error("2 1\n2\n1\n1\n", "line 4"), HasSubstr("beyond"));
  EXPECT_THAT(error("2 1\n2\n\n", ""), HasSubstr("has 1 neighbours"));
  EXPECT_THAT(error("2 1 1\n2\n1\n", "line 2"), HasSubstr("numbers"));
}

TEST(ArrayErrors, NameTheMemberAndTheValue) {
  const ScratchFolder folder;
  const auto data = [&](const std::string& edges, const std::string& features) {
    write_file(folder / "p/raw/data.npz",
               ZipWriter()
                   .add("edge_index.npy", edges)
                   .add("num_nodes_list.npy", npy("<i8", "(1,)", bytes_of<Index>({3})))
                   .add("num_edges_list.npy", npy("<i8", "(1,)", bytes_of<Index>({2})))
                   .add("node_feat.npy", features)
                   .finish());
    return std::string(load_error(folder / "p").what());
  };
  const std::string good_edges = npy("<i8", "(2, 2)", bytes_of<Index>({0, 1, 1, 2}));
  const std::string good_features = npy("<f4", "(3, 1)", bytes_of<float>({1, 2, 3}));
  EXPECT_THAT(data(npy("<i8", "(2, 2)", bytes_of<Index>({0, 1, 1, 3})), good_features),
              AllOf(HasSubstr("edge 1"), HasSubstr("vertex id 3")));
  EXPECT_THAT(data(npy("<i8", "(2, 2)", bytes_of<Index>({0, -1, 1, 2})), good_features),
              HasSubstr("vertex id -1"));
  EXPECT_THAT(data(npy("<i8", "(2, 1)", bytes_of<Index>({0, 1})), good_features),
              HasSubstr("says 2 edges, edge_index has 1"));
  EXPECT_THAT(data(npy("<i8", "(4,)", bytes_of<Index>({0, 1, 1, 2})), good_features), HasSubstr("(2, E)"));
  EXPECT_THAT(data(good_edges, npy("<f4", "(3, 1)", bytes_of<float>({1, NAN, 3}))),
              AllOf(HasSubstr("row 1"), HasSubstr("nan")));
  EXPECT_THAT(data(good_edges, npy("<f4", "(2, 1)", bytes_of<float>({1, 2}))), HasSubstr("must have 3 rows"));
  EXPECT_THAT(data(good_edges, npy("<f4", "(3, 1)", bytes_of<float>({1, 2}))), HasSubstr("bytes"));
}

TEST(ArrayErrors, SparseMatricesAndJson) {
  const ScratchFolder folder;
  const auto csr = [&](std::vector<Index> pointers, std::vector<Index> indices) {
    const std::string p = "(" + std::to_string(pointers.size()) + ",)",
                      i = "(" + std::to_string(indices.size()) + ",)";
    return ZipWriter()
        .add("indptr.npy", npy("<i8", p, bytes_of(pointers)))
        .add("indices.npy", npy("<i8", i, bytes_of(indices)))
        .add("shape.npy", npy("<i8", "(2,)", bytes_of<Index>({3, 3})))
        .add("format.npy", npy("|S3", "()", "csr"))
        .finish();
  };
  const auto error = [&](const std::string& bytes) {
    return std::string(load_error(write_file(folder / "x.npz", bytes)).what());
  };
  EXPECT_THAT(error(csr({0, 1, 2}, {1, 2})), HasSubstr("4 elements"));
  EXPECT_THAT(error(csr({0, 2, 1, 2}, {1, 2})), HasSubstr("row pointer 1 is not"));
  EXPECT_THAT(error(csr({0, 1, 2, 5}, {1, 2})), HasSubstr("row pointer 5"));
  EXPECT_THAT(error(csr({1, 1, 2, 2}, {1, 2})), HasSubstr("first row pointer"));
  EXPECT_THAT(error(csr({0, 1, 1, 1}, {1, 2})), HasSubstr("end before"));
  EXPECT_THAT(error(csr({0, 1, 2, 2}, {1, 3})), HasSubstr("vertex id 3"));
  const auto role = [&](const std::string& json) {
    write_file(folder / "s/adj_full.npz", csr({0, 1, 2, 2}, {1, 2}));
    write_file(folder / "s/role.json", json);
    return std::string(load_error(folder / "s").what());
  };
  EXPECT_THAT(role(R"({"tr": [0, 5]})"), HasSubstr("vertex id 5"));
  EXPECT_THAT(role(R"({"tr": [0, 0.5]})"), HasSubstr("0.5"));
  EXPECT_THAT(role(R"({"train": [0]})"), HasSubstr("none of tr, va, te"));
  EXPECT_THAT(role(R"({"tr": [0, )"), HasSubstr("role.json"));
  EXPECT_THAT(role(R"({"tr": ["0"]})"), HasSubstr("a string"));
  EXPECT_THAT(role(R"({"tr": [0], "va": [0]})"), HasSubstr("in train and in valid"));
}

}  // namespace
}  // namespace opx::graph
