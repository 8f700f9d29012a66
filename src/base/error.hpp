// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Exceptions by kind. Each carries its values in the message and maps to one exit code of the command line
// (0 done, 2 usage, 3 input, 4 resources, 5 communication, 1 anything else). The library throws; only `main`
// prints.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/core.h>

namespace opx::base {

enum class ErrorKind : std::int32_t {
  kInternal = 1,           // a broken invariant of ours; exit 1
  kInvalidArgument = 2,    // an option or argument that cannot be honoured; exit 2
  kDimensionMismatch = 3,  // shapes that do not fit each other; exit 2
  kFormat = 4,             // bad input file; exit 3
  kInput = 5,              // input that cannot be read at all (missing, no permission); exit 3
  kResource = 6,           // disk full, unwritable folder, no file handles; exit 4
  kOutOfMemory = 7,        // exit 4
  kComm = 8,               // a collective failed, timed out, or another rank failed; exit 5
  kDevice = 9,             // exit 4
  kNotCompiled = 10,       // a backend that this build leaves out; exit 2
  kInterrupted = 11,       // Ctrl-C or SIGTERM, after the checkpoint was written; exit 1
  kDiverged = 12,          // a loss or gradient that is not a number any more; exit 1
};

/// Process exit code documented for a kind of error.
[[nodiscard]] int exit_code(ErrorKind kind) noexcept;

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

template <ErrorKind K>
class ErrorOf : public Error {
 public:
  explicit ErrorOf(const std::string& message) : Error(K, message) {}
};

using InternalError = ErrorOf<ErrorKind::kInternal>;
using InvalidArgument = ErrorOf<ErrorKind::kInvalidArgument>;
using DimensionMismatch = ErrorOf<ErrorKind::kDimensionMismatch>;
using InputError = ErrorOf<ErrorKind::kInput>;
using ResourceError = ErrorOf<ErrorKind::kResource>;
using OutOfMemory = ErrorOf<ErrorKind::kOutOfMemory>;
using CommError = ErrorOf<ErrorKind::kComm>;
using DeviceError = ErrorOf<ErrorKind::kDevice>;
using NotCompiled = ErrorOf<ErrorKind::kNotCompiled>;
using Interrupted = ErrorOf<ErrorKind::kInterrupted>;
using Diverged = ErrorOf<ErrorKind::kDiverged>;

/// A malformed file. `position` says where: "line 12", "offset 4096", "member 'node_feat.npy'", or is empty.
class FormatError : public Error {
 public:
  FormatError(std::string file, std::string position, const std::string& message);
  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  [[nodiscard]] const std::string& position() const noexcept { return position_; }

 private:
  std::string file_, position_;
};

/// Rethrows `kind` with `message` as the matching exception type (for an error that was agreed on across
/// ranks).
[[noreturn]] void throw_error(ErrorKind kind, const std::string& message);

}  // namespace opx::base

/// OPX_REQUIRE(condition, InvalidArgument, "rows {} != {}", a, b): throws base::<Kind> with a formatted
/// message.
#define OPX_REQUIRE(condition, Kind, ...)                  \
  do {                                                     \
    if (!(condition)) [[unlikely]]                         \
      throw ::opx::base::Kind(::fmt::format(__VA_ARGS__)); \
  } while (false)
