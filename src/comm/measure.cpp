// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/measure.hpp"

#include <algorithm>
#include <cstring>

#include "base/timer.hpp"

namespace opx::comm {
namespace {

constexpr CommPurpose kPurpose = CommPurpose::kOther;
constexpr int kWarmUps = 2;

// Whole numbers below 64: sums of any order are exact, and a part from the wrong rank shows.
float value_of(int rank, Index i) { return static_cast<float>((i * 7 + rank * 13) % 61); }

// Buffers and group that the collectives below work on; `part` floats for each rank in the long buffer.
struct Bench {
  Communicator& group;
  Index part;
  std::vector<float> in, out;
  std::vector<Index> counts;

  Bench(Communicator& g, Index bytes)
      : group(g),
        part(std::max<Index>(1, ceil_div(bytes, static_cast<Index>(sizeof(float)) * g.size()))),
        in(static_cast<std::size_t>(part * g.size())),
        out(in.size()),
        counts(static_cast<std::size_t>(g.size()), part) {}

  [[nodiscard]] Index total() const { return part * group.size(); }
  [[nodiscard]] std::span<float> own(std::vector<float>& v) const {
    return std::span(v).first(static_cast<std::size_t>(part));
  }
  void fill() {
    for (Index i = 0; i < total(); ++i) in[static_cast<std::size_t>(i)] = value_of(group.rank(), i);
    std::fill(out.begin(), out.end(), -1.0F);
  }
  [[nodiscard]] float sum(Index i) const {
    float s = 0;
    for (int r = 0; r < group.size(); ++r) s += value_of(r, i);
    return s;
  }
};

struct Collective {
  std::string_view name;
  void (*call)(Bench&);
  float (*wanted)(const Bench&, Index);  // what the result holds at i
  std::span<const float> (*result)(Bench&);
  Index (*received)(const Bench&);  // floats from other ranks, the most of any rank
};

Index from_others(const Bench& b) { return b.part * (b.group.size() - 1); }

constexpr Collective kCollectives[] = {
    {"all_gather",
     [](Bench& b) { b.group.all_gather(std::span<const float>(b.own(b.in)), std::span(b.out), kPurpose); },
     [](const Bench& b, Index i) { return value_of(static_cast<int>(i / b.part), i % b.part); },
     [](Bench& b) { return std::span<const float>(b.out); }, from_others},
    {"reduce_scatter",
     [](Bench& b) {
       b.group.reduce_scatter(std::span<const float>(b.in), b.own(b.out), ReduceOp::kSum, kPurpose);
     },
     [](const Bench& b, Index i) { return b.sum(b.group.rank() * b.part + i); },
     [](Bench& b) { return std::span<const float>(b.own(b.out)); }, from_others},
    {"all_to_all",
     [](Bench& b) {
       b.group.all_to_all_v(std::span<const float>(b.in), b.counts, std::span(b.out), b.counts, kPurpose);
     },
     [](const Bench& b, Index i) {
       return value_of(static_cast<int>(i / b.part), b.group.rank() * b.part + i % b.part);
     },
     [](Bench& b) { return std::span<const float>(b.out); }, from_others},
    {"all_reduce", [](Bench& b) { b.group.all_reduce(std::span(b.in), ReduceOp::kSum, kPurpose); },
     [](const Bench& b, Index i) { return b.sum(i); }, [](Bench& b) { return std::span<const float>(b.in); },
     [](const Bench& b) { return 2 * from_others(b); }},
    {"broadcast", [](Bench& b) { b.group.broadcast(std::span(b.in), 0, kPurpose); },
     [](const Bench&, Index i) { return value_of(0, i); },
     [](Bench& b) { return std::span<const float>(b.in); },
     [](const Bench& b) { return b.group.size() > 1 ? b.total() : 0; }},
};

void verify(const Collective& collective, Bench& b) {
  agree(b.group, [&] {
    const std::span<const float> got = collective.result(b);
    for (std::size_t i = 0; i < got.size(); ++i) {
      const float wanted = collective.wanted(b, static_cast<Index>(i));
      OPX_REQUIRE(got[i] == wanted, InternalError, "{} of {} floats over {} ranks: element {} is {}, not {}",
                  collective.name, b.total(), b.group.size(), i, got[i], wanted);
    }
  });
}

// Seconds of the slowest rank for each repeat.
std::vector<double> slowest(Communicator& group, std::vector<double> seconds) {
  group.all_reduce(std::span(seconds), ReduceOp::kMax, kPurpose);
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

double timed(Communicator& group, base::FunctionRef<void()> work) {
  group.barrier();
  const double start = base::now_seconds();
  work();
  return base::now_seconds() - start;
}

MeasureRow measure(Communicator& group, const Collective& collective, Index bytes, int repeats) {
  Bench b(group, bytes);
  const Index received = collective.received(b) * static_cast<Index>(sizeof(float));
  std::vector<std::byte> from(static_cast<std::size_t>(received)), to(from.size());
  std::vector<double> calls, copies;
  for (int k = -kWarmUps; k < repeats; ++k) {
    b.fill();
    const double call = timed(group, [&] { collective.call(b); });
    verify(collective, b);
    const double copy = timed(group, [&] {
      if (received > 0) std::memcpy(to.data(), from.data(), from.size());
    });
    if (k < 0) continue;
    calls.push_back(call);
    copies.push_back(copy);
  }
  calls = slowest(group, std::move(calls));
  copies = slowest(group, std::move(copies));
  MeasureRow row{.op = collective.name,
                 .ranks = group.size(),
                 .bytes = b.total() * static_cast<Index>(sizeof(float)),
                 .received_bytes = received};
  row.seconds_p10 = quantile(calls, 0.1);
  row.seconds_median = quantile(calls, 0.5);
  row.seconds_p90 = quantile(calls, 0.9);
  row.gigabytes_per_second = static_cast<double>(received) / row.seconds_median / 1e9;
  row.bound_ratio = received > 0 ? quantile(copies, 0.5) / row.seconds_median : 0;
  return row;
}

}  // namespace

std::vector<MeasureRow> measure_collectives(Communicator& group, const MeasureOptions& options) {
  OPX_REQUIRE(options.repeats >= 1, InvalidArgument, "repeats is {}; it takes 1 or more", options.repeats);
  std::vector<MeasureRow> rows;
  for (const Collective& collective : kCollectives) {
    for (const Index bytes : options.bytes) {
      OPX_REQUIRE(bytes >= 1, InvalidArgument, "a message size is {} bytes; it takes 1 or more", bytes);
      rows.push_back(measure(group, collective, bytes, options.repeats));
    }
  }
  return rows;
}

}  // namespace opx::comm
