// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/build_info.hpp"
#include "cli/command.hpp"
#include "cli/self_check.hpp"
#include "comm/mpi/gpu_communicator.hpp"
#include "comm/mpi/job.hpp"
#include "device/context.hpp"
#include "device/gpu/device.hpp"
#include "spmm/multiply.hpp"

namespace opx::cli {

namespace {

using Json = nlohmann::ordered_json;

Json feature_table(std::span<const Feature> features) {
  Json table = Json::object();
  for (const Feature& f : features)
    table[std::string(f.name)] = !f.on ? "off" : f.version.empty() ? "on" : std::string(f.version);
  return table;
}

/// "gpu 0" -> what it is; empty in a build without a GPU runtime.
Json gpus() {
  Json all = Json::object();
  if (device::gpu::runtime_name() == "none") return all;
  for (int i = 0; i < device::gpu::count(); ++i) {
    const device::gpu::Properties p = device::gpu::properties(i);
    all[fmt::format("gpu {}", i)] =
        fmt::format("{}, compute capability {}.{}, {} multiprocessors, {} of {} free", p.name, p.major,
                    p.minor, p.multiprocessors, base::format_bytes(static_cast<double>(p.memory_free)),
                    base::format_bytes(static_cast<double>(p.memory_total)));
  }
  if (all.empty()) all["gpu"] = "none visible (driver, CUDA_VISIBLE_DEVICES?)";
  return all;
}

/// Under mpirun MPI itself is asked; without, what it was built with: starting it alone may end the process.
std::string gpu_aware_mpi() {
  std::unique_ptr<comm::mpi::Session> session;
  if (comm::mpi::launched_under_mpi()) session = std::make_unique<comm::mpi::Session>();
  const comm::mpi::GpuSupport support = comm::mpi::gpu_support();
  return fmt::format("{}: {}{}", support.found ? "yes" : "no", support.how,
                     session ? "" : "; asked before MPI has started");
}

Json facts() {
  const BuildInfo& build = build_info();
  Json report = {{"version", build.version},
                 {"compiler", build.compiler},
                 {"build", build.build_type},
                 {"sanitizer", build.sanitizer.empty() ? "none" : std::string(build.sanitizer)},
                 {"devices", fmt::format("cpu: {} cores, kernels for {}", device::hardware_threads(),
                                         spmm::dispatch_target())},
                 {"features", feature_table(build.features)},
                 {"libraries", feature_table(build.libraries)}};
  report["gpu-aware mpi"] = gpu_aware_mpi();
  const Json found = gpus();
  if (!found.empty()) report["gpus"] = found;
  return report;
}

std::string as_text(const Json& report) {
  std::string text;
  for (const auto& [key, value] : report.items()) {
    if (!value.is_object()) {
      text += fmt::format("{:<12} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
      continue;
    }
    text += fmt::format("{:<12}", key);
    for (const auto& [name, what] : value.items())
      text += fmt::format(" {}: {};", name, what.is_string() ? what.get<std::string>() : what.dump());
    text.back() = '\n';
  }
  return text;
}

Json check_json(const SelfCheck& check) {
  Json runs = Json::array();
  for (const SelfCheck::Run& run : check.runs) {
    runs.push_back({{"grid", run.grid}, {"loss", run.loss}, {"test_accuracy", run.test_accuracy}});
  }
  return {{"good", check.good},
          {"largest_difference", check.largest_difference},
          {"seconds", check.seconds},
          {"runs", runs}};
}

std::string check_text(const SelfCheck& check) {
  std::string text;
  for (const SelfCheck::Run& run : check.runs) {
    text += fmt::format("check        grid {}: loss {:.7f}, test accuracy {:.4f}\n", run.grid, run.loss,
                        run.test_accuracy);
  }
  return text + fmt::format("check        {}: losses agree within {:.1e}; {:.1f} s\n",
                            check.good ? "good" : "BAD", check.largest_difference, check.seconds);
}

class Doctor : public Command {
 public:
  explicit Doctor(CLI::App& app) {
    CLI::App* sub = app.add_subcommand(
        "doctor", "Say what this build and this machine can do, and check that training works");
    sub->footer("Examples:\n  orthoplex doctor\n  orthoplex --json doctor --no-check");
    sub->add_flag("!--no-check", check_, "Only say, train nothing");
  }
  void run(const Environment& environment) override {
    Json report = facts();
    std::string text = as_text(report);
    bool good = true;
    if (check_) {
      const SelfCheck check = run_self_check(environment);
      report["check"] = check_json(check);
      text += check_text(check);
      good = check.good;
    }
    environment.out(environment.json ? report.dump(2) + '\n' : text);
    OPX_REQUIRE(good, InternalError, "the check failed: grids disagree or nothing was learned");
  }

 private:
  bool check_ = true;
};

}  // namespace

std::unique_ptr<Command> declare_doctor(CLI::App& app) { return std::make_unique<Doctor>(app); }

}  // namespace opx::cli
