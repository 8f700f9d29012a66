// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Builds the next sub-batches on a thread of its own beside the current step, across ends of epochs and
// evaluations. Order and content are those of calling build() in turn.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "base/trace.hpp"
#include "sampling/batch.hpp"

namespace opx::sampling {

/// Where a sub-batch stands in the run.
struct Ticket {
  Index epoch = 0, index = 0;
  friend bool operator==(const Ticket&, const Ticket&) = default;
};

/// Called by the pipeline's thread after build(): slices features, labels and the like into the slot's own
/// memory; `slot` < depth + 1 says which.
using Fill = std::function<void(int slot, Batch& batch)>;

struct PipelineOptions {
  int depth = 1;  ///< sub-batches built ahead; 0: built by next() itself, no thread
};

class BatchPipeline {
 public:
  /// `next_ticket` gives the successor of a ticket (a pure function); building starts with `first`.
  BatchPipeline(BatchBuilder& builder, Ticket first, std::function<Ticket(Ticket)> next_ticket, Fill fill,
                const PipelineOptions& options);
  /// Stops the thread; a build under way is finished first.
  ~BatchPipeline();
  BatchPipeline(const BatchPipeline&) = delete;
  BatchPipeline& operator=(const BatchPipeline&) = delete;

  struct Item {
    int slot = 0;
    Batch* batch = nullptr;
    double waited_seconds = 0;  ///< how long next() waited: the exposed time of sampling
  };
  /// The next sub-batch; the one before goes back to the pipeline. Rethrows what the thread threw.
  [[nodiscard]] Item next();
  /// The pipeline's spans ("sample", one per sub-batch) go to `trace` as a lane of their own; null: nowhere.
  void set_trace(base::TraceWriter* trace);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace opx::sampling
