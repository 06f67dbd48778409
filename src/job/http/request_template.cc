// Parsed once into pieces of text, each followed by a column.

#include "job/http/request_template.h"

#include <algorithm>
#include <cctype>

#include <arrow/type.h>

#include "base/status.h"
#include "column/column.h"
#include "column/types.h"
#include "io/ndjson_write.h"
#include "io/scalar_text.h"
#include "job/http/http_client.h"

namespace gristmill::job {
namespace {

bool begins_name(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || static_cast<unsigned char>(c) >= 0x80; }
bool within_name(char c) { return begins_name(c) || std::isdigit(static_cast<unsigned char>(c)) != 0 || c == ' ' || c == '.' || c == '-'; }

// The length of "{name}" at the beginning of `s`, or 0.
size_t placeholder(std::string_view s) {
  if (s.size() < 3 || s[0] != '{' || !begins_name(s[1])) return 0;
  size_t i = 2;
  while (i < s.size() && within_name(s[i])) ++i;
  return i < s.size() && s[i] == '}' ? i + 1 : 0;
}

bool is_null(const column::Column& c, int64_t row) {
  return c.values->type->id() == arrow::Type::NA || !column::validity_of(*c.values).valid(row);
}

}  // namespace

arrow::Result<RequestTemplate> RequestTemplate::parse(const std::string& text, const arrow::Schema& input, Form form) {
  RequestTemplate out;
  out.form_ = form;
  const size_t scheme = text.find("://");
  const size_t host_end = scheme == std::string::npos ? 0 : std::min(text.find_first_of("/?#", scheme + 3), text.size());
  std::string before;
  for (size_t at = 0; at < text.size();) {
    const size_t length = placeholder(std::string_view(text).substr(at));
    if (length == 0) {
      before += text[at++];
      continue;
    }
    const std::string name = text.substr(at + 1, length - 2);
    const int column = input.GetFieldIndex(name);
    if (column < 0) return base::plan_error("no column \"" + name + "\"" + base::suggest_name(name, input.field_names()));
    const arrow::DataType& type = *column::canonical_type(input.field(column)->type());
    if (form == Form::kAddress) {
      if (at < host_end) return base::plan_error("the server of a request cannot come from a column (\"" + name + "\")");
      if (!column::is_text(type) && type.id() != arrow::Type::NA && !io::has_scalar_text(type)) {
        return base::plan_error("column \"" + name + "\" of type " + column::type_text(type) + " cannot stand in an address");
      }
    } else if (type.id() != arrow::Type::NA && !io::has_json(type)) {
      return base::plan_error("column \"" + name + "\" of type " + column::type_text(type) + " has no JSON form");
    }
    auto place = std::find(out.columns_.begin(), out.columns_.end(), column);
    if (place == out.columns_.end()) place = out.columns_.insert(place, column);
    out.parts_.push_back({std::move(before), static_cast<int>(place - out.columns_.begin())});
    before.clear();
    at += length;
  }
  out.parts_.push_back({std::move(before), -1});
  return out;
}

bool RequestTemplate::append(const std::vector<column::Column>& flat, int64_t row, std::string& out, size_t& missing) const {
  std::string room;
  for (const Part& part : parts_) {
    out += part.text;
    if (part.place < 0) continue;
    const column::Column& c = flat[static_cast<size_t>(part.place)];
    if (form_ == Form::kJson) {
      io::append_json_value(*c.values, row, {}, out);
      continue;
    }
    if (is_null(c, row)) {
      missing = static_cast<size_t>(part.place);
      return false;
    }
    if (column::is_text(*c.values->type)) {
      append_url_encoded(column::view_at(*c.values, row), out);
    } else {
      room.clear();
      io::append_scalar_text(*c.values, row, -1, 'T', room);
      append_url_encoded(room, out);
    }
  }
  return true;
}

}  // namespace gristmill::job
