// Types are canonical here; a tolerance has become a number of the key's units.

#include "exec/join_plan.h"

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "plan/nodes.h"

namespace gristmill::exec {
namespace {

arrow::Result<std::vector<expr::BoundPtr>> bind_all(const std::vector<expr::NodePtr>& keys, const arrow::Schema& schema) {
  std::vector<expr::BoundPtr> out;
  for (const auto& k : keys) {
    ARROW_ASSIGN_OR_RAISE(auto b, expr::bind(k, schema));
    out.push_back(std::move(b));
  }
  return out;
}

std::vector<column::TypePtr> canonical_types(const arrow::Schema& s) {
  std::vector<column::TypePtr> out;
  for (const auto& f : s.fields()) out.push_back(column::canonical_type(f->type()));
  return out;
}

arrow::Result<AsofSpec> asof_spec(const plan::Plan& p) {
  AsofSpec out;
  ARROW_ASSIGN_OR_RAISE(out.left_on, expr::bind(p.asof.left_on, *p.inputs[0]->schema));
  ARROW_ASSIGN_OR_RAISE(out.right_on, expr::bind(p.asof.right_on, *p.inputs[1]->schema));
  out.strategy = p.asof.strategy;
  out.allow_exact = p.asof.allow_exact;
  if (!p.asof.tolerance) return out;
  const arrow::Scalar& value = *p.asof.tolerance->value;
  if (value.type->id() == arrow::Type::DOUBLE) {
    out.float_tolerance = static_cast<const arrow::DoubleScalar&>(value).value;
  } else if (value.type->id() == arrow::Type::INT64) {
    out.tolerance = static_cast<uint64_t>(static_cast<const arrow::Int64Scalar&>(value).value);
  } else {
    return base::internal_error("an as-of tolerance that is no number");
  }
  return out;
}

}  // namespace

arrow::Result<JoinSpec> join_spec(const plan::Plan& p) {
  const arrow::Schema &left = *p.inputs[0]->schema, &right = *p.inputs[1]->schema;
  JoinSpec spec;
  spec.kind = p.join;
  ARROW_ASSIGN_OR_RAISE(spec.left_keys, bind_all(p.left_keys, left));
  ARROW_ASSIGN_OR_RAISE(spec.right_keys, bind_all(p.right_keys, right));
  if (spec.left_keys.empty() && p.join != plan::JoinKind::kAsof) {
    const auto same = expr::literal(std::make_shared<arrow::Int8Scalar>(int8_t{1}), false);
    ARROW_ASSIGN_OR_RAISE(spec.left_keys, bind_all({same}, left));
    ARROW_ASSIGN_OR_RAISE(spec.right_keys, bind_all({same}, right));
  }
  spec.left_types = canonical_types(left);
  spec.right_types = canonical_types(right);
  spec.nulls_equal = p.nulls_equal;
  spec.output = p.join_output;
  spec.build_left = p.build_left;
  spec.ordered = p.ordered;
  if (p.residual) {
    ARROW_ASSIGN_OR_RAISE(spec.residual, expr::bind(p.residual, *plan::pair_schema(left, right)));
  }
  if (p.join == plan::JoinKind::kAsof) {
    ARROW_ASSIGN_OR_RAISE(spec.asof, asof_spec(p));
    spec.label = expr::text(*p.asof.left_on);
  }
  for (const auto& k : p.left_keys) spec.label += (spec.label.empty() ? "" : ", ") + expr::text(*k);
  return spec;
}

bool probe_may_fail(const JoinSpec& spec) {
  bool fails = (spec.residual && spec.residual->fallible) || (spec.asof && spec.asof->left_on->fallible);
  for (const auto& k : spec.build_left ? spec.right_keys : spec.left_keys) fails |= k->fallible;
  return fails;
}

}  // namespace gristmill::exec
