// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Every way to multiply on a GPU against ref/.
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "device/transfer.hpp"
#include "spmm/gpu/variants.hpp"
#include "spmm/kernels.hpp"
#include "support/gpu.hpp"
#include "unit/spmm/random_csr.hpp"

namespace opx::spmm {
namespace {

using testing::draw;
using testing::HostCsr;
using testing::random_csr;

constexpr float kGuard = 1234.5F, kNaN = std::numeric_limits<float>::quiet_NaN();

enum class Way { kRows, kChunks32, kChunks128, kCusparse1, kCusparse2, kCusparse3 };

// rows x cols features whose memory ends with the last row; what lies before it and between the rows is NaN
// in X (never to be used) and a guard value in Y (never to be written).
template <class T>
struct Features {
  Features(Index rows, Index cols, Index ld_, Index shift_, std::uint64_t seed, float between)
      : ld(ld_), shift(shift_) {
    store.assign(static_cast<std::size_t>(shift + (rows > 0 ? (rows - 1) * ld + cols : 0)), T(between));
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j)
        store[static_cast<std::size_t>(shift + i * ld + j)] = T(draw(seed, i, static_cast<std::uint32_t>(j)));
  }
  [[nodiscard]] tensor::MatrixView<T> view(T* data, Index rows, Index cols) const {
    return {data + shift, rows, cols, ld};
  }
  Index ld, shift;
  std::vector<T> store;
};

struct DeviceCsr {
  /// `spare`: room behind the entries, whose number the host then does not know.
  DeviceCsr(device::Context& context, const CsrView& a, Index spare = 0) {
    if (spare > 0) {
      std::vector<LocalIndex> ids(a.col_ids.begin(), a.col_ids.end());
      std::vector<float> values(a.values.begin(), a.values.end());
      ids.resize(ids.size() + static_cast<std::size_t>(spare), LocalIndex{1} << 30);
      if (!values.empty()) values.resize(ids.size(), kNaN);
      csr.rows = a.rows, csr.cols = a.cols, csr.at_most = true;
      csr.row_offsets = device::device_copy(context, a.row_offsets);
      csr.col_ids = device::device_copy(context, std::span<const LocalIndex>(ids));
      csr.values = device::device_copy(context, std::span<const float>(values));
      return;
    }
    csr.rows = a.rows, csr.cols = a.cols;
    csr.row_offsets = device::device_copy(context, a.row_offsets);
    csr.col_ids = device::device_copy(context, a.col_ids);
    csr.values = device::device_copy(context, a.values);
  }
  Csr csr;
};

struct Form {
  bool row_scale = false, col_scale = false, accumulate = false;
};

struct Layout {
  Index cols, x_pad = 0, y_pad = 0, shift = 0;
};

std::vector<float> draws(std::uint64_t seed, Index n) {
  std::vector<float> v;
  for (Index i = 0; i < n; ++i) v.push_back(draw(seed, i));
  return v;
}

class GpuSpmm : public test::GpuTest {
 protected:
  template <class T>
  std::vector<float> run(Way way, const HostCsr& a, Form form, const Layout& layout, Features<float> y,
                         Index spare = 0) {
    const Features<T> x(a.cols, layout.cols, layout.cols + layout.x_pad, layout.shift, 5, kNaN);
    const DeviceCsr on_device(context(), a.view(), spare);
    auto x_memory = device::device_copy(context(), std::span<const T>(x.store));
    auto y_memory = device::device_copy(context(), std::span<const float>(y.store));
    const auto row_scale = draws(21, form.row_scale ? a.rows : 0),
               col_scale = draws(22, form.col_scale ? a.cols : 0);
    const device::Resident<float> rows(context(), row_scale), cols(context(), col_scale);
    const MultiplyOptions options{rows.span(), cols.span(), form.accumulate};
    const tensor::MatrixView<const T> in = x.view(x_memory.data(), a.cols, layout.cols);
    const auto out = y.view(y_memory.data(), a.rows, layout.cols);
    const CsrView view = on_device.csr.view();
    switch (way) {
      case Way::kRows:
        gpu::multiply_rows(context(), view, in, out, options);
        break;
      case Way::kChunks32:
        gpu::multiply_chunks(context(), view, in, out, options, 32);
        break;
      case Way::kChunks128:
        gpu::multiply_chunks(context(), view, in, out, options, 128);
        break;
      default:
        if constexpr (std::is_same_v<T, float>)
          gpu::multiply_cusparse(context(), view, in, out, options,
                                 static_cast<int>(way) - static_cast<int>(Way::kCusparse1) + 1);
    }
    return device::host_copy(context(), std::as_const(y_memory).span());
  }

  template <class T>
  void check(Way way, const HostCsr& a, Form form, const Layout& layout) {
    const Features<T> x(a.cols, layout.cols, layout.cols + layout.x_pad, layout.shift, 5, kNaN);
    Features<float> y(a.rows, layout.cols, layout.cols + layout.y_pad, layout.shift, 6, kGuard);
    const std::vector<float> got = run<T>(way, a, form, layout, y);
    const auto row_scale = draws(21, form.row_scale ? a.rows : 0),
               col_scale = draws(22, form.col_scale ? a.cols : 0);
    auto x_store = x.store;
    ref::multiply(context(), a.view(),
                  tensor::MatrixView<const T>(x.view(x_store.data(), a.cols, layout.cols)),
                  y.view(y.store.data(), a.rows, layout.cols), {row_scale, col_scale, form.accumulate});
    // A few roundings of the largest partial sum of terms of size at most one.
    const double bound = 4e-6 * std::sqrt(static_cast<double>(longest_row(a.row_offsets)) + 1);
    for (std::size_t k = 0; k < got.size(); ++k)
      ASSERT_NEAR(got[k], y.store[k], bound)
          << "element " << k << ", " << layout.cols << " columns, pads " << layout.x_pad << ' '
          << layout.y_pad << ", way " << static_cast<int>(way);
  }

  void check_all(const HostCsr& a, Form form, const Layout& layout) {
    for (const Way way : {Way::kRows, Way::kChunks32, Way::kChunks128}) {
      check<float>(way, a, form, layout);
      check<bfloat16>(way, a, form, layout);
    }
    if (!gpu::can_cusparse(a.view(), layout.cols, false)) return;
    for (const Way way : {Way::kCusparse1, Way::kCusparse2, Way::kCusparse3})
      check<float>(way, a, form, layout);
  }
};

// Row i has degrees[i] neighbouring columns, from a place that depends on i.
HostCsr of_degrees(const std::vector<Index>& degrees, Index cols) {
  HostCsr a;
  a.rows = static_cast<Index>(degrees.size());
  a.cols = cols;
  for (std::size_t i = 0; i < degrees.size(); ++i) {
    const Index first = degrees[i] < cols ? static_cast<Index>(7 * i) % (cols - degrees[i]) : 0;
    for (Index k = 0; k < degrees[i]; ++k) a.col_ids.push_back(static_cast<LocalIndex>(first + k));
    a.row_offsets.push_back(static_cast<Index>(a.col_ids.size()));
  }
  return a;
}

TEST_F(GpuSpmm, EveryWidth) {
  const HostCsr a = random_csr(1, 23, 19, 7, false, 4, 18);
  for (const Index cols : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 64, 65, 100, 127, 128, 129})
    check_all(a, {}, {.cols = cols});
  for (const Index cols : {200, 256, 257, 512, 1024, 1030})
    check_all(random_csr(1, 5, 9, 4, false), {}, {.cols = cols});
}

TEST_F(GpuSpmm, StridesAndMisalignedRows) {
  const HostCsr a = random_csr(2, 23, 19, 7, true, 4, 18);
  const Form form{true, true, true};
  for (const Index cols : {1, 3, 6, 15, 16, 47, 64, 100, 130}) {
    check_all(a, form, {.cols = cols, .x_pad = 1, .y_pad = 3, .shift = 1});
    const Index whole = ceil_div(cols, Index{4}) * 4 - cols;  // vector loads with a ragged end
    check_all(a, form, {.cols = cols, .x_pad = whole, .y_pad = whole + 4, .shift = 4});
    check_all(a, form, {.cols = cols, .x_pad = whole + 4, .y_pad = 1});  // and stores one by one
  }
}

TEST_F(GpuSpmm, EveryForm) {
  for (int bits = 0; bits < 16; ++bits) {
    const HostCsr a = random_csr(3, 31, 17, 6, (bits & 8) != 0);
    const Form form{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
    for (const Index cols : {1, 16, 47}) check_all(a, form, {.cols = cols});
  }
}

TEST_F(GpuSpmm, BordersOfChunks) {
  const std::vector<std::vector<Index>> shapes{
      {},                                       // no rows
      {0},                                      // no entries
      {0, 0, 0, 0, 0, 0, 0},                    //
      {32, 32, 32},                             // each a chunk
      {31, 1, 33, 31, 0, 64, 1},                // ends and beginnings at borders
      {0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 59, 0},    // long runs of empty rows
      {300},                                    // one row with all entries
      {0, 0, 300, 0},                           //
      {1, 300, 1},                              // cut at both ends
      {128, 0, 0, 0, 0, 0, 0, 0, 128, 127, 1},  //
  };
  for (const auto& degrees : shapes)
    for (const Index cols : {2, 16, 40, 130})
      for (const bool accumulate : {false, true})
        check_all(of_degrees(degrees, 301), {.row_scale = true, .accumulate = accumulate}, {.cols = cols});
}

// A captured product serves matrices of other numbers of entries.
TEST_F(GpuSpmm, RoomBehindTheEntriesChangesNothing) {
  const std::vector<std::vector<Index>> shapes{
      {0, 0, 0}, {32, 32, 32}, {31, 1, 33, 31, 0, 64, 1}, {0, 300, 0}, {1, 300, 1}};
  for (const auto& degrees : shapes)
    for (const Way way : {Way::kRows, Way::kChunks32, Way::kChunks128})
      for (const Index spare : {1, 32, 500}) {
        const HostCsr a = of_degrees(degrees, 301);
        const Layout layout{.cols = 40};
        const Features<float> y(a.rows, 40, 40, 0, 6, kGuard);
        EXPECT_EQ(run<float>(way, a, {}, layout, y, spare), run<float>(way, a, {}, layout, y))
            << static_cast<int>(way) << ", " << spare;
        EXPECT_FALSE(gpu::can_cusparse(DeviceCsr(context(), a.view(), spare).csr.view(), 40, false));
      }
}

TEST_F(GpuSpmm, PowerLaw) {
  std::vector<Index> degrees;
  for (Index i = 0; i < 150; ++i) {
    const auto u = static_cast<double>(draw(77, i)) * 0.5 + 0.5;
    degrees.push_back(static_cast<Index>(std::min(400.0, std::pow(u + 1e-3, -1.2))) - 1);
  }
  const HostCsr a = of_degrees(degrees, 401);
  for (const Index cols : {1, 4, 8, 16, 33, 64}) check_all(a, {true, true, false}, {.cols = cols});
}

TEST_F(GpuSpmm, NoColumnsAndNoRows) {
  const HostCsr a = random_csr(4, 9, 7, 3, false);
  const DeviceCsr on_device(context(), a.view());
  multiply(context(), on_device.csr.view(), tensor::MatrixView<const float>(nullptr, 7, 0),
           tensor::MatrixView<float>(nullptr, 9, 0));
  const DeviceCsr none(context(), of_degrees({}, 3).view());
  device::Buffer<float> x(context(), 6);
  multiply(context(), none.csr.view(), tensor::MatrixView<const float>(x.data(), 3, 2),
           tensor::MatrixView<float>(nullptr, 0, 2));
  gpu().synchronise();
}

TEST_F(GpuSpmm, WeighedEntries) {
  const HostCsr valued = random_csr(6, 700, 90, 9, true, 11, 80), plain = random_csr(6, 700, 90, 9, false);
  for (const HostCsr* a : {&valued, &plain}) {
    const DeviceCsr on_device(context(), a->view());
    const auto row_scale = draws(21, a->rows), col_scale = draws(22, a->cols);
    const device::Resident<float> rows(context(), row_scale), cols(context(), col_scale);
    const auto both = gpu::weigh(context(), on_device.csr.view(), {rows.span(), cols.span()});
    const auto none = gpu::weigh(context(), on_device.csr.view(), {});
    device::Buffer<std::int32_t> narrow(context(), a->rows + 1);
    gpu::narrow_offsets(gpu(), on_device.csr.view(), narrow.data());
    const auto offsets = device::host_copy<std::int32_t>(context(), narrow.span());
    const auto weights = device::host_copy(context(), both.weights),
               ones = device::host_copy(context(), none.weights);
    ASSERT_EQ(std::vector<Index>(offsets.begin(), offsets.end()), a->row_offsets);
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i)
      for (auto e = static_cast<std::size_t>(offsets[i]); e < static_cast<std::size_t>(offsets[i + 1]); ++e) {
        const float value = a->values.empty() ? 1.0F : a->values[e];
        ASSERT_EQ(ones[e], value);
        ASSERT_FLOAT_EQ(weights[e],
                        value * row_scale[i] * col_scale[static_cast<std::size_t>(a->col_ids[e])]);
      }
  }
}

TEST_F(GpuSpmm, SameBitsInEveryRun) {
  const HostCsr a = random_csr(8, 60, 90, 9, true, 11, 80);
  for (const Way way : {Way::kRows, Way::kChunks32, Way::kChunks128}) {
    const Layout layout{.cols = 24};
    const Features<float> y(a.rows, layout.cols, layout.cols, 0, 6, kGuard);
    const auto first = run<float>(way, a, {true, true, true}, layout, y);
    const auto again = run<float>(way, a, {true, true, true}, layout, y);
    EXPECT_EQ(std::memcmp(first.data(), again.data(), first.size() * sizeof(float)), 0);
  }
}

// What each row is given does not depend on the others: the rule may choose by them.
TEST_F(GpuSpmm, RowsAndChunksAgreeOnShortRows) {
  const HostCsr a = of_degrees({1, 2, 3, 4, 5, 6, 7}, 9);  // 28 entries: one chunk, no row is cut
  const Features<float> y(a.rows, 10, 10, 0, 6, kGuard);
  EXPECT_EQ(run<float>(Way::kRows, a, {}, {.cols = 10}, y),
            run<float>(Way::kChunks32, a, {}, {.cols = 10}, y));
}

}  // namespace
}  // namespace opx::spmm
