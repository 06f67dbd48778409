// Walking records and fields.

#include "io/csv_text.h"

#include <cstring>

namespace gristmill::io {
namespace {

RecordWalk walk_comment(const uint8_t* text, int64_t n, int64_t from) {
  const auto* end = static_cast<const uint8_t*>(std::memchr(text + from, '\n', static_cast<size_t>(n - from)));
  if (end == nullptr) return {n, RecordEnd::kText, false};
  return {end - text + 1, RecordEnd::kLine, false};
}

}  // namespace

RecordWalk walk_record(const uint8_t* text, int64_t n, int64_t from, const CsvDialect& d, std::vector<uint32_t>* ends) {
  if (d.is_comment(text, from, n)) return walk_comment(text, n, from);
  if (d.skip_blank) {
    if (text[from] == '\n') return {from + 1, RecordEnd::kLine, false};
    if (text[from] == '\r' && from + 1 < n && text[from + 1] == '\n') return {from + 2, RecordEnd::kLine, false};
    if (text[from] == '\r' && from + 1 == n) return {n, RecordEnd::kText, false};
  }
  const auto separator = static_cast<uint8_t>(d.separator);
  bool begins = true, quoted = false;
  for (int64_t i = from; i < n; ++i) {
    const uint8_t c = text[i];
    if (c == d.escape) {
      ++i;
      begins = false;
    } else if (quoted) {
      if (c != d.quote) continue;
      if (i + 1 < n && text[i + 1] == d.quote) {
        ++i;
      } else {
        quoted = false;
      }
    } else if (c == separator || c == '\n') {
      if (ends != nullptr) ends->push_back(static_cast<uint32_t>(i));
      if (c == '\n') return {i + 1, RecordEnd::kLine, true};
      begins = true;
    } else {
      quoted = begins && c == d.quote;
      begins = false;
    }
  }
  if (ends != nullptr) ends->push_back(static_cast<uint32_t>(n));
  return {n, quoted ? RecordEnd::kOpenQuote : RecordEnd::kText, true};
}

LineWalk walk_records(const uint8_t* text, int64_t n, int64_t from, const CsvDialect& dialect, int64_t most) {
  LineWalk out{from, 0};
  while (out.next < n && out.records < most) {
    const RecordWalk r = walk_record(text, n, out.next, dialect, nullptr);
    if (r.end != RecordEnd::kLine) break;
    out.next = r.next;
    out.records += r.record;
  }
  return out;
}

FieldValue field_value(std::string_view raw, const CsvDialect& d, std::string& room) {
  const bool quoted = !raw.empty() && static_cast<uint8_t>(raw[0]) == d.quote;
  if (!quoted && (d.escape < 0 || raw.find(static_cast<char>(d.escape)) == std::string_view::npos)) return {raw, false};
  if (quoted && d.escape < 0) {
    const size_t close = raw.find(static_cast<char>(d.quote), 1);
    if (close == raw.size() - 1 && close != 0) return {raw.substr(1, raw.size() - 2), true};
  }
  room.clear();
  bool inside = quoted;
  for (size_t i = quoted; i < raw.size(); ++i) {
    const auto c = static_cast<uint8_t>(raw[i]);
    if (c == d.escape) {
      if (++i < raw.size()) room += raw[i];
    } else if (inside && c == d.quote) {
      if (i + 1 < raw.size() && static_cast<uint8_t>(raw[i + 1]) == d.quote) {
        room += raw[i++];
      } else {
        inside = false;
      }
    } else {
      room += raw[i];
    }
  }
  return {room, quoted};
}

}  // namespace gristmill::io
