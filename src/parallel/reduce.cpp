// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/reduce.hpp"

#include <array>

namespace opx::parallel {

namespace {

template <class T>
void all_reduce(comm::Communicator& group, std::span<T> values, comm::ReduceOp op,
                comm::CommPurpose purpose) {
  if (group.size() > 1) group.all_reduce(values, op, purpose);
}

template <class T>
T reduced(comm::Communicator& group, T value, comm::ReduceOp op, comm::CommPurpose purpose) {
  all_reduce(group, std::span<T>(&value, 1), op, purpose);
  return value;
}

}  // namespace

double sum(comm::Communicator& group, double value, comm::CommPurpose purpose) {
  return reduced(group, value, comm::ReduceOp::kSum, purpose);
}

Index sum(comm::Communicator& group, Index value, comm::CommPurpose purpose) {
  return reduced(group, value, comm::ReduceOp::kSum, purpose);
}

double max(comm::Communicator& group, double value, comm::CommPurpose purpose) {
  return reduced(group, value, comm::ReduceOp::kMax, purpose);
}

void sum(comm::Communicator& group, std::span<double> values, comm::CommPurpose purpose) {
  all_reduce(group, values, comm::ReduceOp::kSum, purpose);
}

void sum(comm::Communicator& group, std::span<Index> values, comm::CommPurpose purpose) {
  all_reduce(group, values, comm::ReduceOp::kSum, purpose);
}

tensor::LossSum sum(comm::Communicator& group, tensor::LossSum value, comm::CommPurpose purpose) {
  std::array<double, 2> both = {value.sum, static_cast<double>(value.terms)};
  sum(group, std::span<double>(both), purpose);
  return {both[0], static_cast<Index>(both[1])};
}

}  // namespace opx::parallel
