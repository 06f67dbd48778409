// Names, fields and fallibility of expressions, as plan nodes need them.
//
// Types come from expr::type_of alone, so a plan never disagrees with what runs.

#include "plan/expressions.h"

#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "expr/bind.h"

namespace gristmill::plan {

constexpr int kDigitsThatNeverOverflow = 38 - 19 - 1;  // 2^63 is less than 10^19

using expr::Node;
using expr::NodeKind;
using expr::NodePtr;

column::TypePtr border_type(const column::TypePtr& t) {
  switch (t->id()) {
    case arrow::Type::STRING_VIEW: return arrow::utf8();
    case arrow::Type::BINARY_VIEW: return arrow::binary();
    case arrow::Type::LIST: return arrow::list(t->field(0)->WithType(border_type(t->field(0)->type())));
    case arrow::Type::LARGE_LIST: return arrow::large_list(t->field(0)->WithType(border_type(t->field(0)->type())));
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& f : t->fields()) fields.push_back(f->WithType(border_type(f->type())));
      return arrow::struct_(std::move(fields));
    }
    case arrow::Type::MAP: {
      const auto& m = static_cast<const arrow::MapType&>(*t);
      return arrow::map(border_type(m.key_type()), m.item_field()->WithType(border_type(m.item_type())));
    }
    default: return t;
  }
}

arrow::Result<std::shared_ptr<arrow::Field>> output_field(const NamedExpr& e, const arrow::Schema& input) {
  if (is_column(*e.expr)) {
    ARROW_ASSIGN_OR_RAISE(const int at, find_column(input, e.expr->name));
    return arrow::field(e.name, input.field(at)->type(), input.field(at)->nullable());
  }
  ARROW_ASSIGN_OR_RAISE(auto type, expr::type_of(e.expr, input));
  return arrow::field(e.name, border_type(type));
}

NodePtr strip_aliases(const NodePtr& e) {
  return expr::rewrite(e, [](const NodePtr& n) { return n->kind == NodeKind::kAlias ? n->args[0] : n; });
}

NamedExpr named(const NodePtr& e) { return {expr::output_name(*e), strip_aliases(e)}; }

bool is_column(const Node& e) { return e.kind == NodeKind::kColumn; }

void add_columns(const Node& e, NameSet& names) {
  std::vector<std::string> found;
  expr::collect_columns(e, found);
  names.insert(found.begin(), found.end());
}

NameSet columns_of(const Node& e) {
  NameSet names;
  add_columns(e, names);
  return names;
}

NameSet names_of(const arrow::Schema& schema) {
  NameSet names;
  for (const auto& f : schema.fields()) names.insert(f->name());
  return names;
}

bool subset_of(const NameSet& names, const arrow::Schema& schema) {
  for (const std::string& n : names) {
    if (schema.GetFieldIndex(n) < 0) return false;
  }
  return true;
}

bool subset_of(const NameSet& names, const NameSet& all) {
  for (const std::string& n : names) {
    if (!all.contains(n)) return false;
  }
  return true;
}

NodePtr substitute(const NodePtr& e, const Substitution& by_name) {
  return expr::rewrite(e, [&](const NodePtr& n) {
    if (n->kind != NodeKind::kColumn) return n;
    const auto it = by_name.find(n->name);
    return it == by_name.end() ? n : it->second;
  });
}

arrow::Result<NodePtr> as_operand(const NodePtr& e, const arrow::Schema& input) {
  if (is_column(*e) || (e->kind == NodeKind::kLiteral && !e->untyped)) return e;
  ARROW_ASSIGN_OR_RAISE(auto bound, expr::bind(e, input));
  return bound->kind == expr::BoundKind::kConstant ? expr::literal(bound->value, false) : e;
}

NodePtr with_args(const Node& e, std::vector<NodePtr> args) {
  auto copy = std::make_shared<Node>(e);
  copy->args = std::move(args);
  return copy;
}

arrow::Result<int> find_column(const arrow::Schema& schema, std::string_view name) {
  const std::string wanted(name);
  const int at = schema.GetFieldIndex(wanted);
  if (at >= 0) return at;
  const bool several = !schema.GetAllFieldIndices(wanted).empty();
  if (several) return base::plan_error("column \"" + wanted + "\" is ambiguous", "rename one of the columns of that name");
  return base::plan_error("no column \"" + wanted + "\"", base::suggest_name(wanted, schema.field_names()));
}

arrow::Status check_unique(const arrow::Schema& schema) {
  NameSet seen;
  for (const auto& f : schema.fields()) {
    if (!seen.insert(f->name()).second) {
      return base::plan_error("two output columns are called \"" + f->name() + "\"", "give one of them another name with alias()");
    }
  }
  return arrow::Status::OK();
}

arrow::Status refuse_aggregates(const Node& e, std::string_view where) {
  if (!expr::contains_aggregate(e)) return arrow::Status::OK();
  return base::plan_error("an aggregate cannot stand in " + std::string(where) + ": " + expr::text(e),
                          "compute it with group_by().agg() or select() first");
}

arrow::Status check_key_type(const Node& e, const column::TypePtr& canonical, std::string_view where) {
  const auto physical = column::physical_of(*canonical);
  if (physical.ok() && *physical != column::Physical::kNested) return arrow::Status::OK();
  return base::plan_error("cannot " + std::string(where) + " " + expr::text(e) + ": its type is " + column::type_text(*canonical));
}

arrow::Result<bool> aggregate_fallible(const NodePtr& aggregate, const arrow::Schema& input) {
  ARROW_ASSIGN_OR_RAISE(auto bound, expr::bind_aggregate(aggregate, input));
  if (bound.filter && bound.filter->fallible) return true;
  for (const auto& arg : bound.args) {
    if (arg->fallible) return true;
  }
  for (const auto& by : bound.order) {
    if (by.key->fallible) return true;
  }
  if (bound.function == "sum" && bound.args[0]->type->id() == arrow::Type::DECIMAL128) {
    // As many values of so few digits as can be counted at all do not fill 38.
    return static_cast<const arrow::Decimal128Type&>(*bound.args[0]->type).precision() > kDigitsThatNeverOverflow;
  }
  return (bound.function == "sum" || bound.function == "product") && !column::is_float(*bound.type);
}

arrow::Result<bool> any_fallible(const std::vector<NamedExpr>& exprs, const arrow::Schema& input) {
  for (const NamedExpr& e : exprs) {
    ARROW_ASSIGN_OR_RAISE(const bool f, expr::fallible(e.expr, input));
    if (f) return true;
  }
  return false;
}

arrow::Result<bool> any_fallible(const std::vector<NodePtr>& exprs, const arrow::Schema& input) {
  for (const NodePtr& e : exprs) {
    ARROW_ASSIGN_OR_RAISE(const bool f, expr::fallible(e, input));
    if (f) return true;
  }
  return false;
}

}  // namespace gristmill::plan
