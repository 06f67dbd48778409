// Joins: keys of one type, names of the output (semantics.md 7).
//
// A right column whose name is taken on the left gets the suffix; with coalesced keys the right keys do not appear.

#include <arrow/type.h>

#include "base/status.h"
#include "expr/bind.h"
#include "expr/promotion.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::plan {
namespace {

using expr::NodePtr;

bool left_only(JoinKind kind) { return kind == JoinKind::kSemi || kind == JoinKind::kAnti; }

// Casts both keys of a pair to the type they meet in.
arrow::Status unify_keys(const Plan& left, const Plan& right, NodePtr& l, NodePtr& r) {
  ARROW_RETURN_NOT_OK(refuse_aggregates(*l, "a join key"));
  ARROW_RETURN_NOT_OK(refuse_aggregates(*r, "a join key"));
  l = strip_aliases(l);
  r = strip_aliases(r);
  ARROW_ASSIGN_OR_RAISE(auto lt, expr::type_of(l, *left.schema));
  ARROW_ASSIGN_OR_RAISE(auto rt, expr::type_of(r, *right.schema));
  ARROW_RETURN_NOT_OK(check_key_type(*l, lt, "join on"));
  ARROW_RETURN_NOT_OK(check_key_type(*r, rt, "join on"));
  const auto type = expr::common_type(lt, rt);
  if (!type) {
    return base::plan_error(
        "cannot join " + expr::text(*l) + " (" + column::type_text(*lt) + ") with " + expr::text(*r) + " (" + column::type_text(*rt) + ")",
        "cast one of them");
  }
  if (!type->Equals(*lt)) l = expr::cast(l, type);
  if (!type->Equals(*rt)) r = expr::cast(r, type);
  return arrow::Status::OK();
}

// Right columns that are keys: with on= they would repeat the left ones.
NameSet hidden_columns(const std::vector<NodePtr>& right_keys, bool coalesce_keys) {
  NameSet hidden;
  for (const NodePtr& k : right_keys) {
    if (coalesce_keys && is_column(*k)) hidden.insert(k->name);
  }
  return hidden;
}

arrow::Status name_output(const Plan& left, const Plan& right, const NameSet& hidden, JoinParts& parts) {
  const NameSet on_the_left = names_of(*left.schema);
  NameSet taken = on_the_left;
  for (int i = 0; i < left.schema->num_fields(); ++i) {
    parts.output.push_back(i);
    parts.names.push_back(left.schema->field(i)->name());
  }
  if (left_only(parts.kind)) return arrow::Status::OK();
  for (int i = 0; i < right.schema->num_fields(); ++i) {
    std::string name = right.schema->field(i)->name();
    if (hidden.contains(name)) continue;
    if (on_the_left.contains(name)) name += parts.suffix;
    if (!taken.insert(name).second) {
      return base::plan_error("two columns of the join are called \"" + name + "\"", "rename one of them, or choose another suffix");
    }
    parts.output.push_back(left.schema->num_fields() + i);
    parts.names.push_back(std::move(name));
  }
  return arrow::Status::OK();
}

}  // namespace

JoinParts join_parts(const Plan& p) {
  return {p.join,   p.left_keys,  p.right_keys,  p.nulls_equal,          p.coalesce_keys,
          p.suffix, p.build_left, p.join_output, p.schema->field_names()};
}

arrow::Result<PlanPtr> join_node(PlanPtr left, PlanPtr right, JoinParts parts) {
  const int left_columns = left->schema->num_fields();
  const int columns = left_columns + (left_only(parts.kind) ? 0 : right->schema->num_fields());
  if (parts.names.size() != parts.output.size()) return base::internal_error("a join with unnamed columns");
  arrow::FieldVector fields;
  for (size_t i = 0; i < parts.output.size(); ++i) {
    const int c = parts.output[i];
    if (c < 0 || c >= columns) return base::plan_error("the join has no column number " + std::to_string(c));
    const bool from_left = c < left_columns;
    const auto& f = from_left ? left->schema->field(c) : right->schema->field(c - left_columns);
    const bool nullable = f->nullable() || (!from_left && parts.kind == JoinKind::kLeft);
    fields.push_back(arrow::field(parts.names[i], f->type(), nullable));
  }
  auto p = new_node(PlanKind::kJoin, {std::move(left), std::move(right)});
  p->join = parts.kind;
  p->left_keys = std::move(parts.left_keys);
  p->right_keys = std::move(parts.right_keys);
  p->nulls_equal = parts.nulls_equal;
  p->coalesce_keys = parts.coalesce_keys;
  p->suffix = std::move(parts.suffix);
  p->build_left = parts.build_left;
  p->join_output = std::move(parts.output);
  p->schema = arrow::schema(std::move(fields));
  return p;
}

arrow::Result<PlanPtr> make_join(PlanPtr left, PlanPtr right, JoinKind kind, std::vector<NodePtr> left_keys,
                                 std::vector<NodePtr> right_keys, bool coalesce_keys, bool nulls_equal, std::string suffix) {
  if (left_keys.size() != right_keys.size()) {
    return base::plan_error("a join needs as many left keys as right keys, not " + std::to_string(left_keys.size()) + " and " +
                            std::to_string(right_keys.size()));
  }
  if (left_keys.empty()) return base::plan_error("a join needs at least one pair of keys");
  const NameSet hidden = hidden_columns(right_keys, coalesce_keys);
  for (size_t i = 0; i < left_keys.size(); ++i) ARROW_RETURN_NOT_OK(unify_keys(*left, *right, left_keys[i], right_keys[i]));
  JoinParts parts{kind, std::move(left_keys), std::move(right_keys), nulls_equal, coalesce_keys, std::move(suffix), false, {}, {}};
  ARROW_RETURN_NOT_OK(name_output(*left, *right, hidden, parts));
  return join_node(std::move(left), std::move(right), std::move(parts));
}

}  // namespace gristmill::plan
