// What a scan reads from. io implements it for files, frame for in-memory tables.
//
// A TableSource is immutable and shared; open() gives one scan of it, used by all workers of one query.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "base/cancellation.h"
#include "base/memory_budget.h"
#include "base/waiting.h"
#include "column/batch.h"
#include "expr/bind.h"

namespace gristmill::plan {

// A filter that appears while the query runs (from a join's build side): rows whose column lies outside cannot match.
// Published once; before that it lets everything pass. Consulting it is optional and never changes a result.
class RuntimeFilter {
 public:
  virtual ~RuntimeFilter() = default;
  virtual bool ready() const = 0;
  // False when no value within [min, max] (inclusive, the column's type) can match: prune the row group or page.
  virtual bool may_match_range(const arrow::Scalar& min, const arrow::Scalar& max) const = 0;
  // Narrows `keep` (bits already false may stay unexamined).
  virtual void narrow(const column::Column& values, int64_t rows, column::Mask& keep) const = 0;
};

struct ScanRequest {
  std::vector<int> columns;                                                     // fields of the source's schema, in output order
  expr::BoundPtr predicate;                                                     // over the output columns; infallible; may be null
  std::vector<std::pair<int, std::shared_ptr<RuntimeFilter>>> runtime_filters;  // output column, filter
  std::optional<int64_t> limit;  // no more than this many rows (after the predicate) are wanted, in order
  int64_t morsel_rows = 0;       // 0 = auto
  int64_t batch_rows = 0;        // 0 = auto
  int workers = 1;               // a hint for auto sizes; must not influence results
  std::shared_ptr<base::QueryMemory> memory;
  base::CancelToken cancel;
};

class ScanLocal {
 public:
  virtual ~ScanLocal() = default;
};

using BatchConsumer = std::function<arrow::Status(column::Batch)>;

struct ScanCounts {      // law 3: read = passed on + filtered + skipped
  int64_t rows = 0;      // rows of the source that this morsel stands for
  int64_t skipped = 0;   // never decoded: pruned by statistics, Bloom or runtime filters
  int64_t filtered = 0;  // decoded and refused by the predicate
};

class Scan {
 public:
  virtual ~Scan() = default;
  // Known number of morsels, in ordinal order; -1: only found out by asking next().
  virtual int64_t num_morsels() const = 0;
  // Before num_morsels(), if at all: each worker will take morsels that follow each other, so that small ones cost little more, and they
  // let all workers end together.
  virtual void expect_ranges() {}
  // For sources with unknown size only. Called in order, one at a time: makes morsel `seq` claimable.
  struct Next {
    bool end = false;
    base::WaitHandlePtr wait;  // not there yet
  };
  virtual arrow::Result<Next> next(uint64_t seq) { return Next{true, nullptr}; }
  virtual arrow::Result<std::unique_ptr<ScanLocal>> make_local() = 0;
  // Emits morsel `seq` as batches in row order (<= batch_rows rows, canonical columns, origin set); the predicate applied as selection
  // if filters_exactly(). Thread safe for different locals. Stops when emit fails, returning its status.
  virtual arrow::Status read(uint64_t seq, ScanLocal& local, const BatchConsumer& emit, ScanCounts& counts) = 0;
  virtual bool filters_exactly() const { return false; }
  virtual bool numbers_rows() const { return false; }  // origins number the rows of the whole source from 0: one file, one table
  virtual std::string file_of(int32_t input) const { return {}; }  // for Origin::input
  virtual std::string detail() const { return {}; }                // explain(analyze): "row groups 3 of 12"
};

struct TableEstimate {
  std::optional<int64_t> rows;  // exact when exact_rows
  bool exact_rows = false;
  std::optional<int64_t> bytes;
};

class TableSource {
 public:
  virtual ~TableSource() = default;
  virtual std::string kind() const = 0;                       // "memory", "parquet", "csv", "ipc"
  virtual std::string name() const = 0;                       // for explain: "trips/*.parquet (12 files)"
  virtual std::shared_ptr<arrow::Schema> schema() const = 0;  // border types, as the user sees them
  virtual TableEstimate estimate() const = 0;
  // Enough to make it again elsewhere (paths, options), as a JSON object; memory tables give their id.
  virtual std::string to_json() const = 0;
  virtual arrow::Result<std::shared_ptr<Scan>> open(const ScanRequest& request) const = 0;
};
using TableSourcePtr = std::shared_ptr<const TableSource>;

}  // namespace gristmill::plan
