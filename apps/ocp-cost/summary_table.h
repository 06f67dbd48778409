// The summary table of one tenant: one transaction that locks the month, takes the old rows away and writes the new ones.
//
// Nothing is changed before the first batch of rows is there (or the caller says that there is none): the input has been read by then.
// Until commit() other readers see the old rows; an object that goes away without it has changed nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "gristmill/connect.h"
#include "gristmill/frame.h"
#include "settings.h"

namespace ocp {

class SummaryTable {
 public:
  struct Counts {
    int64_t deleted = 0, written = 0;
    std::vector<std::string> partitions;       // that were made
    std::vector<std::string> unknown_columns;  // that the table has not
  };

  // Connects and learns the table's columns. `read_only`: no lock, and write() is not allowed.
  static arrow::Result<SummaryTable> open(const PostgresSettings& settings, const Job& job, bool read_only,
                                          std::function<arrow::Status()> keep_waiting);

  gristmill::PostgresTransaction& transaction() { return tx_; }
  // The job's own, or by source and month from reporting_ocpusagereportperiod.
  arrow::Result<int64_t> report_period();
  // `rows` with the columns that the table has.
  arrow::Result<gristmill::Frame> fitting(const gristmill::Frame& rows);
  // Rows that write() would delete.
  arrow::Result<int64_t> replaceable(int64_t report_period_id);

  arrow::Status write(const arrow::RecordBatch& batch, int64_t report_period_id);
  // All rows were given; deletes the old ones even if there was none.
  arrow::Status finish(int64_t report_period_id);
  arrow::Status commit();
  const Counts& counts() const { return counts_; }
  // A server's passing trouble that has left no trace: the whole may be tried again.
  static bool worth_another_try(const arrow::Status& error);

 private:
  SummaryTable(gristmill::PostgresTransaction tx, const PostgresSettings& settings, const Job& job);
  arrow::Status prepare(bool read_only);
  arrow::Status replace_rows(int64_t report_period_id);
  arrow::Status make_partition();
  arrow::Status fill_partition(const std::string& name, const std::string& from, const std::string& to);
  std::string old_rows(int64_t report_period_id) const;

  gristmill::PostgresTransaction tx_;
  std::string schema_, table_, source_;
  Month month_;
  std::optional<int64_t> report_period_;
  int64_t lock_timeout_s_ = 0;
  std::vector<std::string> columns_;
  bool partitioned_ = false, begun_ = false;
  std::shared_ptr<arrow::Schema> schema_of_rows_;
  Counts counts_;
};

// "8f14e45f-ceea-4e7a-9b1d-2f0c3a7d9e11" `rows` times, random; a text column.
arrow::Result<std::shared_ptr<arrow::Array>> random_uuids(int64_t rows);

}  // namespace ocp
