// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/tree.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "io/zip.hpp"

namespace opx::io {
namespace {

namespace fs = std::filesystem;
constexpr std::uint16_t kStoredMember = 0;

class FolderTree final : public FileTree {
 public:
  explicit FolderTree(fs::path root) : root_(std::move(root)) {}
  bool has_file(const std::string& path) const override {
    std::error_code ignored;
    return fs::is_regular_file(root_ / path, ignored);
  }
  std::vector<std::string> folders(const std::string& path) const override {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root_ / path, error))
      if (entry.is_directory(error)) names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }
  std::unique_ptr<InputStream> open_raw(const std::string& path) const override {
    return std::make_unique<RangeStream>(whole(path));
  }
  FileRange range(const std::string& path, const fs::path&) const override { return whole(path); }
  std::int64_t bytes(const std::string& path) const override { return whole(path).length; }
  std::string describe(const std::string& path) const override { return (root_ / path).string(); }
  std::string name() const override {
    const auto normal = fs::absolute(root_).lexically_normal();
    return (normal.has_filename() ? normal : normal.parent_path()).filename().string();
  }

 private:
  FileRange whole(const std::string& path) const { return FileRange::whole(root_ / path); }
  fs::path root_;
};

FileRange unpack(InputStream& stream, const fs::path& folder) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  TemporaryFile file(folder.empty() ? fs::temp_directory_path() : folder);
  std::vector<char> piece(kPiece);
  for (std::size_t n = kPiece; n == kPiece;) {
    n = stream.read(piece);
    file.append(std::span(piece).first(n));
  }
  return file.release(stream.name());
}

class ZipTree final : public FileTree {
 public:
  explicit ZipTree(const fs::path& path) : archive_(FileRange::whole(path)), name_(path.stem().string()) {
    std::set<std::string> tops;
    for (const auto& member : archive_.members())
      if (!member.name.starts_with("__MACOSX/"))
        tops.insert(member.name.substr(0, member.name.find('/') + 1));
    if (tops.size() == 1 && !tops.begin()->empty()) {
      top_ = *tops.begin();
      name_ = top_.substr(0, top_.size() - 1);
    }
  }
  bool has_file(const std::string& path) const override { return archive_.find(top_ + path) != nullptr; }
  std::vector<std::string> folders(const std::string& path) const override {
    const std::string prefix = top_ + (path.empty() || path.ends_with('/') ? path : path + "/");
    std::set<std::string> names;
    for (const auto& member : archive_.members()) {
      if (!member.name.starts_with(prefix)) continue;
      const auto slash = member.name.find('/', prefix.size());
      if (slash != std::string::npos) names.insert(member.name.substr(prefix.size(), slash - prefix.size()));
    }
    return {names.begin(), names.end()};
  }
  std::unique_ptr<InputStream> open_raw(const std::string& path) const override {
    return archive_.open(member(path));
  }
  FileRange range(const std::string& path, const fs::path& temporary_folder) const override {
    const ZipMember& found = member(path);
    if (found.method == kStoredMember) return archive_.stored_range(found);
    return unpack(*archive_.open(found), temporary_folder);
  }
  std::int64_t bytes(const std::string& path) const override { return member(path).packed; }
  std::string describe(const std::string& path) const override { return archive_.name() + ":" + top_ + path; }
  std::string name() const override { return name_; }

 private:
  const ZipMember& member(const std::string& path) const {
    const ZipMember* found = archive_.find(top_ + path);
    OPX_REQUIRE(found != nullptr, InputError, "'{}' has no member '{}'", archive_.name(), top_ + path);
    return *found;
  }
  ZipArchive archive_;
  std::string top_, name_;
};

}  // namespace

std::unique_ptr<FileTree> open_tree(const fs::path& path) {
  if (fs::is_directory(path)) return std::make_unique<FolderTree>(path);
  return std::make_unique<ZipTree>(path);
}

}  // namespace opx::io
