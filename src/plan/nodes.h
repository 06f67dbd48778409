// Plan nodes exactly as given, schema computed: for rules, deserialisation and the checked constructors of logical.h.
//
// Nothing is renamed, promoted or inserted here. Names must resolve (else a plan error); expressions carry no aliases.
#pragma once

#include <string>
#include <vector>

#include "plan/logical.h"

namespace gristmill::plan {

arrow::Result<PlanPtr> scan_node(TableSourcePtr source, std::vector<int> columns, expr::NodePtr predicate = nullptr,
                                 std::optional<int64_t> limit = {});
arrow::Result<PlanPtr> filter_node(PlanPtr input, expr::NodePtr predicate);
arrow::Result<PlanPtr> project_node(PlanPtr input, std::vector<NamedExpr> exprs);
arrow::Result<PlanPtr> aggregate_node(PlanPtr input, std::vector<NamedExpr> keys, std::vector<NamedExpr> aggregates);

struct JoinParts {
  JoinKind kind = JoinKind::kInner;
  std::vector<expr::NodePtr> left_keys, right_keys;  // of the same canonical types pairwise
  bool nulls_equal = false;
  bool coalesce_keys = false;
  std::string suffix;
  bool build_left = false;
  std::vector<int> output;         // columns of (left ++ right)
  std::vector<std::string> names;  // one per output column
};
JoinParts join_parts(const Plan& join);
arrow::Result<PlanPtr> join_node(PlanPtr left, PlanPtr right, JoinParts parts);

arrow::Result<PlanPtr> sort_node(PlanPtr input, std::vector<SortBy> keys, std::optional<int64_t> top = {});
arrow::Result<PlanPtr> limit_node(PlanPtr input, int64_t offset, int64_t count);
// Inputs agree in names and canonical types.
arrow::Result<PlanPtr> union_node(std::vector<PlanPtr> inputs);
arrow::Result<PlanPtr> explode_node(PlanPtr input, std::vector<std::string> columns);

// Bare columns of the input, in this order.
arrow::Result<PlanPtr> keep_columns(PlanPtr input, const std::vector<std::string>& names);

// A node of `kind` over `inputs`, for the functions above.
std::shared_ptr<Plan> new_node(PlanKind kind, std::vector<PlanPtr> inputs);
// A changed copy of a node that keeps its inputs and schema.
std::shared_ptr<Plan> copy_node(const Plan& p);

}  // namespace gristmill::plan
