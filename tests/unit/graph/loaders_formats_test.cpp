// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The same tiny graph in every format loads equal.
#include <cmath>
#include <cstdlib>

#include <gmock/gmock.h>

#include "graph/registry.hpp"
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
using ::testing::HasSubstr;

const std::string kOgbnFiles[] = {"raw/edge",          "raw/node-feat",     "raw/node-label",
                                  "raw/num-node-list", "raw/num-edge-list", "split/hand/train",
                                  "split/hand/valid",  "split/hand/test"};

// Ids of the tiny edges as one array: sources then targets, or pair by pair.
std::vector<Index> tiny_ids(bool interleaved) {
  std::vector<Index> ids;
  if (interleaved) {
    for (const auto& [src, dst] : kTinyEdges) ids.insert(ids.end(), {src, dst});
  } else {
    for (const auto& edge : kTinyEdges) ids.push_back(edge.first);
    for (const auto& edge : kTinyEdges) ids.push_back(edge.second);
  }
  return ids;
}

std::vector<float> tiny_labels_as_floats() {
  std::vector<float> labels;
  for (const auto label : kTinyLabels) labels.push_back(label < 0 ? NAN : static_cast<float>(label));
  return labels;
}

// Column by column.
std::vector<float> transposed_features() {
  std::vector<float> columns;
  for (std::size_t c = 0; c < 2; ++c)
    for (std::size_t r = 0; r < 7; ++r) columns.push_back(kTinyFeatures[r * 2 + c]);
  return columns;
}

TEST(Formats, OgbnCsvPlain) {
  RawDataset data = open_dataset(tiny("ogbn"), {});
  EXPECT_EQ(data.layout, "ogbn-csv");
  EXPECT_EQ(data.name, "ogbn");
  EXPECT_FALSE(data.stored_once);  // a folder that the registry does not know
  EXPECT_EQ(data.files.size(), 6U);
  data.stored_once = true;
  expect_tiny(gather(std::move(data)));
}

TEST(Formats, OgbnCsvGzipFolderAndArchiveWithAContext) {
  const ScratchFolder folder;
  ZipWriter zip;
  for (const auto& name : kOgbnFiles) {
    const std::string packed = gzip(read_file(tiny("ogbn/" + name + ".csv")));
    write_file(folder / ("cora/" + name + ".csv.gz"), packed);
    zip.add("cora/" + name + ".csv.gz", packed, name.size() % 2 == 0);
  }
  write_file(folder / "archive.zip", zip.finish());
  device::Context context({.threads = 2});
  for (const char* name : {"cora", "archive.zip"}) {
    OpenOptions options;
    options.context = &context;
    RawDataset data = open_dataset(folder / name, options);
    EXPECT_EQ(data.name, "cora");
    EXPECT_TRUE(data.stored_once);  // cora is in the registry
    EXPECT_EQ(data.metric, "accuracy");
    EXPECT_EQ(data.warnings.size(), 4U);  // vertices, edges, features, classes differ from cora's
    expect_tiny(gather(std::move(data)));
  }
}

TEST(Formats, OgbnNpzInEveryOrder) {
  const ScratchFolder folder;
  int count = 0;
  for (const bool fortran_edges : {false, true})
    for (const bool fortran_features : {false, true})
      for (const bool deflated : {false, true}) {
        const std::string name = "cora_npz" + std::to_string(count++) + "/cora_npz";
        const auto raw = folder / (name + "/raw");
        write_file(
            raw / "data.npz",
            ZipWriter(fortran_edges)
                .add("edge_index.npy", npy("<i8", "(2, 8)", bytes_of(tiny_ids(fortran_edges)), fortran_edges),
                     deflated)
                .add("num_nodes_list.npy", npy("<i8", "(1,)", bytes_of<Index>({7})), deflated)
                .add("num_edges_list.npy", npy("<i8", "(1,)", bytes_of<Index>({8})), deflated)
                .add("node_feat.npy",
                     npy("<f4", "(7, 2)", bytes_of(fortran_features ? transposed_features() : kTinyFeatures),
                         fortran_features),
                     deflated)
                .finish());
        write_file(raw / "node-label.npz",
                   ZipWriter()
                       .add("node_label.npy", npy("<f4", "(7, 1)", bytes_of(tiny_labels_as_floats())))
                       .finish());
        for (const char* part : {"train", "valid", "test"})
          write_file(folder / (name + "/split/hand/" + part + ".csv.gz"),
                     gzip(read_file(tiny(std::string("ogbn/split/hand/") + part + ".csv"))));
        EXPECT_EQ(open_dataset(folder / name, {}).layout, "ogbn-npz");
        expect_tiny(load(folder / name));
      }
}

TEST(Formats, OgbnNpzInsideAnArchive) {
  const ScratchFolder folder;
  const std::string data = ZipWriter()
                               .add("edge_index.npy", npy("<i8", "(2, 8)", bytes_of(tiny_ids(false))))
                               .add("num_nodes_list.npy", npy("<i8", "(1,)", bytes_of<Index>({7})))
                               .finish();
  for (const bool deflated : {false, true})
    write_file(folder / (deflated ? "deflated.zip" : "stored.zip"),
               ZipWriter().add("cora-npz/raw/data.npz", data, deflated).finish());
  expect_tiny_edges(load(folder / "stored.zip"));
  OpenOptions options;
  options.temporary_folder = folder / "spill";
  EXPECT_THROW((void)open_dataset(folder / "deflated.zip", options), base::ResourceError);
  std::filesystem::create_directory(options.temporary_folder);
  RawDataset unpacked = open_dataset(folder / "deflated.zip", options);
  EXPECT_TRUE(std::filesystem::is_empty(options.temporary_folder));
  expect_tiny_edges(gather(std::move(unpacked)));
}

TEST(Formats, MultiLabelColumnsBlanksAndNans) {
  const ScratchFolder folder;
  write_file(folder / "m/raw/edge.csv", "0,1\n");
  write_file(folder / "m/raw/num-node-list.csv", "3\n");
  write_file(folder / "m/raw/node-label.csv", "0,1\n1,nan\n,0\n");
  const auto labels = load(folder / "m").labels;
  EXPECT_EQ(labels.task, Task::kMultiLabel);
  EXPECT_EQ(labels.classes, 2);
  ASSERT_EQ(labels.targets.size(), 6U);
  EXPECT_EQ(labels.targets[1], 1);
  EXPECT_TRUE(std::isnan(labels.targets[3]));
  EXPECT_TRUE(std::isnan(labels.targets[4]));
  write_file(folder / "m/raw/node-label.csv", "\n2.0\n\n");
  EXPECT_EQ(load(folder / "m").labels.labels, (std::vector<std::int32_t>{-1, 2, -1}));
  write_file(folder / "m/raw/node-label.csv", "nan\nNaN\n\n");
  EXPECT_EQ(load(folder / "m").labels.task, Task::kNone);
}

TEST(Formats, EdgeLists) {
  for (const char* name : {"edges.txt", "edges.csv"}) expect_tiny_edges(load(tiny(name)), 6);
  EXPECT_EQ(open_dataset(tiny("edges.txt"), {}).layout, "snap");
  EXPECT_EQ(open_dataset(tiny("edges.csv"), {}).layout, "csv");
  const ScratchFolder folder;
  std::string dos = read_file(tiny("edges.txt"));
  for (std::size_t at = 0; (at = dos.find('\n', at)) != std::string::npos; at += 2) dos.insert(at, "\r");
  write_file(folder / "dos.txt.gz", gzip(dos));
  expect_tiny_edges(load(folder / "dos.txt.gz"), 6);
}

TEST(Formats, EdgeListsWithGapsAndNames) {
  auto gaps = load(tiny("gaps.txt"));
  expect_tiny_edges(gaps, 6);
  EXPECT_EQ(gaps.names, (std::vector<std::string>{"10", "11", "12", "23", "24", "35"}));
  auto names = load(tiny("names.csv"));
  expect_tiny_edges(names, 6);
  EXPECT_EQ(names.names, (std::vector<std::string>{"ada", "bob", "cem", "dua", "eva", "fay"}));
  OpenOptions small;
  small.memory = 8;  // no room for the bitmap: the sorted list
  EXPECT_EQ(load(tiny("gaps.txt"), small).names, gaps.names);
  expect_tiny_edges(load(tiny("gaps.txt"), small), 6);
}

TEST(Formats, KeyedLabelsAndSplits) {
  const ScratchFolder folder;
  OpenOptions options;
  options.keyed = true;
  options.labels = write_file(folder / "l.csv", "dua,2\nada,0\nzoe,1\nfay,\nbob, 1\n");
  options.train = write_file(folder / "t.txt", "ada\n\nyan\nfay \n");
  RawDataset data = open_dataset(tiny("names.csv"), options);
  EXPECT_EQ(data.warnings.size(), 2U);
  const auto names = gather(std::move(data));
  EXPECT_EQ(names.labels.labels, (std::vector<std::int32_t>{0, 1, -1, 2, -1, -1}));
  EXPECT_EQ(names.splits[0], Split::kTrain);
  EXPECT_EQ(names.splits[5], Split::kTrain);
  EXPECT_EQ(names.splits[1], Split::kNone);
  options.labels = write_file(folder / "g.txt", "35\t1,0\n10 0,\n");
  options.train.clear();
  const auto gaps = load(tiny("gaps.txt"), options);
  EXPECT_EQ(gaps.labels.classes, 2);
  EXPECT_EQ(gaps.labels.targets[0], 0);
  EXPECT_TRUE(std::isnan(gaps.labels.targets[1]) && std::isnan(gaps.labels.targets[2]));
  EXPECT_EQ(gaps.labels.targets[10], 1);
}

TEST(Formats, KeyedFilesThatDoNotFit) {
  const ScratchFolder folder;
  OpenOptions options;
  options.keyed = true;
  options.labels = write_file(folder / "l.csv", "ada,0\nbob,1\nada,1\n");
  EXPECT_THAT(load_error(tiny("names.csv"), options).what(), HasSubstr("l.csv: line 3: vertex 'ada'"));
  options.labels = write_file(folder / "l.csv", "ada,0\nbob\n");
  EXPECT_THAT(load_error(tiny("names.csv"), options).what(), HasSubstr("l.csv: line 2: 'bob'"));
  options.labels = write_file(folder / "l.csv", "ada,0\nbob,-1\n");
  EXPECT_THAT(load_error(tiny("names.csv"), options).what(), HasSubstr("l.csv: line 2: label -1"));
  EXPECT_THROW((void)open_dataset(tiny("tiny.mtx"), options), base::InvalidArgument);
  write_file(folder / "empty.txt", "# nothing\n");
  EXPECT_THROW((void)open_dataset(folder / "empty.txt", {}), base::InputError);
}

TEST(Formats, DirectedAndWeightedEdgeLists) {
  const ScratchFolder folder;
  write_file(folder / "w.txt", "% comment\n\n0 2 0.5\n1;2;  -3\n2\t0,1e2\n");
  OpenOptions options;
  options.directed = true;
  const auto got = load(folder / "w.txt", options);
  EXPECT_EQ(got.edges, (std::vector<Pair>{{0, 2}, {1, 2}, {2, 0}}));
  EXPECT_EQ(got.weights, (std::vector<float>{0.5F, -3, 100}));
}

TEST(Formats, FilesBesideAnEdgeList) {
  OpenOptions options;
  options.features = tiny("features.csv");
  options.labels = tiny("labels.csv");
  options.train = tiny("train.txt"), options.valid = tiny("valid.txt"), options.test = tiny("test.txt");
  expect_tiny(load(tiny("edges.txt"), options));
  const ScratchFolder folder;
  options.features =
      write_file(folder / "f.npy", npy("<f4", "(7, 2)", bytes_of(transposed_features()), true));
  options.labels = write_file(folder / "l.npy", npy("<f4", "(7,)", bytes_of(tiny_labels_as_floats())));
  options.train = write_file(folder / "t.npy", npy("<i4", "(3,)", bytes_of<std::int32_t>({0, 1, 2})));
  expect_tiny(load(tiny("edges.csv"), options));
  options.features =
      write_file(folder / "f.txt.gz", gzip("0.5 1\n-1\t0.2\n 0  0\n3 4\n1.25 -7\n0 1\n9 9\n\n"));
  options.vertices = 7;
  expect_tiny(load(tiny("edges.txt"), options));
}

TEST(Formats, MatrixMarket) {
  const auto symmetric = load(tiny("tiny.mtx"));
  expect_tiny_edges(symmetric);
  EXPECT_TRUE(symmetric.weights.empty());
  EXPECT_TRUE(open_dataset(tiny("tiny.mtx"), {}).already_symmetric);
  const auto general = load(tiny("tiny-general.mtx"));
  expect_tiny_edges(general);
  EXPECT_EQ(general.weights[0], 0.5F);
  EXPECT_EQ(general.weights[1], 2);
  const ScratchFolder folder;
  write_file(folder / "skew.mtx.gz",
             gzip("%%MatrixMarket Matrix Coordinate Integer Skew-Symmetric\n3 3 2\n2 1 5\n3 2 -7\n"));
  const auto skew = load(folder / "skew.mtx.gz");
  EXPECT_EQ(skew.edges, (std::vector<Pair>{{0, 1}, {1, 0}, {1, 2}, {2, 1}}));
  EXPECT_EQ(skew.weights, (std::vector<float>{5, -7, -5, 7}));
}

TEST(Formats, Metis) {
  expect_tiny_edges(load(tiny("tiny.graph")));
  EXPECT_TRUE(open_dataset(tiny("tiny.graph"), {}).already_symmetric);
  const ScratchFolder folder;
  write_file(
      folder / "w.graph",
      "3 2 111 2\n% size, two weights, then neighbour and weight\n1 5 5 2 10\n1 5 5 1 10 3 20\n1 5 5 2 20\n");
  const auto got = load(folder / "w.graph");
  EXPECT_EQ(got.edges, (std::vector<Pair>{{0, 1}, {1, 0}, {1, 2}, {2, 1}}));
  EXPECT_EQ(got.weights, (std::vector<float>{10, 10, 20, 20}));
}

// Masks of two splits; the second is that of the tiny graph.
std::string masks(Split split, bool fortran) {
  std::string bits(14, '\0');
  for (std::size_t v = 0; v < 7; ++v) {
    bits[fortran ? 2 * v : v] = split == Split::kTrain ? 1 : 0;
    bits[fortran ? 2 * v + 1 : 7 + v] = kTinySplits[v] == split ? 1 : 0;
  }
  return npy("|b1", "(2, 7)", bits, fortran);
}

TEST(Formats, HeterophilousNpz) {
  const ScratchFolder folder;
  std::vector<Index> labels(kTinyLabels.begin(), kTinyLabels.end());
  labels[5] = 0;
  for (const bool fortran : {false, true}) {
    const auto path = write_file(
        folder / "h.npz",
        ZipWriter()
            .add("node_features.npy",
                 npy("<f4", "(7, 2)", bytes_of(fortran ? transposed_features() : kTinyFeatures), fortran))
            .add("node_labels.npy", npy("<i8", "(7,)", bytes_of(labels)))
            .add("edges.npy", npy("<i8", "(8, 2)", bytes_of(tiny_ids(!fortran)), fortran))
            .add("train_masks.npy", masks(Split::kTrain, fortran))
            .add("val_masks.npy", masks(Split::kValid, fortran))
            .add("test_masks.npy", masks(Split::kTest, fortran))
            .finish());
    OpenOptions options;
    options.split_name = "1";
    auto got = load(path, options);
    EXPECT_EQ(got.labels.labels[5], 0);
    got.labels.labels[5] = -1;
    expect_tiny(got);
    EXPECT_EQ(load(path).splits, std::vector<Split>(7, Split::kTrain));
    options.split_name = "2";
    EXPECT_THROW(load(path, options), base::InputError);
    options.split_name = "one";
    EXPECT_THROW(load(path, options), base::InvalidArgument);
  }
}

// The tiny graph in both directions as CSR.
std::string csr_npz(bool with_format) {
  std::vector<Index> pointers = {0};
  std::vector<std::int32_t> indices;
  for (Index v = 0; v < 7; ++v) {
    for (const auto& [src, dst] : both_directions(kTinyEdges))
      if (src == v) indices.push_back(static_cast<std::int32_t>(dst));
    pointers.push_back(std::ssize(indices));
  }
  ZipWriter zip;
  zip.add("data.npy", npy("|b1", "(16,)", std::string(16, '\1')));
  zip.add("indices.npy", npy("<i4", "(16,)", bytes_of(indices)));
  zip.add("indptr.npy", npy("<i8", "(8,)", bytes_of(pointers)));
  zip.add("shape.npy", npy("<i8", "(2,)", bytes_of<Index>({7, 7})));
  if (with_format) zip.add("format.npy", npy("|S3", "()", "csr"));
  return zip.finish();
}

std::string coo_npz(float weight) {
  std::vector<std::int32_t> row, col;
  for (const auto& [src, dst] : both_directions(kTinyEdges)) {
    row.push_back(static_cast<std::int32_t>(src));
    col.push_back(static_cast<std::int32_t>(dst));
  }
  return ZipWriter()
      .add("row.npy", npy("<i4", "(16,)", bytes_of(row)))
      .add("col.npy", npy("<i4", "(16,)", bytes_of(col)))
      .add("data.npy", npy("<f4", "(16,)", bytes_of(std::vector<float>(16, weight))))
      .add("shape.npy", npy("<i8", "(2,)", bytes_of<Index>({7, 7})))
      .add("format.npy", npy("<U3", "()", std::string("c\0\0\0o\0\0\0o\0\0\0", 12)))
      .finish();
}

TEST(Formats, ScipyCsrAndCoo) {
  const ScratchFolder folder;
  const auto csr = load(write_file(folder / "csr.npz", csr_npz(true)));
  expect_tiny_edges(csr);
  EXPECT_TRUE(csr.weights.empty());
  EXPECT_TRUE(load(write_file(folder / "ones.npz", coo_npz(1))).weights.empty());
  const auto coo = load(write_file(folder / "coo.npz", coo_npz(2.5F)));
  expect_tiny_edges(coo);
  EXPECT_EQ(coo.weights, std::vector<float>(16, 2.5F));
}

TEST(Formats, GraphSaintFolder) {
  const ScratchFolder folder;
  write_file(folder / "saint/adj_full.npz", csr_npz(false));
  std::vector<double> features(kTinyFeatures.begin(), kTinyFeatures.end());
  write_file(folder / "saint/feats.npy", npy("<f8", "(7, 2)", bytes_of(features)));
  write_file(folder / "saint/class_map.json", R"({"1": 1, "0": 0, "2": 2, "3": 1, "4": 0, "6": 2})");
  write_file(folder / "saint/role.json", R"({"tr": [0, 1, 2], "va": [3], "te": [6, 4]})");
  expect_tiny(load(folder / "saint"));
  write_file(
      folder / "saint/class_map.json",
      R"({"0": [1, 0], "1": [0, 0], "2": [1, 1], "3": [0, 1], "4": [0, 0], "5": [0, 1], "6": [1, 0]})");
  const auto labels = load(folder / "saint").labels;
  EXPECT_EQ(labels.task, Task::kMultiLabel);
  EXPECT_EQ(labels.targets, (std::vector<float>{1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0}));
}

TEST(Formats, RedditFolder) {
  const ScratchFolder folder;
  std::vector<Index> labels(kTinyLabels.begin(), kTinyLabels.end()), types;
  labels[5] = 0;
  for (const Split split : kTinySplits)
    types.push_back(split == Split::kNone ? 1 : static_cast<Index>(split));
  write_file(folder / "r/reddit_graph.npz", coo_npz(1));
  write_file(folder / "r/reddit_data.npz",
             ZipWriter()
                 .add("feature.npy", npy("<f4", "(7, 2)", bytes_of(kTinyFeatures)))
                 .add("label.npy", npy("<i8", "(7,)", bytes_of(labels)))
                 .add("node_ids.npy", npy("<i8", "(7,)", bytes_of(labels)))
                 .add("node_types.npy", npy("<i8", "(7,)", bytes_of(types)))
                 .finish());
  auto got = load(folder / "r");
  EXPECT_EQ(got.splits[5], Split::kTrain);
  got.splits[5] = Split::kNone;
  got.labels.labels[5] = -1;
  expect_tiny(got);
}

TEST(Formats, LargeTextIsReadInOrderWhateverTheThreads) {
  const ScratchFolder folder;
  std::string text;
  std::vector<Pair> edges;
  for (Index i = 0; i < 400000; ++i) {
    edges.emplace_back(i * 7919 % 100000, i * 104729 % 100000);
    text += fmt::format("{},{}\n", edges.back().first, edges.back().second);
    if (i % 1000 == 0) text += "\n# comment\n";
  }
  write_file(folder / "raw/edge.csv.gz", gzip(text));
  write_file(folder / "raw/num-node-list.csv", "100000");
  for (const int threads : {1, 3}) {
    device::Context context({.threads = threads});
    OpenOptions options;
    options.context = &context;
    const RawDataset data = open_dataset(folder.path(), options);
    EdgeBatch batch;
    std::vector<Pair> got;
    while (data.edges->next(batch))
      for (std::size_t i = 0; i < batch.src.size(); ++i) got.emplace_back(batch.src[i], batch.dst[i]);
    EXPECT_EQ(got, edges);
  }
}

TEST(Registry, KnowsThePublishedDatasets) {
  for (const char* name : {"ogbn-arxiv", "ogbn-products", "ogbn-papers100M", "ogbn-proteins", "ogbn-mag",
                           "Reddit", "europe_osm", "products-14M", "Isolate-3-8M", "Flickr", "cora",
                           "citeseer", "amazon-photo", "blogcatalog", "cora-npz"})
    EXPECT_NE(find_in_registry(name), nullptr) << name;
  EXPECT_EQ(find_in_registry("OGBN_Arxiv"), find_in_registry("arxiv"));
  EXPECT_EQ(find_in_registry("no such"), nullptr);
  EXPECT_TRUE(find_in_registry("mag")->heterogeneous);
  EXPECT_TRUE(find_in_registry("products")->add_inverse_edge);
  EXPECT_FALSE(find_in_registry("papers100M-bin")->add_inverse_edge);
  const auto layouts = layout_names();
  for (const auto& entry : registry())
    EXPECT_NE(std::ranges::find(layouts, entry.layout), layouts.end()) << entry.name << ": " << entry.layout;
}

// The real datasets, where OPX_TEST_DATA names their folder.
class RealData : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("OPX_TEST_DATA");
    if (folder == nullptr) GTEST_SKIP() << "OPX_TEST_DATA is not set";
    folder_ = folder;
  }
  std::filesystem::path folder_;
};

TEST_F(RealData, CoraNpzEqualsCora) {
  const auto csv = load(folder_ / "cora"), npz = load(folder_ / "cora-npz");
  EXPECT_TRUE(csv.warnings.empty());
  EXPECT_EQ(csv.edges.size(), 2U * 5278);
  EXPECT_EQ(csv.edges, npz.edges);
  EXPECT_EQ(csv.features, npz.features);
  EXPECT_EQ(csv.labels.labels, npz.labels.labels);
  EXPECT_EQ(csv.splits, npz.splits);
}

TEST_F(RealData, CountsAreThoseOfTheRegistry) {
  for (const char* name : {"citeseer", "amazon-photo", "blogcatalog", "formats/minesweeper.npz"})
    EXPECT_TRUE(load(folder_ / name).warnings.empty()) << name;
  EXPECT_EQ(load(folder_ / "formats/wing.graph").edges.size(), 2U * 121544);
  const auto wiki = load(folder_ / "formats/wiki-Vote.txt.gz");
  EXPECT_EQ(wiki.vertices, 7115);
  EXPECT_EQ(wiki.edges.size(), 2U * 103689);
}

}  // namespace
}  // namespace opx::graph
