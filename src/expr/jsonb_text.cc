// A number keeps its digits: 1.50 stays 1.50, 1e3 is 1000, 15e-1 is 1.5, -0 is 0. Every value is visited, so all of the
// document is checked. Nesting is bounded by simdjson's own limit.

#include "expr/jsonb_text.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace gristmill::expr {
namespace {

using simdjson::error_code;
using simdjson::ondemand::json_type;

constexpr int64_t kMostDigitsBefore = 131072, kMostDigitsBehind = 16383;  // of PostgreSQL's numeric

// The digits of a JSON number token, or false if it is none.
struct NumberParts {
  bool negative = false;
  std::string digits;  // without the point
  int64_t scale = 0;   // of them behind it
  int64_t exponent = 0;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool split_number(std::string_view t, NumberParts& out) {
  size_t i = 0;
  const auto digits = [&] {
    const size_t from = i;
    while (i < t.size() && is_digit(t[i])) out.digits += t[i++];
    return i - from;
  };
  if (i < t.size() && t[i] == '-') out.negative = true, ++i;
  const size_t whole = i;
  const size_t before = digits();
  if (before == 0 || (before > 1 && t[whole] == '0')) return false;
  if (i < t.size() && t[i] == '.') {
    ++i;
    out.scale = static_cast<int64_t>(digits());
    if (out.scale == 0) return false;
  }
  if (i < t.size() && (t[i] == 'e' || t[i] == 'E')) {
    ++i;
    if (i < t.size() && t[i] == '+') ++i;
    const auto [end, error] = std::from_chars(t.data() + i, t.data() + t.size(), out.exponent);
    if (error == std::errc::result_out_of_range)
      out.exponent = t[i] == '-' ? -2 * kMostDigitsBefore : 2 * kMostDigitsBefore;
    else if (error != std::errc{})
      return false;
    i = static_cast<size_t>(end - t.data());
  }
  return i == t.size();
}

error_code append_number(std::string_view token, std::string& out) {
  NumberParts n;
  if (!split_number(token, n)) return simdjson::NUMBER_ERROR;
  const bool zero = n.digits.find_first_not_of('0') == std::string::npos;
  int64_t scale = n.scale - n.exponent;  // digits behind the point
  if (scale > kMostDigitsBehind || static_cast<int64_t>(n.digits.size()) - scale > kMostDigitsBefore) return simdjson::NUMBER_OUT_OF_RANGE;
  std::string digits = std::move(n.digits);
  if (scale < 0) {
    digits.append(static_cast<size_t>(-scale), '0');
    scale = 0;
  }
  if (static_cast<int64_t>(digits.size()) <= scale) digits.insert(0, static_cast<size_t>(scale) + 1 - digits.size(), '0');
  const size_t whole = digits.size() - static_cast<size_t>(scale);
  const size_t first = std::min(digits.find_first_not_of('0'), whole - 1);
  if (n.negative && !zero) out += '-';
  out.append(digits, first, whole - first);
  if (scale > 0) out.append(1, '.').append(digits, whole);
  return simdjson::SUCCESS;
}

void append_quoted(std::string_view s, std::string& out) {
  out += '"';
  for (const char c : s) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char escape[8];
          std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
          out += escape;
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

error_code checked(std::string_view s, std::string& out) {
  if (s.find('\0') != std::string_view::npos) return simdjson::STRING_ERROR;
  out.assign(s);
  return simdjson::SUCCESS;
}

std::string_view without_blanks_behind(std::string_view s) { return s.substr(0, s.find_last_not_of(" \t\r\n") + 1); }

template <typename Value>
error_code append_value(Value& value, bool quoted, std::string& out);

error_code append_array(simdjson::ondemand::array array, std::string& out) {
  out += '[';
  bool first = true;
  for (auto item : array) {
    simdjson::ondemand::value v;
    if (const auto e = item.get(v)) return e;
    if (!first) out += ", ";
    first = false;
    if (const auto e = append_value(v, true, out)) return e;
  }
  out += ']';
  return simdjson::SUCCESS;
}

error_code append_nested_object(simdjson::ondemand::object object, std::string& out) {
  std::vector<TextEntry> entries;  // values as printed
  for (auto field : object) {
    TextEntry entry;
    std::string_view key;
    if (const auto e = field.unescaped_key().get(key)) return e;
    if (const auto e = checked(key, entry.key)) return e;
    simdjson::ondemand::value v;
    if (const auto e = field.value().get(v)) return e;
    if (const auto e = append_value(v, true, entry.value)) return e;
    entries.push_back(std::move(entry));
  }
  sort_entries(entries);
  std::stable_sort(entries.begin(), entries.end(), [](const TextEntry& a, const TextEntry& b) { return a.key.size() < b.key.size(); });
  out += '{';
  for (const TextEntry& entry : entries) {
    if (&entry != &entries.front()) out += ", ";
    append_quoted(entry.key, out);
    out += ": ";
    out += entry.value;
  }
  out += '}';
  return simdjson::SUCCESS;
}

template <typename Value>
error_code append_value(Value& value, bool quoted, std::string& out) {
  json_type type;
  if (const auto e = value.type().get(type)) return e;
  switch (type) {
    case json_type::string: {
      std::string_view s;
      std::string text;
      if (const auto e = value.get_string().get(s)) return e;
      if (const auto e = checked(s, text)) return e;
      if (quoted)
        append_quoted(text, out);
      else
        out += text;
      return simdjson::SUCCESS;
    }
    case json_type::number: return append_number(without_blanks_behind(value.raw_json_token()), out);
    case json_type::boolean: {
      bool b;
      if (const auto e = value.get_bool().get(b)) return e;
      out += b ? "true" : "false";
      return simdjson::SUCCESS;
    }
    case json_type::null: {
      bool null;
      if (const auto e = value.is_null().get(null)) return e;
      if (!null) return simdjson::N_ATOM_ERROR;
      out += "null";
      return simdjson::SUCCESS;
    }
    case json_type::array: {
      simdjson::ondemand::array array;
      if (const auto e = value.get_array().get(array)) return e;
      return append_array(array, out);
    }
    case json_type::object: {
      simdjson::ondemand::object object;
      if (const auto e = value.get_object().get(object)) return e;
      return append_nested_object(object, out);
    }
    default: return simdjson::TAPE_ERROR;
  }
}

}  // namespace

error_code read_text_entries(simdjson::ondemand::document& document, std::vector<TextEntry>& entries) {
  simdjson::ondemand::object object;
  if (const auto e = document.get_object().get(object)) return e;
  for (auto field : object) {
    TextEntry entry;
    std::string_view key;
    if (const auto e = field.unescaped_key().get(key)) return e;
    if (const auto e = checked(key, entry.key)) return e;
    simdjson::ondemand::value v;
    if (const auto e = field.value().get(v)) return e;
    json_type type;
    if (const auto e = v.type().get(type)) return e;
    entry.is_null = type == json_type::null;
    if (const auto e = append_value(v, false, entry.value)) return e;
    if (entry.is_null) entry.value.clear();
    entries.push_back(std::move(entry));
  }
  const char* behind = nullptr;  // nothing may follow
  return document.current_location().get(behind) == simdjson::OUT_OF_BOUNDS ? simdjson::SUCCESS : simdjson::TAPE_ERROR;
}

void sort_entries(std::vector<TextEntry>& entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const TextEntry& a, const TextEntry& b) { return a.key < b.key; });
  size_t kept = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i + 1 < entries.size() && entries[i + 1].key == entries[i].key) continue;
    if (kept != i) entries[kept] = std::move(entries[i]);
    ++kept;
  }
  entries.resize(kept);
}

void append_object(const std::vector<TextEntry>& entries, std::string& out) {
  out += '{';
  for (const TextEntry& entry : entries) {
    if (&entry != &entries.front()) out += ',';
    append_quoted(entry.key, out);
    out += ':';
    if (entry.is_null)
      out += "null";
    else
      append_quoted(entry.value, out);
  }
  out += '}';
}

}  // namespace gristmill::expr
