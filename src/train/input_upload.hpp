// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A sub-batch's rows of X and A X on their way from host memory to a GPU, beside the rest of its sample: the
// builder's thread gathers and sends them, the step takes them without waiting.
#pragma once

#include <cstdint>
#include <span>

#include "device/upload.hpp"
#include "tensor/matrix.hpp"

namespace opx::train {

class InputUpload {
 public:
  /// What the model reads of the whole graph's own rows, in memory of the host that stays; either may be
  /// empty.
  struct Input {
    tensor::MatrixView<const float> features, aggregated;
  };
  struct Rows {
    tensor::MatrixView<float> features, aggregated;
  };
  /// `context` is on a GPU and outlives it. All memory is taken here, for `most_rows` rows.
  InputUpload(device::Context& context, const Input& input, Index most_rows);

  /// By the builder's thread, with the threads of `builder`: row i becomes row local_row[i] of the input,
  /// those of `rows` past local_row.size() become 0.
  void send(device::Context& builder, std::span<const std::int32_t> local_row, Index rows);
  /// By the step: the rows in memory of the GPU, in the order of the compute stream.
  [[nodiscard]] Rows receive();
  /// The step has put everything that reads them on the compute stream.
  void release() { upload_.release(); }

 private:
  Input input_;
  device::Upload upload_;
  device::Uploaded<float> features_, aggregated_;
  Index rows_ = 0;
};

}  // namespace opx::train
