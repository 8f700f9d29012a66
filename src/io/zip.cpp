// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/zip.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.hpp"
#include "io/checksum.hpp"
#include "io/inflate.hpp"

namespace opx::io {
namespace {

constexpr std::uint32_t kEndMagic = 0x06054b50, kEnd64Magic = 0x06064b50, kLocator64Magic = 0x07064b50;
constexpr std::uint32_t kEntryMagic = 0x02014b50, kLocalMagic = 0x04034b50;
constexpr std::int64_t kEndSize = 22, kEnd64Size = 56, kLocator64Size = 20, kEntrySize = 46, kLocalSize = 30;
constexpr std::int64_t kLongestComment = 65535;
constexpr std::int64_t kLargestDirectory = std::int64_t{1} << 30;
constexpr std::uint16_t kStored = 0, kDeflate = 8, kEncrypted = 1;

[[noreturn]] void fail(const std::string& file, std::int64_t offset, const std::string& what) {
  throw base::FormatError(file, fmt::format("offset {}", offset), "zip: " + what);
}

template <class T>
T load(std::span<const char> bytes, std::int64_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::vector<char> read_exactly(const FileRange& range, std::int64_t offset, std::int64_t size,
                               const char* what) {
  if (offset < 0 || size < 0 || size > range.length || offset > range.length - size)
    fail(range.name, offset,
         fmt::format("{} of {} bytes lies outside the file of {} bytes", what, size, range.length));
  std::vector<char> bytes(static_cast<std::size_t>(size));
  if (range.read_at(offset, bytes) != bytes.size())
    fail(range.name, offset, fmt::format("{} is cut short", what));
  return bytes;
}

struct Directory {
  std::int64_t offset = 0, size = 0, entries = 0;
};

// The end record is the last one whose comment reaches exactly the end of the file.
std::int64_t find_end(const FileRange& range, std::span<const char> tail, std::int64_t tail_begin) {
  for (auto at = static_cast<std::int64_t>(tail.size()) - kEndSize; at >= 0; --at) {
    if (load<std::uint32_t>(tail, at) != kEndMagic) continue;
    if (at + kEndSize + load<std::uint16_t>(tail, at + 20) == static_cast<std::int64_t>(tail.size()))
      return tail_begin + at;
  }
  throw base::FormatError(range.name, "", "is no zip archive, or is truncated: it has no end record");
}

std::int64_t checked(const FileRange& range, std::int64_t at, std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    fail(range.name, at, fmt::format("a size or offset of {} is absurd", value));
  return static_cast<std::int64_t>(value);
}

Directory read_directory64(const FileRange& range, std::int64_t end_at) {
  const std::int64_t locator_at = end_at - kLocator64Size;
  const auto locator = read_exactly(range, locator_at, kLocator64Size, "the zip64 locator");
  if (load<std::uint32_t>(locator, 0) != kLocator64Magic) fail(range.name, locator_at, "no zip64 locator");
  const std::int64_t at = checked(range, locator_at, load<std::uint64_t>(locator, 8));
  const auto end = read_exactly(range, at, kEnd64Size, "the zip64 end record");
  if (load<std::uint32_t>(end, 0) != kEnd64Magic) fail(range.name, at, "no zip64 end record");
  return {checked(range, at, load<std::uint64_t>(end, 48)), checked(range, at, load<std::uint64_t>(end, 40)),
          checked(range, at, load<std::uint64_t>(end, 32))};
}

Directory read_directory(const FileRange& range) {
  const std::int64_t tail_begin = std::max<std::int64_t>(range.length - kEndSize - kLongestComment, 0);
  const auto tail = read_exactly(range, tail_begin, range.length - tail_begin, "the end record");
  const std::int64_t at = find_end(range, tail, tail_begin);
  const auto end = std::span(tail).subspan(static_cast<std::size_t>(at - tail_begin));
  if (load<std::uint16_t>(end, 4) != load<std::uint16_t>(end, 6))
    fail(range.name, at, "the archive spans several disks");
  const auto entries = load<std::uint16_t>(end, 10);
  const auto size = load<std::uint32_t>(end, 12), offset = load<std::uint32_t>(end, 16);
  if (entries == 0xFFFF || size == 0xFFFFFFFF || offset == 0xFFFFFFFF) return read_directory64(range, at);
  return {offset, size, entries};
}

// Replaces the fields that say "see the zip64 extra field", in the order the format fixes.
void apply_zip64(const FileRange& range, std::int64_t at, std::span<const char> extra, ZipMember& member) {
  while (extra.size() >= 4) {
    const auto id = load<std::uint16_t>(extra, 0);
    const std::size_t size = load<std::uint16_t>(extra, 2);
    if (size > extra.size() - 4) fail(range.name, at, "an extra field is cut short");
    auto field = extra.subspan(4, size);
    extra = extra.subspan(4 + size);
    if (id != 1) continue;
    for (std::int64_t* value : {&member.size, &member.packed, &member.header}) {
      if (*value != 0xFFFFFFFF) continue;
      if (field.size() < 8)
        fail(range.name, at, fmt::format("the zip64 field of '{}' is cut short", member.name));
      *value = checked(range, at, load<std::uint64_t>(field, 0));
      field = field.subspan(8);
    }
  }
}

// Reads one entry of the directory and drops it from `rest`.
ZipMember read_entry(const FileRange& range, std::int64_t at, std::span<const char>& rest) {
  if (static_cast<std::int64_t>(rest.size()) < kEntrySize || load<std::uint32_t>(rest, 0) != kEntryMagic)
    fail(range.name, at, "an entry of the central directory is damaged");
  const std::size_t name_size = load<std::uint16_t>(rest, 28), extra_size = load<std::uint16_t>(rest, 30);
  const std::size_t whole =
      static_cast<std::size_t>(kEntrySize) + name_size + extra_size + load<std::uint16_t>(rest, 32);
  if (whole > rest.size()) fail(range.name, at, "an entry of the central directory is cut short");
  ZipMember member;
  member.flags = load<std::uint16_t>(rest, 8);
  member.method = load<std::uint16_t>(rest, 10);
  member.crc = load<std::uint32_t>(rest, 16);
  member.packed = load<std::uint32_t>(rest, 20);
  member.size = load<std::uint32_t>(rest, 24);
  member.header = load<std::uint32_t>(rest, 42);
  member.name.assign(rest.data() + kEntrySize, name_size);
  apply_zip64(range, at, rest.subspan(static_cast<std::size_t>(kEntrySize) + name_size, extra_size), member);
  rest = rest.subspan(whole);
  return member;
}

// Counts and sums what passes, and compares with the directory at the end of the member.
class MemberStream final : public InputStream {
 public:
  MemberStream(FileRange packed, const ZipMember& member) : source_(std::move(packed)), member_(member) {
    if (member_.method == kDeflate) {
      inflater_ = make_inflater(InflateFormat::kRaw);
      buffer_.resize(std::size_t{256} << 10);
    }
  }

  std::size_t read(std::span<char> out) override {
    const auto left = static_cast<std::size_t>(member_.size - done_);
    out = out.first(std::min(out.size(), left));
    const std::size_t n = inflater_ ? inflate(out) : source_.read(out);
    sum_ = crc32(sum_, out.first(n));
    done_ += static_cast<std::int64_t>(n);
    if (n < out.size()) fail("is truncated", fmt::format("{} of {} bytes", done_, member_.size));
    if (done_ == member_.size && !verified_) verify();
    return n;
  }
  const std::string& name() const noexcept override { return source_.name(); }
  double progress() const noexcept override { return source_.progress(); }
  std::optional<std::int64_t> length() const noexcept override { return member_.size; }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& detail) const {
    throw base::FormatError(name(), fmt::format("offset {} of the unpacked member", done_),
                            fmt::format("zip: the member {}: {}", what, detail));
  }

  std::size_t inflate(std::span<char> out) {
    std::size_t done = 0;
    while (done < out.size() && !inflated_) {
      if (in_.empty()) in_ = {buffer_.data(), source_.read(buffer_)};
      const InflateStep step = inflater_->step(in_, out.subspan(done));
      if (step.error != nullptr) fail("is damaged", step.error);
      if (step.consumed == 0 && step.produced == 0 && !step.member_done) break;
      in_ = in_.subspan(step.consumed);
      done += step.produced;
      inflated_ = step.member_done;
    }
    return done;
  }

  void verify() {
    verified_ = true;
    if (sum_ != member_.crc)
      fail("has a bad CRC", fmt::format("{:08x}, the directory says {:08x}", sum_, member_.crc));
  }

  RangeStream source_;
  ZipMember member_;
  std::unique_ptr<Inflater> inflater_;
  std::vector<char> buffer_;
  std::span<const char> in_;
  std::uint32_t sum_ = 0;
  std::int64_t done_ = 0;
  bool inflated_ = false, verified_ = false;
};

}  // namespace

ZipArchive::ZipArchive(FileRange range) : range_(std::move(range)) {
  const Directory directory = read_directory(range_);
  if (directory.size > kLargestDirectory)
    fail(range_.name, directory.offset, "the central directory is absurdly large");
  const auto bytes = read_exactly(range_, directory.offset, directory.size, "the central directory");
  std::span<const char> rest(bytes);
  for (std::int64_t i = 0; i < directory.entries; ++i) {
    const std::int64_t at = directory.offset + directory.size - static_cast<std::int64_t>(rest.size());
    members_.push_back(read_entry(range_, at, rest));
  }
}

const ZipMember* ZipArchive::find(std::string_view name) const noexcept {
  const auto it = std::ranges::find(members_, name, &ZipMember::name);
  return it == members_.end() ? nullptr : &*it;
}

FileRange ZipArchive::packed_range(const ZipMember& member) const {
  const auto local = read_exactly(range_, member.header, kLocalSize, "a local header");
  if (load<std::uint32_t>(local, 0) != kLocalMagic)
    fail(range_.name, member.header, fmt::format("no local header of member '{}'", member.name));
  const std::int64_t begin =
      member.header + kLocalSize + load<std::uint16_t>(local, 26) + load<std::uint16_t>(local, 28);
  if (begin > range_.length || member.packed > range_.length - begin)
    fail(range_.name, begin,
         fmt::format("member '{}' of {} bytes reaches beyond the file", member.name, member.packed));
  return {range_.file, range_.offset + begin, member.packed, range_.name + ":" + member.name};
}

std::unique_ptr<InputStream> ZipArchive::open(const ZipMember& member) const {
  if ((member.flags & kEncrypted) != 0)
    fail(range_.name, member.header, "member '" + member.name + "' is encrypted");
  if (member.method != kStored && member.method != kDeflate)
    fail(range_.name, member.header,
         fmt::format("member '{}' uses method {}; stored (0) and deflate (8) are read", member.name,
                     member.method));
  if (member.method == kStored && member.packed != member.size)
    fail(range_.name, member.header,
         fmt::format("stored member '{}' has two sizes, {} and {}", member.name, member.packed, member.size));
  return std::make_unique<MemberStream>(packed_range(member), member);
}

FileRange ZipArchive::stored_range(const ZipMember& member) const {
  if (member.method != kStored || (member.flags & kEncrypted) != 0 || member.packed != member.size)
    fail(range_.name, member.header,
         fmt::format("member '{}' is compressed and cannot be read in place: unpack the archive first",
                     member.name));
  return packed_range(member);
}

}  // namespace opx::io
