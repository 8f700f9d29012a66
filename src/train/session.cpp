// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/session.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/timer.hpp"
#include "base/trace.hpp"
#include "device/gpu/device.hpp"
#include "graph/info.hpp"
#include "train/checkpoint.hpp"
#include "train/checkpoint_files.hpp"
#include "train/gpu_memory.hpp"
#include "train/grid_choice.hpp"
#include "train/journal.hpp"
#include "train/memory_model.hpp"
#include "train/options.hpp"
#include "train/run_parts.hpp"
#include "train/same_run.hpp"

namespace opx::train {
namespace {

namespace fs = std::filesystem;
using comm::CommAxis;
using comm::CommPurpose;
using comm::ReduceOp;

/// One training run on one rank: the loop around Trainer::step.
class Session {
 public:
  Session(device::Context& context, comm::Communicator& world, const RunConfig& config, const Hooks& hooks)
      : context_(context), world_(world), config_(config), hooks_(hooks) {
    started_ = base::now_seconds();
    context_.memory().reset_peak();
    find_resume();
    if (config_.verify)
      comm::agree(world_, [&] {
        if (world_.rank() == 0) graph::verify_store(config_.dataset);
      });
    parts_ = open_run(context_, world_, config_, true);
    const MemoryEstimate estimate = estimate_memory(trainer().store().info(), trainer().grid().grid(),
                                                    config_, trainer().spec(), trainer().batch_rows());
    modelled_memory_ = estimate.total();
    log_start(estimate);
    warn_of_memory();
    OPX_REQUIRE(config_.patience == 0 || trainer().store().info().valid > 0, InvalidArgument,
                "patience {} needs validation vertices; dataset '{}' has none", config_.patience,
                trainer().store().info().name);
    if (!resume_from_.empty()) take_up();
    open_journal();
    start_trace();
  }
  ~Session() { context_.clock().set_trace(nullptr); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  TrainResult run() {
    bool stop = false;
    while (!stop && !finished()) {
      run_epoch();
      stop = stop_requested();  // in the middle of an epoch run_epoch has thrown
      const bool due = config_.checkpoint_every > 0 && progress_.epochs_done % config_.checkpoint_every == 0;
      if (due || stop || finished()) checkpoint();
    }
    if (trace_) write_trace(world_, *trace_, run_dir_ / "trace.json");
    if (stop && !finished())
      throw base::Interrupted(fmt::format("stopped after epoch {} of {}; go on with --resume {}",
                                          progress_.epochs_done, config_.epochs, run_dir_.string()));
    return result();
  }

 private:
  TrainerBase& trainer() { return *parts_.trainer; }

  void find_resume() {
    if (config_.resume.empty()) return;
    const CheckpointInfo info = open_checkpoint_info(world_, config_.resume);
    resume_from_ = info.folder;
    resumed_ = info.config;
    progress_ = info.progress;
    OPX_REQUIRE(info.config.seed == config_.seed, InvalidArgument,
                "checkpoint {} was made with seed {}, this run has {}: it would not be the same run",
                info.folder.string(), info.config.seed, config_.seed);
    if (config_.run_dir.empty()) config_.run_dir = info.folder.parent_path().parent_path().string();
  }

  void take_up() {
    const std::string before = resolve_metric(resumed_.metric, trainer().store().info());
    OPX_REQUIRE(before == trainer().metric(), InvalidArgument,
                "checkpoint {} chose its best epoch by {}, this run would by {}: the two do not compare",
                resume_from_.string(), before, trainer().metric());
    check_same_run(resumed_, config_, resume_from_);
    load_checkpoint(trainer(), resume_from_, true);
    trainer().take_counts(progress_.epoch.counts);
  }

  /// The run directory holds no checkpoints, or those of the run that goes on.
  [[nodiscard]] bool is_own_run_dir() const {
    if (!has_checkpoints(run_dir_)) return true;
    std::error_code ignored;
    return !resume_from_.empty() &&
           fs::equivalent(resume_from_.parent_path(), run_dir_ / "checkpoints", ignored);
  }

  void log_start(const MemoryEstimate& estimate) {
    if (world_.rank() != 0) return;
    const graph::StoreInfo& info = trainer().store().info();
    context_.logger().info("{}: {} vertices, {} edges; grid {}, {} threads a rank, {} ranks as {}", info.name,
                           base::format_count(info.vertices), base::format_count(info.edges),
                           layout::to_string(trainer().grid().grid()), context_.threads(), world_.size(),
                           world_.backend());
    context_.logger().info("{} parameters; {}", base::format_count(trainer().parameter_count()),
                           trainer().network().describe());
    context_.logger().info("memory of a rank by the model of mode {}: {}", config_.mode, estimate.describe());
  }

  /// The plan is an estimate: a run that may fit is not refused.
  void warn_of_memory() {
    if (world_.rank() != 0 || !context_.on_gpu()) return;
    const GpuMemoryPlan plan = plan_gpu_memory(
        trainer().store().info(), trainer().grid().grid(), config_, trainer().spec(),
        {.batch_rows = trainer().batch_rows(), .overlaps = trainer().grid().tensor().on_streams()});
    const auto total =
        static_cast<std::int64_t>(device::gpu::properties(context_.gpu().ordinal()).memory_total);
    if (plan.total() > total)
      context_.logger().warning("a rank is planned to take {} of its GPU's {}{}",
                                base::format_bytes(static_cast<double>(plan.total())),
                                base::format_bytes(static_cast<double>(total)),
                                memory_advice(config_, world_.size()));
  }

  /// Rank 0 chooses the folder's name (it holds the time) and tells it to all.
  void open_journal() {
    std::string name = world_.rank() == 0 ? choose_run_dir(config_).string() : std::string();
    Index length = static_cast<Index>(name.size());
    world_.broadcast(std::span<Index>(&length, 1), 0, CommPurpose::kSetup);
    name.resize(static_cast<std::size_t>(length));
    world_.broadcast(std::span<char>(name), 0, CommPurpose::kSetup);
    run_dir_ = config_.run_dir = name;
    comm::agree(world_, [&] {
      if (world_.rank() != 0) return;
      OPX_REQUIRE(
          is_own_run_dir(), InvalidArgument,
          "{} holds the checkpoints of another run; go on with --resume {}, or take another --run-dir",
          run_dir_.string(), run_dir_.string());
      remove_unfinished(run_dir_ / "checkpoints");
      RunConfig recorded = config_;
      recorded.resume.clear();  // the file describes the run, not how it was picked up
      journal_ = std::make_unique<Journal>(run_dir_, recorded, progress_.epochs_done);
    });
  }

  void start_trace() {
    if (!config_.trace) return;
    world_.barrier();
    trace_ = std::make_unique<base::TraceWriter>(world_.rank(), base::now_seconds());
    context_.clock().set_trace(trace_.get());
  }

  [[nodiscard]] bool finished() const {
    const bool early = config_.patience > 0 && progress_.evaluations_since_best >= config_.patience;
    return progress_.epochs_done >= config_.epochs || early;
  }

  [[nodiscard]] bool evaluation_due() const {
    const int done = progress_.epochs_done;
    return done >= config_.epochs || (config_.eval_every > 0 && done % config_.eval_every == 0);
  }

  void run_epoch() {
    EpochReport report;
    context_.clock().reset();
    const std::vector<std::int64_t> before = bytes_by_axis();
    run_steps(report);
    epoch_seconds_.push_back(report.seconds);
    progress_.loss = report.loss;
    progress_.train_seconds += report.seconds;
    report.epoch = ++progress_.epochs_done;
    report.epochs = config_.epochs;
    measure(report, before);
    if (evaluation_due()) evaluate(report);
    report.peak_memory = static_cast<std::int64_t>(trainer().peak_memory());
    comm::agree(world_, [&] {
      if (journal_) journal_->append(report);
      // Before any checkpoint of this epoch: one with parameters that are not numbers must not replace a good
      // one.
      require_finite(report.epoch, report.loss, report.gradient_norm);
    });
    if (hooks_.on_epoch) hooks_.on_epoch(report);
  }

  void run_steps(EpochReport& report) {
    EpochSums& sums = progress_.epoch;
    const Index steps = trainer().steps_per_epoch();
    while (sums.steps < steps) {
      const double start = base::now_seconds();
      bool stop = false;
      const Index begun = sums.steps + trainer().steps_under_way();
      if (begun < steps) {
        const bool wants = steps > 1 && hooks_.stop_requested && hooks_.stop_requested();
        trainer().begin_step({.epoch = progress_.epochs_done, .step = begun}, wants);
      }
      const bool waits = begun + 1 >= steps || checkpoint_due(begun + 1);
      while (trainer().steps_under_way() > (waits ? 0 : trainer().lag())) stop |= take_result(report);
      while (stop && trainer().steps_under_way() > 0) (void)take_result(report);
      sums.seconds += base::now_seconds() - start;
      if (sums.steps < steps && trainer().steps_under_way() == 0) between_steps(stop);
    }
    report.loss = sums.weight > 0 ? sums.loss / sums.weight : 0;
    report.gradient_norm = sums.updates > 0 ? sums.norm / static_cast<double>(sums.updates) : 0;
    report.seconds = sums.seconds;
    report.steps = steps;
    report_batches(report);
    sums = {};
  }

  /// The oldest step that was begun counts as done; whether some rank wants to stop.
  bool take_result(EpochReport& report) {
    EpochSums& sums = progress_.epoch;
    const TrainerBase::Step step = trainer().end_step();
    ++sums.steps;
    sums.loss += step.loss * step.weight;
    sums.weight += step.weight;
    sums.norm += step.gradient_norm;
    sums.updates += step.weight > 0 ? 1 : 0;
    report.learning_rate = step.learning_rate;
    return step.stop;
  }

  /// After so many steps of the epoch.
  [[nodiscard]] bool checkpoint_due(Index steps) {
    const int every = config_.mini.checkpoint_every_steps;
    return every != 0 && (progress_.epochs_done * trainer().steps_per_epoch() + steps) % every == 0;
  }

  /// Ctrl-C, and checkpoints within an epoch.
  void between_steps(bool stop) {
    if (!stop && !checkpoint_due(progress_.epoch.steps)) return;
    progress_.epoch.counts = trainer().counts();
    trainer().take_counts(progress_.epoch.counts);
    require_finite(progress_.epochs_done + 1, progress_.epoch.loss, progress_.epoch.norm);
    checkpoint();
    if (!stop) return;
    if (trace_) write_trace(world_, *trace_, run_dir_ / "trace.json");
    throw base::Interrupted(
        fmt::format("stopped in epoch {} of {} after {} of its {} steps; go on with --resume {}",
                    progress_.epochs_done + 1, config_.epochs, progress_.epoch.steps,
                    trainer().steps_per_epoch(), run_dir_.string()));
  }

  void require_finite(int epoch, double loss, double norm) const {
    OPX_REQUIRE(
        std::isfinite(loss) && std::isfinite(norm), Diverged,
        "the loss of epoch {} is {}, its gradient's norm {}: the training diverged (learning rate {})", epoch,
        loss, norm, config_.optimizer.learning_rate);
  }

  void report_batches(EpochReport& report) {
    if (config_.mode != "mini") return;
    const BatchCounts c = trainer().counts();
    trainer().take_counts({});
    const auto share = [](Index part, Index whole) {
      return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
    };
    report.mini = true;
    report.sub_batches = c.sub_batches, report.vertices = c.vertices, report.skipped_steps = c.skipped_steps;
    report.mean_degree = share(c.sampled_degree, c.degree_rows);
    report.isolated_share = share(c.isolated_rows, c.measured_rows);
    report.vertices_per_second = report.seconds > 0 ? static_cast<double>(c.vertices) / report.seconds : 0;
    if (c.skipped_steps > 0 && world_.rank() == 0)
      context_.logger().warning(
          "{} of {} steps of epoch {} had no labelled training vertex and changed nothing", c.skipped_steps,
          report.steps, progress_.epochs_done + 1);
  }

  void evaluate(EpochReport& report) {
    const double start = base::now_seconds();
    const base::PhaseScope scope(context_.clock(), base::Phase::kEvaluate, "evaluate");
    Evaluation e = trainer().evaluate();
    follow_first_replica(e);
    report.evaluated = true;
    report.metric = trainer().metric();
    report.train = e.metrics[0], report.valid = e.metrics[1], report.test = e.metrics[2];
    report.valid_loss = e.loss[1];
    progress_.record(trainer().metric(), report.valid, report.test);
    record_target(report.valid);
    report.target_epoch = progress_.target_epoch, report.target_seconds = progress_.target_seconds;
    report.evaluate_seconds = base::now_seconds() - start;
    progress_.evaluate_seconds += report.evaluate_seconds;
  }

  /// Every replica evaluates alike; on processors that round differently one prediction may flip, and the
  /// ranks must still agree on when to stop.
  void follow_first_replica(Evaluation& e) {
    if (trainer().grid().grid().gd == 1) return;
    std::vector<double> values(e.loss.begin(), e.loss.end());
    for (const Metrics& split : e.metrics)
      for (const auto& metric : split) values.push_back(metric.second);
    world_.broadcast(std::span<double>(values), 0, CommPurpose::kMetric);
    auto next = values.cbegin();
    for (double& loss : e.loss) loss = *next++;
    for (Metrics& split : e.metrics)
      for (auto& metric : split) metric.second = *next++;
  }

  void record_target(const Metrics& valid) {
    const auto it = valid.find(trainer().metric());
    if (config_.target_metric <= 0 || progress_.target_epoch >= 0 || it == valid.end() ||
        !(it->second >= config_.target_metric))
      return;
    progress_.target_epoch = progress_.epochs_done;
    progress_.target_seconds = progress_.train_seconds;
  }

  std::vector<std::int64_t> bytes_by_axis() {
    std::vector<std::int64_t> bytes;
    for (std::size_t a = 0; a < static_cast<std::size_t>(CommAxis::kCount); ++a)
      bytes.push_back(world_.traffic().bytes(static_cast<CommAxis>(a)));
    return bytes;
  }

  void measure(EpochReport& report, const std::vector<std::int64_t>& before) {
    const std::vector<std::int64_t> now = bytes_by_axis();
    for (std::size_t a = 0; a < now.size(); ++a)
      report.bytes_by_axis[std::string(comm::name(static_cast<CommAxis>(a)))] = now[a] - before[a];
    for (std::size_t p = 0; p < static_cast<std::size_t>(base::Phase::kCount); ++p) {
      const auto phase = static_cast<base::Phase>(p);
      if (context_.clock().calls(phase) > 0)
        report.seconds_by_phase[std::string(base::name(phase))] = context_.clock().seconds(phase);
    }
    for (const auto& entry : context_.clock().by_label())
      if (entry.phase == base::Phase::kComm && entry.seconds > 0)
        report.seconds_by_collective[std::string(entry.label)] = entry.seconds;
  }

  bool stop_requested() {
    std::int32_t stop = hooks_.stop_requested && hooks_.stop_requested() ? 1 : 0;
    world_.all_reduce(std::span<std::int32_t>(&stop, 1), ReduceOp::kMax, CommPurpose::kOther);
    return stop != 0;
  }

  void checkpoint() {
    const base::PhaseScope scope(context_.clock(), base::Phase::kCheckpoint, "checkpoint");
    last_checkpoint_ = write_checkpoint(trainer(), config_, progress_, run_dir_, config_.keep_checkpoints);
  }

  TrainResult result() {
    TrainResult r;
    r.epochs_done = progress_.epochs_done;
    r.final_loss = progress_.loss;
    r.metric = trainer().metric();
    r.last_test = progress_.last_test, r.last_valid = progress_.last_valid;
    r.best_epoch = progress_.best_epoch;
    r.best_valid = progress_.best_valid, r.best_test = progress_.best_test;
    r.run_dir = run_dir_;
    r.last_checkpoint = last_checkpoint_.empty() ? resume_from_ : last_checkpoint_;
    r.seconds = base::now_seconds() - started_;
    if (!epoch_seconds_.empty()) {
      auto middle = epoch_seconds_.begin() + static_cast<std::ptrdiff_t>(epoch_seconds_.size() / 2);
      std::nth_element(epoch_seconds_.begin(), middle, epoch_seconds_.end());
      r.median_epoch_seconds = *middle;
    }
    r.parameters = trainer().parameter_count();
    r.peak_memory = static_cast<std::int64_t>(trainer().peak_memory());
    r.train_seconds = progress_.train_seconds, r.evaluate_seconds = progress_.evaluate_seconds;
    r.target_metric = config_.target_metric;
    r.target_epoch = progress_.target_epoch, r.target_seconds = progress_.target_seconds;
    r.modelled_memory = modelled_memory_;
    r.mode = config_.mode;
    return r;
  }

  device::Context& context_;
  comm::Communicator& world_;
  RunConfig config_;
  const Hooks& hooks_;
  double started_ = 0;
  Progress progress_;
  RunParts parts_;
  fs::path resume_from_, run_dir_, last_checkpoint_;
  RunConfig resumed_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<base::TraceWriter> trace_;
  std::vector<double> epoch_seconds_;
  std::int64_t modelled_memory_ = 0;
};

/// An OutOfMemory of a GPU says what would help.
template <class Work>
auto with_advice(device::Context& context, comm::Communicator& world, const RunConfig& config, Work&& work) {
  try {
    return work();
  } catch (const base::OutOfMemory& error) {
    if (!context.on_gpu()) throw;
    throw base::OutOfMemory(error.what() + memory_advice(config, world.size()));
  }
}

}  // namespace

TrainResult train(device::Context& context, comm::Communicator& world, const RunConfig& config,
                  const Hooks& hooks) {
  return with_advice(context, world, config, [&] { return Session(context, world, config, hooks).run(); });
}

EvalResult evaluate(device::Context& context, comm::Communicator& world, const RunConfig& config,
                    const fs::path& checkpoint) {
  const Evaluation e = with_advice(context, world, config, [&] {
    return open_checkpoint(context, world, config, checkpoint).trainer->evaluate();
  });
  return {.train = e.metrics[0],
          .valid = e.metrics[1],
          .test = e.metrics[2],
          .train_loss = e.loss[0],
          .valid_loss = e.loss[1],
          .test_loss = e.loss[2]};
}

}  // namespace opx::train
