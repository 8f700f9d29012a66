// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/prepare_flags.hpp"

#include <array>
#include <charconv>
#include <system_error>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/progress.hpp"
#include "device/context.hpp"

namespace opx::cli {

namespace {

using base::format_count;

/// Index of `text` in `names`; throws InvalidArgument with the nearest.
template <std::size_t N>
std::size_t choice(const std::string& flag, const std::string& text,
                   const std::array<std::string, N>& names) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == text) return i;
  }
  throw base::InvalidArgument(fmt::format("{} is '{}'; it takes {}{}", flag, text, fmt::join(names, ", "),
                                          base::did_you_mean(text, names)));
}

/// --parts: "auto", or a number from 0.
Index parse_parts(const std::string& text) {
  if (text == "auto") return graph::kAutoParts;
  Index parts = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, parts);
  OPX_REQUIRE(error == std::errc{} && stop == end && parts >= 0, InvalidArgument,
              "--parts is '{}'; it takes a number of parts, auto, or 0 for none", text);
  return parts;
}

std::string phases_text(const graph::PrepareReport& r) {
  std::vector<std::string> parts;
  for (const auto& [name, seconds] : r.phases)
    parts.push_back(fmt::format("{} {}", name, base::format_duration(seconds)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string report_text(const graph::PrepareReport& r, const std::filesystem::path& output) {
  return fmt::format(
      "vertices   {}\nedges      {} stored, {} in the input\nself loops {} ({} dropped)\nduplicates "
      "{}\nisolated   {}\n"
      "max degree {}\ntime       {} ({} input edges/s): {}\nchecksum   {}\nwritten to {}\n",
      format_count(r.vertices), format_count(r.stored_edges), format_count(r.input_edges),
      format_count(r.self_loops), format_count(r.dropped_self_loops), format_count(r.duplicates),
      format_count(r.isolated), format_count(r.max_degree), base::format_duration(r.seconds),
      format_count(r.seconds > 0 ? static_cast<Index>(static_cast<double>(r.input_edges) / r.seconds) : 0),
      phases_text(r), r.checksum, output.string());
}

nlohmann::ordered_json report_json(const graph::PrepareReport& r, const std::filesystem::path& output) {
  nlohmann::ordered_json phases;
  for (const auto& [name, seconds] : r.phases) phases[name] = seconds;
  return {{"output", output.string()},
          {"vertices", r.vertices},
          {"input_edges", r.input_edges},
          {"stored_edges", r.stored_edges},
          {"self_loops", r.self_loops},
          {"duplicates", r.duplicates},
          {"dropped_self_loops", r.dropped_self_loops},
          {"isolated", r.isolated},
          {"max_degree", r.max_degree},
          {"seconds", r.seconds},
          {"phases", phases},
          {"checksum", r.checksum}};
}

}  // namespace

PrepareFlags::PrepareFlags(CLI::App& app, const std::string& default_output) : app_(app) {
  app.add_option("-o,--output", output_, fmt::format("Store to write [{}]", default_output))
      ->type_name("FILE");
  const auto text = [&](const std::string& flag, std::string& slot, const std::string& help,
                        const std::string& type, const std::string& group) {
    app.add_option(flag, slot, slot.empty() ? help : fmt::format("{} [{}]", help, slot))
        ->type_name(type)
        ->group(group);
  };
  const std::string placement = "Placement", content = "Content", resources = "Resources";
  text("--deal", deal_, "How vertices are dealt to blocks", "random|degree|contiguous", placement);
  text("--order", order_, "Order inside a block", "natural|random|metis|rcm", placement);
  app.add_option("--virtual-blocks", virtual_blocks_, "Blocks of the deal; 0: by the number of vertices [0]")
      ->type_name("INT")
      ->group(placement);
  text("--parts", parts_,
       "METIS parts for --sampler cluster: a number, auto (256 vertices a part), or 0 for none", "INT|auto",
       placement);
  app.add_option("--placement-seed", placement_seed_, "Seed of deal and order [0]")
      ->type_name("INT")
      ->group(placement);
  app.add_flag("--add-inverse-edge", add_inverse_, "Store the inverse of every edge too")->group(content);
  text("--self-loops", self_loops_, "Self loops of the input", "keep|drop", content);
  text("--duplicates", duplicates_, "Duplicate edges: one entry, or weights added up", "merge|sum", content);
  text("--feature-type", feature_type_, "Type in which features are stored", "fp32|fp16|bf16", content);
  text("--split", split_, "Draw a split, for example 0.6/0.2/0.2, where the input has none or to replace it",
       "A/B/C", content);
  app.add_option("--split-seed", split_seed_, "Seed of a drawn split [0]")->type_name("INT")->group(content);
  text("--memory", memory_, "Budget of the whole preparation", "SIZE", resources);
  text("--temporary", temporary_, "Folder of spill files; beside the output where not given", "DIR",
       resources);
  app.add_option("--threads", threads_, "Threads; 0: all cores [0]")->type_name("INT")->group(resources);
}

std::int64_t PrepareFlags::memory() const { return base::parse_bytes(memory_, "--memory"); }

std::filesystem::path PrepareFlags::output(const std::filesystem::path& input) const {
  if (!output_.empty()) return output_;
  std::filesystem::path name = input.filename().empty() ? input.parent_path().filename() : input.filename();
  while (name.has_extension() && !std::filesystem::is_directory(input)) name = name.stem();
  return name.string() + ".opx";
}

std::filesystem::path PrepareFlags::temporary_folder(const std::filesystem::path& output) const {
  OPX_REQUIRE(temporary_.empty() || std::filesystem::is_directory(temporary_), ResourceError,
              "--temporary '{}' is no folder", temporary_);
  if (!temporary_.empty()) return temporary_;
  return output.has_parent_path() ? output.parent_path() : std::filesystem::path(".");
}

bool PrepareFlags::given(const std::string& flag) const { return app_.count(flag) > 0; }

void PrepareFlags::refuse_store_flags(const std::string& because) const {
  for (const char* flag :
       {"--deal", "--order", "--virtual-blocks", "--placement-seed", "--add-inverse-edge", "--self-loops",
        "--duplicates", "--parts", "--feature-type", "--split", "--split-seed", "--memory", "--temporary"})
    OPX_REQUIRE(!given(flag), InvalidArgument, "{} has no effect: {}", flag, because);
}

void PrepareFlags::check_effects(const graph::RawDataset& dataset) const {
  OPX_REQUIRE(!given("--split-seed") || splits(), InvalidArgument,
              "--split-seed has no effect: it is for a split that --split draws");
  OPX_REQUIRE(!given("--feature-type") || dataset.features != nullptr, InvalidArgument,
              "--feature-type has no effect: '{}' has no features", dataset.name);
  const bool drawn = deal_ != "contiguous" || order_ == "random" || order_ == "metis";
  OPX_REQUIRE(!given("--placement-seed") || drawn, InvalidArgument,
              "--placement-seed has no effect: deal {} and order {} draw nothing", deal_, order_);
}

graph::PrepareOptions PrepareFlags::options() const {
  graph::PrepareOptions options;
  options.deal = layout::parse_deal(deal_);
  options.order = layout::parse_order(order_);
  OPX_REQUIRE(virtual_blocks_ >= 0, InvalidArgument, "--virtual-blocks is {}", virtual_blocks_);
  options.virtual_blocks = virtual_blocks_;
  options.parts = parse_parts(parts_);
  options.seed = placement_seed_;
  options.add_inverse_edge = add_inverse_;
  options.self_loops =
      static_cast<graph::SelfLoops>(choice<2>("--self-loops", self_loops_, {"keep", "drop"}));
  options.duplicates =
      static_cast<graph::Duplicates>(choice<2>("--duplicates", duplicates_, {"merge", "sum"}));
  options.feature_type =
      static_cast<graph::FeatureType>(choice<3>("--feature-type", feature_type_, {"fp32", "fp16", "bf16"}));
  options.memory = memory();
  options.temporary_folder = temporary_;
  options.split = split_;
  options.split_seed = split_seed_;
  return options;
}

void PrepareFlags::run(const Environment& environment, graph::RawDataset&& dataset,
                       const std::filesystem::path& output, double started) const {
  graph::PrepareOptions chosen = options();
  chosen.started = started;
  check_effects(dataset);
  chosen.command = environment.command_line;
  Progress progress(environment);
  chosen.progress = [&](std::string_view stage, double fraction) { progress.update(fraction, stage); };
  device::ContextOptions context_options;
  context_options.threads = threads_;
  context_options.logger = environment.logger();
  device::Context context(std::move(context_options));
  const graph::PrepareReport report = graph::prepare(context, std::move(dataset), output, chosen);
  progress.clear();
  environment.out(environment.json ? report_json(report, output).dump(2) + '\n'
                                   : report_text(report, output));
}

}  // namespace opx::cli
