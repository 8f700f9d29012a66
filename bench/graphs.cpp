// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graphs.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/error.hpp"
#include "base/random.hpp"

namespace opx::bench {
namespace {

struct Edge {
  LocalIndex from, to;
};

// Both directions of every edge and the self loops, sorted, without duplicates.
spmm::Csr from_edges(device::Context& context, Index vertices, const std::vector<Edge>& edges) {
  std::vector<Index> next(static_cast<std::size_t>(vertices) + 1, 1);  // one self loop each
  next[0] = 0;
  for (const Edge& e : edges) {
    ++next[static_cast<std::size_t>(e.from) + 1];
    ++next[static_cast<std::size_t>(e.to) + 1];
  }
  for (std::size_t i = 1; i < next.size(); ++i) next[i] += next[i - 1];
  const std::vector<Index> begin = next;
  std::vector<LocalIndex> ids(static_cast<std::size_t>(begin.back()));
  const auto add = [&](LocalIndex row, LocalIndex col) {
    ids[static_cast<std::size_t>(next[static_cast<std::size_t>(row)]++)] = col;
  };
  for (Index i = 0; i < vertices; ++i) add(static_cast<LocalIndex>(i), static_cast<LocalIndex>(i));
  for (const Edge& e : edges) add(e.from, e.to), add(e.to, e.from);
  spmm::Csr a{vertices, vertices, {context, vertices + 1}, {}, {}};
  context.parallel_ranges(vertices, 4096, [&](Range rows) {
    for (Index i = rows.begin; i < rows.end; ++i) {
      const auto first = ids.begin() + begin[static_cast<std::size_t>(i)];
      const auto last = ids.begin() + begin[static_cast<std::size_t>(i) + 1];
      std::sort(first, last);
      a.row_offsets[i + 1] = std::unique(first, last) - first;
    }
  });
  a.row_offsets[0] = 0;
  for (Index i = 0; i < vertices; ++i) a.row_offsets[i + 1] += a.row_offsets[i];
  a.col_ids = {context, a.row_offsets[vertices]};
  for (Index i = 0; i < vertices; ++i)
    std::copy_n(ids.begin() + begin[static_cast<std::size_t>(i)], a.row_offsets[i + 1] - a.row_offsets[i],
                a.col_ids.data() + a.row_offsets[i]);
  return a;
}

Edge rmat_edge(base::RandomKey key, Index i, int scale) {
  Index from = 0, to = 0;
  std::array<std::uint32_t, 4> bits{};
  for (int level = 0; level < scale; ++level) {
    const auto word = static_cast<std::uint32_t>(level);
    if (level % 4 == 0) bits = base::philox(key, {0, 0, static_cast<std::uint64_t>(i), word / 4});
    const double u = base::uniform_double(bits[word % 4], 0);
    from = 2 * from + (u >= 0.76 ? 1 : 0);
    to = 2 * to + ((u >= 0.57 && u < 0.76) || u >= 0.95 ? 1 : 0);
  }
  return {static_cast<LocalIndex>(from), static_cast<LocalIndex>(to)};
}

// .npy version 1.0: magic, header padded to 64 bytes, raw little-endian data.
template <class T>
void write_npy(const std::string& file, const char* type, std::span<const T> data) {
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({},), }}", type, data.size());
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10, ' ');
  header.back() = '\n';
  std::ofstream out(file, std::ios::binary);
  out << "\x93NUMPY\x01" << '\0' << static_cast<char>(header.size() & 0xff)
      << static_cast<char>(header.size() >> 8) << header;
  out.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size_bytes()));
  out.flush();
  OPX_REQUIRE(out.good(), ResourceError, "cannot write {}", file);
}

template <class T>
device::Buffer<T> read_npy(device::Context& context, const std::string& file, const std::string& type) {
  std::ifstream in(file, std::ios::binary);
  char start[10] = {};
  in.read(start, 10);
  OPX_REQUIRE(in.good() && std::memcmp(start, "\x93NUMPY", 6) == 0, InputError, "{} is not an npy file",
              file);
  std::string header(static_cast<std::size_t>(static_cast<unsigned char>(start[8]) +
                                              256 * static_cast<unsigned char>(start[9])),
                     ' ');
  in.read(header.data(), static_cast<std::streamsize>(header.size()));
  OPX_REQUIRE(header.find("'" + type + "'") != std::string::npos, InputError, "{} does not hold {}", file,
              type);
  device::Buffer<T> data(context, std::stoll(header.substr(header.find('(') + 1)));
  in.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(data.bytes()));
  OPX_REQUIRE(in.good(), InputError, "{} is shorter than its header says", file);
  return data;
}

}  // namespace

spmm::Csr rmat(device::Context& context, int scale, Index edge_factor, std::uint64_t seed) {
  const base::RandomKey key{seed, base::Purpose::kBench};
  std::vector<Edge> edges(static_cast<std::size_t>(edge_factor << scale));
  context.parallel_ranges(edge_factor << scale, 1 << 16, [&](Range r) {
    for (Index i = r.begin; i < r.end; ++i) edges[static_cast<std::size_t>(i)] = rmat_edge(key, i, scale);
  });
  return from_edges(context, Index{1} << scale, edges);
}

spmm::Csr power_law(device::Context& context, Index vertices, Index nnz, std::uint64_t seed) {
  const base::RandomKey key{seed, base::Purpose::kBench};
  const base::KeyedPermutation ids(key, 1, vertices);
  std::vector<LocalIndex> id(static_cast<std::size_t>(vertices));
  for (Index i = 0; i < vertices; ++i) id[static_cast<std::size_t>(i)] = static_cast<LocalIndex>(ids(i));
  // Density rank^-0.5 on (0, 1) has the inverse distribution function u^2.
  const auto end_of = [&](std::uint32_t high, std::uint32_t low) {
    const double u = base::uniform_double(high, low);
    return id[static_cast<std::size_t>(u * u * static_cast<double>(vertices))];
  };
  const Index count = (nnz - vertices) / 2;
  std::vector<Edge> edges(static_cast<std::size_t>(count));
  context.parallel_ranges(count, 1 << 16, [&](Range r) {
    for (Index i = r.begin; i < r.end; ++i) {
      const auto bits = base::philox(key, {1, 0, static_cast<std::uint64_t>(i), 0});
      edges[static_cast<std::size_t>(i)] = {end_of(bits[0], bits[1]), end_of(bits[2], bits[3])};
    }
  });
  return from_edges(context, vertices, edges);
}

spmm::Csr lattice(device::Context& context, Index side, bool shuffled, std::uint64_t seed) {
  const base::KeyedPermutation permutation({seed, base::Purpose::kBench}, 2, side * side);
  std::vector<LocalIndex> id(static_cast<std::size_t>(side * side));
  for (Index i = 0; i < side * side; ++i)
    id[static_cast<std::size_t>(i)] = static_cast<LocalIndex>(shuffled ? permutation(i) : i);
  std::vector<Edge> edges;
  for (Index y = 0; y < side; ++y)
    for (Index x = 0; x < side; ++x) {
      const auto here = static_cast<std::size_t>(y * side + x);
      if (x + 1 < side) edges.push_back({id[here], id[here + 1]});
      if (y + 1 < side) edges.push_back({id[here], id[here + static_cast<std::size_t>(side)]});
    }
  return from_edges(context, side * side, edges);
}

void export_npy(const spmm::CsrView& a, const std::string& folder) {
  write_npy<Index>(folder + "/indptr.npy", "<i8", a.row_offsets);
  write_npy<LocalIndex>(folder + "/indices.npy", "<i4", a.col_ids);
}

spmm::Csr import_npy(device::Context& context, const std::string& folder) {
  spmm::Csr a;
  a.row_offsets = read_npy<Index>(context, folder + "/indptr.npy", "<i8");
  a.col_ids = read_npy<LocalIndex>(context, folder + "/indices.npy", "<i4");
  a.rows = a.cols = a.row_offsets.size() - 1;
  spmm::validate(a.view());
  return a;
}

}  // namespace opx::bench
