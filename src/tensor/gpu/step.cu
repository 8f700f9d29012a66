// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The end of a training step without the host: sums become a record, the record an update.
#include <cmath>

#include "tensor/deferred.hpp"
#include "tensor/gpu/squares.cuh"

namespace opx::tensor::deferred {
namespace {

using namespace gpu;  // kernel.cuh

/// Sum of an array by one block; the answer is thread 0's.
OPX_DEVICE double sum_of_parts(const double* sums, Index parts) {
  double mine = 0;
  for (Index i = thread(); i < parts; i += kBlockThreads) mine += sums[i];
  struct Parts {};
  return block_sum<Parts>(mine);
}

struct TotalOfParts {
  static constexpr const char* kName = "total_of_parts";
  static constexpr int kThreads = kBlockThreads;
  const double* sums;
  Index parts;
  double* total;

  OPX_DEVICE void operator()() const {
    const double sum = sum_of_parts(sums, parts);
    if (thread() == 0) *total = sum;
  }
};

struct SettleStep {
  static constexpr const char* kName = "settle_step";
  static constexpr int kThreads = kBlockThreads;
  const double* squares;
  Index parts;
  const double *other_squares, *total_loss;
  const float* tail;
  double scale, clip;
  std::int64_t* updates;
  StepRecord* record;

  OPX_DEVICE void operator()() const {
    const double sum = sum_of_parts(squares, parts);
    if (thread() != 0) return;
    StepRecord r;
    double factor = 1;
    r.weight = tail != nullptr ? static_cast<double>(tail[1]) : 1.0;
    r.stop = tail != nullptr ? static_cast<double>(tail[2]) : 0.0;
    if (r.weight > 0) {
      if (tail != nullptr) factor = 1 / (scale * r.weight);
      r.loss = tail != nullptr ? factor * static_cast<double>(tail[0]) : *total_loss;
      r.gradient_norm = factor * std::sqrt(sum + (other_squares != nullptr ? *other_squares : 0.0));
      const double clipped = clip > 0 ? std::min(1.0, clip / (r.gradient_norm + 1e-6)) : 1.0;
      r.gradient_scale = factor * clipped;
      ++*updates;
    }
    *record = r;
  }
};

struct FillTail {
  static constexpr const char* kName = "fill_tail";
  static constexpr int kThreads = 32;
  const double* loss;
  double scale, weight;
  bool stop;
  const StepInputs* inputs;  // null: as given
  float* tail;

  OPX_DEVICE void operator()() const {
    if (thread() != 0) return;
    tail[0] = static_cast<float>(*loss * scale);
    tail[1] = static_cast<float>(inputs != nullptr ? inputs->weight : weight);
    tail[2] = (inputs != nullptr ? inputs->stop : stop) ? 1.0F : 0.0F;
  }
};

struct SettleMeans {
  static constexpr const char* kName = "settle_means";
  static constexpr int kThreads = kBlockThreads;
  const float *weight, *sums, *before;
  float count;
  float* now;
  Index n;

  OPX_DEVICE void operator()() const {
    for (Index i = dg::global_thread(); i < n; i += dg::all_threads())
      now[i] = *weight > 0 ? sums[i] / count : before[i];
  }
};

/// base^n, n >= 0.
OPX_DEVICE double power(double base, std::int64_t n) {
  double result = 1;
  for (; n > 0; n /= 2) {
    if (n % 2 != 0) result *= base;
    base *= base;
  }
  return result;
}

struct SgdRule {
  static constexpr const char* kName = "sgd_all";
  SgdStep step;

  OPX_DEVICE SgdFactors factors(double weight_decay, double gradient_scale, std::int64_t) const {
    return {static_cast<float>(step.learning_rate), static_cast<float>(step.momentum),
            static_cast<float>(weight_decay), static_cast<float>(gradient_scale)};
  }
  OPX_DEVICE void update(const SgdFactors& f, const UpdateSegment& s, Index i) const {
    const float before = s.value[i];
    float g = f.gradient_scale * s.gradient[i] + f.weight_decay * before;
    if (s.first != nullptr) g = s.first[i] = f.momentum * s.first[i] + g;
    s.value[i] = before - f.learning_rate * g;
  }
};

struct AdamRule {
  static constexpr const char* kName = "adam_all";
  AdamStep step;

  OPX_DEVICE AdamFactors factors(double weight_decay, double gradient_scale, std::int64_t t) const {
    const bool decoupled = step.decoupled;
    AdamFactors f{};
    f.step_size = static_cast<float>(step.learning_rate / (1 - power(step.beta1, t)));
    f.root = static_cast<float>(1 / std::sqrt(1 - power(step.beta2, t)));
    f.beta1 = static_cast<float>(step.beta1);
    f.beta2 = static_cast<float>(step.beta2);
    f.rest1 = static_cast<float>(1 - step.beta1);
    f.rest2 = static_cast<float>(1 - step.beta2);
    f.epsilon = static_cast<float>(step.epsilon);
    f.coupled = decoupled ? 0.0F : static_cast<float>(weight_decay);
    f.kept = decoupled ? static_cast<float>(1 - step.learning_rate * weight_decay) : 1.0F;
    f.gradient_scale = static_cast<float>(gradient_scale);
    return f;
  }
  OPX_DEVICE void update(const AdamFactors& f, const UpdateSegment& s, Index i) const {
    const float before = s.value[i], g = f.gradient_scale * s.gradient[i] + f.coupled * before;
    const float m = f.beta1 * s.first[i] + f.rest1 * g, v = f.beta2 * s.second[i] + f.rest2 * g * g;
    s.first[i] = m;
    s.second[i] = v;
    s.value[i] = f.kept * before - f.step_size * m / (std::sqrt(v) * f.root + f.epsilon);
  }
};

/// A block a chunk; its first thread finds the parameter and rounds the step's factors once.
template <class Rule>
struct Update {
  static constexpr const char* kName = Rule::kName;
  static constexpr int kThreads = kBlockThreads;
  using Factors = decltype(std::declval<const Rule&>().factors(0, 0, 0));
  struct Memory {
    UpdateSegment segment;
    Factors factors;
  };
  Rule rule;
  const UpdateSegment* segments;
  Index count;
  const StepRecord* record;
  const std::int64_t* updates;
  const double* learning_rate;

  OPX_DEVICE void operator()() const {
    if (record->weight <= 0) return;  // of all threads alike
    auto& memory = dg::shared<Memory>();
    if (thread() == 0) {
      memory.segment = segments[segment_of(block())];
      Rule now = rule;
      if (learning_rate != nullptr) now.step.learning_rate = *learning_rate;
      memory.factors = now.factors(memory.segment.weight_decay, record->gradient_scale, *updates);
    }
    sync_threads();
    const UpdateSegment& s = memory.segment;
    const Index begin = (block() - s.first_chunk) * kUpdateChunk,
                end = std::min(begin + kUpdateChunk, s.size);
    for (Index i = begin + thread(); i < end; i += kBlockThreads) rule.update(memory.factors, s, i);
  }
  /// The last that begins at `chunk` or before, of those with elements.
  [[nodiscard]] OPX_DEVICE Index segment_of(Index chunk) const {
    Index low = 0, high = count;
    while (high - low > 1) {
      const Index middle = (low + high) / 2;
      (segments[middle].first_chunk <= chunk ? low : high) = middle;
    }
    return low;
  }
};

template <class Rule>
void update_all(device::Context& context, const Rule& rule, const UpdateAll& all) {
  launch_blocks(context, all.chunks,
                Update<Rule>{rule, all.segments.data(), std::ssize(all.segments), all.record, all.updates,
                             all.learning_rate});
}

}  // namespace

void sum_of_squares(device::Context& context, std::span<const float> values, double* sum) {
  const device::Buffer<double> parts = sums_of_squares(context, values);
  launch_blocks(context, 1, TotalOfParts{parts.data(), parts.size(), sum});
}

void settle_step(device::Context& context, const StepSums& s, StepRecord* record) {
  const device::Buffer<double> squares = sums_of_squares(context, s.gradients);
  launch_blocks(context, 1,
                SettleStep{squares.data(), squares.size(), s.other_squares, s.total_loss, s.tail, s.scale,
                           s.clip, s.updates, record});
}

void fill_tail(device::Context& context, const double* loss, double scale, double weight, bool stop,
               float* tail, const StepInputs* inputs) {
  dg::launch(context.gpu(), context.gpu().compute(), {.blocks = 1, .threads = 32},
             FillTail{loss, scale, weight, stop, inputs, tail});
}

void settle_means(device::Context& context, const float* weight, std::span<const float> sums,
                  std::span<const float> before, double count, std::span<float> now) {
  const Index n = std::ssize(now);
  launch_walk(context, n,
              SettleMeans{weight, sums.data(), before.data(), static_cast<float>(count), now.data(), n});
}

void sgd_all(device::Context& context, const SgdStep& step, const UpdateAll& all) {
  update_all(context, SgdRule{step}, all);
}

void adam_all(device::Context& context, const AdamStep& step, const UpdateAll& all) {
  update_all(context, AdamRule{step}, all);
}

}  // namespace opx::tensor::deferred
