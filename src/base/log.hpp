// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Logging without printing: the library hands lines to a Logger that the caller owns (the command line's
// writes to stderr, a test's collects). There is no global logger.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace opx::base {

enum class LogLevel { kDebug, kInfo, kWarning };

/// Receives one line without newline; called from any thread of the rank that owns the Logger, one at a time.
using LogSink = std::function<void(LogLevel, std::string_view)>;

class Logger {
 public:
  Logger() = default;  ///< silent
  explicit Logger(LogSink sink, LogLevel lowest = LogLevel::kInfo)
      : sink_(std::move(sink)), lowest_(lowest) {}

  template <class... Args>
  void debug(fmt::format_string<Args...> f, Args&&... args) const {
    write(LogLevel::kDebug, f, fmt::make_format_args(args...));
  }
  template <class... Args>
  void info(fmt::format_string<Args...> f, Args&&... args) const {
    write(LogLevel::kInfo, f, fmt::make_format_args(args...));
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> f, Args&&... args) const {
    write(LogLevel::kWarning, f, fmt::make_format_args(args...));
  }

 private:
  void write(LogLevel level, fmt::string_view f, fmt::format_args args) const {
    if (sink_ && level >= lowest_) sink_(level, fmt::vformat(f, args));
  }
  LogSink sink_;
  LogLevel lowest_ = LogLevel::kInfo;
};

}  // namespace opx::base
