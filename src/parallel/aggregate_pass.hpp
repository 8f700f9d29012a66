// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to parallel/: one aggregation under way on a grid of several ranks.
//
// The columns are cut in panels, and each panel runs through the stages of Pass below. Buffers of one panel:
//
//   x          n x D                 this rank's rows; m of y (m < n forward, n < m backward where the last
//   layer of
//                                    a batch gives the rows of the loss alone, else m = n)
//   sent       [member j of C][n][w_j]   columns of j (packed, on the wire's type)
//   columns    [member i of C][n][w]     own columns of the C group's rows            all-to-all over C
//   gathered   [gather][C][n][w]         ... of the column slab                       all-gather
//   partial    [reduce][C][m][w]  fp32   tile times gathered
//   summed     [C][m][w]                 own piece of the sum                         reduce-scatter
//   returned   [member j of C][m][w_j]   own rows of the columns of j                 all-to-all over C
//   y          m x D
//
// With these orders every collective reads and writes contiguous memory. A stage whose group is one rank is
// left out and its output is its input's memory; on one rank all that remains is the multiplication from x to
// y.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bfloat16.hpp"
#include "base/timer.hpp"
#include "parallel/aggregate.hpp"
#include "parallel/aggregate_schedule.hpp"
#include "spmm/multiply.hpp"
#include "tensor/elementwise.hpp"

namespace opx::parallel {

namespace detail {

using tensor::MatrixView;

// A collective's start and wait count together: its exposed time.
inline constexpr std::string_view kToColumns = "aggregate rows to columns", kGather = "aggregate gather",
                                  kReduce = "aggregate reduce-scatter", kToRows = "aggregate columns to rows";

inline void move_columns(device::Context& context, MatrixView<const float> from, MatrixView<float> to) {
  tensor::copy(context, from, to);
}
inline void move_columns(device::Context& context, MatrixView<const float> from, MatrixView<bfloat16> to) {
  tensor::convert(context, from, to);
}
inline void move_columns(device::Context& context, MatrixView<const bfloat16> from, MatrixView<float> to) {
  tensor::convert(context, from, to);
}

}  // namespace detail

/// Memory that grows to the largest request and is reused: two slots a use. Panels in flight have a slot
/// each; where panels run one after the other every stage reads one slot of kShared and writes the other.
struct Aggregator::Workspace {
  enum Use : std::size_t {
    kSent,
    kColumns,
    kGathered,
    kPartial,
    kPartialWire,
    kSummed,
    kReturned,
    kShared,
    kFactors,
    kMatrix,
    kUses
  };

  template <class T>
  std::span<T> get(device::Context& context, std::size_t use, Index slot, Index elements) {
    device::Buffer<std::byte>& buffer = buffers[use][static_cast<std::size_t>(slot)];
    const Index bytes = elements * static_cast<Index>(sizeof(T));
    if (buffer.size() < bytes) {
      const device::MemoryUse use_of_it(context, "work space of an aggregation");
      buffer = {};  // first give back, so that the peak is the new size alone
      buffer = device::Buffer<std::byte>(context, static_cast<Index>(static_cast<double>(bytes) * headroom));
    }
    return {reinterpret_cast<T*>(buffer.data()), static_cast<std::size_t>(elements)};
  }

  /// Of the self-normalised rows: c of every row, and matrices beside those of a Pass.
  std::span<float> factors(device::Context& context, Index rows) {
    return get<float>(context, kFactors, 0, rows);
  }
  tensor::MatrixView<float> matrix(device::Context& context, Index rows, Index cols, Index slot) {
    return {get<float>(context, kMatrix, slot, rows * cols).data(), rows, cols};
  }

  std::array<std::array<device::Buffer<std::byte>, 2>, kUses> buffers;
  void expect(Index most_rows, Index rows) {
    headroom = std::max(1.0, static_cast<double>(most_rows) / static_cast<double>(std::max<Index>(rows, 1)));
  }
  double headroom = 1;  ///< most rows of a batch over those of the one under way
};

namespace detail {

/// A diag(t) x = A (diag(t) x): scales the rows of x, which is scratch, where that is less work than to look
/// up a factor for each entry. Returns the factors that are left to the product.
inline spmm::MultiplyOptions scale_columns(device::Context& context, const layout::Tile& tile,
                                           MatrixView<float> x) {
  constexpr Index kWorthwhile = 4;  // entries of A for each row of x
  spmm::MultiplyOptions factors = tile.factors();
  if (factors.col_scale.empty() || tile.view().nnz() < kWorthwhile * x.rows) return factors;
  tensor::scale_rows(context, x, factors.col_scale, x);
  factors.col_scale = {};
  return factors;
}

}  // namespace detail

/// One aggregation under way; T is the type on the wire.
template <class T>
class Aggregator::Pass {
 public:
  struct Groups {
    comm::Communicator &c, &gather, &reduce;
  };
  Pass(device::Context& context, Groups groups, const layout::Tile& tile, Workspace& workspace,
       const Schedule& schedule, comm::CommPurpose purpose, tensor::MatrixView<const float> x,
       tensor::MatrixView<float> y)
      : context_(context),
        groups_(groups),
        tile_(tile),
        workspace_(workspace),
        pipelined_(schedule.pipelined),
        on_streams_(schedule.pipelined && groups.c.on_streams()),
        purpose_(purpose),
        x_(x),
        y_(y) {
    panels_.resize(static_cast<std::size_t>(schedule.panels));
    for (int q = 0; q < schedule.panels; ++q) plan(schedule.panels, q);
  }

  void run() {
    if (on_streams_) {
      run_on_streams();
    } else if (pipelined_) {
      run_pipelined();
    } else {
      run_in_turn();
    }
  }

 private:
  struct Panel {
    std::vector<Range> of;  ///< columns of x that each member of C has in this panel
    Index own = 0, total = 0;
    comm::Request columns, gather, reduce, returned;
    std::span<T> column_rows, gathered, summed, back;
    std::span<float> partial;
  };

  /// Panels in a software pipeline: gather of q + 1, multiplication of q and reduce-scatter of q - 1 are in
  /// flight together. Every rank starts the same collectives in the same order. A slot of the workspace
  /// serves panels q and q + 2, so a stage that is left out moves its neighbours: without a gather the
  /// multiplication reads `columns`, without a reduce-scatter the way back reads `partial`.
  void run_pipelined() {
    const auto panels = static_cast<Index>(panels_.size());
    const bool gathers = groups_.gather.size() > 1, reduces = groups_.reduce.size() > 1;
    start_columns(0);
    start_gather(0);
    start_columns(1);
    for (Index q = 0; q < panels + (reduces ? 1 : 0); ++q) {
      if (exists(q)) {
        finish(at(q).gather, detail::kGather);
        start_gather(q + 1);
        if (gathers) start_columns(q + 2);
        multiply(q);
        if (!gathers) start_columns(q + 2);
      }
      unpack(reduces ? q - 2 : q - 1);
      if (reduces) start_return(q - 1);
      start_reduce(q);
      if (!reduces) start_return(q);
    }
    unpack(panels - 1);
  }

  /// The same where collectives are queued on streams of a GPU and the host waits for nothing: what has to
  /// run beside a multiplication must be put on its stream before the multiplication is put on the compute
  /// stream, for a collective begins when the compute stream has done what it holds. So
  ///
  ///   compute   ... SpMM q-1 | wait gather q, pack q+2, SpMM q                       | wait return q-1,
  ///   unpack comm      ...          | gather q+1, columns q+2, reduce q-1 (moves), return q-1 | sums ... |
  ///   reduce q-1 (adds)                                       |
  ///
  /// all between the same two bars at the same time, and two slots of the workspace serve as above (without a
  /// gather SpMM q reads what columns q + 2 will overwrite, which then starts behind it).
  void run_on_streams() {
    const auto panels = static_cast<Index>(panels_.size());
    const bool gathers = groups_.gather.size() > 1;
    start_columns(0);
    start_gather(0);
    start_columns(1);
    for (Index q = 0; q <= panels; ++q) {
      if (exists(q)) {
        finish(at(q).columns, detail::kToColumns);
        finish(at(q).gather, detail::kGather);
      }
      start_gather(q + 1);
      if (gathers) start_columns(q + 2);
      start_reduce(q - 1);
      start_return(q - 1);
      if (exists(q)) multiply(q);
      if (!gathers) start_columns(q + 2);
      unpack(q - 1);
    }
  }

  void run_in_turn() {
    for (Index q = 0; exists(q); ++q) {
      side_ = 1;
      start_columns(q);
      start_gather(q);
      finish(at(q).gather, detail::kGather);
      multiply(q);
      start_reduce(q);
      start_return(q);
      unpack(q);
    }
  }

  [[nodiscard]] bool exists(Index q) const noexcept {
    return q >= 0 && q < static_cast<Index>(panels_.size());
  }
  Panel& at(Index q) noexcept { return panels_[static_cast<std::size_t>(q)]; }
  [[nodiscard]] Index rows() const noexcept { return x_.rows; }
  [[nodiscard]] Index rows_out() const noexcept { return y_.rows; }
  /// Features travel at all; if not, the multiplication reads x.
  [[nodiscard]] bool sends_features() const noexcept {
    return groups_.c.size() > 1 || groups_.gather.size() > 1;
  }
  [[nodiscard]] bool sends_sums() const noexcept { return groups_.c.size() > 1 || groups_.reduce.size() > 1; }

  template <class U>
  std::span<U> scratch(std::size_t use, Index q, Index elements) {
    if (pipelined_) return workspace_.get<U>(context_, use, q % 2, elements);
    side_ = 1 - side_;  // what the stage reads is in the other slot, and nothing else is alive
    return workspace_.get<U>(context_, Workspace::kShared, side_, elements);
  }

  void finish(comm::Request& request, std::string_view label) {
    base::PhaseScope scope(context_.clock(), base::Phase::kComm, label);
    request.wait();
  }
  /// Where nobody but the next collective reads what this one writes. A panel alone has two slots for all
  /// stages, which may grow: the memory before must not be in use then.
  void hand_on(comm::Request& request, std::string_view label) {
    base::PhaseScope scope(context_.clock(), base::Phase::kComm, label);
    on_streams_ ? request.hand_on() : request.wait();
  }

  /// Ends the collective `before` for the next stage, over `group`. Where that is one rank the stage is left
  /// out: what it would make is what it was given.
  bool left_out(const comm::Communicator& group, comm::Request& before, std::string_view label,
                std::span<T> given, std::span<T>& made) {
    if (group.size() > 1) {
      hand_on(before, label);
      return false;
    }
    if (!on_streams_) finish(before, label);
    made = given;
    return true;
  }

  void plan(int panels, int q) {
    Panel& panel = at(q);
    for (int j = 0; j < groups_.c.size(); ++j) {
      const Range columns = layout::split_columns(x_.cols, groups_.c.size(), j);
      const Range part = layout::split_columns(columns.size(), panels, q);
      panel.of.push_back({columns.begin + part.begin, columns.begin + part.end});
      panel.total += part.size();
    }
    panel.own = panel.of[static_cast<std::size_t>(groups_.c.rank())].size();
  }

  /// Elements that go to and come from each member of C: rows x (its columns), rows x (own columns).
  [[nodiscard]] static std::vector<Index> counts_of_members(const Panel& panel, Index rows) {
    std::vector<Index> counts;
    for (const Range& r : panel.of) counts.push_back(rows * r.size());
    return counts;
  }
  [[nodiscard]] static std::vector<Index> own_counts(const Panel& panel, Index rows) {
    return std::vector<Index>(panel.of.size(), rows * panel.own);
  }

  /// x -> columns (packs; then the all-to-all where C has more than one member).
  void start_columns(Index q) {
    if (!exists(q) || !sends_features()) return;
    Panel& panel = at(q);
    const std::span<T> sent = pack(q);
    if (groups_.c.size() == 1) {
      panel.column_rows = sent;
      return;
    }
    base::PhaseScope scope(context_.clock(), base::Phase::kComm, detail::kToColumns);
    panel.column_rows = scratch<T>(Workspace::kColumns, q, rows() * groups_.c.size() * panel.own);
    panel.columns = groups_.c.template iall_to_all_v<T>(
        sent, counts_of_members(panel, rows()), panel.column_rows, own_counts(panel, rows()), purpose_);
  }

  std::span<T> pack(Index q) {
    Panel& panel = at(q);
    if constexpr (std::is_same_v<T, float>) {
      // Never written: the span is non-const because packed panels share its type.
      if (panel.total == x_.cols && groups_.c.size() == 1 && x_.contiguous()) {
        return {const_cast<float*>(x_.data), static_cast<std::size_t>(x_.size())};
      }
    }
    base::PhaseScope scope(context_.clock(), base::Phase::kPack, "aggregate pack");
    const std::span<T> sent = scratch<T>(Workspace::kSent, q, rows() * panel.total);
    T* part = sent.data();
    for (const Range& columns : panel.of) {
      detail::move_columns(context_, x_.middle_cols(columns),
                           tensor::MatrixView<T>(part, rows(), columns.size()));
      part += rows() * columns.size();
    }
    return sent;
  }

  /// columns -> gathered.
  void start_gather(Index q) {
    if (!exists(q) || !sends_features()) return;
    Panel& panel = at(q);
    if (left_out(groups_.gather, panel.columns, detail::kToColumns, panel.column_rows, panel.gathered))
      return;
    base::PhaseScope scope(context_.clock(), base::Phase::kComm, detail::kGather);
    panel.gathered =
        scratch<T>(Workspace::kGathered, q, std::ssize(panel.column_rows) * groups_.gather.size());
    panel.gather = groups_.gather.template iall_gather<T>(panel.column_rows, panel.gathered, purpose_);
  }

  /// gathered (or x) -> partial (or y).
  void multiply(Index q) {
    Panel& panel = at(q);
    const spmm::CsrView a = tile_.view();
    const Range columns = panel.of[static_cast<std::size_t>(groups_.c.rank())];
    tensor::MatrixView<float> out = y_.middle_cols(columns);
    if (sends_sums()) {
      panel.partial = scratch<float>(Workspace::kPartial, q, a.rows * panel.own);
      out = {panel.partial.data(), a.rows, panel.own};
    }
    base::PhaseScope scope(context_.clock(), base::Phase::kSpmm, "aggregate multiply");
    if (sends_features()) {
      const tensor::MatrixView<T> in(panel.gathered.data(), a.cols, panel.own);
      spmm::MultiplyOptions factors = tile_.factors();
      if constexpr (std::is_same_v<T, float>) factors = detail::scale_columns(context_, tile_, in);
      spmm::multiply(context_, a, tensor::MatrixView<const T>(in), out, factors);
    } else {
      spmm::multiply(context_, a, x_.middle_cols(columns), out, tile_.factors());
    }
  }

  std::span<T> sums_for_wire(Index q) {
    Panel& panel = at(q);
    if constexpr (std::is_same_v<T, float>) {
      return panel.partial;
    } else {
      base::PhaseScope scope(context_.clock(), base::Phase::kPack, "aggregate pack");
      const std::span<T> wire = scratch<T>(Workspace::kPartialWire, q, std::ssize(panel.partial));
      tensor::convert(context_, tensor::MatrixView<const float>(panel.partial.data(), 1, std::ssize(wire)),
                      tensor::MatrixView<T>(wire.data(), 1, std::ssize(wire)));
      return wire;
    }
  }

  /// partial -> summed.
  void start_reduce(Index q) {
    if (!exists(q) || !sends_sums()) return;
    Panel& panel = at(q);
    const std::span<T> partial = sums_for_wire(q);
    if (groups_.reduce.size() == 1) {
      panel.summed = partial;
      return;
    }
    base::PhaseScope scope(context_.clock(), base::Phase::kComm, detail::kReduce);
    panel.summed = summed_target(q, std::ssize(partial) / groups_.reduce.size());
    panel.reduce =
        groups_.reduce.template ireduce_scatter<T>(partial, panel.summed, comm::ReduceOp::kSum, purpose_);
  }

  /// y itself where nothing remains to be done to it.
  std::span<T> summed_target(Index q, Index elements) {
    if constexpr (std::is_same_v<T, float>) {
      if (groups_.c.size() == 1 && at(q).total == y_.cols && y_.contiguous()) {
        return {y_.data, static_cast<std::size_t>(elements)};
      }
    }
    return scratch<T>(Workspace::kSummed, q, elements);
  }

  /// summed -> returned.
  void start_return(Index q) {
    if (!exists(q) || !sends_sums()) return;
    Panel& panel = at(q);
    if (left_out(groups_.c, panel.reduce, detail::kReduce, panel.summed, panel.back)) return;
    base::PhaseScope scope(context_.clock(), base::Phase::kComm, detail::kToRows);
    panel.back = scratch<T>(Workspace::kReturned, q, rows_out() * panel.total);
    panel.returned =
        groups_.c.template iall_to_all_v<T>(panel.summed, own_counts(panel, rows_out()), panel.back,
                                            counts_of_members(panel, rows_out()), purpose_);
  }

  /// returned -> y.
  void unpack(Index q) {
    if (!exists(q) || !sends_sums()) return;
    Panel& panel = at(q);
    if (on_streams_) finish(panel.reduce, detail::kReduce);
    finish(panel.returned, detail::kToRows);
    if (static_cast<const void*>(panel.back.data()) == y_.data) return;
    base::PhaseScope scope(context_.clock(), base::Phase::kPack, "aggregate unpack");
    const T* part = panel.back.data();
    for (const Range& columns : panel.of) {
      detail::move_columns(context_, tensor::MatrixView<const T>(part, rows_out(), columns.size()),
                           y_.middle_cols(columns));
      part += rows_out() * columns.size();
    }
  }

  device::Context& context_;
  Groups groups_;
  const layout::Tile& tile_;
  Workspace& workspace_;
  bool pipelined_, on_streams_;
  Index side_ = 1;
  comm::CommPurpose purpose_;
  tensor::MatrixView<const float> x_;
  tensor::MatrixView<float> y_;
  std::vector<Panel> panels_;
};

}  // namespace opx::parallel
