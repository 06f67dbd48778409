// Types of columns bottom-up. Arithmetic keeps the scale whatever the precision, so an expression over shorter types has the same values;
// where it has another scale, or no meaning, nothing is said of it.

#include "plan/digits.h"

#include <algorithm>

#include <arrow/type.h>

#include "expr/bind.h"
#include "plan/expressions.h"

namespace gristmill::plan {
namespace {

using expr::NodePtr;

constexpr int kMostDigits = 38, kDigitsOfACount = 19;  // 2^63 is less than 10^19

using Types = std::vector<column::TypePtr>;  // of the columns; null: as the schema says. Empty: all null

const arrow::Decimal128Type* decimal(const column::TypePtr& t) {
  return t != nullptr && t->id() == arrow::Type::DECIMAL128 ? static_cast<const arrow::Decimal128Type*>(t.get()) : nullptr;
}

Types short_types(const Plan& p);

// `p`'s schema with these types; null if there are none.
std::shared_ptr<arrow::Schema> with_types(const Plan& p, const Types& types) {
  if (std::all_of(types.begin(), types.end(), [](const auto& t) { return t == nullptr; })) return nullptr;
  arrow::FieldVector fields = p.schema->fields();
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i]) fields[i] = fields[i]->WithType(types[i]);
  }
  return arrow::schema(std::move(fields));
}

// `found` where it is a decimal of the same scale as `shown` and shorter.
column::TypePtr if_shorter(const column::TypePtr& found, const column::TypePtr& shown) {
  const auto *f = decimal(found), *s = decimal(shown);
  return f && s && f->scale() == s->scale() && f->precision() < s->precision() ? found : nullptr;
}

column::TypePtr type_over(const NodePtr& e, const arrow::Schema& shortened, const column::TypePtr& shown) {
  if (!decimal(shown)) return nullptr;
  const auto type = expr::type_of(e, shortened);
  return type.ok() ? if_shorter(*type, shown) : nullptr;
}

column::TypePtr aggregate_type(const NodePtr& e, const arrow::Schema& input, const column::TypePtr& shown) {
  if (!decimal(shown)) return nullptr;
  const auto bound = expr::bind_aggregate(e, input);
  if (!bound.ok() || bound->args.empty()) return nullptr;
  const auto* of = decimal(bound->args[0]->type);
  if (bound->function == "min" || bound->function == "max") return if_shorter(bound->args[0]->type, shown);
  if (bound->function != "sum" || !of || of->precision() + kDigitsOfACount >= kMostDigits) return nullptr;
  return if_shorter(arrow::decimal128(of->precision() + kDigitsOfACount, of->scale()), shown);
}

Types of_expressions(const Plan& p) {
  const auto below = short_schema(*p.inputs[0]);
  const arrow::Schema& input = below ? *below : *p.inputs[0]->schema;
  Types out;
  for (const NamedExpr& e : p.exprs) {
    const auto& shown = p.schema->field(static_cast<int>(out.size()))->type();
    out.push_back(below ? type_over(e.expr, input, shown) : nullptr);
  }
  if (p.kind == PlanKind::kProject) return out;
  for (const NamedExpr& a : p.aggregates) {
    const auto& shown = p.schema->field(static_cast<int>(out.size()))->type();
    out.push_back(aggregate_type(a.expr, input, shown));
  }
  return out;
}

Types of_join(const Plan& p) {
  const size_t left = static_cast<size_t>(p.inputs[0]->schema->num_fields());
  const Types sides[2] = {short_types(*p.inputs[0]), short_types(*p.inputs[1])};
  Types out;
  for (const int c : p.join_output) {
    const size_t at = static_cast<size_t>(c);
    const Types& side = sides[at < left ? 0 : 1];
    out.push_back(side.empty() ? nullptr : side[at < left ? at : at - left]);
  }
  return out;
}

Types short_types(const Plan& p) {
  switch (p.kind) {
    case PlanKind::kFilter:
    case PlanKind::kSort:
    case PlanKind::kLimit: return short_types(*p.inputs[0]);
    case PlanKind::kProject:
    case PlanKind::kAggregate: return of_expressions(p);
    case PlanKind::kJoin: return of_join(p);
    default: return {};
  }
}

bool reads_long_decimal(const expr::Node& e, const arrow::Schema& input) {
  const NameSet names = columns_of(e);
  return std::any_of(names.begin(), names.end(), [&](const std::string& n) {
    const auto field = input.GetFieldByName(n);
    const auto* type = field ? decimal(field->type()) : nullptr;
    return type && type->precision() == kMostDigits;
  });
}

}  // namespace

std::shared_ptr<arrow::Schema> short_schema(const Plan& p) { return with_types(p, short_types(p)); }

arrow::Result<bool> fallible(const NodePtr& e, const Plan& input) {
  ARROW_ASSIGN_OR_RAISE(const bool fails, expr::fallible(e, *input.schema));
  if (!fails || !reads_long_decimal(*e, *input.schema)) return fails;
  const auto shortened = short_schema(input);
  if (!shortened) return true;
  const auto still = expr::fallible(e, *shortened);
  return still.ok() ? *still : true;
}

arrow::Result<bool> any_fallible(const std::vector<NamedExpr>& exprs, const Plan& input) {
  for (const NamedExpr& e : exprs) {
    ARROW_ASSIGN_OR_RAISE(const bool f, fallible(e.expr, input));
    if (f) return true;
  }
  return false;
}

arrow::Result<bool> any_fallible(const std::vector<NodePtr>& exprs, const Plan& input) {
  for (const NodePtr& e : exprs) {
    ARROW_ASSIGN_OR_RAISE(const bool f, fallible(e, input));
    if (f) return true;
  }
  return false;
}

}  // namespace gristmill::plan
