// The four kinds of input files, and their rows in one form whatever types the files have.
//
// Columns are found by name; missing optional ones are NULL, missing others an error naming the file. NaN is NULL everywhere.
// Invariant: a row belongs to the UTC day of its interval_start; rows of other days than asked for are left out.
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>

#include "gristmill/frame.h"
#include "month.h"

namespace ocp {

enum class Kind { kPod, kStorage, kNodeLabels, kNamespaceLabels };
inline constexpr Kind kKinds[] = {Kind::kPod, Kind::kStorage, Kind::kNodeLabels, Kind::kNamespaceLabels};

struct InputColumn {
  const char* name;
  enum class What { kText, kNumber, kLabels } what;
  bool optional = false;
};
const std::vector<InputColumn>& input_columns(Kind kind);
const char* kind_name(Kind kind);
// Optional columns that a file has not; empty without any.
std::vector<std::string> missing_optional(Kind kind, const arrow::Schema& schema);

// Files of one kind: hourly ones, and daily ones where they are given.
struct InputFiles {
  std::vector<std::string> hourly;
  std::vector<std::string> daily;
  gristmill::StorageOptions storage = {};
  std::vector<gristmill::Frame> rows = {};  // hourly rows in the form of read_rows(), of any day
  bool has_hourly() const { return !hourly.empty() || !rows.empty(); }
};

// Rows of `files` (Parquet) within the days asked for: day, interval_start (UTC, microseconds) and input_columns(kind); label
// columns are text of JSON objects, or NULL. No files: no rows.
arrow::Result<gristmill::Frame> read_rows(Kind kind, const std::vector<std::string>& files, const Month& month,
                                          const gristmill::StorageOptions& storage = {});
// Rows of `frame`, which has these columns, within the days asked for.
gristmill::Frame within_days(const gristmill::Frame& frame, const Month& month);

// A moment of text, as files and payloads write it; what is none is an error naming the row.
gristmill::Expr instant_of(gristmill::Expr text);

// Rows of CSV files, every column a text, by the CSV rules: as read_rows() but of any day, and `too_large` marks rows to be dropped.
gristmill::Frame csv_rows(Kind kind, const gristmill::Frame& texts, const arrow::Schema& schema);

// A frame of these columns without rows.
gristmill::Frame no_rows(Kind kind);

}  // namespace ocp
