// Joins on equal keys, on conditions, on both or on none.
//
// What an inner join asks beside equal keys is a filter behind it (which sinks as far as it may); the other kinds keep it as a
// residual. A full join with coalesced keys is a join and a projection.

#include <arrow/type.h>

#include "base/status.h"
#include "plan/nodes/join_columns.h"

namespace gristmill::plan {

using expr::NodePtr;

bool keeps_left_rows(JoinKind kind) { return kind == JoinKind::kLeft || kind == JoinKind::kFull || kind == JoinKind::kAsof; }
bool keeps_right_rows(JoinKind kind) { return kind == JoinKind::kRight || kind == JoinKind::kFull; }
bool has_right_columns(JoinKind kind) { return kind != JoinKind::kSemi && kind != JoinKind::kAnti; }

JoinParts join_parts(const Plan& p) {
  return {p.join,          p.left_keys, p.right_keys, p.nulls_equal, p.residual,
          p.asof,          p.coalesce_keys, p.suffix, p.build_left,  p.join_output,
          p.schema->field_names()};
}

arrow::Result<PlanPtr> join_node(PlanPtr left, PlanPtr right, JoinParts parts) {
  const int left_columns = left->schema->num_fields();
  const int columns = left_columns + (has_right_columns(parts.kind) ? right->schema->num_fields() : 0);
  if (parts.names.size() != parts.output.size()) return base::internal_error("a join with unnamed columns");
  arrow::FieldVector fields;
  for (size_t i = 0; i < parts.output.size(); ++i) {
    const int c = parts.output[i];
    if (c < 0 || c >= columns) return base::plan_error("the join has no column number " + std::to_string(c));
    const bool from_left = c < left_columns;
    const auto& f = from_left ? left->schema->field(c) : right->schema->field(c - left_columns);
    const bool nullable = f->nullable() || (from_left ? keeps_right_rows(parts.kind) : keeps_left_rows(parts.kind));
    fields.push_back(arrow::field(parts.names[i], f->type(), nullable));
  }
  auto p = new_node(PlanKind::kJoin, {std::move(left), std::move(right)});
  p->join = parts.kind;
  p->left_keys = std::move(parts.left_keys);
  p->right_keys = std::move(parts.right_keys);
  p->nulls_equal = parts.nulls_equal;
  p->residual = std::move(parts.residual);
  p->asof = std::move(parts.asof);
  p->coalesce_keys = parts.coalesce_keys;
  p->suffix = std::move(parts.suffix);
  p->build_left = parts.build_left;
  p->join_output = std::move(parts.output);
  p->schema = arrow::schema(std::move(fields));
  return p;
}

namespace {

// The columns of a full join, each coalesced key from both its sides.
arrow::Result<PlanPtr> coalesced_keys(PlanPtr join, const Plan& left, const std::vector<KeyColumns>& keys,
                                      const std::vector<std::string>& added) {
  std::vector<NodePtr> outputs;
  for (const auto& f : join->schema->fields()) {
    const std::string& name = f->name();
    NodePtr column = expr::column(name);
    bool hidden = false;
    for (size_t k = 0; k < keys.size(); ++k) {
      hidden |= added[k] == name;
      const bool mine = keys[k].left >= 0 && left.schema->field(keys[k].left)->name() == name;
      if (mine && column->kind == expr::NodeKind::kColumn)
        column = expr::alias(expr::call("coalesce", {column, expr::column(added[k])}), name);
    }
    if (!hidden) outputs.push_back(std::move(column));
  }
  return make_project(std::move(join), std::move(outputs));
}

arrow::Status check_counts(size_t left, size_t right) {
  if (left == right) return arrow::Status::OK();
  return base::plan_error("a join needs as many left keys as right keys, not " + std::to_string(left) + " and " + std::to_string(right));
}

arrow::Result<PlanPtr> named_join(PlanPtr left, PlanPtr right, const std::vector<KeyColumns>& coalesced, JoinParts parts) {
  std::vector<std::string> added;
  ARROW_RETURN_NOT_OK(name_output(*left, *right, coalesced, parts, added));
  const bool full = parts.kind == JoinKind::kFull;
  const PlanPtr of_names = left;
  ARROW_ASSIGN_OR_RAISE(PlanPtr join, join_node(std::move(left), std::move(right), std::move(parts)));
  return full && !coalesced.empty() ? coalesced_keys(std::move(join), *of_names, coalesced, added) : join;
}

}  // namespace

arrow::Result<PlanPtr> make_join(PlanPtr left, PlanPtr right, JoinKind kind, std::vector<NodePtr> left_keys,
                                 std::vector<NodePtr> right_keys, bool coalesce_keys, bool nulls_equal, std::string suffix,
                                 NodePtr condition) {
  ARROW_RETURN_NOT_OK(check_counts(left_keys.size(), right_keys.size()));
  if (left_keys.empty() && !condition) return base::plan_error("a join needs at least one pair of keys, or a condition");
  if (kind == JoinKind::kAsof) return base::internal_error("an as-of join without its key");
  std::vector<KeyColumns> coalesced;
  if (coalesce_keys) coalesced = key_columns(*left, *right, left_keys, right_keys);
  for (size_t i = 0; i < left_keys.size(); ++i) ARROW_RETURN_NOT_OK(unify_keys(*left, *right, left_keys[i], right_keys[i]));
  JoinParts parts;
  parts.kind = kind;
  parts.left_keys = std::move(left_keys);
  parts.right_keys = std::move(right_keys);
  parts.nulls_equal = nulls_equal;
  parts.coalesce_keys = coalesce_keys;
  parts.suffix = std::move(suffix);
  if (condition && kind == JoinKind::kInner) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr join, named_join(std::move(left), std::move(right), coalesced, std::move(parts)));
    return make_filter(std::move(join), std::move(condition));
  }
  if (condition) {
    ARROW_ASSIGN_OR_RAISE(parts.residual, pair_condition(*left, *right, parts.suffix, std::move(condition)));
  }
  return named_join(std::move(left), std::move(right), coalesced, std::move(parts));
}

arrow::Result<PlanPtr> make_cross_join(PlanPtr left, PlanPtr right, std::string suffix) {
  JoinParts parts;
  parts.suffix = std::move(suffix);
  return named_join(std::move(left), std::move(right), {}, std::move(parts));
}

arrow::Result<PlanPtr> make_asof_join(PlanPtr left, PlanPtr right, AsofMatch match, std::vector<NodePtr> left_by,
                                      std::vector<NodePtr> right_by, bool coalesce_on, bool coalesce_by,
                                      std::string suffix) {
  ARROW_RETURN_NOT_OK(check_counts(left_by.size(), right_by.size()));
  std::vector<KeyColumns> coalesced;
  if (coalesce_by) coalesced = key_columns(*left, *right, left_by, right_by);
  if (coalesce_on) {
    for (const KeyColumns& k : key_columns(*left, *right, {match.left_on}, {match.right_on})) coalesced.push_back(k);
  }
  for (size_t i = 0; i < left_by.size(); ++i) ARROW_RETURN_NOT_OK(unify_keys(*left, *right, left_by[i], right_by[i]));
  ARROW_RETURN_NOT_OK(settle_asof(*left, *right, match));
  JoinParts parts;
  parts.kind = JoinKind::kAsof;
  parts.left_keys = std::move(left_by);
  parts.right_keys = std::move(right_by);
  parts.asof = std::move(match);
  parts.coalesce_keys = coalesce_on || coalesce_by;
  parts.suffix = std::move(suffix);
  return named_join(std::move(left), std::move(right), coalesced, std::move(parts));
}

}  // namespace gristmill::plan
