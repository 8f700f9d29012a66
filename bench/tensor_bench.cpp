// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// GEMM and the fused passes of tensor/ at the shapes of a GNN layer, beside the bounds of the machine
// measured in the same run. Every item is first checked against ref/ on a part of its output, then warmed up
// and repeated; the bounds are measured between the repeats. Bytes count what an item must read and write
// once, flops its multiply-adds twice.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/timer.hpp"
#include "machine.hpp"
#include "tensor/kernels.hpp"
#include "tensor/targets.hpp"

namespace {

using namespace opx;
using namespace opx::tensor;

struct Options {
  Index rows = Index{1} << 20, cols = 128, classes = 47;
  int threads = 0, repeats = 7;
  std::string only, target;
  bool json = false;
};

struct Item {
  std::string name;
  double flops = 0, bytes = 0;
  std::function<void()> run;
  std::function<double()> error;  ///< after run: largest difference to ref/, relative to 1 + |expected|
  double tolerance = 1e-5;
};

/// The matrices that all items share, and room for what ref/ computes of a few rows.
struct Data {
  static constexpr Index kChecked = 64;
  Data(device::Context& c, const Options& o)
      : context(c),
        x(c, o.rows, o.cols),
        y(c, o.rows, o.cols),
        z(c, o.rows, o.cols),
        weight(c, o.cols, o.cols),
        product(c, o.cols, o.cols),
        narrow_x(c, o.rows, o.cols),
        narrow_y(c, o.rows, o.cols),
        narrow_weight(c, o.cols, o.cols),
        logits(c, o.rows, o.classes),
        gradient(c, o.rows, o.classes),
        targets(c, o.rows, o.classes),
        mask(c, o.rows, o.cols),
        expected(c, kChecked, std::max(o.cols, o.classes)),
        bias(static_cast<std::size_t>(o.cols), 0.1F),
        gamma(bias.size(), 1.5F),
        beta(bias.size(), 0.2F),
        mean(static_cast<std::size_t>(o.rows)),
        inverse_std(mean.size()),
        sum_bias(bias.size()),
        sum_gamma(bias.size()),
        sum_beta(bias.size()),
        scale(mean.size(), 0.5F),
        labels(mean.size()),
        best(mean.size()),
        use(mean.size(), 1),
        sums(bias.size()),
        squares(bias.size()) {
    draw(x, 1), draw(y, 2), draw(z, 3), draw(weight, 4), draw(logits, 5);
    fill(context, 1.0F, targets.view());
    convert(context, std::as_const(x).view(), narrow_x.view());
    convert(context, std::as_const(y).view(), narrow_y.view());
    convert(context, std::as_const(weight).view(), narrow_weight.view());
    for (std::size_t i = 0; i < labels.size(); ++i)
      labels[i] = static_cast<std::int32_t>(i % static_cast<std::size_t>(o.classes));
  }
  void draw(Matrix<float>& m, std::uint32_t stream) {
    context.parallel_ranges(m.rows(), 1024, [&](Range r) {
      for (Index i = r.begin * m.cols(); i < r.end * m.cols(); ++i)
        m.data()[i] =
            base::uniform_float(static_cast<std::uint32_t>(i) * 2654435761U + stream * 40503U) - 0.5F;
    });
  }
  [[nodiscard]] RowMoments moments() { return {mean, inverse_std}; }

  device::Context& context;
  Matrix<float> x, y, z, weight, product;
  Matrix<bfloat16> narrow_x, narrow_y, narrow_weight;
  Matrix<float> logits, gradient, targets;
  PassMask mask;
  Matrix<float> expected;
  std::vector<float> bias, gamma, beta, mean, inverse_std, sum_bias, sum_gamma, sum_beta, scale;
  std::vector<std::int32_t> labels, best;
  std::vector<std::uint8_t> use;
  std::vector<double> sums, squares;
};

template <class T>
MatrixView<const T> head(const Matrix<T>& m) {
  return m.view().middle_rows({0, std::min(m.rows(), Data::kChecked)});
}

double difference(MatrixView<const float> got, MatrixView<const float> expected) {
  double worst = 0;
  for (Index i = 0; i < got.rows; ++i)
    for (Index j = 0; j < got.cols; ++j) {
      const auto a = static_cast<double>(got(i, j)), b = static_cast<double>(expected(i, j));
      const double d = std::abs(a - b) / (1 + std::abs(b));
      worst = d <= worst ? worst : d;  // NaN counts
    }
  return worst;
}

/// Item that fills d.z; `reference` computes its first rows into the view given.
Item rows_item(Data& d, std::string name, double flops, double bytes, std::function<void()> run,
               std::function<void(MatrixView<float>)> reference) {
  const auto error = [&d, reference] {
    const Range rows{0, std::min(d.z.rows(), Data::kChecked)};
    const auto expected = d.expected.view().middle_rows(rows).middle_cols({0, d.z.cols()});
    reference(expected);
    return difference(std::as_const(d.z).view().middle_rows(rows), expected);
  };
  return {std::move(name), flops, bytes, std::move(run), error};
}

// ---- GEMM
// -------------------------------------------------------------------------------------------------------------
constexpr auto kNo = Transpose::kNo, kYes = Transpose::kYes;

template <class T>
Item tall_gemm(Data& d, std::string name, Transpose tb, const Matrix<T>& a, const Matrix<T>& b) {
  const double n = static_cast<double>(a.rows()), w = static_cast<double>(b.rows());
  return rows_item(
      d, std::move(name), 2 * n * w * w, n * w * (sizeof(T) + 4.0),
      [&d, &a, &b, tb] { gemm(d.context, kNo, tb, 1.0F, a.view(), b.view(), 0.0F, d.z.view()); },
      [&d, &a, &b, tb](MatrixView<float> z) {
        ref::gemm(d.context, kNo, tb, 1.0F, head(a), b.view(), 0.0F, z);
      });
}

/// A^T B, checked on a 2 x 2 corner.
template <class T>
Item weight_gradient(Data& d, std::string name, const Matrix<T>& a, const Matrix<T>& b) {
  const double n = static_cast<double>(a.rows()), w = static_cast<double>(b.cols());
  const auto error = [&d, &a, &b] {
    const Range two{0, std::min<Index>(2, a.cols())};
    const auto corner = d.expected.view().middle_rows(two).middle_cols(two);
    ref::gemm(d.context, kYes, kNo, 1.0F, a.view().middle_cols(two), b.view().middle_cols(two), 0.0F, corner);
    return difference(std::as_const(d.product).view().middle_rows(two).middle_cols(two), corner);
  };
  const auto run = [&d, &a, &b] {
    gemm(d.context, kYes, kNo, 1.0F, a.view(), b.view(), 0.0F, d.product.view());
  };
  return {std::move(name), 2 * n * w * w, 2 * n * w * sizeof(T), run, error, 1e-3};
}

void add_gemm(Data& d, std::vector<Item>& items) {
  items.push_back(tall_gemm(d, "gemm A B", kNo, d.x, d.weight));
  items.push_back(tall_gemm(d, "gemm A B^T", kYes, d.x, d.weight));
  items.push_back(weight_gradient(d, "gemm A^T B", d.x, d.y));
  items.push_back(tall_gemm(d, "gemm A B, bf16", kNo, d.narrow_x, d.narrow_weight));
  items.push_back(weight_gradient(d, "gemm A^T B, bf16", d.narrow_x, d.narrow_y));
}

// ---- fused passes
// -----------------------------------------------------------------------------------------------------
Epilogue make_epilogue(const Data& d, Norm norm, float rate) {
  Epilogue e{.bias = d.bias, .norm = norm, .activation = Activation::kRelu};
  if (norm != Norm::kNone) e.gamma = d.gamma;
  if (norm == Norm::kLayer) e.beta = d.beta;
  e.dropout = {.rate = rate, .seed = 1, .step = 3, .layer = 1};
  return e;
}

void add_forward(Data& d, std::vector<Item>& items, std::string name, Norm norm, float rate, bool residual) {
  const double words = static_cast<double>(d.x.size());
  const Epilogue e = make_epilogue(d, norm, rate);
  const auto r = residual ? std::as_const(d.y).view() : MatrixView<const float>{};
  items.push_back(rows_item(
      d, "forward " + std::move(name), 0, words * (residual ? 12.125 : 8.125),
      [&d, e, r] {
        const RowMoments moments = d.moments();
        epilogue_forward(d.context, std::as_const(d.x).view(), e, r, d.z.view(), &d.mask, &moments);
      },
      [&d, e, r](MatrixView<float> z) {
        const auto r0 = r.data == nullptr ? r : r.middle_rows({0, z.rows});
        ref::epilogue_forward(d.context, head(d.x), e, r0, z, nullptr, nullptr);
      }));
}

/// Runs after the forward item of the same norm, whose mask and moments it uses.
void add_backward(Data& d, std::vector<Item>& items, std::string name, Norm norm, float rate) {
  const double words = static_cast<double>(d.x.size());
  const Epilogue e = make_epilogue(d, norm, rate);
  items.push_back(rows_item(
      d, "backward " + std::move(name), 0, words * (norm == Norm::kNone ? 8.125 : 12.125),
      [&d, e] {
        const RowMoments moments = d.moments();
        epilogue_backward(d.context, std::as_const(d.y).view(), std::as_const(d.x).view(), e, d.mask,
                          &moments, d.z.view(), {d.sum_bias, d.sum_gamma, d.sum_beta});
      },
      [&d, e](MatrixView<float> z) {
        ref::epilogue_backward(d.context, head(d.y), head(d.x), e, d.mask, nullptr, z, {});
      }));
}

void add_epilogues(Data& d, std::vector<Item>& items) {
  add_forward(d, items, "bias relu", Norm::kNone, 0, false);
  add_backward(d, items, "bias relu", Norm::kNone, 0);
  add_forward(d, items, "bias relu dropout", Norm::kNone, 0.5F, false);
  add_backward(d, items, "bias relu dropout", Norm::kNone, 0.5F);
  add_forward(d, items, "bias relu dropout residual", Norm::kNone, 0.5F, true);
  add_forward(d, items, "bias layer relu dropout", Norm::kLayer, 0.5F, false);
  add_backward(d, items, "bias layer relu dropout", Norm::kLayer, 0.5F);
  items.push_back(
      {"column sums", 0, 4 * static_cast<double>(d.x.size()),
       [&d] { column_sums(d.context, std::as_const(d.x).view(), d.bias, d.x.rows(), {}, d.sums, d.squares); },
       [&d] {
         double s = 0;
         for (Index i = 0; i < d.x.rows(); ++i)
           s += static_cast<double>(d.x(i, 0)) + static_cast<double>(d.bias[0]);
         return std::abs(s - d.sums[0]) / (1 + std::abs(s));
       }});
}

// ---- plain passes
// -----------------------------------------------------------------------------------------------------
void add_plain(Data& d, std::vector<Item>& items) {
  const double words = static_cast<double>(d.x.size());
  const auto x = std::as_const(d.x).view();
  items.push_back(rows_item(
      d, "copy", 0, 8 * words, [&d, x] { copy(d.context, x, d.z.view()); },
      [&d](MatrixView<float> z) { ref::copy(d.context, head(d.x), z); }));
  items.push_back(rows_item(
      d, "scale rows", 0, 8 * words, [&d, x] { scale_rows(d.context, x, d.scale, d.z.view()); },
      [&d](MatrixView<float> z) { ref::scale_rows(d.context, head(d.x), d.scale, z); }));
  items.push_back(rows_item(
      d, "bf16 to fp32", 0, 6 * words,
      [&d] { convert(d.context, std::as_const(d.narrow_x).view(), d.z.view()); },
      [&d](MatrixView<float> z) { ref::convert(d.context, head(d.narrow_x), z); }));
  items.push_back({"fp32 to bf16", 0, 6 * words, [&d, x] { convert(d.context, x, d.narrow_x.view()); },
                   [&d, x] {
                     double wrong = 0;
                     for (Index j = 0; j < x.cols; ++j)
                       wrong += bfloat16(x(x.rows - 1, j)) == d.narrow_x(x.rows - 1, j) ? 0 : 1;
                     return wrong;
                   }});
  items.push_back({"add scaled", 2 * words, 12 * words,
                   [&d, x] { add_scaled(d.context, 0.0F, x, d.y.view()); },
                   [&d] { return std::isfinite(d.y(0, 0)) ? 0.0 : 1.0; }});
}

// ---- losses
// -----------------------------------------------------------------------------------------------------------
template <class Op, class Reference>
Item loss_item(Data& d, std::string name, double bytes, Op op, Reference reference) {
  const auto error = [&d, reference] {
    const auto expected = d.expected.view().middle_cols({0, d.logits.cols()});
    reference(expected.middle_rows({0, head(d.logits).rows}));
    return difference(head(d.gradient), expected.middle_rows({0, head(d.logits).rows}));
  };
  return {std::move(name), 0, bytes * static_cast<double>(d.logits.size()), op, error};
}

template <class T>
std::span<const T> head(const std::vector<T>& v) {
  return std::span<const T>(v).first(std::min(v.size(), static_cast<std::size_t>(Data::kChecked)));
}

void add_losses(Data& d, std::vector<Item>& items) {
  const auto logits = std::as_const(d.logits).view(), targets = std::as_const(d.targets).view();
  items.push_back(loss_item(
      d, "cross-entropy", 8,
      [&d, logits] { softmax_cross_entropy(d.context, logits, d.labels, d.use, 1, d.gradient.view()); },
      [&d](MatrixView<float> g) {
        ref::softmax_cross_entropy(d.context, head(d.logits), head(d.labels), head(d.use), 1, g, {});
      }));
  items.push_back(loss_item(
      d, "sigmoid BCE", 12,
      [&d, logits, targets] { sigmoid_bce(d.context, logits, targets, d.use, 1, d.gradient.view()); },
      [&d](MatrixView<float> g) {
        ref::sigmoid_bce(d.context, head(d.logits), head(d.targets), head(d.use), 1, g, {});
      }));
  items.push_back({"argmax", 0, 4 * static_cast<double>(logits.size()),
                   [&d, logits] { argmax_rows(d.context, logits, d.best); },
                   [&d] {
                     std::vector<std::int32_t> expected(head(d.best).size());
                     ref::argmax_rows(d.context, head(d.logits), expected);
                     return std::equal(expected.begin(), expected.end(), d.best.begin()) ? 0.0 : 1.0;
                   }});
}

// ---- measuring
// --------------------------------------------------------------------------------------------------------
double percentile(std::vector<double> samples, double share) {
  std::sort(samples.begin(), samples.end());
  return samples[static_cast<std::size_t>(std::lround(share * static_cast<double>(samples.size() - 1)))];
}

nlohmann::json measure(const Item& item, bench::Machine& machine, const Options& o, int threads) {
  item.run();
  const double error = item.error();
  OPX_REQUIRE(error <= item.tolerance, InternalError, "{} differs from the reference by {}", item.name,
              error);
  std::vector<double> seconds, processor, bandwidth, peak;
  for (int k = 0; k < o.repeats; ++k) {
    bandwidth.push_back(machine.triad());
    if (item.flops > 0) peak.push_back(machine.peak_flops());
    const std::clock_t ticks = std::clock();
    const double start = base::now_seconds();
    item.run();
    seconds.push_back(base::now_seconds() - start);
    processor.push_back(static_cast<double>(std::clock() - ticks) / CLOCKS_PER_SEC / threads);
  }
  const double median = percentile(seconds, 0.5), triad = percentile(bandwidth, 0.5);
  const double compute = item.flops > 0 ? item.flops / percentile(peak, 0.5) : 0.0;
  const double bound = std::max(item.bytes / triad, compute);
  return {{"item", item.name},
          {"seconds", median},
          {"p10", percentile(seconds, 0.1)},
          {"processor_seconds", percentile(processor, 0.5)},
          {"p90", percentile(seconds, 0.9)},
          {"bytes", item.bytes},
          {"flops", item.flops},
          {"triad", triad},
          {"peak", compute > 0 ? item.flops / compute : 0.0},
          {"bound_seconds", bound},
          {"ratio_to_bound", bound / median},
          {"error", error}};
}

void print(const nlohmann::json& m, bool json) {
  if (json) {
    fmt::print("{}\n", m.dump());
  } else {
    const auto number = [&](const char* key) { return m[key].get<double>(); };
    fmt::print(
        "{:<36} {:>8.4f} {:>8.4f} {:>8.4f} {:>8.4f} {:>8.1f} {:>8.1f} {:>8.1f} {:>8.1f} {:>6.2f} {:>9.1e}\n",
        m["item"].get<std::string>(), number("seconds"), number("p10"), number("p90"),
        number("processor_seconds"), number("bytes") / number("seconds") * 1e-9, number("triad") * 1e-9,
        number("flops") / number("seconds") * 1e-9, number("peak") * 1e-9, number("ratio_to_bound"),
        number("error"));
  }
  std::fflush(stdout);
}

int run(const Options& o) {
  if (!o.target.empty()) tensor::force_target(o.target);
  device::Context context({.threads = o.threads});
  Data data(context, o);
  bench::Machine machine(context);
  std::vector<Item> items;
  add_gemm(data, items);
  add_epilogues(data, items);
  add_losses(data, items);
  add_plain(data, items);
  if (!o.json)
    fmt::print(
        "{} x {}, {} classes, {} threads, {}\n{:<36} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>6} "
        "{:>9}\n",
        o.rows, o.cols, o.classes, context.threads(), tensor::chosen_target(), "item", "median s", "p10",
        "p90", "cpu s", "GB/s", "triad", "GFLOP/s", "peak", "ratio", "error");
  for (const Item& item : items)
    if (item.name.find(o.only) != std::string::npos)
      print(measure(item, machine, o, context.threads()), o.json);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("GEMM, fused passes and losses beside the bounds of the machine");
  app.add_option("--rows", o.rows)->check(CLI::Range(1, 1 << 28));
  app.add_option("--cols", o.cols)->check(CLI::Range(1, 1 << 16));
  app.add_option("--classes", o.classes)->check(CLI::Range(1, 1 << 16));
  app.add_option("--threads", o.threads, "0: all cores");
  app.add_option("--repeats", o.repeats)->check(CLI::Range(1, 1000));
  app.add_option("--only", o.only, "items whose name contains this (a backward pass needs its forward)");
  app.add_option("--target", o.target, "force an instruction set");
  app.add_flag("--json", o.json, "one object a line");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(o);
  } catch (const base::Error& error) {
    fmt::print(stderr, "tensor_bench: {}\n", error.what());
    return base::exit_code(error.kind());
  }
}
