// Checks a month against an independent statement of its meaning, computed by a PostgreSQL server over the same rows.
//
// Everything happens in temporary tables of one transaction that is rolled back: the server is left as it was.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "cost.h"
#include "gristmill/connect.h"
#include "gristmill/options.h"

namespace ocp {

// The text of verify.sql.
extern const char* const kVerifyStatement;

struct Comparison {
  int64_t rows_here = 0, rows_there = 0;            // there: what the statement gave
  int64_t unmatched_here = 0, unmatched_there = 0;  // rows without a partner on the other side
  std::vector<std::string> differences;             // the first of them as a person reads them
  bool same() const { return unmatched_here == 0 && unmatched_there == 0; }
};

// `result`: rows with the columns of summary(), more columns may be there. Rows are compared as a multiset, numbers nearly.
arrow::Result<Comparison> verify_month(const InputFiles (&files)[4], const Reference& reference, const Month& month,
                                       const gristmill::Frame& result, const std::string& connection,
                                       const gristmill::ParallelOptions& options);

// Rows of a file written earlier: CSV in the form of `case`, or Parquet.
arrow::Result<gristmill::Frame> read_result(const std::string& file);

// Compares the temporary tables verify_actual and verify_expected.
arrow::Result<Comparison> compare_tables(gristmill::PostgresTransaction& tx);

// All columns of the summary that are compared, in order; numbers are numeric(33,15).
struct SummaryColumn {
  const char* name;
  enum class What { kInteger, kText, kDay, kLabels, kNumber } what;
};
const std::vector<SummaryColumn>& summary_columns();

}  // namespace ocp
