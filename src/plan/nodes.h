// Plan nodes exactly as given, schema computed: for rules, deserialisation and the checked constructors of logical.h.
//
// Nothing is renamed, promoted or inserted here. Names must resolve (else a plan error); expressions carry no aliases.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "plan/logical.h"

namespace gristmill::plan {

arrow::Result<PlanPtr> scan_node(TableSourcePtr source, std::vector<int> columns, expr::NodePtr predicate = nullptr,
                                 std::optional<int64_t> limit = {});
arrow::Result<PlanPtr> filter_node(PlanPtr input, expr::NodePtr predicate);
arrow::Result<PlanPtr> project_node(PlanPtr input, std::vector<NamedExpr> exprs);
arrow::Result<PlanPtr> aggregate_node(PlanPtr input, std::vector<NamedExpr> keys, std::vector<NamedExpr> aggregates);

// The input's columns, then the windows'.
arrow::Result<PlanPtr> window_node(PlanPtr input, std::vector<NamedExpr> windows);
// `input` with the window functions in `exprs` as further columns, which the expressions then refer to. Rows and their order stay.
arrow::Result<PlanPtr> add_windows(PlanPtr input, const std::vector<expr::NodePtr*>& exprs);
arrow::Status refuse_windows(const expr::Node& e, std::string_view where);
// Whether computing the window function can fail: its expressions, or a sum that leaves its type.
arrow::Result<bool> window_fallible(const expr::NodePtr& window, const arrow::Schema& input);

struct JoinParts {
  JoinKind kind = JoinKind::kInner;
  std::vector<expr::NodePtr> left_keys, right_keys;  // of the same canonical types pairwise
  bool nulls_equal = false;
  expr::NodePtr residual;
  AsofMatch asof;
  bool coalesce_keys = false;
  std::string suffix;
  bool build_left = false;
  std::vector<int> output;         // columns of (left ++ right)
  std::vector<std::string> names;  // one per output column
};
JoinParts join_parts(const Plan& join);
arrow::Result<PlanPtr> join_node(PlanPtr left, PlanPtr right, JoinParts parts);
// The columns a join's residual is written over: those of both sides, called "l.name" and "r.name", so that pruning never renames.
std::shared_ptr<arrow::Schema> pair_schema(const arrow::Schema& left, const arrow::Schema& right);
// Whether a row of the left (0) or right (1) input may fail in the join: its keys, or a pair it belongs to.
arrow::Result<bool> join_side_may_fail(const Plan& join, size_t side);
arrow::Result<bool> join_may_fail(const Plan& join);
// Adds the columns of both inputs that a join reads beside its keys.
void add_pair_columns(const Plan& join, std::unordered_set<std::string>& left, std::unordered_set<std::string>& right);
// A residual as a user would write it.
std::string residual_text(const Plan& join);
bool keeps_left_rows(JoinKind kind);   // every left row leaves at least once
bool keeps_right_rows(JoinKind kind);  // every right row does
bool has_right_columns(JoinKind kind);

arrow::Result<PlanPtr> sort_node(PlanPtr input, std::vector<SortBy> keys, std::optional<int64_t> top = {});
arrow::Result<PlanPtr> limit_node(PlanPtr input, int64_t offset, int64_t count);
// Inputs agree in names and canonical types.
arrow::Result<PlanPtr> union_node(std::vector<PlanPtr> inputs);
arrow::Result<PlanPtr> explode_node(PlanPtr input, std::vector<std::string> columns);
arrow::Result<PlanPtr> row_index_node(PlanPtr input, std::string name, int64_t offset, bool position_only);

// Bare columns of the input, in this order.
arrow::Result<PlanPtr> keep_columns(PlanPtr input, const std::vector<std::string>& names);

// A node of `kind` over `inputs`, for the functions above.
std::shared_ptr<Plan> new_node(PlanKind kind, std::vector<PlanPtr> inputs);
// A changed copy of a node that keeps its inputs and schema.
std::shared_ptr<Plan> copy_node(const Plan& p);

}  // namespace gristmill::plan
