// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The gpu backend of a build without GPU kernels of this module.
#include "base/error.hpp"
#include "sampling/gpu/tile_cutter.hpp"

namespace opx::sampling::gpu {
namespace {

[[noreturn]] void refuse() { throw base::NotCompiled("this build has no GPU kernels of module sampling"); }

}  // namespace

TileCutter::TileCutter(device::Context& context, const layout::GraphShard& full, const CutterOptions& options)
    : context_(context), full_(full), options_(options) {
  refuse();
}
TileCutter::~TileCutter() = default;
void TileCutter::begin(const Selection&, const device::gpu::Event*, const RowOrder*) { refuse(); }
int TileCutter::cut(const CutRequest&, spmm::Csr&) { refuse(); }
void TileCutter::finish() { refuse(); }
void TileCutter::abandon() noexcept {}
std::span<std::int32_t> TileCutter::read_columns(const spmm::Csr&) { refuse(); }
void TileCutter::renumber_columns(std::span<const std::int32_t>, Index, spmm::Csr&, spmm::Csr*) { refuse(); }

}  // namespace opx::sampling::gpu
