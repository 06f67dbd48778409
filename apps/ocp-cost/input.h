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

struct InputColumn {
  const char* name;
  enum class What { kText, kNumber, kLabels } what;
  bool optional = false;
};
const std::vector<InputColumn>& input_columns(Kind kind);
const char* kind_name(Kind kind);

// Files of one kind: hourly ones, and daily ones where they are given.
struct InputFiles {
  std::vector<std::string> hourly;
  std::vector<std::string> daily;
};

// Rows of `files` (Parquet) within the days asked for: day, interval_start (UTC, microseconds) and input_columns(kind); label
// columns are canonical JSON text of all keys or NULL. No files: no rows.
arrow::Result<gristmill::Frame> read_rows(Kind kind, const std::vector<std::string>& files, const Month& month);

// A frame of these columns without rows.
gristmill::Frame no_rows(Kind kind);

}  // namespace ocp
