// Where a job's rows come from: kinds of sources by the key a job file uses, each giving a table of the engine.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

#include "base/cancellation.h"
#include "base/memory_budget.h"
#include "job/settings.h"
#include "plan/table_source.h"

namespace gristmill::job {

class JobStatus;
class NamedCounts;

struct SourceContext {
  base::CancelToken cancel;
  JobStatus* status = nullptr;
  std::shared_ptr<NamedCounts> counts;
  // True: records that cannot be read are left out, counted in ScanCounts::skipped, and told to io::BadRecordScope::current() while the
  // worker is inside Scan::read(). False: the first one is the error of the scan.
  bool leave_out_bad_records = false;
  // Of endless sources: hears of each record that is left out, with its place, from any worker, before the rows behind it leave.
  std::function<arrow::Status(int32_t partition, int64_t offset, const std::string& text, const arrow::Status& error)> tell_bad;
};

class Source {
 public:
  virtual ~Source() = default;
  virtual std::string name() const = 0;  // for reports: "csv in/*.csv"
  // True: it may never end. The table that it gives is then a stream's source.
  virtual bool endless() const { return false; }
  // The table, its schema known. May read a little (a header, a sample, a first page).
  virtual arrow::Result<plan::TableSourcePtr> open(const SourceContext& context) = 0;
};

struct SourceKind {
  Key key;
  std::string example;
  arrow::Result<std::unique_ptr<Source>> (*make)(const Settings& settings);
};

const std::vector<SourceKind>& source_kinds();

}  // namespace gristmill::job
