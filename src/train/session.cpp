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
#include "train/checkpoint.hpp"
#include "train/checkpoint_files.hpp"
#include "train/grid_choice.hpp"
#include "train/journal.hpp"
#include "train/memory_model.hpp"
#include "train/options.hpp"
#include "train/run_parts.hpp"

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
    parts_ = open_run(context_, world_, config_, true);
    const MemoryEstimate estimate =
        estimate_memory(trainer().store().info(), trainer().grid().grid(), config_, trainer().spec());
    modelled_memory_ = estimate.total();
    log_start(estimate);
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
      stop = stop_requested();
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
  Trainer& trainer() { return *parts_.trainer; }

  void find_resume() {
    if (config_.resume.empty()) return;
    const CheckpointInfo info = open_checkpoint_info(world_, config_.resume);
    resume_from_ = info.folder;
    resumed_metric_ = info.config.metric;
    progress_ = info.progress;
    OPX_REQUIRE(info.config.seed == config_.seed, InvalidArgument,
                "checkpoint {} was made with seed {}, this run has {}: it would not be the same run",
                info.folder.string(), info.config.seed, config_.seed);
    if (config_.run_dir.empty()) config_.run_dir = info.folder.parent_path().parent_path().string();
  }

  void take_up() {
    const std::string before = resolve_metric(resumed_metric_, trainer().store().info());
    OPX_REQUIRE(before == trainer().metric(), InvalidArgument,
                "checkpoint {} chose its best epoch by {}, this run would by {}: the two do not compare",
                resume_from_.string(), before, trainer().metric());
    load_checkpoint(trainer(), resume_from_, true);
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
    context_.logger().info("memory of a rank by the model: {}", estimate.describe());
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
    const double start = base::now_seconds();
    const Trainer::Step step = trainer().step(progress_.epochs_done);
    report.seconds = base::now_seconds() - start;
    epoch_seconds_.push_back(report.seconds);
    progress_.loss = report.loss = step.loss;
    report.learning_rate = step.learning_rate;
    report.gradient_norm = step.gradient_norm;
    report.epoch = ++progress_.epochs_done;
    report.epochs = config_.epochs;
    measure(report, before);
    if (evaluation_due()) evaluate(report);
    report.peak_memory = static_cast<std::int64_t>(context_.memory().peak());
    comm::agree(world_, [&] {
      if (journal_) journal_->append(report);
      // Before any checkpoint of this epoch: one with parameters that are not numbers must not replace a good
      // one.
      OPX_REQUIRE(
          std::isfinite(report.loss) && std::isfinite(report.gradient_norm), Diverged,
          "the loss of epoch {} is {}, its gradient's norm {}: the training diverged (learning rate {})",
          report.epoch, report.loss, report.gradient_norm, report.learning_rate);
    });
    if (hooks_.on_epoch) hooks_.on_epoch(report);
  }

  void evaluate(EpochReport& report) {
    const double start = base::now_seconds();
    const base::PhaseScope scope(context_.clock(), base::Phase::kEvaluate, "evaluate");
    const Evaluation e = trainer().evaluate();
    report.evaluated = true;
    report.metric = trainer().metric();
    report.train = e.metrics[0], report.valid = e.metrics[1], report.test = e.metrics[2];
    report.valid_loss = e.loss[1];
    progress_.record(trainer().metric(), report.valid, report.test);
    report.evaluate_seconds = base::now_seconds() - start;
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
    r.peak_memory = static_cast<std::int64_t>(context_.memory().peak());
    r.modelled_memory = modelled_memory_;
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
  std::string resumed_metric_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<base::TraceWriter> trace_;
  std::vector<double> epoch_seconds_;
  std::int64_t modelled_memory_ = 0;
};

}  // namespace

TrainResult train(device::Context& context, comm::Communicator& world, const RunConfig& config,
                  const Hooks& hooks) {
  return Session(context, world, config, hooks).run();
}

EvalResult evaluate(device::Context& context, comm::Communicator& world, const RunConfig& config,
                    const fs::path& checkpoint) {
  const RunParts parts = open_checkpoint(context, world, config, checkpoint);
  const Evaluation e = parts.trainer->evaluate();
  return {.train = e.metrics[0],
          .valid = e.metrics[1],
          .test = e.metrics[2],
          .train_loss = e.loss[0],
          .valid_loss = e.loss[1],
          .test_loss = e.loss[2]};
}

}  // namespace opx::train
