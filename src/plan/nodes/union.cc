// Unions: by name, in the first input's order of columns; types are promoted by casts below the union.
//
// Inputs that already agree in canonical types are left alone, whatever their border types; the output then shows
// the border type they share, or the plain one.

#include <arrow/type.h>

#include "base/status.h"
#include "expr/promotion.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::plan {
namespace {

column::TypePtr canonical_of(const Plan& p, int column) { return column::canonical_type(p.schema->field(column)->type()); }

arrow::Status same_names(const Plan& first, const Plan& other, size_t number) {
  for (const std::string& name : first.schema->field_names()) {
    if (other.schema->GetFieldIndex(name) < 0) {
      return base::plan_error("input " + std::to_string(number) + " of the union has no column \"" + name + "\"",
                              base::suggest_name(name, other.schema->field_names()));
    }
  }
  for (const std::string& name : other.schema->field_names()) {
    if (first.schema->GetFieldIndex(name) < 0) {
      return base::plan_error("input " + std::to_string(number) + " of the union has a column \"" + name + "\" which the first has not",
                              base::suggest_name(name, first.schema->field_names()));
    }
  }
  return arrow::Status::OK();
}

// `input` with the columns of `names`, of canonical `types`.
arrow::Result<PlanPtr> fit(const PlanPtr& input, const std::vector<std::string>& names, const std::vector<column::TypePtr>& types) {
  bool fits = input->schema->field_names() == names;
  std::vector<NamedExpr> outputs;
  for (size_t i = 0; i < names.size(); ++i) {
    auto e = expr::column(names[i]);
    if (!canonical_of(*input, input->schema->GetFieldIndex(names[i]))->Equals(*types[i])) {
      e = expr::cast(std::move(e), types[i]);
      fits = false;
    }
    outputs.push_back({names[i], std::move(e)});
  }
  return fits ? input : project_node(input, std::move(outputs));
}

}  // namespace

arrow::Result<PlanPtr> union_node(std::vector<PlanPtr> inputs) {
  if (inputs.empty()) return base::plan_error("a union needs at least one input");
  const Plan& first = *inputs[0];
  arrow::FieldVector fields;
  for (int c = 0; c < first.schema->num_fields(); ++c) {
    const auto& f = first.schema->field(c);
    const auto canonical = canonical_of(first, c);
    bool nullable = false, same_border = true;
    for (const PlanPtr& in : inputs) {
      if (in->schema->num_fields() != first.schema->num_fields() || in->schema->field(c)->name() != f->name() ||
          !canonical_of(*in, c)->Equals(*canonical)) {
        return base::plan_error("the inputs of a union differ in column \"" + f->name() + "\"");
      }
      nullable = nullable || in->schema->field(c)->nullable();
      same_border = same_border && in->schema->field(c)->type()->Equals(*f->type());
    }
    fields.push_back(arrow::field(f->name(), same_border ? f->type() : border_type(canonical), nullable));
  }
  auto p = new_node(PlanKind::kUnion, std::move(inputs));
  p->schema = arrow::schema(std::move(fields));
  return p;
}

arrow::Result<PlanPtr> make_union(std::vector<PlanPtr> inputs) {
  if (inputs.empty()) return base::plan_error("a union needs at least one input");
  if (inputs.size() == 1) return inputs[0];
  const Plan& first = *inputs[0];
  ARROW_RETURN_NOT_OK(check_unique(*first.schema));
  const auto names = first.schema->field_names();
  std::vector<column::TypePtr> types;
  for (int c = 0; c < first.schema->num_fields(); ++c) types.push_back(canonical_of(first, c));
  for (size_t i = 1; i < inputs.size(); ++i) {
    ARROW_RETURN_NOT_OK(same_names(first, *inputs[i], i + 1));
    ARROW_RETURN_NOT_OK(check_unique(*inputs[i]->schema));
    for (size_t c = 0; c < names.size(); ++c) {
      const auto other = canonical_of(*inputs[i], inputs[i]->schema->GetFieldIndex(names[c]));
      const auto both = expr::common_type(types[c], other);
      if (!both) {
        return base::plan_error("column \"" + names[c] + "\" of the union is " + column::type_text(*types[c]) + " in one input and " +
                                    column::type_text(*other) + " in another",
                                "cast one of them");
      }
      types[c] = both;
    }
  }
  for (PlanPtr& in : inputs) {
    ARROW_ASSIGN_OR_RAISE(in, fit(in, names, types));
  }
  return union_node(std::move(inputs));
}

}  // namespace gristmill::plan
