// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/input_upload.hpp"

#include "tensor/update.hpp"

namespace opx::train {
namespace {

std::size_t elements(tensor::MatrixView<const float> from, Index rows) {
  return static_cast<std::size_t>(from.cols * rows);
}

}  // namespace

InputUpload::InputUpload(device::Context& context, const Input& input, Index most_rows)
    : input_(input), upload_(context) {
  const device::MemoryUse use(context, "features of sub-batches");
  upload_.reserve((elements(input.features, most_rows) + elements(input.aggregated, most_rows)) *
                      sizeof(float) +
                  2 * device::Upload::kAlignment);
}

void InputUpload::send(device::Context& builder, std::span<const std::int32_t> local_row, Index rows) {
  upload_.begin();
  rows_ = rows;
  features_ = upload_.room<float>(elements(input_.features, rows));
  aggregated_ = upload_.room<float>(elements(input_.aggregated, rows));
  const auto gather = [&](tensor::MatrixView<const float> from, device::Uploaded<float> to) {
    tensor::gather_rows(builder, from, local_row, {upload_.here(to).data(), rows, from.cols});
  };
  gather(input_.features, features_);
  gather(input_.aggregated, aggregated_);
  upload_.send();
}

InputUpload::Rows InputUpload::receive() {
  upload_.receive();
  return {{upload_.there(features_).data(), rows_, input_.features.cols},
          {upload_.there(aggregated_).data(), rows_, input_.aggregated.cols}};
}

}  // namespace opx::train
