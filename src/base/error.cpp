// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

namespace opx::base {

int exit_code(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kInvalidArgument:
    case ErrorKind::kDimensionMismatch:
    case ErrorKind::kNotCompiled:
      return 2;
    case ErrorKind::kFormat:
    case ErrorKind::kInput:
      return 3;
    case ErrorKind::kResource:
    case ErrorKind::kOutOfMemory:
    case ErrorKind::kDevice:
      return 4;
    case ErrorKind::kComm:
      return 5;
    case ErrorKind::kInternal:
    case ErrorKind::kInterrupted:
    case ErrorKind::kDiverged:
      return 1;
  }
  return 1;
}

FormatError::FormatError(std::string file, std::string position, const std::string& message)
    : Error(ErrorKind::kFormat, position.empty() ? fmt::format("{}: {}", file, message)
                                                 : fmt::format("{}: {}: {}", file, position, message)),
      file_(std::move(file)),
      position_(std::move(position)) {}

void throw_error(ErrorKind kind, const std::string& message) {
  switch (kind) {
    case ErrorKind::kInternal:
      throw InternalError(message);
    case ErrorKind::kInvalidArgument:
      throw InvalidArgument(message);
    case ErrorKind::kDimensionMismatch:
      throw DimensionMismatch(message);
    case ErrorKind::kInput:
      throw InputError(message);
    case ErrorKind::kResource:
      throw ResourceError(message);
    case ErrorKind::kOutOfMemory:
      throw OutOfMemory(message);
    case ErrorKind::kComm:
      throw CommError(message);
    case ErrorKind::kDevice:
      throw DeviceError(message);
    case ErrorKind::kNotCompiled:
      throw NotCompiled(message);
    case ErrorKind::kInterrupted:
      throw Interrupted(message);
    case ErrorKind::kDiverged:
      throw Diverged(message);
    case ErrorKind::kFormat:
      break;  // carries a file and a position: the text has both already
  }
  throw Error(kind, message);
}

}  // namespace opx::base
