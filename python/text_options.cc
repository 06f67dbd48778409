// Dictionaries to options, key by key.

#include "text_options.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace gristmill::python {
namespace nb = nanobind;
namespace {

template <typename T>
void take(const nb::dict& d, const char* key, T& out) {
  if (d.contains(key)) out = nb::cast<T>(d[key]);
}

void take_character(const nb::dict& d, const char* key, std::optional<char>& out) {
  if (!d.contains(key)) return;
  const std::string text = nb::cast<std::string>(d[key]);  // the Python side has checked the length
  out = text.empty() ? std::nullopt : std::optional<char>(text[0]);
}

OnError policy(const nb::dict& d) {
  std::string text = "fail";
  take(d, "on_error", text);
  return text == "null" ? OnError::kNull : text == "skip" ? OnError::kSkip : OnError::kFail;
}

}  // namespace

CsvOptions csv_options_from(const nb::dict& d) {
  CsvOptions o;
  std::optional<char> separator = o.separator;
  take_character(d, "separator", separator);
  o.separator = *separator;
  take_character(d, "quote_char", o.quote_char);
  take_character(d, "escape_char", o.escape_char);
  take(d, "comment_prefix", o.comment_prefix);
  take(d, "has_header", o.has_header);
  take(d, "skip_rows", o.skip_rows);
  take(d, "column_names", o.column_names);
  take(d, "schema", o.schema);
  take(d, "schema_overrides", o.schema_overrides);
  take(d, "null_values", o.null_values);
  take(d, "empty_is_null", o.empty_is_null);
  take(d, "true_values", o.true_values);
  take(d, "false_values", o.false_values);
  take(d, "decimal_comma", o.decimal_comma);
  take(d, "trim", o.trim);
  take(d, "try_parse_dates", o.try_parse_dates);
  o.on_error = policy(d);
  take(d, "missing_columns", o.missing_columns);
  take(d, "extra_columns", o.extra_columns);
  take(d, "infer_rows", o.infer_rows);
  take(d, "encoding", o.encoding);
  take(d, "compression", o.compression);
  take(d, "block_bytes", o.block_bytes);
  if (d.contains("files")) o.files = nb::cast<FileOptions>(d["files"]);
  return o;
}

NdjsonOptions ndjson_options_from(const nb::dict& d) {
  NdjsonOptions o;
  take(d, "schema", o.schema);
  take(d, "schema_overrides", o.schema_overrides);
  take(d, "try_parse_dates", o.try_parse_dates);
  o.on_error = policy(d);
  take(d, "extra_columns", o.extra_columns);
  take(d, "infer_rows", o.infer_rows);
  take(d, "compression", o.compression);
  take(d, "block_bytes", o.block_bytes);
  if (d.contains("files")) o.files = nb::cast<FileOptions>(d["files"]);
  return o;
}

CsvWriteOptions csv_write_options_from(const nb::dict& d) {
  CsvWriteOptions o;
  std::optional<char> separator = o.separator, quote = o.quote_char;
  take_character(d, "separator", separator);
  take_character(d, "quote_char", quote);
  o.separator = *separator;
  o.quote_char = *quote;
  std::string style = "necessary";
  take(d, "quote_style", style);  // the Python side has checked the name
  o.quote_style = style == "always"        ? QuoteStyle::kAlways
                  : style == "non_numeric" ? QuoteStyle::kNonNumeric
                  : style == "never"       ? QuoteStyle::kNever
                                           : QuoteStyle::kNecessary;
  take(d, "include_header", o.include_header);
  take(d, "null_value", o.null_value);
  take(d, "line_terminator", o.line_terminator);
  take(d, "date_format", o.date_format);
  take(d, "time_format", o.time_format);
  take(d, "datetime_format", o.datetime_format);
  take(d, "float_precision", o.float_precision);
  take(d, "compression", o.compression);
  take(d, "compression_level", o.compression_level);
  return o;
}

NdjsonWriteOptions ndjson_write_options_from(const nb::dict& d) {
  NdjsonWriteOptions o;
  take(d, "omit_nulls", o.omit_nulls);
  take(d, "compression", o.compression);
  take(d, "compression_level", o.compression_level);
  return o;
}

}  // namespace gristmill::python
