// Lazy frames: describe a query, then collect it on every core, with the same bits at any setting.
//
//   auto out = scan_parquet("trips/*.parquet")
//       .filter((col("fare") > 10) & col("zone").is_not_null())
//       .with_columns({(col("fare") / col("km")).alias("per_km")})
//       .group_by({"zone"}).agg({col("per_km").mean(), col("fare").sum().alias("total"), count()})
//       .sort({desc("total")}).head(20)
//       .collect({.num_workers = 0});
//
// A Frame is an immutable plan; a chain keeps its first error until collect(), explain() or schema() returns it.
// Thread safety: Frame and Table are immutable, share freely.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "gristmill/expr.h"
#include "gristmill/files.h"
#include "gristmill/options.h"
#include "gristmill/postgres.h"
#include "gristmill/reshape.h"
#include "gristmill/selectors.h"
#include "gristmill/text_options.h"

namespace gristmill {

namespace plan {
struct Plan;
}

class Frame;

// Data that a query produced. Text stays in the engine's form (views) until somebody asks for Arrow:
//
//   ARROW_ASSIGN_OR_RAISE(Table zones, trips.group_by({"zone"}).agg({count()}).collect());
//   ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Table> columns, zones.arrow());
//
// Copies share one result.
class Table {
 public:
  Table();
  explicit Table(std::shared_ptr<arrow::Table> data);
  // `data` has the types of `schema`, or views where that has text.
  Table(std::shared_ptr<arrow::Table> data, std::shared_ptr<arrow::Schema> schema, std::string statistics_json);
  // The columns with the types of schema(); made by the first call, kept for the others.
  arrow::Result<std::shared_ptr<arrow::Table>> arrow() const;
  // A frame over this data, to go on with; nothing is converted.
  Frame lazy() const;
  const std::shared_ptr<arrow::Schema>& schema() const;
  int64_t num_rows() const;
  int num_columns() const;
  // Rows as a person reads them: types below names, the first and last rows when there are many.
  std::string to_string(int max_rows = 10) const;
  // Statistics of the run that made it (names of get_stats()), as JSON; empty for tables from elsewhere.
  const std::string& statistics() const;

 private:
  struct State;
  std::shared_ptr<arrow::Table> data() const;
  std::shared_ptr<State> state_;
};

struct SortKey {
  Expr expr;
  bool descending = false;
  bool nulls_first = false;  // frames: nulls last both ways unless told
};
SortKey asc(Expr e);
SortKey asc(std::string column);
SortKey asc(const char* column);
SortKey desc(Expr e);
SortKey desc(std::string column);
SortKey desc(const char* column);

enum class Join { kInner, kLeft, kSemi, kAnti, kRight, kFull };

struct JoinOptions {
  std::vector<std::string> on;                 // one key column: the left's, in a right join the right's, in a full join whichever is there
  std::vector<std::string> left_on, right_on;  // both kept
  Join how = Join::kInner;
  std::string suffix = "_right";
  bool nulls_equal = false;
  // What a pair of rows must also meet; columns are called as in an inner join's result. Enough without keys.
  std::optional<Expr> where = {};
};

enum class AsofStrategy { kBackward, kForward, kNearest };

// For each left row the one right row whose `on` is nearest: the last not after it, the first not before it, or the nearer of
// these (backward if equally near). Rows need not be sorted. Of right rows with equal `on`, backward takes the last, forward the first.
struct AsofOptions {
  std::string on;                              // one column kept, the left's
  std::string left_on, right_on;               // both kept
  std::vector<std::string> by;                 // columns that must be equal; one kept
  std::vector<std::string> left_by, right_by;  // both kept
  AsofStrategy strategy = AsofStrategy::kBackward;
  std::optional<Expr> tolerance = {};  // a literal: the greatest distance, a number or for times a duration
  bool allow_exact = true;
  std::string suffix = "_right";
};

class GroupBy;

// A plan and the tables in memory it reads: enough to make the frame again in another process.
struct FrameParts {
  std::string plan;
  std::vector<std::pair<std::string, Table>> tables;  // what the plan calls them
};

class Frame {
 public:
  explicit Frame(arrow::Result<std::shared_ptr<const plan::Plan>> plan);

  Frame filter(Expr predicate) const;
  Frame select(std::vector<Expr> exprs) const;        // aggregates allowed: one row
  Frame with_columns(std::vector<Expr> exprs) const;  // replaces or appends
  Frame drop(std::vector<std::string> columns) const;
  Frame rename(std::vector<std::pair<std::string, std::string>> names) const;
  GroupBy group_by(std::vector<Expr> keys) const;
  GroupBy group_by(std::initializer_list<const char*> columns) const;
  // Groups rows into windows of time (or of integers): see DynamicOptions. One row a window that has rows, in order of `by` and time.
  GroupBy group_by_dynamic(const std::string& index, DynamicOptions options) const;
  Frame join(const Frame& right, JoinOptions options) const;
  Frame cross_join(const Frame& right, std::string suffix = "_right") const;  // every pair, left rows outside
  Frame join_asof(const Frame& right, AsofOptions options) const;
  Frame sort(std::vector<SortKey> keys) const;  // stable
  Frame head(int64_t n = 5) const;
  Frame tail(int64_t n = 5) const;
  Frame slice(int64_t offset, std::optional<int64_t> length = {}) const;  // nothing: all rows that are left; negative: from the end
  Frame reverse() const;
  // One row of those that are equal in `subset` (nothing: in all columns): the first, the last, or only rows without another. In order.
  Frame distinct(std::vector<std::string> subset = {}, Keep keep = Keep::kFirst) const;
  Frame unique(std::vector<std::string> subset = {}, Keep keep = Keep::kFirst) const { return distinct(std::move(subset), keep); }
  Frame with_row_index(std::string name = "index", int64_t offset = 0) const;  // a first column that numbers the rows
  Frame top_k(int64_t k, std::vector<Expr> by) const;                          // the greatest first; NULL is last
  Frame bottom_k(int64_t k, std::vector<Expr> by) const;
  Frame sample(SampleOptions options) const;

  Frame pivot(PivotOptions options) const;  // without `on_values` it runs once to find them
  Frame unpivot(UnpivotOptions options) const;
  Frame melt(UnpivotOptions options) const { return unpivot(std::move(options)); }
  // How often each pair of values comes: a row for each value of `index`, a column for each of `on`.
  Frame crosstab(std::string index, std::string on, std::optional<std::vector<Expr>> on_values = {}) const;
  Frame value_counts(std::string column, bool sort = true, std::string name = "count") const;

  Frame null_count() const;                                      // one row: nulls of each column
  Frame drop_nulls(std::vector<std::string> subset = {}) const;  // rows with a NULL in `subset` (nothing: anywhere) go
  Frame fill_null(Expr value) const;                             // in the columns whose type the value fits
  Frame validate(const Rules& rules) const;                      // rows that break a rule: `row`, `failed`, then their columns
  Frame validation_report(const Rules& rules) const;             // each rule and how many rows break it
  Frame outliers(std::vector<std::string> columns, OutlierOptions options = {}) const;
  // count, null_count, mean, std, min and max of each column.
  // `percentiles`: which quantiles (linear, exact) of each column of numbers it has, between 0 and 1; each keeps the column's values.
  arrow::Result<Table> describe(ParallelOptions options = {}, std::vector<double> percentiles = {0.25, 0.5, 0.75}) const;

  Frame explode(std::vector<std::string> columns) const;
  Frame union_with(std::vector<Frame> others) const;

  arrow::Result<std::shared_ptr<arrow::Schema>> schema() const;
  // The columns that expressions with selectors stand for, by name.
  arrow::Result<std::vector<std::string>> column_names(const std::vector<Expr>& exprs) const;
  // The plan before and after optimisation.
  arrow::Result<std::string> explain(bool optimized = true) const;
  // Runs the query and prints the plan with rows, time and detail per operator.
  arrow::Result<std::string> explain_analyze(ParallelOptions options = {}) const;

  arrow::Result<Table> collect(ParallelOptions options = {}, Cancellation cancel = {}) const;
  // Batches in order, without holding the result; the callback's error stops the query.
  arrow::Status collect_batches(const std::function<arrow::Status(std::shared_ptr<arrow::RecordBatch>)>& each, ParallelOptions options = {},
                                Cancellation cancel = {}) const;
  // A file, or a folder of files (SinkOptions). Complete or not there: a failed run leaves nothing behind, and what stood under the name
  // before stays. Rows written.
  arrow::Result<int64_t> sink_parquet(const std::string& path, ParallelOptions options = {}, Cancellation cancel = {},
                                      const SinkOptions& files = {}, const ParquetSinkOptions& parquet = {}) const;
  arrow::Result<int64_t> sink_ipc(const std::string& path, ParallelOptions options = {}, Cancellation cancel = {},
                                  const SinkOptions& files = {}, const IpcSinkOptions& ipc = {}) const;
  // Text, compressed by the ending of the path; text_options.h says what can be set.
  arrow::Result<int64_t> sink_csv(const std::string& path, ParallelOptions options = {}, Cancellation cancel = {},
                                  const SinkOptions& files = {}, const CsvWriteOptions& text = {}) const;
  arrow::Result<int64_t> sink_ndjson(const std::string& path, ParallelOptions options = {}, Cancellation cancel = {},
                                     const SinkOptions& files = {}, const NdjsonWriteOptions& text = {}) const;

  // Into a table, in one transaction: all rows or none. Rows written. Connection strings as in gristmill/connect.h.
  arrow::Result<int64_t> sink_postgres(const std::string& connection, const std::string& table, PostgresSinkOptions postgres = {},
                                       ParallelOptions options = {}, Cancellation cancel = {}) const;

  // The plan as versioned JSON, and back (file sources only).
  arrow::Result<std::string> serialize() const;
  static Frame deserialize(const std::string& text);
  // The same with tables in memory beside the plan.
  arrow::Result<FrameParts> to_parts() const;
  static Frame from_parts(const FrameParts& parts);

  const arrow::Result<std::shared_ptr<const plan::Plan>>& plan() const { return *plan_; }

 private:
  std::shared_ptr<arrow::Result<std::shared_ptr<const plan::Plan>>> plan_;
};

class GroupBy {
 public:
  GroupBy(Frame frame, std::vector<Expr> keys, bool sorted = false);  // sorted: groups leave in the order of their keys
  Frame agg(std::vector<Expr> aggregates) const;

 private:
  Frame frame_;
  std::vector<Expr> keys_;
  bool sorted_ = false;
};

Frame concat(std::vector<Frame> frames, Concat how = Concat::kVertical);

// Files: a path, a glob, a directory or a URL; several files come in byte order of their names. Errors name the file.
Frame scan_parquet(const std::string& pattern, const FileOptions& files = {});
Frame scan_parquet(const std::vector<std::string>& patterns, const FileOptions& files = {});
Frame scan_ipc(const std::string& pattern, const FileOptions& files = {});
Frame scan_ipc(const std::vector<std::string>& patterns, const FileOptions& files = {});
// A query that PostgreSQL answers, asked anew by every run; one snapshot per run.
Frame scan_postgres(const std::string& connection, const std::string& query, PostgresScanOptions options = {});
// Text may be compressed (.csv.gz, .csv.zst, ...); text_options.h says what can be set.
Frame scan_csv(const std::string& pattern, CsvOptions options = {});
Frame scan_csv(const std::vector<std::string>& patterns, CsvOptions options = {});
Frame scan_ndjson(const std::string& pattern, NdjsonOptions options = {});  // one JSON object a line
Frame scan_ndjson(const std::vector<std::string>& patterns, NdjsonOptions options = {});
// Memory: zero copies.
Frame from_arrow(std::shared_ptr<arrow::Table> table);

}  // namespace gristmill
