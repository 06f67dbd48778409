// A header is a block of 512 bytes: name (100 bytes from 0), size in octal (12 from 124), checksum (8 from 148), type (156), prefix of the
// name (155 from 345, with "ustar" at 257). Content follows, filled up to whole blocks. Two blocks of zeros end the archive.

#include "tar.h"

#include <algorithm>
#include <cstring>

namespace ocp {

namespace {

constexpr int64_t kBlock = 512;
constexpr int64_t kLongestName = 64 * 1024;

arrow::Status ends_early() { return arrow::Status::IOError("the archive ends early: it is not complete"); }

arrow::Result<int64_t> read_fully(arrow::io::InputStream& in, void* out, int64_t bytes) {
  int64_t done = 0;
  while (done < bytes) {
    ARROW_ASSIGN_OR_RAISE(const int64_t n, in.Read(bytes - done, static_cast<char*>(out) + done));
    if (n == 0) break;
    done += n;
  }
  return done;
}

std::string text_of(const char* field, size_t most) { return std::string(field, strnlen(field, most)); }

// Octal text, or with the highest bit set a big-endian number.
arrow::Result<int64_t> number_of(const char* field, size_t length) {
  uint64_t value = 0;
  if ((static_cast<unsigned char>(field[0]) & 0x80) != 0) {
    for (size_t i = 1; i < length; ++i) value = (value << 8) | static_cast<unsigned char>(field[i]);
  } else {
    for (size_t i = 0; i < length && field[i] != '\0'; ++i) {
      if (field[i] == ' ') continue;
      if (field[i] < '0' || field[i] > '7') return arrow::Status::IOError("not a tar archive");
      value = value * 8 + static_cast<uint64_t>(field[i] - '0');
    }
  }
  if (value > (uint64_t{1} << 50)) return arrow::Status::IOError("not a tar archive");
  return static_cast<int64_t>(value);
}

arrow::Status check_sum(const char* header) {
  constexpr size_t kAt = 148, kLength = 8;
  int64_t sum = 0;
  for (size_t i = 0; i < static_cast<size_t>(kBlock); ++i)
    sum += i >= kAt && i < kAt + kLength ? ' ' : static_cast<unsigned char>(header[i]);
  ARROW_ASSIGN_OR_RAISE(const int64_t wanted, number_of(header + kAt, kLength));
  return sum == wanted ? arrow::Status::OK() : arrow::Status::IOError("not a tar archive, or a damaged one");
}

arrow::Status pass_over(TarMember& member) {
  char buffer[8192];
  while (member.left() > 0) ARROW_RETURN_NOT_OK(member.read(buffer, sizeof buffer).status());
  return arrow::Status::OK();
}

arrow::Result<std::string> whole(TarMember& member) {
  if (member.left() > kLongestName) return arrow::Status::IOError("not a tar archive: a name of ", member.left(), " bytes");
  std::string out(static_cast<size_t>(member.left()), '\0');
  for (size_t done = 0; done < out.size();) {
    ARROW_ASSIGN_OR_RAISE(const int64_t n, member.read(out.data() + done, static_cast<int64_t>(out.size() - done)));
    done += static_cast<size_t>(n);
  }
  return out;
}

// Records "LENGTH key=value\n"; the value of `path`.
std::string pax_path(const std::string& records) {
  std::string out;
  for (size_t at = 0; at < records.size();) {
    const size_t length = std::strtoul(records.c_str() + at, nullptr, 10);
    if (length == 0 || at + length > records.size()) break;
    const std::string record = records.substr(at, length - 1);
    const size_t key = record.find(' ');
    if (key != std::string::npos && record.compare(key + 1, 5, "path=") == 0) out = record.substr(key + 6);
    at += length;
  }
  return out;
}

}  // namespace

arrow::Result<int64_t> TarMember::read(void* out, int64_t bytes) {
  ARROW_ASSIGN_OR_RAISE(const int64_t n, archive_.Read(std::min(bytes, left_), out));
  if (n == 0 && left_ > 0 && bytes > 0) return ends_early();
  left_ -= n;
  return n;
}

arrow::Status each_member(arrow::io::InputStream& archive,
                          const std::function<arrow::Status(const std::string& name, TarMember& member)>& each) {
  std::string long_name;
  for (char header[kBlock];;) {
    ARROW_ASSIGN_OR_RAISE(const int64_t n, read_fully(archive, header, kBlock));
    if (n < kBlock) return ends_early();
    if (std::all_of(header, header + kBlock, [](char c) { return c == '\0'; })) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(check_sum(header));
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, number_of(header + 124, 12));
    std::string name = text_of(header, 100);
    if (std::memcmp(header + 257, "ustar", 6) == 0 && header[345] != '\0') name = text_of(header + 345, 155) + "/" + name;
    if (!long_name.empty()) name = long_name;
    TarMember member(archive, bytes);
    const char type = header[156];
    if (type == 'L') {
      ARROW_ASSIGN_OR_RAISE(long_name, whole(member));
      long_name = text_of(long_name.c_str(), long_name.size());
    } else if (type == 'x') {
      ARROW_ASSIGN_OR_RAISE(const std::string records, whole(member));
      long_name = pax_path(records);
    } else if (type == '0' || type == '\0' || type == '7') {
      long_name.clear();
      ARROW_RETURN_NOT_OK(each(name, member));
    } else if (type != 'g' && type != 'K') {
      long_name.clear();
    }
    ARROW_RETURN_NOT_OK(pass_over(member));
    char padding[kBlock];
    const int64_t rest = (kBlock - bytes % kBlock) % kBlock;
    ARROW_ASSIGN_OR_RAISE(const int64_t filled, read_fully(archive, padding, rest));
    if (filled < rest) return ends_early();
  }
}

}  // namespace ocp
