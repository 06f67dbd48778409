// Options that are as by default do not travel.

#include "io/csv_json.h"

#include <arrow/type.h>

#include "base/status.h"

namespace gristmill::io {
namespace {

std::string text_of(std::optional<char> c) { return c ? std::string(1, *c) : ""; }

arrow::Result<std::optional<char>> one_character(const JsonReader& json, const char* key, const char* fallback) {
  ARROW_ASSIGN_OR_RAISE(const auto text, json.text(key, fallback));
  if (text.size() > 1) return base::plan_error(std::string("source option \"") + key + "\" is not one character");
  return text.empty() ? std::nullopt : std::optional<char>(text[0]);
}

}  // namespace

const char* on_error_text(OnError policy) { return policy == OnError::kFail ? "fail" : policy == OnError::kNull ? "null" : "skip"; }

arrow::Result<OnError> on_error_from(const std::string& text) {
  for (const OnError p : {OnError::kFail, OnError::kNull, OnError::kSkip}) {
    if (text == on_error_text(p)) return p;
  }
  return base::plan_error("unknown on_error \"" + text + "\"", base::suggest_name(text, {"fail", "null", "skip"}));
}

std::string csv_to_json(const CsvPlan& plan) {
  const CsvOptions& o = plan.options;
  const CsvOptions plain;
  JsonWriter json;
  std::vector<std::string> paths, types;
  for (const CsvFile& f : plan.files) paths.push_back(f.path());
  for (const auto& t : plan.types) types.push_back(column::type_text(*t));
  json.add("paths", paths);
  json.add("separator", std::string_view(&o.separator, 1));
  json.add("quote_char", text_of(o.quote_char));
  json.add("escape_char", text_of(o.escape_char));
  json.add("header", plan.rules.header);
  json.add("names", plan.schema->field_names());
  json.add("types", types);
  json.add("by_position", !o.schema.empty() || !o.column_names.empty());
  if (!o.comment_prefix.empty()) json.add("comment_prefix", o.comment_prefix);
  if (o.skip_rows != 0) json.add("skip_rows", o.skip_rows);
  if (!o.null_values.empty()) json.add("null_values", o.null_values);
  if (!o.true_values.empty()) json.add("true_values", o.true_values);
  if (!o.false_values.empty()) json.add("false_values", o.false_values);
  if (o.empty_is_null != plain.empty_is_null) json.add("empty_is_null", o.empty_is_null);
  if (o.decimal_comma) json.add("decimal_comma", true);
  if (o.trim) json.add("trim", true);
  if (o.missing_columns) json.add("missing_columns", true);
  if (o.extra_columns) json.add("extra_columns", true);
  if (o.on_error != OnError::kFail) json.add("on_error", on_error_text(o.on_error));
  if (o.compression != plain.compression) json.add("compression", o.compression);
  if (o.block_bytes != plain.block_bytes) json.add("block_bytes", o.block_bytes);
  return json.finish();
}

arrow::Result<CsvOptions> csv_from_json(const JsonReader& json) {
  CsvOptions o;
  ARROW_ASSIGN_OR_RAISE(const auto separator, one_character(json, "separator", ","));
  if (!separator) return base::plan_error("source option \"separator\" is not one character");
  o.separator = *separator;
  ARROW_ASSIGN_OR_RAISE(o.quote_char, one_character(json, "quote_char", "\""));
  ARROW_ASSIGN_OR_RAISE(o.escape_char, one_character(json, "escape_char", ""));
  ARROW_ASSIGN_OR_RAISE(o.has_header, json.flag("header", true));
  ARROW_ASSIGN_OR_RAISE(const auto names, json.texts("names"));
  ARROW_ASSIGN_OR_RAISE(const auto types, json.texts("types"));
  if (names.size() != types.size()) return base::plan_error("source options \"names\" and \"types\" differ in length");
  ColumnTypes columns;
  for (size_t i = 0; i < names.size(); ++i) columns.emplace_back(names[i], types[i]);
  ARROW_ASSIGN_OR_RAISE(const bool by_position, json.flag("by_position", false));
  (by_position ? o.schema : o.schema_overrides) = std::move(columns);
  ARROW_ASSIGN_OR_RAISE(o.comment_prefix, json.text("comment_prefix", ""));
  ARROW_ASSIGN_OR_RAISE(o.skip_rows, json.number("skip_rows", 0));
  ARROW_ASSIGN_OR_RAISE(o.null_values, json.texts("null_values"));
  ARROW_ASSIGN_OR_RAISE(o.true_values, json.texts("true_values"));
  ARROW_ASSIGN_OR_RAISE(o.false_values, json.texts("false_values"));
  ARROW_ASSIGN_OR_RAISE(o.empty_is_null, json.flag("empty_is_null", true));
  ARROW_ASSIGN_OR_RAISE(o.decimal_comma, json.flag("decimal_comma", false));
  ARROW_ASSIGN_OR_RAISE(o.trim, json.flag("trim", false));
  ARROW_ASSIGN_OR_RAISE(o.missing_columns, json.flag("missing_columns", false));
  ARROW_ASSIGN_OR_RAISE(o.extra_columns, json.flag("extra_columns", false));
  ARROW_ASSIGN_OR_RAISE(const auto on_error, json.text("on_error", "fail"));
  ARROW_ASSIGN_OR_RAISE(o.on_error, on_error_from(on_error));
  ARROW_ASSIGN_OR_RAISE(o.compression, json.text("compression", "infer"));
  ARROW_ASSIGN_OR_RAISE(o.block_bytes, json.number("block_bytes", o.block_bytes));
  return o;
}

}  // namespace gristmill::io
