#include "expr/json_path.h"

#include <charconv>

#include "base/status.h"
#include "expr/parse_text.h"

namespace gristmill::expr {

using simdjson::dom::element;
using simdjson::dom::element_type;

arrow::Result<JsonPath> JsonPath::make(std::string_view path) {
  JsonPath out;
  size_t at = path.starts_with('$') ? 1 : 0;
  const auto bad = [&](const char* what) {
    return base::plan_error("the JSON path \"" + std::string(path) + "\" " + what + " at character " + std::to_string(at + 1),
                            "a path looks like $.a[0].\"b c\"");
  };
  bool key = at == 0 && !path.starts_with('.') && !path.starts_with('[') && !path.empty();
  while (at < path.size() || key) {
    Step step;
    if (!key && path[at] == '[') {
      const size_t end = path.find(']', at);
      if (end == std::string_view::npos) return bad("has no ]");
      std::string_view inside = path.substr(at + 1, end - at - 1);
      if (inside.size() >= 2 && (inside[0] == '\'' || inside[0] == '"') && inside.back() == inside[0]) {
        step.key = inside.substr(1, inside.size() - 2);
      } else {
        step.is_index = true;
        if (!parse_integer(inside, step.index)) return bad("has no position");
      }
      at = end + 1;
    } else {
      if (!key && path[at] != '.') return bad("has neither . nor [");
      at += !key;
      key = false;
      const bool quoted = at < path.size() && path[at] == '"';
      const size_t end = quoted ? path.find('"', at + 1) : std::min(path.find_first_of(".[", at), path.size());
      if (end == std::string_view::npos) return bad("has no closing quote");
      step.key = path.substr(at + quoted, end - at - quoted);
      if (!quoted && step.key.empty()) return bad("has no key");
      at = end + quoted;
    }
    out.steps_.push_back(std::move(step));
  }
  return out;
}

bool JsonPath::find(element root, element& out) const {
  out = root;
  for (const Step& s : steps_) {
    if (!s.is_index) {
      simdjson::dom::object object;
      if (out.get(object) || object.at_key(s.key).get(out)) return false;
      continue;
    }
    simdjson::dom::array array;
    if (out.get(array)) return false;
    const auto size = static_cast<int64_t>(array.size());
    const int64_t index = s.index < 0 ? size + s.index : s.index;
    if (index < 0 || index >= size || array.at(static_cast<size_t>(index)).get(out)) return false;
  }
  return true;
}

void append_json_string(std::string_view s, std::string& out) {
  static constexpr std::string_view kShort = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt";
  static constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  for (char c : s) {
    if (const size_t at = kShort.find(c); at != std::string_view::npos) {
      out += '\\';
      out += kLetters[at];
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_json(element e, std::string& out) {
  char digits[48];
  switch (e.type()) {
    case element_type::ARRAY: {
      out += '[';
      bool first = true;
      for (element child : simdjson::dom::array(e)) {
        if (!first) out += ',';
        first = false;
        append_json(child, out);
      }
      out += ']';
      return;
    }
    case element_type::OBJECT: {
      out += '{';
      bool first = true;
      for (auto [key, child] : simdjson::dom::object(e)) {
        if (!first) out += ',';
        first = false;
        append_json_string(key, out);
        out += ':';
        append_json(child, out);
      }
      out += '}';
      return;
    }
    case element_type::INT64: out += write_integer(int64_t(e), digits, sizeof digits); return;
    case element_type::UINT64: out += write_integer(uint64_t(e), digits, sizeof digits); return;
    case element_type::DOUBLE: out += write_float(double(e), digits); return;
    case element_type::STRING: append_json_string(e, out); return;
    case element_type::BOOL: out += bool(e) ? "true" : "false"; return;
    default: out += "null";
  }
}

void append_json_text(element e, std::string& out) {
  if (e.type() == element_type::STRING)
    out += std::string_view(e);
  else
    append_json(e, out);
}

}  // namespace gristmill::expr
