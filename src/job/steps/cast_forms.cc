#include "job/steps/cast_forms.h"

#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"

namespace gristmill::job {
namespace {

using expr::NodePtr;

std::shared_ptr<arrow::DataType> instant(arrow::TimeUnit::type unit = arrow::TimeUnit::MICRO) { return arrow::timestamp(unit, "UTC"); }

NodePtr text(std::string_view v) { return expr::literal(v); }
NodePtr parsed(NodePtr v) { return expr::cast(std::move(v), instant()); }
NodePtr count_of(NodePtr moment, arrow::TimeUnit::type unit) {
  return expr::cast(expr::cast(std::move(moment), instant(unit)), arrow::int64());
}
NodePtr moment_of(NodePtr count, arrow::TimeUnit::type unit) {
  return expr::cast(expr::cast(expr::cast(std::move(count), arrow::int64()), instant(unit)), instant());
}
NodePtr written(NodePtr moment) { return expr::call("dt.strftime", {std::move(moment), text("%Y-%m-%dT%H:%M:%S.%fZ")}); }
NodePtr of_comma(NodePtr v) {
  const NodePtr without_points = expr::call("str.replace", {std::move(v), text("."), text("")});
  return expr::cast(expr::call("str.replace", {without_points, text(","), text(".")}), arrow::float64());
}
NodePtr of_percent(NodePtr v) {
  const NodePtr number = expr::cast(expr::call("str.replace", {std::move(v), text("%"), text("")}), arrow::float64());
  return expr::call("div", {number, expr::literal(100.0)});
}
NodePtr decoded(NodePtr v, std::string_view format) { return expr::call("str.decode", {std::move(v), text(format)}); }
NodePtr encoded(NodePtr v, std::string_view format) { return expr::call("str.encode", {std::move(v), text(format)}); }

using Unit = arrow::TimeUnit;

bool is_pattern(const std::string& word) { return word.find('%') != std::string::npos; }

std::string unquoted(std::string word) {
  if (word.size() >= 2 && (word.front() == '\'' || word.front() == '"') && word.back() == word.front())
    return word.substr(1, word.size() - 2);
  return word;
}

std::string trimmed(const std::string& s) {
  const size_t begin = s.find_first_not_of(' '), end = s.find_last_not_of(' ');
  return begin == std::string::npos ? "" : s.substr(begin, end - begin + 1);
}

arrow::Result<NodePtr> by_pattern(const std::string& to, const std::string& from, NodePtr value) {
  if (is_pattern(from)) {
    const NodePtr moment = expr::call("str.strptime", {std::move(value), text(unquoted(from))});
    if (to == "timestamp") return moment;
    if (to == "date") return expr::cast(moment, arrow::date32());
    if (to == "unix_seconds") return expr::call("dt.epoch", {moment});
    return base::plan_error("a pattern gives timestamp, date or unix_seconds, not \"" + to + "\"");
  }
  if (from == "timestamp" || from == "date") return expr::call("dt.strftime", {std::move(value), text(unquoted(to))});
  if (from == "unix_seconds") return expr::call("dt.strftime", {moment_of(std::move(value), Unit::SECOND), text(unquoted(to))});
  return base::plan_error("a pattern is written from timestamp, date or unix_seconds, not \"" + from + "\"");
}

arrow::Result<std::shared_ptr<arrow::DataType>> type_named(const std::string& name) {
  auto type = column::parse_type(name);
  if (type.ok()) return *type;
  return base::plan_error("\"" + name + "\" is neither a type nor a form that cast knows",
                          "types: int64, float64, decimal(12,2), string, date, timestamp(us,UTC), ...; forms: " + cast_forms_text());
}

}  // namespace

const std::vector<CastForm>& cast_forms() {
  static const std::vector<CastForm> kForms = {
      {"unix_seconds", "rfc3339", "whole seconds since 1970, rounded down", "2024-02-29T12:30:15Z -> 1709209815",
       [](NodePtr v) { return expr::call("dt.epoch", {parsed(std::move(v))}); }},
      {"unix_millis", "rfc3339", "milliseconds since 1970, rounded down", "2024-02-29T12:30:15.25Z -> 1709209815250",
       [](NodePtr v) { return count_of(parsed(std::move(v)), Unit::MILLI); }},
      {"unix_micros", "rfc3339", "microseconds since 1970", "2024-02-29T12:30:15.25Z -> 1709209815250000",
       [](NodePtr v) { return count_of(parsed(std::move(v)), Unit::MICRO); }},
      {"timestamp", "rfc3339", "an instant in UTC", "2024-02-29T14:30:15+02:00 -> 2024-02-29 12:30:15+00",
       [](NodePtr v) { return parsed(std::move(v)); }},
      {"date", "rfc3339", "the day in UTC", "2024-02-29T12:30:15Z -> 2024-02-29",
       [](NodePtr v) { return expr::cast(parsed(std::move(v)), arrow::date32()); }},
      {"timestamp", "unix_seconds", "an instant in UTC", "1709209815 -> 2024-02-29 12:30:15+00",
       [](NodePtr v) { return moment_of(std::move(v), Unit::SECOND); }},
      {"timestamp", "unix_millis", "an instant in UTC", "1709209815250 -> 2024-02-29 12:30:15.25+00",
       [](NodePtr v) { return moment_of(std::move(v), Unit::MILLI); }},
      {"timestamp", "unix_micros", "an instant in UTC", "1709209815250000 -> 2024-02-29 12:30:15.25+00",
       [](NodePtr v) { return moment_of(std::move(v), Unit::MICRO); }},
      {"date", "unix_seconds", "the day in UTC", "1709209815 -> 2024-02-29",
       [](NodePtr v) { return expr::cast(moment_of(std::move(v), Unit::SECOND), arrow::date32()); }},
      {"unix_seconds", "timestamp", "whole seconds since 1970, rounded down", "2024-02-29 12:30:15+00 -> 1709209815",
       [](NodePtr v) { return expr::call("dt.epoch", {std::move(v)}); }},
      {"unix_millis", "timestamp", "milliseconds since 1970, rounded down", "2024-02-29 12:30:15+00 -> 1709209815000",
       [](NodePtr v) { return count_of(std::move(v), Unit::MILLI); }},
      {"unix_micros", "timestamp", "microseconds since 1970", "2024-02-29 12:30:15+00 -> 1709209815000000",
       [](NodePtr v) { return count_of(std::move(v), Unit::MICRO); }},
      {"rfc3339", "timestamp", "text in UTC, to the microsecond", "2024-02-29 12:30:15+00 -> 2024-02-29T12:30:15.000000Z",
       [](NodePtr v) { return written(expr::cast(std::move(v), instant())); }},
      {"rfc3339", "unix_seconds", "text in UTC, to the microsecond", "1709209815 -> 2024-02-29T12:30:15.000000Z",
       [](NodePtr v) { return written(moment_of(std::move(v), Unit::SECOND)); }},
      {"rfc3339", "unix_millis", "text in UTC, to the microsecond", "1709209815250 -> 2024-02-29T12:30:15.250000Z",
       [](NodePtr v) { return written(moment_of(std::move(v), Unit::MILLI)); }},
      {"float64", "decimal_comma", "a number with a comma, points between thousands", "1.234,5 -> 1234.5",
       [](NodePtr v) { return of_comma(std::move(v)); }},
      {"float64", "percent", "a share of one", "12.5% -> 0.125", [](NodePtr v) { return of_percent(std::move(v)); }},
      {"binary", "hex", "the bytes", "6869 -> hi", [](NodePtr v) { return decoded(std::move(v), "hex"); }},
      {"binary", "base64", "the bytes", "aGk= -> hi", [](NodePtr v) { return decoded(std::move(v), "base64"); }},
      {"hex", "binary", "text, of bytes or text", "hi -> 6869", [](NodePtr v) { return encoded(std::move(v), "hex"); }},
      {"base64", "binary", "text, of bytes or text", "hi -> aGk=", [](NodePtr v) { return encoded(std::move(v), "base64"); }},
      {"json", "value", "any value as JSON text", "[1, 2] -> [1,2]", [](NodePtr v) { return expr::call("to_json", {std::move(v)}); }},
  };
  return kForms;
}

std::string cast_forms_text() {
  std::string out;
  for (const CastForm& f : cast_forms()) out += (out.empty() ? "\"" : ", \"") + std::string(f.to) + " from " + f.from + "\"";
  return out + ", \"timestamp from %d.%m.%Y %H:%M\", \"date from %d.%m.%Y\", \"%Y-%m from timestamp\", \"try int64\"";
}

arrow::Result<NodePtr> cast_expression(const std::string& text, NodePtr value, const column::TypePtr&) {
  const std::string form = trimmed(text);
  if (form.starts_with("try ")) {
    ARROW_ASSIGN_OR_RAISE(auto type, type_named(trimmed(form.substr(4))));
    return expr::cast(std::move(value), std::move(type), true);
  }
  const size_t from = form.find(" from ");
  if (from == std::string::npos) {
    ARROW_ASSIGN_OR_RAISE(auto type, type_named(form));
    return expr::cast(std::move(value), std::move(type));
  }
  const std::string to = trimmed(form.substr(0, from)), of = trimmed(form.substr(from + 6));
  if (is_pattern(to) || is_pattern(of)) return by_pattern(to, of, std::move(value));
  std::vector<std::string> known;
  for (const CastForm& f : cast_forms()) {
    if (to == f.to && of == f.from) return f.make(std::move(value));
    known.push_back(std::string(f.to) + " from " + f.from);
  }
  return base::plan_error("cast does not know \"" + form + "\"" + base::suggest_name(form, known), "it knows " + cast_forms_text());
}

}  // namespace gristmill::job
