#include "job/rejected_records.h"

#include <charconv>
#include <fstream>

#include "base/status.h"
#include "io/json_reader.h"

namespace gristmill::job {
namespace {

// Room that the JSON reader may look at behind a line.
constexpr size_t kSlack = 64;

std::string plain_text(std::string_view raw, bool escaped) {
  if (!escaped) return std::string(raw);
  std::string out;
  return io::JsonCursor::unescape(raw, out) ? out : std::string(raw);
}

// What a line says, in pieces of the line.
struct Entry {
  std::map<std::string, std::string> texts;      // members that are strings
  std::map<std::string, std::string_view> rest;  // the others, as they stand there
};

bool take_entry(io::JsonCursor& in, Entry& out) {
  if (!in.take('{')) return false;
  if (in.take('}')) return in.at_end();
  do {
    std::string_view raw;
    bool escaped;
    if (!in.take_text(raw, escaped) || !in.take(':')) return false;
    const std::string key = plain_text(raw, escaped);
    if (in.peek() == io::JsonKind::kText) {
      if (!in.take_text(raw, escaped)) return false;
      out.texts[key] = plain_text(raw, escaped);
      continue;
    }
    const char* const begin = in.at();
    if (!in.skip_value()) return false;
    out.rest[key] = {begin, static_cast<size_t>(in.at() - begin)};
  } while (in.take(','));
  return in.take('}') && in.at_end();
}

std::string text_of(const Entry& entry, const char* key) {
  const auto at = entry.texts.find(key);
  return at == entry.texts.end() ? std::string() : at->second;
}

int64_t number_of(const Entry& entry, const char* key) {
  int64_t out = -1;
  if (const auto at = entry.rest.find(key); at != entry.rest.end())
    std::from_chars(at->second.data(), at->second.data() + at->second.size(), out);
  return out;
}

// A list of texts; null when there is none. The list of the record before is shared when it is the same.
bool take_columns(const Entry& entry, const FieldNames& before, FieldNames& out) {
  const auto at = entry.rest.find("columns");
  if (at == entry.rest.end()) return true;
  io::JsonCursor in(at->second.data(), at->second.data() + at->second.size());
  std::vector<std::string> names;
  if (!in.take('[')) return false;
  if (!in.take(']')) {
    do {
      std::string_view raw;
      bool escaped;
      if (!in.take_text(raw, escaped)) return false;
      names.push_back(plain_text(raw, escaped));
    } while (in.take(','));
    if (!in.take(']')) return false;
  }
  out = before != nullptr && *before == names ? before : std::make_shared<const std::vector<std::string>>(std::move(names));
  return true;
}

}  // namespace

arrow::Result<RejectedFile> read_rejected(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return base::io_error("cannot read " + file, file);
  RejectedFile out;
  FieldNames columns;
  std::string line;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto wrong = [&](const std::string& what) { return base::data_error(file + ", line " + std::to_string(number) + ": " + what); };
    line.reserve(line.size() + kSlack);
    Entry entry;
    io::JsonCursor cursor(line.data(), line.data() + line.size());
    if (!take_entry(cursor, entry)) return wrong("this is no JSON object");
    if (out.job.empty()) out.job = text_of(entry, "job");
    RejectedRecord r;
    r.file = text_of(entry, "file");
    r.row = number_of(entry, "row");
    r.source_line = number_of(entry, "line");
    const auto record = entry.rest.find("record");
    const bool has_record = record != entry.rest.end();
    if (has_record) {
      r.content = record->second;
    } else {
      r.content = text_of(entry, "text");
      if (!take_columns(entry, columns, r.columns)) return wrong("\"columns\" must be a list of names");
      columns = r.columns;
    }
    if (r.content.empty()) return wrong("there is neither \"record\" nor \"text\"");
    r.line = line;
    out.ways[has_record ? text_of(entry, "at") : kAsText].push_back(std::move(r));
  }
  return out;
}

}  // namespace gristmill::job
