// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/registry.hpp"

#include <algorithm>
#include <cctype>

#include <nlohmann/json.hpp>

namespace opx::graph {

namespace detail {
/// The text of datasets/registry.json; defined in a source that CMake writes.
extern const char* const kRegistryJson;
}  // namespace detail

namespace {

std::string normal_name(std::string_view name) {
  std::string text(name);
  for (char& c : text) c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

RegistryEntry parse_entry(const nlohmann::json& json) {
  RegistryEntry entry;
  entry.name = json.at("name").get<std::string>();
  entry.aliases = json.value("aliases", std::vector<std::string>{});
  entry.url = json.value("url", "");
  entry.sha256 = json.value("sha256", "");
  entry.layout = json.at("layout").get<std::string>();
  entry.heterogeneous = json.value("heterogeneous", false);
  entry.add_inverse_edge = json.at("add_inverse_edge").get<bool>();
  entry.vertices = json.value("vertices", Index{0});
  entry.edges = json.value("edges", Index{0});
  entry.feature_dim = json.value("feature_dim", Index{0});
  entry.classes = json.value("classes", Index{0});
  entry.tasks = json.value("tasks", Index{1});
  entry.metric = json.value("metric", "");
  entry.split = json.value("split", "");
  entry.licence = json.value("licence", "");
  entry.note = json.value("note", "");
  return entry;
}

std::vector<RegistryEntry> parse_registry() {
  std::vector<RegistryEntry> entries;
  const auto text = nlohmann::json::parse(detail::kRegistryJson);
  for (const auto& json : text.at("datasets")) entries.push_back(parse_entry(json));
  return entries;
}

}  // namespace

std::span<const RegistryEntry> registry() {
  static const std::vector<RegistryEntry> entries = parse_registry();
  return entries;
}

const RegistryEntry* find_in_registry(std::string_view name) {
  const std::string wanted = normal_name(name);
  const auto matches = [&](const std::string& other) { return normal_name(other) == wanted; };
  for (const auto& entry : registry())
    if (matches(entry.name) || std::ranges::any_of(entry.aliases, matches)) return &entry;
  return nullptr;
}

}  // namespace opx::graph
