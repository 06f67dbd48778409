// From the description of a stream to one run of it: every stream table of its plan is replaced by one that has this run's state.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "exec/lower.h"
#include "stream/tables.h"
#include "stream/user_operators.h"

namespace gristmill::stream {

// The settings of a stream as those of a query.
ParallelOptions options_of(const StreamState& state);
arrow::Status check_settings(const StreamState& state);

// What all queries of one run share.
struct RunContext {
  std::shared_ptr<const exec::QueryContext> query;
  exec::RunSettings settings;
  ParallelOptions options;
  bool several = false;  // users' functions may see several morsels at once
};
arrow::Result<RunContext> make_run_context(const StreamState& state, const Cancellation& cancel);

// How one run reads a table that is not users' operators. `whole`: somebody above sees one batch at a time, as it came.
using BindLeaf = std::function<arrow::Result<plan::TableSourcePtr>(const std::shared_ptr<const StreamTable>& table, bool whole)>;

struct BoundPlan {
  plan::PlanPtr plan;                                  // not optimised
  std::vector<std::shared_ptr<BoundUserTable>> users;  // below before above
  // Lowers the users' operators and runs what must have run before they are read.
  arrow::Status prepare(const RunContext& run, sched::Scheduler& scheduler) const;
};
arrow::Result<BoundPlan> bind_tables(const plan::PlanPtr& plan, const RunContext& run, const BindLeaf& leaf);

// The batches of a list as a table in memory, cut as tables are; null where they must come one after the other (they are of several
// schemas, or their types are not those of the plan).
arrow::Result<plan::TableSourcePtr> bind_whole_list(const PullTable& table);
// Batches of a function as a table, read once. `whole`: a batch is a morsel; else it is cut.
plan::TableSourcePtr bind_pull_table(const PullTable& table, bool whole, int64_t morsel_rows, int64_t morsel_bytes);

// Statistics of a run with those of the users' operators below it.
std::string with_user_reports(std::string report, const std::vector<std::shared_ptr<BoundUserTable>>& users);

// Rows of a morsel of the batch.
int64_t rows_of_morsel(const arrow::RecordBatch& batch, int64_t morsel_rows, int64_t morsel_bytes);

}  // namespace gristmill::stream
