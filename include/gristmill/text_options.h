// How text files are read and written: CSV and newline-delimited JSON. The defaults are what most files need.
//
//   scan_csv("trips/*.csv.gz", {.separator = ';', .null_values = {"NA"}, .schema_overrides = {{"zip", "string"}}})
//
// Types are the schema strings of the project ("int64", "timestamp(us,UTC)", "decimal(12,2)", "list<string>", ...).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gristmill/files.h"

namespace gristmill {

// What becomes of a row with a value that cannot be read: the query fails, the value becomes null, or the row is left out (and counted).
enum class OnError { kFail, kNull, kSkip };

struct CsvOptions {
  char separator = ',';
  std::optional<char> quote_char = '"';   // doubled inside quotes
  std::optional<char> escape_char = {};   // what follows it is meant literally, e.g. a backslash
  std::string comment_prefix;             // records that begin so are left out
  std::optional<bool> has_header = true;  // nothing: found out; without one the columns are column_1, column_2, ...
  int64_t skip_rows = 0;                  // lines before the header, whatever is in them
  std::vector<std::string> column_names;  // instead of the header's
  ColumnTypes schema;                     // all columns in order; nothing is inferred
  ColumnTypes schema_overrides;           // some columns; the others are inferred
  std::vector<std::string> null_values;   // beside the empty field
  bool empty_is_null = true;              // of text: an empty field without quotes is null; false: an empty text
  std::vector<std::string> true_values;   // beside true and false in any case
  std::vector<std::string> false_values;
  bool decimal_comma = false;   // 1,5 is one and a half (with another separator)
  bool trim = false;            // blanks around text that is not quoted go; around other values they always may be
  bool try_parse_dates = true;  // infer dates, times and timestamps in ISO form
  OnError on_error = OnError::kFail;
  bool missing_columns = false;               // true: what a short record, or a later file, does not have is null
  bool extra_columns = false;                 // true: what a record has beyond the header, or a later file beyond the first, is ignored
  std::optional<int64_t> infer_rows = 10000;  // rows of the first file that decide on types; nothing: all of it
  std::string encoding = "utf8";
  std::string compression = "infer";  // by the name's ending; or none, gzip, zstd, lz4, bz2, brotli, snappy
  int64_t block_bytes = 1 << 20;      // how much a worker parses at a time
  FileOptions files = {};             // of stores and URLs, and of folders that are columns
};

struct NdjsonOptions {
  ColumnTypes schema;            // all columns in order; nothing is inferred
  ColumnTypes schema_overrides;  // some columns; the others are inferred
  bool try_parse_dates = false;  // infer dates and timestamps in texts of ISO form
  OnError on_error = OnError::kFail;
  bool extra_columns = true;  // false: a field that the schema has not is an error
  std::optional<int64_t> infer_rows = 10000;
  std::string compression = "infer";
  int64_t block_bytes = 1 << 20;
  FileOptions files = {};
};

enum class QuoteStyle { kNecessary, kAlways, kNonNumeric, kNever };

struct CsvWriteOptions {
  char separator = ',';
  char quote_char = '"';
  QuoteStyle quote_style = QuoteStyle::kNecessary;
  bool include_header = true;
  std::string null_value;  // what stands for null
  std::string line_terminator = "\n";
  std::string date_format;  // strftime patterns; empty: ISO
  std::string time_format;
  std::string datetime_format;
  std::optional<int> float_precision = {};  // digits after the point; nothing: the shortest text that reads back as the same value
  std::string compression = "infer";
  std::optional<int> compression_level = {};
};

struct NdjsonWriteOptions {
  bool omit_nulls = false;  // leave out fields that are null
  std::string compression = "infer";
  std::optional<int> compression_level = {};
};

}  // namespace gristmill
