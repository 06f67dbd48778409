// A right column whose name is taken on the left gets the suffix; with coalesced keys the right keys do not appear.

#include "plan/nodes/join_columns.h"

#include <arrow/type.h>

#include "base/status.h"
#include "expr/bind.h"
#include "expr/promotion.h"

namespace gristmill::plan {

using expr::NodePtr;

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

std::vector<KeyColumns> key_columns(const Plan& left, const Plan& right, const std::vector<NodePtr>& left_keys,
                                    const std::vector<NodePtr>& right_keys) {
  std::vector<KeyColumns> out;
  for (size_t i = 0; i < left_keys.size(); ++i) {
    if (!is_column(*right_keys[i])) continue;
    const int l = is_column(*left_keys[i]) ? left.schema->GetFieldIndex(left_keys[i]->name) : -1;
    out.push_back({l, right.schema->GetFieldIndex(right_keys[i]->name)});
  }
  return out;
}

arrow::Status name_output(const Plan& left, const Plan& right, const std::vector<KeyColumns>& coalesced, JoinParts& parts,
                          std::vector<std::string>& added) {
  const NameSet on_the_left = names_of(*left.schema);
  NameSet taken = on_the_left;
  const int width = left.schema->num_fields();
  for (int i = 0; i < width; ++i) {
    int from = i;
    for (const KeyColumns& k : coalesced) {
      if (k.left == i && parts.kind == JoinKind::kRight) from = width + k.right;
    }
    parts.output.push_back(from);
    parts.names.push_back(left.schema->field(i)->name());
  }
  if (!has_right_columns(parts.kind)) return arrow::Status::OK();
  for (int i = 0; i < right.schema->num_fields(); ++i) {
    std::string name = right.schema->field(i)->name();
    bool hidden = false;
    for (const KeyColumns& k : coalesced) hidden |= k.right == i;
    if (hidden) continue;
    if (on_the_left.contains(name)) name += parts.suffix;
    if (!taken.insert(name).second) {
      return base::plan_error("two columns of the join are called \"" + name + "\"", "rename one of them, or choose another suffix");
    }
    parts.output.push_back(width + i);
    parts.names.push_back(std::move(name));
  }
  if (parts.kind != JoinKind::kFull) return arrow::Status::OK();
  for (const KeyColumns& k : coalesced) {
    std::string name = right.schema->field(k.right)->name() + parts.suffix;
    while (!taken.insert(name).second) name += "'";
    parts.output.push_back(width + k.right);
    parts.names.push_back(name);
    added.push_back(std::move(name));
  }
  return arrow::Status::OK();
}

std::shared_ptr<arrow::Schema> pair_schema(const arrow::Schema& left, const arrow::Schema& right) {
  arrow::FieldVector fields;
  for (const auto& f : left.fields()) fields.push_back(f->WithName("l." + f->name()));
  for (const auto& f : right.fields()) fields.push_back(f->WithName("r." + f->name()));
  return arrow::schema(std::move(fields));
}

arrow::Result<NodePtr> pair_condition(const Plan& left, const Plan& right, const std::string& suffix, NodePtr condition) {
  ARROW_RETURN_NOT_OK(refuse_aggregates(*condition, "a join's condition"));
  condition = strip_aliases(condition);
  const NameSet on_the_left = names_of(*left.schema);
  Substitution pair;
  arrow::FieldVector shown;
  for (const auto& f : left.schema->fields()) {
    pair.emplace(f->name(), expr::column("l." + f->name()));
    shown.push_back(f);
  }
  for (const auto& f : right.schema->fields()) {
    const std::string name = on_the_left.contains(f->name()) ? f->name() + suffix : f->name();
    if (pair.emplace(name, expr::column("r." + f->name())).second) shown.push_back(f->WithName(name));
  }
  ARROW_ASSIGN_OR_RAISE(auto type, expr::type_of(condition, arrow::Schema(std::move(shown))));
  if (type->id() == arrow::Type::NA) {
    condition = expr::cast(condition, arrow::boolean());
  } else if (type->id() != arrow::Type::BOOL) {
    return base::plan_error("the condition of a join must be bool, not " + column::type_text(*type) + ": " + expr::text(*condition));
  }
  return substitute(condition, pair);
}

arrow::Result<bool> join_side_may_fail(const Plan& join, size_t side) {
  std::vector<NodePtr> parts = side == 0 ? join.left_keys : join.right_keys;
  if (join.join == JoinKind::kAsof) parts.push_back(side == 0 ? join.asof.left_on : join.asof.right_on);
  ARROW_ASSIGN_OR_RAISE(const bool keys, any_fallible(parts, *join.inputs[side]->schema));
  if (keys || !join.residual) return keys;
  return expr::fallible(join.residual, *pair_schema(*join.inputs[0]->schema, *join.inputs[1]->schema));
}

arrow::Result<bool> join_may_fail(const Plan& join) {
  ARROW_ASSIGN_OR_RAISE(const bool left, join_side_may_fail(join, 0));
  return left ? arrow::Result<bool>(true) : join_side_may_fail(join, 1);
}

void add_pair_columns(const Plan& join, NameSet& left, NameSet& right) {
  if (join.join == JoinKind::kAsof) {
    add_columns(*join.asof.left_on, left);
    add_columns(*join.asof.right_on, right);
  }
  if (!join.residual) return;
  for (const std::string& name : columns_of(*join.residual)) (name.starts_with("l.") ? left : right).insert(name.substr(2));
}

std::string residual_text(const Plan& join) {
  const NameSet on_the_left = names_of(*join.inputs[0]->schema);
  Substitution shown;
  for (const std::string& name : columns_of(*join.residual)) {
    const std::string own = name.substr(2);
    const bool clash = name.starts_with("r.") && on_the_left.contains(own);
    shown.emplace(name, expr::column(clash ? own + join.suffix : own));
  }
  return expr::text(*substitute(join.residual, shown));
}

}  // namespace gristmill::plan
