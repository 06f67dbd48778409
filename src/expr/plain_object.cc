// Eight bytes at a time up to the next quote; a byte that ends the quick way is looked for in the same step.

#include "expr/plain_object.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

namespace gristmill::expr {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101u, kHighs = 0x8080808080808080u;

// The high bit of each byte that is a quote, a backslash, a control character or no ASCII; the lowest such bit is never wrong.
uint64_t special_bytes(uint64_t word) {
  const auto zeroes = [](uint64_t x) { return (x - kOnes) & ~x & kHighs; };
  const uint64_t controls = (word - kOnes * 0x20) & ~word & kHighs;
  return zeroes(word ^ (kOnes * '"')) | zeroes(word ^ (kOnes * '\\')) | controls | (word & kHighs);
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Reader {
 public:
  explicit Reader(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool take(char c) {
    skip_blanks();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  bool at_end() {
    skip_blanks();
    return at_ == end_;
  }

  // A quoted text without anything that needs a second look.
  bool text(std::string_view& out) {
    if (!take('"')) return false;
    const char* const begin = at_;
    while (end_ - at_ >= 8) {
      uint64_t word;
      std::memcpy(&word, at_, 8);
      const uint64_t special = special_bytes(word);
      if (special != 0) {
        at_ += std::countr_zero(special) >> 3;
        return close(begin, out);
      }
      at_ += 8;
    }
    while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<signed char>(*at_) >= 0x20) ++at_;
    return close(begin, out);
  }

  bool null() {
    if (end_ - at_ < 4 || std::memcmp(at_, "null", 4) != 0) return false;
    at_ += 4;
    return true;
  }

  void skip_blanks() {
    while (at_ != end_ && is_blank(*at_)) ++at_;
  }

 private:
  bool close(const char* begin, std::string_view& out) {
    if (at_ == end_ || *at_ != '"') return false;
    out = {begin, static_cast<size_t>(at_ - begin)};
    ++at_;
    return true;
  }

  const char* at_;
  const char* const end_;
};

bool read_entries(Reader& reader, std::vector<PlainEntry>& entries) {
  if (!reader.take('{')) return false;
  if (reader.take('}')) return reader.at_end();
  do {
    PlainEntry entry;
    if (!reader.text(entry.key) || !reader.take(':')) return false;
    reader.skip_blanks();
    if (!reader.text(entry.value)) {
      if (!reader.null()) return false;
      entry.is_null = true;
    }
    entries.push_back(entry);
  } while (reader.take(','));
  return reader.take('}') && reader.at_end();
}

void append_quoted(std::string_view s, std::string& out) {
  out += '"';
  out += s;
  out += '"';
}

}  // namespace

bool read_plain_object(std::string_view text, std::vector<PlainEntry>& entries) {
  const size_t before = entries.size();
  Reader reader(text);
  if (read_entries(reader, entries)) return true;
  entries.resize(before);
  return false;
}

void sort_plain_entries(std::vector<PlainEntry>& entries) {
  constexpr size_t kFew = 32;
  const auto before = [](const PlainEntry& a, const PlainEntry& b) { return a.key < b.key; };
  if (entries.size() > kFew) {
    std::stable_sort(entries.begin(), entries.end(), before);
  } else {
    for (size_t i = 1; i < entries.size(); ++i) {
      const PlainEntry entry = entries[i];
      size_t to = i;
      for (; to > 0 && before(entry, entries[to - 1]); --to) entries[to] = entries[to - 1];
      entries[to] = entry;
    }
  }
  size_t kept = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i + 1 < entries.size() && entries[i + 1].key == entries[i].key) continue;
    entries[kept++] = entries[i];
  }
  entries.resize(kept);
}

void append_plain_object(const std::vector<PlainEntry>& entries, std::string& out) {
  out += '{';
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) out += ',';
    append_quoted(entries[i].key, out);
    out += ':';
    if (entries[i].is_null) {
      out += "null";
    } else {
      append_quoted(entries[i].value, out);
    }
  }
  out += '}';
}

}  // namespace gristmill::expr
