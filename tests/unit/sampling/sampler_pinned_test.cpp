// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What each sampler draws is part of the format of checkpoints: a run that is resumed by a later version, or
// on another processor, goes on with the same sub-batches. A hash that differs here breaks that. Change one
// only together with the checkpoint's version.
#include <algorithm>
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "sampling/sampler.hpp"
#include "support/memory_store.hpp"

namespace opx::sampling {
namespace {

constexpr Index kVertices = 1207;

// In closed form, so that no other test's helper changes it: a few edges a vertex, a hub in every 60, a
// seventh that trains, 40 parts.
test::MemoryStore fixed_store(Index virtual_blocks) {
  std::vector<test::Entry> entries;
  const auto both = [&](Index a, Index b) { entries.push_back({a, b}), entries.push_back({b, a}); };
  for (Index v = 0; v < kVertices; ++v) {
    both(v, (7 * v + 3) % kVertices);
    both(v, (v * v + 1) % kVertices);
    if (v % 4 == 0) both(v, v % 20 * 60);
  }
  test::MemoryStore store(kVertices, entries);
  store.set_virtual_blocks(virtual_blocks);
  std::vector<graph::Split> splits;
  std::vector<std::int32_t> parts;
  for (Index v = 0; v < kVertices; ++v) {
    splits.push_back(v % 7 == 2 ? graph::Split::kTrain : graph::Split::kNone);
    parts.push_back(static_cast<std::int32_t>(v * 37 % 40));
  }
  store.set_splits(splits);
  store.set_parts(parts, 40);
  return store;
}

// FNV-1a, of 64 bits, over words of 32.
class Hash {
 public:
  void add(std::uint32_t word) {
    for (int byte = 0; byte < 4; ++byte) value_ = (value_ ^ (word >> (8 * byte) & 0xFFU)) * 0x100000001B3U;
  }
  void add(std::int32_t word) { add(static_cast<std::uint32_t>(word)); }
  void add(float word) { add(std::bit_cast<std::uint32_t>(word)); }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xCBF29CE484222325U;
};

struct Pinned {
  Kind kind;
  // Hashes with 4 virtual blocks of about 300 vertices, and with 24 of about 50: equal for the kinds that
  // take no notice of them.
  std::uint64_t few, many;
};

class PinnedSampler : public ::testing::TestWithParam<Pinned> {};

std::uint64_t hash_of(Kind kind, Index virtual_blocks) {
  const auto store = fixed_store(virtual_blocks);
  const auto sampler = make_sampler(store, {}, std::vector<int>{0},
                                    {.kind = kind, .ratio = 0.1, .seed = 0x1234567890, .presamples = 2});
  Hash hash;
  Selection s;
  for (const auto& [epoch, index] : {std::pair<Index, Index>{0, 0}, {0, 3}, {1, 0}, {100000, 9}}) {
    sampler->draw(epoch, index, s);
    for (std::size_t i = 0; i < s.position.size(); ++i) {
      hash.add(s.position[i]), hash.add(s.stratum[i]);
      hash.add(s.same[i]), hash.add(s.other[i]), hash.add(s.weight[i]);
    }
  }
  return hash.value();
}

TEST_P(PinnedSampler, DrawsWhatItAlwaysDrew) {
  EXPECT_EQ(hash_of(GetParam().kind, 4), GetParam().few);    // permutations of more than 256 elements
  EXPECT_EQ(hash_of(GetParam().kind, 24), GetParam().many);  // and of fewer, which are shuffled
}

INSTANTIATE_TEST_SUITE_P(
    All, PinnedSampler,
    ::testing::Values(Pinned{Kind::kStratified, 0x76F2354518EF3054U, 0x83FEFC82F9774E57U},
                      Pinned{Kind::kUniform, 0x335D34351893BA1EU, 0x335D34351893BA1EU},
                      Pinned{Kind::kDegree, 0x029309556033EEBEU, 0x37F702A309BBE970U},
                      Pinned{Kind::kTrain, 0x879DD13FB3232F70U, 0x21CC71E03DE383D8U},
                      Pinned{Kind::kCluster, 0x19F4F3DCA0D07E81U, 0x19F4F3DCA0D07E81U},
                      Pinned{Kind::kSaintWalk, 0x20E7710EB76D7E50U, 0x20E7710EB76D7E50U}),
    [](const auto& instance) {
      std::string text(name(instance.param.kind));
      std::replace(text.begin(), text.end(), '-', '_');
      return text;
    });

}  // namespace
}  // namespace opx::sampling
