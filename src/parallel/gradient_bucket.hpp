// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The sum over ranks of everything a step's gradients need, in one contiguous buffer that the parameters own
// (design.md 4.3). It is filled from the end downwards, as the backward pass runs through the layers, and
// what is complete travels while the rest is computed. Sums are added in rank order: bit-identical on all
// ranks and from run to run.
//
// Worked example: 3 layers of 20000 floats and a tail of 4. ready_from(40000) when layer 2 is done sends
// [40000, 60004); ready_from(20000) sends [20000, 40000) beside it; finish() sends [0, 20000) and waits for
// all three.
#pragma once

#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "device/context.hpp"

namespace opx::parallel {

class GradientBucket {
 public:
  /// `data` stays with the caller, the same size on every rank. Parts of fewer than `least` floats wait for
  /// the next: a message has its latency.
  GradientBucket(device::Context& context, comm::Communicator& group, std::span<float> data,
                 Index least = Index{1} << 14);

  /// data[begin, end of what was ready before) is complete, in the order of the context's work. Starts a
  /// non-blocking all-reduce, purpose kGradient; until finish() nobody touches that part. Every rank makes
  /// the same calls. Over NCCL the sum begins when the compute stream has come so far, and the host goes on.
  void ready_from(Index begin);
  /// Sends what has not been sent and waits for everything: data then holds the sums. Collective.
  void finish();

 private:
  void send();

  device::Context& context_;
  comm::Communicator& group_;
  std::span<float> data_;
  Index least_, ready_, sent_;
  std::vector<comm::Request> under_way_;
};

}  // namespace opx::parallel
