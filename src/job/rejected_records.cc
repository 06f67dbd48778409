#include "job/rejected_records.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>

#include <fcntl.h>
#include <unistd.h>

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

// Empty: none. Else what is wrong with the line.
std::string take_record(std::string line, const FieldNames& columns, RejectedRecord& out) {
  line.reserve(line.size() + kSlack);
  Entry entry;
  io::JsonCursor cursor(line.data(), line.data() + line.size());
  if (!take_entry(cursor, entry)) return "this is no JSON object";
  out.job = text_of(entry, "job");
  out.file = text_of(entry, "file");
  out.row = number_of(entry, "row");
  out.source_line = number_of(entry, "line");
  out.columns = nullptr;
  const auto record = entry.rest.find("record");
  if (record != entry.rest.end()) {
    out.content = record->second;
    out.way = text_of(entry, "at");
  } else {
    out.content = text_of(entry, "text");
    out.way = kAsText;
    if (!take_columns(entry, columns, out.columns)) return "\"columns\" must be a list of names";
  }
  if (out.content.empty()) return "there is neither \"record\" nor \"text\"";
  out.line = std::move(line);
  return {};
}

bool is_blank(const std::string& line) { return line.find_first_not_of(" \t\r") == std::string::npos; }

}  // namespace

arrow::Result<std::unique_ptr<RejectedFile>> RejectedFile::open(const std::string& file) {
  std::unique_ptr<RejectedFile> out(new RejectedFile(file));  // its constructor is private
  out->in_.open(file, std::ios::binary);
  out->descriptor_ = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (!out->in_ || out->descriptor_ < 0) return base::io_error("cannot read " + file, file);
  return out;
}

RejectedFile::~RejectedFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

arrow::Result<bool> RejectedFile::next(RejectedRecord& out) {
  std::string line;
  while (std::getline(in_, line)) {
    out.place = place_;
    place_ += std::ssize(line) + 1;
    number_ += 1;
    if (is_blank(line)) continue;
    const std::string wrong = take_record(std::move(line), columns_, out);
    if (!wrong.empty()) return base::data_error(file_ + ", line " + std::to_string(number_) + ": " + wrong);
    if (out.columns != nullptr) columns_ = out.columns;
    return true;
  }
  if (in_.bad()) return base::io_error("cannot read " + file_, file_);
  return false;
}

arrow::Result<RejectedRecord> RejectedFile::at(int64_t place) const {
  std::string line;
  char some[4096];
  for (int64_t at = place;;) {
    const ssize_t n = ::pread(descriptor_, some, sizeof some, at);
    if (n < 0) return base::io_error("cannot read " + file_ + ": " + std::strerror(errno), file_);
    const char* const end = static_cast<const char*>(std::memchr(some, '\n', static_cast<size_t>(n)));
    line.append(some, end == nullptr ? static_cast<size_t>(n) : static_cast<size_t>(end - some));
    if (end != nullptr || n == 0) break;
    at += n;
  }
  RejectedRecord out;
  out.place = place;
  const std::string wrong = take_record(std::move(line), nullptr, out);
  if (!wrong.empty()) return base::data_error(file_ + ", byte " + std::to_string(place) + ": " + wrong);
  return out;
}

}  // namespace gristmill::job
