// Types are those of FROM's columns, followed through fields and entries of lists; anything else has none here.

#include "sql/struct_fields.h"

#include <algorithm>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "sql/outer.h"

namespace gristmill::sqltext {
namespace {

using column::TypePtr;
using expr::NodePtr;

// Null for not known.
TypePtr known_type(const expr::Node& x, const Scope& scope) {
  if (x.kind == expr::NodeKind::kColumn) {
    for (const ScopeColumn& c : scope.columns) {
      if (c.column == x.name) return c.type;
    }
    return nullptr;
  }
  if (x.kind != expr::NodeKind::kCall || x.args.size() != 2) return nullptr;
  const TypePtr inner = known_type(*x.args[0], scope);
  if (!inner) return nullptr;
  if (x.name == "sql_list_get") {
    const bool list = inner->id() == arrow::Type::LIST || inner->id() == arrow::Type::LARGE_LIST;
    return list ? inner->field(0)->type() : nullptr;
  }
  if (x.name != "struct.field" || inner->id() != arrow::Type::STRUCT || x.args[1]->kind != expr::NodeKind::kLiteral) return nullptr;
  const arrow::Scalar& name = *x.args[1]->value;
  if (name.type->id() != arrow::Type::STRING_VIEW || !name.is_valid) return nullptr;
  const auto view = static_cast<const arrow::BaseBinaryScalar&>(name).view();
  const auto field = static_cast<const arrow::StructType&>(*inner).GetFieldByName(std::string(view));
  return field ? field->type() : nullptr;
}

NodePtr field_call(NodePtr x, const std::string& name) {
  return expr::call("struct.field", {std::move(x), expr::literal(std::string_view(name))});
}

// The names before the star, or all of them.
std::vector<std::string> parts_of(const PgQuery__ColumnRef& c) {
  std::vector<std::string> out;
  for (size_t i = 0; i < c.n_fields && c.fields[i]->node_case == PG_QUERY__NODE__NODE_STRING; ++i)
    out.emplace_back(c.fields[i]->string->sval);
  return out;
}

arrow::Result<NodePtr> found_column(const Scope& scope, const std::string& table, const std::string& name) {
  const auto found = scope.find(table, name);
  if (found.ok()) return expr::column((*found)->column);
  if (scope.outer && !scope.knows(table, name)) {
    if (auto outside = scope.outer->find(table, name); outside.ok()) return outside;
  }
  return found.status();
}

arrow::Result<NodePtr> by_parts(const std::vector<std::string>& parts, const Scope& scope, const ParsedText& text, int location) {
  size_t used = std::min<size_t>(parts.size(), 2);
  auto found = found_column(scope, used == 2 ? parts[0] : "", parts[used - 1]);
  if (!found.ok() && used == 2) {
    // A column of this query, and a struct: else what was missing is told of the table.
    const auto column = scope.find("", parts[0]);
    if (column.ok() && (*column)->type && (*column)->type->id() == arrow::Type::STRUCT) {
      used = 1;
      found = expr::column((*column)->column);
    }
  }
  if (!found.ok()) return text.error(found.status().message(), location);
  NodePtr x = std::move(*found);
  for (size_t i = used; i < parts.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(x, field_of(std::move(x), parts[i], scope, text, location));
  }
  return x;
}

}  // namespace

arrow::Result<NodePtr> column_or_field(const PgQuery__ColumnRef& c, const Scope& scope, const ParsedText& text) {
  const std::vector<std::string> parts = parts_of(c);
  if (parts.empty() || parts.size() < c.n_fields) return text.error("* stands only in a select list or in count(*)", c.location);
  return by_parts(parts, scope, text, c.location);
}

arrow::Result<NodePtr> field_of(NodePtr x, const std::string& name, const Scope& scope, const ParsedText& text, int location) {
  const TypePtr type = known_type(*x, scope);
  if (!type) return field_call(std::move(x), name);
  if (type->id() != arrow::Type::STRUCT)
    return text.error("\"" + name + "\" cannot be a field of " + column::type_text(*column::canonical_type(type)), location);
  std::vector<std::string> known, alike;
  for (const auto& f : type->fields()) {
    if (f->name() == name) return field_call(std::move(x), name);
    known.push_back(f->name());
    if (equal_ignoring_case(f->name(), name)) alike.push_back(f->name());
  }
  if (alike.size() > 1) return text.error("field \"" + name + "\" is ambiguous: " + alike[0] + " or " + alike[1], location);
  if (alike.empty()) return text.error("the struct has no field \"" + name + "\"" + base::suggest_name(name, known), location);
  return field_call(std::move(x), alike[0]);
}

arrow::Result<bool> struct_star(const PgQuery__Node& n, const ExpressionLowering& expressions, const ParsedText& text,
                                std::vector<Output>& out) {
  const Scope& scope = expressions.scope();
  NodePtr x;
  int location = -1;
  if (n.node_case == PG_QUERY__NODE__NODE_COLUMN_REF) {
    const PgQuery__ColumnRef& c = *n.column_ref;
    const std::vector<std::string> parts = parts_of(c);
    const bool table = parts.empty() || (parts.size() == 1 && scope.has_table(parts[0]));
    if (c.fields[c.n_fields - 1]->node_case != PG_QUERY__NODE__NODE_A_STAR || table) return false;
    location = c.location;
    auto found = by_parts(parts, scope, text, location);
    if (!found.ok() && parts.size() == 1) return text.error("no table \"" + parts[0] + "\" in this query", location);
    ARROW_ASSIGN_OR_RAISE(x, std::move(found));
  } else if (n.node_case == PG_QUERY__NODE__NODE_A_INDIRECTION && n.a_indirection->n_indirection == 1 &&
             n.a_indirection->indirection[0]->node_case == PG_QUERY__NODE__NODE_A_STAR) {
    ARROW_ASSIGN_OR_RAISE(x, expressions.lower(*n.a_indirection->arg));
  } else {
    return false;
  }
  const TypePtr type = known_type(*x, scope);
  if (!type || type->id() != arrow::Type::STRUCT) return text.error("only a table or a struct of a column has a .*", location);
  for (const auto& f : type->fields()) out.push_back({f->name(), field_call(x, f->name())});
  return true;
}

}  // namespace gristmill::sqltext
