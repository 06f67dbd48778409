// The grammar is that of the NDJSON reader; what is skipped is checked for form too.

#include "job/http/page.h"

#include <algorithm>

#include "base/status.h"
#include "io/json_reader.h"
#include "job/http/http_client.h"

namespace gristmill::job {
namespace {

// To the value of `name` in the object that begins here; false: there is none, or no object.
bool enter(io::JsonCursor& in, std::string_view name) {
  if (in.peek() != io::JsonKind::kObject) return false;
  in.take('{');
  if (in.take('}')) return false;
  std::string room;
  do {
    std::string_view raw;
    bool escaped = false;
    if (in.peek() != io::JsonKind::kText || !in.take_text(raw, escaped)) return false;
    if (escaped) {
      if (!io::JsonCursor::unescape(raw, room)) return false;
      raw = room;
    }
    if (!in.take(':')) return false;
    if (raw == name) return true;
    if (!in.skip_value()) return false;
  } while (in.take(','));
  return false;
}

bool enter_path(io::JsonCursor& in, std::string_view path) {
  while (!path.empty()) {
    const size_t dot = path.find('.');
    if (!enter(in, path.substr(0, dot))) return false;
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return true;
}

arrow::Status malformed() { return base::data_error("the page is no JSON"); }

}  // namespace

arrow::Result<std::vector<RowSpan>> array_rows(std::string_view page, const std::string& path) {
  const char* const base = page.data();
  io::JsonCursor whole(base, base + page.size());
  if (!whole.skip_value() || !whole.at_end()) return malformed();
  io::JsonCursor in(base, base + page.size());
  if (!enter_path(in, path)) return base::data_error("the page has no field \"" + path + "\"", {});
  if (in.peek() != io::JsonKind::kList) {
    return base::data_error(path.empty() ? "the page is no array of rows" : "\"" + path + "\" of the page is no array of rows");
  }
  std::vector<RowSpan> out;
  in.take('[');
  if (in.take(']')) return out;
  do {
    in.peek();
    const int64_t begin = in.at() - base;
    if (!in.skip_value()) return malformed();
    out.push_back({begin, in.at() - base});
  } while (in.take(','));
  return out;
}

std::vector<RowSpan> line_rows(std::string_view page) {
  std::vector<RowSpan> out;
  for (size_t at = 0; at < page.size();) {
    const size_t stop = std::min(page.find('\n', at), page.size());
    size_t end = stop;
    while (end > at && (page[end - 1] == '\r' || page[end - 1] == ' ' || page[end - 1] == '\t')) --end;
    if (end > at) out.push_back({static_cast<int64_t>(at), static_cast<int64_t>(end)});
    at = stop + 1;
  }
  return out;
}

arrow::Result<std::optional<std::string>> field_text(std::string_view page, const std::string& path) {
  io::JsonCursor in(page.data(), page.data() + page.size());
  if (!enter_path(in, path)) return std::nullopt;
  switch (in.peek()) {
    case io::JsonKind::kNull: return std::nullopt;
    case io::JsonKind::kBool:
      if (in.take_word("false")) return std::nullopt;
      break;
    case io::JsonKind::kNumber: {
      std::string_view text;
      bool integral = false;
      if (in.take_number(text, integral)) return std::string(text);
      break;
    }
    case io::JsonKind::kText: {
      std::string_view raw;
      bool escaped = false;
      std::string text;
      if (!in.take_text(raw, escaped)) return malformed();
      if (!escaped) {
        text = raw;
      } else if (!io::JsonCursor::unescape(raw, text)) {
        return malformed();
      }
      if (text.empty()) return std::nullopt;
      return text;
    }
    default: break;
  }
  return base::data_error("\"" + path + "\" of the page is neither a text nor a number");
}

std::optional<std::string> next_link(const std::string& header) {
  for (size_t at = header.find('<'); at != std::string::npos; at = header.find('<', at + 1)) {
    const size_t close = header.find('>', at);
    if (close == std::string::npos) return std::nullopt;
    const size_t end = std::min(header.find('<', close), header.size());
    const std::string parameters = header.substr(close + 1, end - close - 1);
    if (parameters.find("rel=\"next\"") != std::string::npos || parameters.find("rel=next") != std::string::npos) {
      return header.substr(at + 1, close - at - 1);
    }
  }
  return std::nullopt;
}

std::string resolve_url(const std::string& base, const std::string& found) {
  if (found.find("://") != std::string::npos) return found;
  const std::string origin = origin_of(base);
  if (found.starts_with("//")) return origin.substr(0, origin.find("//")) + found;
  if (found.starts_with("/")) return origin + found;
  const std::string path = shown_url(base);
  if (found.starts_with("?")) return path + found;
  const size_t slash = path.rfind('/');
  return slash < origin.size() ? origin + "/" + found : path.substr(0, slash + 1) + found;
}

std::string with_parameter(const std::string& url, const std::string& name, const std::string& value) {
  std::string pair;
  append_url_encoded(name, pair);
  const std::string key = pair + "=";
  pair += '=';
  append_url_encoded(value, pair);
  const size_t question = url.find('?');
  if (question == std::string::npos) return url + "?" + pair;
  for (size_t at = question + 1; at <= url.size();) {
    const size_t end = std::min(url.find('&', at), url.size());
    if (url.compare(at, key.size(), key) == 0) return url.substr(0, at) + pair + url.substr(end);
    at = end + 1;
  }
  return url + (url.back() == '?' || url.back() == '&' ? "" : "&") + pair;
}

}  // namespace gristmill::job
