// INTERSECT and EXCEPT are semi and anti joins of distinct rows in which NULL equals NULL; with ALL the n-th of equal rows on the left
// meets the n-th on the right.

#include "sql/set_operations.h"

#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "expr/promotion.h"
#include "expr/window.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;
using plan::PlanPtr;

column::TypePtr type_at(const Query& q, size_t i) { return column::canonical_type(q.plan->schema->field(static_cast<int>(i))->type()); }

// The type column `i` has in all of them: a text literal and NULL take what the others have.
arrow::Result<column::TypePtr> common_type_at(const std::string& what, const std::vector<Query>& queries, size_t i) {
  column::TypePtr type;
  bool all_unknown = true;
  for (const Query& q : queries) all_unknown = all_unknown && q.unknown[i];
  for (const Query& q : queries) {
    if (q.unknown[i] && !all_unknown) continue;
    const auto own = type_at(q, i);
    if (!type) {
      type = own;
      continue;
    }
    const auto both = expr::common_type(type, own);
    if (!both) {
      return base::plan_error("column " + std::to_string(i + 1) + " of " + what + " (\"" + queries[0].names[i] + "\") is " +
                                  column::type_text(*type) + " on one side and " + column::type_text(*own) + " on the other",
                              "cast one of them");
    }
    type = both;
  }
  return type;
}

// With a column that numbers equal rows.
arrow::Result<PlanPtr> number_equal_rows(const PlanPtr& plan, const std::string& name) {
  std::vector<NodePtr> outputs;
  expr::Over over;
  for (const auto& f : plan->schema->fields()) {
    outputs.push_back(expr::column(f->name()));
    over.partition.push_back(expr::column(f->name()));
  }
  outputs.push_back(expr::alias(expr::window("row_number", {}, {}, std::move(over)), name));
  return plan::make_project(plan, std::move(outputs));
}

arrow::Result<PlanPtr> keep_matching(PlanPtr left, PlanPtr right, bool except, bool all) {
  const auto names = left->schema->field_names();
  auto keys = names;
  if (all) {
    const std::string number = fresh_name("$number", keys);
    ARROW_ASSIGN_OR_RAISE(left, number_equal_rows(left, number));
    ARROW_ASSIGN_OR_RAISE(right, number_equal_rows(right, number));
  } else {
    ARROW_ASSIGN_OR_RAISE(left, plan::make_distinct(left));
  }
  std::vector<NodePtr> columns;
  for (const std::string& k : keys) columns.push_back(expr::column(k));
  ARROW_ASSIGN_OR_RAISE(
      PlanPtr out, plan::make_join(left, right, except ? plan::JoinKind::kAnti : plan::JoinKind::kSemi, columns, columns, false, true));
  if (!all) return out;
  std::vector<NodePtr> outputs;
  for (const std::string& n : names) outputs.push_back(expr::column(n));
  return plan::make_project(out, std::move(outputs));
}

const char* name_of(SetOperation op) {
  return op == SetOperation::kUnion ? "UNION" : op == SetOperation::kIntersect ? "INTERSECT" : "EXCEPT";
}

}  // namespace

arrow::Result<std::vector<Query>> bring_together(const std::string& what, std::vector<Query> queries) {
  const size_t width = queries[0].names.size();
  for (const Query& q : queries) {
    if (q.names.size() != width) {
      return base::plan_error("each side of " + what + " must have the same number of columns: " + std::to_string(width) + " and " +
                              std::to_string(q.names.size()));
    }
  }
  std::vector<column::TypePtr> types;
  for (size_t i = 0; i < width; ++i) {
    ARROW_ASSIGN_OR_RAISE(auto type, common_type_at(what, queries, i));
    types.push_back(std::move(type));
  }
  const auto inside = queries[0].plan->schema->field_names();
  for (Query& q : queries) {
    std::vector<NodePtr> outputs;
    for (size_t i = 0; i < width; ++i) {
      NodePtr e = expr::column(q.plan->schema->field(static_cast<int>(i))->name());
      if (!type_at(q, i)->Equals(*types[i])) e = expr::cast(std::move(e), types[i]);
      outputs.push_back(expr::alias(std::move(e), inside[i]));
    }
    ARROW_ASSIGN_OR_RAISE(q.plan, plan::make_project(q.plan, std::move(outputs)));
  }
  return queries;
}

arrow::Result<Query> combine(SetOperation op, bool all, std::vector<Query> given) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<Query> queries, bring_together(name_of(op), std::move(given)));
  Query out;
  out.names = queries[0].names;
  for (size_t i = 0; i < out.names.size(); ++i) {
    bool unknown = true;
    for (const Query& q : queries) unknown = unknown && q.unknown[i];
    out.unknown.push_back(unknown);
  }
  if (op == SetOperation::kUnion) {
    std::vector<PlanPtr> plans;
    for (const Query& q : queries) plans.push_back(q.plan);
    ARROW_ASSIGN_OR_RAISE(out.plan, plan::make_union(std::move(plans)));
    if (all) return out;
    ARROW_ASSIGN_OR_RAISE(out.plan, plan::make_distinct(out.plan));
    return out;
  }
  ARROW_ASSIGN_OR_RAISE(out.plan, keep_matching(queries[0].plan, queries[1].plan, op == SetOperation::kExcept, all));
  return out;
}

}  // namespace gristmill::sqltext
