// One function per kind of node; operators and functions by table. What is not there yet says so by name, with a caret.

#include "sql/lower_expr.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "base/status.h"
#include "column/types.h"
#include "expr/registry.h"
#include "expr/user_function.h"
#include "sql/aggregate_names.h"
#include "sql/current_time.h"
#include "sql/event_windows.h"
#include "sql/function_names.h"
#include "sql/grouping_sets.h"
#include "sql/interval.h"
#include "sql/interval_value.h"
#include "sql/operator_forms.h"
#include "sql/select_unnest.h"
#include "sql/struct_fields.h"
#include "sql/subquery.h"
#include "sql/window.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;

struct Name {
  const char* sql;
  const char* engine;
};

constexpr Name kOperators[] = {{"+", "add"},     {"-", "sub"},         {"*", "mul"},         {"/", "sql_div"}, {"%", "sql_mod"},
                               {"^", "pow"},     {"=", "eq"},          {"<>", "ne"},         {"<", "lt"},      {"<=", "le"},
                               {">", "gt"},      {">=", "ge"},         {"||", "str.concat"}, {"&", "bit_and"}, {"|", "bit_or"},
                               {"#", "bit_xor"}, {"<<", "shift_left"}, {">>", "shift_right"}};

constexpr Name kFunctions[] = {{"upper", "str.upper"},
                               {"lower", "str.lower"},
                               {"btrim", "str.trim"},
                               {"length", "str.length"},
                               {"char_length", "str.length"},
                               {"character_length", "str.length"},
                               {"octet_length", "str.octet_length"},
                               {"substring", "sql_substring"},
                               {"substr", "sql_substring"},
                               {"replace", "str.replace"},
                               {"starts_with", "str.starts_with"},
                               {"contains", "str.contains"},
                               {"ends_with", "str.ends_with"},
                               {"abs", "abs"},
                               {"sqrt", "sqrt"},
                               {"ln", "ln"},
                               {"log10", "log10"},
                               {"exp", "exp"},
                               {"pow", "pow"},
                               {"power", "pow"},
                               {"floor", "floor"},
                               {"ceil", "ceil"},
                               {"ceiling", "ceil"},
                               {"round", "round"},
                               {"sign", "sign"},
                               {"sin", "sin"},
                               {"cos", "cos"},
                               {"tan", "tan"},
                               {"mod", "sql_mod"},
                               {"is_nan", "is_nan"},
                               {"isnan", "is_nan"},
                               {"year", "dt.year"},
                               {"month", "dt.month"},
                               {"day", "dt.day"},
                               {"hour", "dt.hour"},
                               {"minute", "dt.minute"},
                               {"second", "dt.second"}};

constexpr Name kExtract[] = {{"year", "dt.year"},     {"month", "dt.month"},   {"day", "dt.day"},         {"hour", "dt.hour"},
                             {"minute", "dt.minute"}, {"second", "dt.second"}, {"quarter", "dt.quarter"}, {"isodow", "dt.weekday"},
                             {"doy", "dt.dayofyear"}, {"epoch", "dt.epoch"}};

template <typename Table>
auto find(const Table& table, std::string_view name) -> decltype(&table[0]) {
  for (const auto& e : table) {
    if (name == e.sql) return &e;
  }
  return nullptr;
}

std::string last_name(PgQuery__Node* const* parts, size_t n) {
  return n > 0 && parts[n - 1]->node_case == PG_QUERY__NODE__NODE_STRING ? parts[n - 1]->string->sval : "";
}

std::string unsupported(const std::string& what) { return what + " is not supported yet"; }

// Whether it is a list by how it is written: the operands of || may be lists as well as texts.
bool is_list_call(const expr::Node& e) {
  return e.kind == expr::NodeKind::kCall && (e.name == "list.pack" || e.name == "list.concat" || e.name == "list.append");
}

NodePtr negated(NodePtr x) { return expr::call("not", {std::move(x)}); }

const char* string_constant(const PgQuery__Node* n) {
  if (!n || n->node_case != PG_QUERY__NODE__NODE_A_CONST || n->a_const->val_case != PG_QUERY__A__CONST__VAL_SVAL) return nullptr;
  return n->a_const->sval->sval;
}

bool is_interval(const PgQuery__Node* n) {
  return n && n->node_case == PG_QUERY__NODE__NODE_TYPE_CAST &&
         last_name(n->type_cast->type_name->names, n->type_cast->type_name->n_names) == "interval";
}

}  // namespace

static arrow::Result<int64_t> modifier(const PgQuery__TypeName& t, size_t i, int64_t fallback) {
  if (i >= t.n_typmods) return fallback;
  const PgQuery__Node& n = *t.typmods[i];
  if (n.node_case != PG_QUERY__NODE__NODE_A_CONST || n.a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL)
    return base::plan_error("a type's length must be a number");
  return n.a_const->ival->ival;
}

arrow::Result<column::TypePtr> sql_type(const PgQuery__TypeName& t) {
  const std::string name = last_name(t.names, t.n_names);
  if (name == "numeric" || name == "decimal") {
    ARROW_ASSIGN_OR_RAISE(int64_t p, modifier(t, 0, 38));
    ARROW_ASSIGN_OR_RAISE(int64_t s, modifier(t, 1, t.n_typmods > 0 ? 0 : 10));
    if (p < 1 || p > 38 || s < 0 || s > p)
      return base::plan_error("numeric(" + std::to_string(p) + "," + std::to_string(s) + ") is outside 38 digits");
    return arrow::decimal128(static_cast<int32_t>(p), static_cast<int32_t>(s));
  }
  struct Entry {
    const char* sql;
    column::TypePtr type;
  };
  const Entry table[] = {{"bool", arrow::boolean()},
                         {"boolean", arrow::boolean()},
                         {"int2", arrow::int16()},
                         {"int4", arrow::int32()},
                         {"int8", arrow::int64()},
                         {"smallint", arrow::int16()},
                         {"integer", arrow::int32()},
                         {"bigint", arrow::int64()},
                         {"float4", arrow::float32()},
                         {"float8", arrow::float64()},
                         {"double", arrow::float64()},
                         {"text", arrow::utf8_view()},
                         {"varchar", arrow::utf8_view()},
                         {"bpchar", arrow::utf8_view()},
                         {"string", arrow::utf8_view()},
                         {"bytea", arrow::binary_view()},
                         {"date", arrow::date32()},
                         {"timestamp", arrow::timestamp(arrow::TimeUnit::MICRO)},
                         {"timestamptz", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")}};
  for (const auto& e : table) {
    if (name == e.sql) return e.type;
  }
  return column::parse_type(name);
}

arrow::Result<NodePtr> lower_constant(const PgQuery__AConst& c, const ParsedText& text) {
  if (c.isnull) return expr::null_literal();
  switch (c.val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL: return expr::literal(static_cast<int64_t>(c.ival->ival));
    case PG_QUERY__A__CONST__VAL_BOOLVAL: return expr::literal(static_cast<bool>(c.boolval->boolval));
    case PG_QUERY__A__CONST__VAL_SVAL: return expr::literal(std::string_view(c.sval->sval));
    case PG_QUERY__A__CONST__VAL_FVAL: {
      const std::string digits = c.fval->fval;
      if (digits.find_first_of("eE") != std::string::npos) return expr::literal(std::stod(digits));
      if (digits.find('.') == std::string::npos && digits.size() <= 19) {
        try {
          return expr::literal(static_cast<int64_t>(std::stoll(digits)));
        } catch (const std::exception&) {  // beyond int64: a decimal below
        }
      }
      arrow::Decimal128 value;
      int32_t precision = 0, scale = 0;
      auto parsed = arrow::Decimal128::FromString(digits, &value, &precision, &scale);
      if (!parsed.ok()) return text.error("number \"" + digits + "\" has more than 38 digits", c.location);
      precision = std::max(precision, scale);
      return expr::literal(std::make_shared<arrow::Decimal128Scalar>(value, arrow::decimal128(std::max(precision, 1), scale)));
    }
    default: return text.error(unsupported("this kind of constant"), c.location);
  }
}

std::string ExpressionLowering::output_name(const PgQuery__Node& n) {
  switch (n.node_case) {
    case PG_QUERY__NODE__NODE_COLUMN_REF: return last_name(n.column_ref->fields, n.column_ref->n_fields);
    case PG_QUERY__NODE__NODE_FUNC_CALL: {
      const std::string name = last_name(n.func_call->funcname, n.func_call->n_funcname);
      return name.starts_with(kIgnoreNullsMarker) ? name.substr(std::strlen(kIgnoreNullsMarker)) : name;
    }
    case PG_QUERY__NODE__NODE_TYPE_CAST: {
      std::string inner = output_name(*n.type_cast->arg);
      return inner != "?column?" ? inner : last_name(n.type_cast->type_name->names, n.type_cast->type_name->n_names);
    }
    case PG_QUERY__NODE__NODE_CASE_EXPR: {
      std::string other = n.case_expr->defresult ? output_name(*n.case_expr->defresult) : "?column?";
      return other != "?column?" ? other : "case";
    }
    case PG_QUERY__NODE__NODE_COALESCE_EXPR: return "coalesce";
    case PG_QUERY__NODE__NODE_SUB_LINK: return subquery_name(*n.sub_link);
    case PG_QUERY__NODE__NODE_GROUPING_FUNC: return "grouping";
    case PG_QUERY__NODE__NODE_A_INDIRECTION: {
      const std::string field = last_name(n.a_indirection->indirection, n.a_indirection->n_indirection);
      return field.empty() ? "?column?" : field;
    }
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION: return current_name(*n.sqlvalue_function);
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR: return n.min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_LEAST ? "least" : "greatest";
    default: return "?column?";
  }
}

arrow::Result<std::vector<NodePtr>> ExpressionLowering::lower_all(PgQuery__Node* const* nodes, size_t n) const {
  std::vector<NodePtr> out;
  for (size_t i = 0; i < n; ++i) {
    ARROW_ASSIGN_OR_RAISE(auto e, lower(*nodes[i]));
    out.push_back(std::move(e));
  }
  return out;
}

arrow::Result<NodePtr> ExpressionLowering::lower(const PgQuery__Node& n) const {
  switch (n.node_case) {
    case PG_QUERY__NODE__NODE_A_CONST: return lower_constant(*n.a_const, text_);
    case PG_QUERY__NODE__NODE_COLUMN_REF: return column_or_field(*n.column_ref, scope_, text_);
    case PG_QUERY__NODE__NODE_A_EXPR: return lower_operator(*n.a_expr);
    case PG_QUERY__NODE__NODE_FUNC_CALL: return lower_function(*n.func_call);
    case PG_QUERY__NODE__NODE_CASE_EXPR: return lower_case(*n.case_expr);
    case PG_QUERY__NODE__NODE_TYPE_CAST: return is_interval(&n) ? lower_interval(n, n.type_cast->location) : lower_cast(*n.type_cast);
    case PG_QUERY__NODE__NODE_BOOL_EXPR: {
      ARROW_ASSIGN_OR_RAISE(auto args, lower_all(n.bool_expr->args, n.bool_expr->n_args));
      if (n.bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__NOT_EXPR) return negated(args[0]);
      const char* f = n.bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR ? "and" : "or";
      NodePtr out = args[0];
      for (size_t i = 1; i < args.size(); ++i) out = expr::call(f, {out, args[i]});
      return out;
    }
    case PG_QUERY__NODE__NODE_NULL_TEST: {
      if (is_row(n.null_test->arg)) {  // all of its values are
        ARROW_ASSIGN_OR_RAISE(const Row row, lower_row(*n.null_test->arg));
        const char* f = n.null_test->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NULL ? "is_null" : "is_not_null";
        NodePtr all;
        for (const NodePtr& x : row) all = all ? expr::call("and", {all, expr::call(f, {x})}) : expr::call(f, {x});
        return all;
      }
      ARROW_ASSIGN_OR_RAISE(auto x, lower(*n.null_test->arg));
      return expr::call(n.null_test->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NULL ? "is_null" : "is_not_null", {x});
    }
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST: {
      ARROW_ASSIGN_OR_RAISE(auto x, lower(*n.boolean_test->arg));
      const auto filled = [&](bool v) { return expr::call("coalesce", {x, expr::literal(v)}); };
      switch (n.boolean_test->booltesttype) {
        case PG_QUERY__BOOL_TEST_TYPE__IS_TRUE: return filled(false);
        case PG_QUERY__BOOL_TEST_TYPE__IS_NOT_TRUE: return negated(filled(false));
        case PG_QUERY__BOOL_TEST_TYPE__IS_FALSE: return negated(filled(true));
        case PG_QUERY__BOOL_TEST_TYPE__IS_NOT_FALSE: return filled(true);
        case PG_QUERY__BOOL_TEST_TYPE__IS_UNKNOWN: return expr::call("is_null", {x});
        default: return expr::call("is_not_null", {x});
      }
    }
    case PG_QUERY__NODE__NODE_COALESCE_EXPR: {
      ARROW_ASSIGN_OR_RAISE(auto args, lower_all(n.coalesce_expr->args, n.coalesce_expr->n_args));
      return expr::call("coalesce", std::move(args));
    }
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR: {
      ARROW_ASSIGN_OR_RAISE(auto args, lower_all(n.min_max_expr->args, n.min_max_expr->n_args));
      return expr::call(n.min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_LEAST ? "least" : "greatest", std::move(args));
    }
    case PG_QUERY__NODE__NODE_SUB_LINK:
      if (!scope_.subqueries) return text_.error("a subquery is not supported here", n.sub_link->location);
      return scope_.subqueries->lower(*n.sub_link, *this);
    case PG_QUERY__NODE__NODE_PARAM_REF: {
      ARROW_ASSIGN_OR_RAISE(auto value, text_.parameter(*n.param_ref));
      const bool text = value->type->id() == arrow::Type::STRING || value->type->id() == arrow::Type::LARGE_STRING;
      if (text && value->is_valid) return expr::literal(static_cast<const arrow::BaseBinaryScalar&>(*value).view());
      return expr::literal(std::move(value));
    }
    case PG_QUERY__NODE__NODE_GROUPING_FUNC: {
      ARROW_ASSIGN_OR_RAISE(auto args, lower_all(n.grouping_func->args, n.grouping_func->n_args));
      return expr::call(kGroupingCall, std::move(args));
    }
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR: {
      ARROW_ASSIGN_OR_RAISE(auto args, lower_all(n.a_array_expr->elements, n.a_array_expr->n_elements));
      return expr::call("list.pack", std::move(args));
    }
    case PG_QUERY__NODE__NODE_A_INDIRECTION: return lower_indirection(*n.a_indirection);
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION: return current_value(*n.sqlvalue_function, text_);
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE: {  // texts are compared by their bytes: that is the collation there is
      const std::string name = last_name(n.collate_clause->collname, n.collate_clause->n_collname);
      if (name == "C" || name == "POSIX" || name == "ucs_basic" || name == "default") return lower(*n.collate_clause->arg);
      return text_.error("collation \"" + name + "\" is not supported; texts are compared by their bytes, as by \"C\"", n.collate_clause->location);
    }
    default: return text_.error(unsupported("this expression"), -1);
  }
}

// list[2], list[2:3], (struct).field; positions from 1, both ends of a slice included.
arrow::Result<NodePtr> ExpressionLowering::lower_indirection(const PgQuery__AIndirection& a) const {
  ARROW_ASSIGN_OR_RAISE(NodePtr x, lower(*a.arg));
  for (size_t i = 0; i < a.n_indirection; ++i) {
    const PgQuery__Node& n = *a.indirection[i];
    if (n.node_case == PG_QUERY__NODE__NODE_STRING) {
      ARROW_ASSIGN_OR_RAISE(x, field_of(std::move(x), n.string->sval, scope_, text_, -1));
      continue;
    }
    if (n.node_case != PG_QUERY__NODE__NODE_A_INDICES) return text_.error(unsupported("this way into a value"), -1);
    const PgQuery__AIndices& at = *n.a_indices;
    if (!at.is_slice) {
      ARROW_ASSIGN_OR_RAISE(NodePtr position, lower(*at.uidx));
      x = expr::call("sql_list_get", {x, position});
      continue;
    }
    const NodePtr one = expr::literal(int64_t{1});
    NodePtr from = one;
    if (at.lidx) {
      ARROW_ASSIGN_OR_RAISE(from, lower(*at.lidx));
    }
    from = expr::call("greatest", {from, one});
    std::vector<NodePtr> args{x, expr::call("sub", {from, one})};
    if (at.uidx) {
      ARROW_ASSIGN_OR_RAISE(const NodePtr to, lower(*at.uidx));
      args.push_back(expr::call("add", {expr::call("sub", {to, from}), one}));
    }
    x = expr::call("list.slice", std::move(args));
  }
  return x;
}

// Moments and intervals. date '1998-12-01' - interval '90' day: both known here, so the result is a literal of the same type.
arrow::Result<NodePtr> ExpressionLowering::date_plus_interval(const PgQuery__AExpr& e, bool minus) const {
  const PgQuery__Node* moment = is_interval_expression(e.rexpr) ? e.lexpr : e.rexpr;
  const PgQuery__Node* length = is_interval_expression(e.rexpr) ? e.rexpr : e.lexpr;
  ARROW_ASSIGN_OR_RAISE(NodePtr x, lower(*moment));
  if (!is_interval(length)) {
    ARROW_ASSIGN_OR_RAISE(const IntervalValue by, interval_value(*length, [this](const PgQuery__Node& n) { return lower(n); }, text_));
    return moved(std::move(x), by, minus);
  }
  ARROW_ASSIGN_OR_RAISE(Interval interval, interval_of(*length->type_cast, text_));
  if (minus) interval = interval.negated();
  auto shifted = shift_literal(x, interval);
  if (!shifted.ok()) return text_.error(shifted.status().message(), e.location);
  return shifted;
}

arrow::Result<Row> ExpressionLowering::lower_row(const PgQuery__Node& n) const {
  if (!is_row(&n)) return text_.error("a row in brackets is needed here", -1);
  return lower_all(n.row_expr->args, n.row_expr->n_args);
}

arrow::Result<NodePtr> ExpressionLowering::lower_row_operator(const PgQuery__AExpr& e, const std::string& op) const {
  ARROW_ASSIGN_OR_RAISE(const Row left, lower_row(*e.lexpr));
  if (e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_IN) {
    NodePtr any;
    for (size_t i = 0; i < e.rexpr->list->n_items; ++i) {
      ARROW_ASSIGN_OR_RAISE(const Row right, lower_row(*e.rexpr->list->items[i]));
      ARROW_ASSIGN_OR_RAISE(NodePtr one, compare_rows("=", left, right, text_, e.location));
      any = any ? expr::call("or", {any, one}) : one;
    }
    return op == "<>" ? negated(any) : any;
  }
  ARROW_ASSIGN_OR_RAISE(const Row right, lower_row(*e.rexpr));
  const bool distinct = e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT, same = e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT;
  return compare_rows(distinct ? "distinct" : same ? "not distinct" : op, left, right, text_, e.location);
}

arrow::Result<NodePtr> ExpressionLowering::lower_operator(const PgQuery__AExpr& e) const {
  const std::string op = last_name(e.name, e.n_name);
  const bool comparable = e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP || e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_IN ||
                          e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT || e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT;
  if (comparable && is_row(e.lexpr) && e.rexpr && e.rexpr->node_case != PG_QUERY__NODE__NODE_SUB_LINK) return lower_row_operator(e, op);
  switch (e.kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP: {
      const bool left_interval = is_interval_expression(e.lexpr), right_interval = is_interval_expression(e.rexpr);
      if ((op == "+" || op == "-") && e.lexpr && left_interval != right_interval) return date_plus_interval(e, op == "-");
      if (PgQuery__Node whole = PG_QUERY__NODE__INIT; op == "+" || op == "-" || op == "*") {
        whole.node_case = PG_QUERY__NODE__NODE_A_EXPR;
        whole.a_expr = const_cast<PgQuery__AExpr*>(&e);
        if (is_interval_expression(&whole)) return lower_interval(whole, e.location);
      }
      ARROW_ASSIGN_OR_RAISE(NodePtr right, lower(*e.rexpr));
      if (!e.lexpr) {
        if (op == "+") return right;
        if (op == "~") return expr::call("bit_not", {right});
        if (op == "@") return expr::call("abs", {right});
        if (op == "|/") return expr::call("sqrt", {right});
        if (op == "||/") return expr::call("cbrt", {right});
        if (op != "-") return text_.error(unsupported("operator " + op), e.location);
        if (right->kind == expr::NodeKind::kLiteral && right->value->type->id() == arrow::Type::INT64) {
          return expr::literal(-static_cast<const arrow::Int64Scalar&>(*right->value).value);
        }
        return expr::call("neg", {right});
      }
      ARROW_ASSIGN_OR_RAISE(NodePtr left, lower(*e.lexpr));
      if (NodePtr match = regex_operator(op, left, right)) return match;
      if (NodePtr part = json_operator(op, left, right)) return part;
      if (const auto steps = op == "#>" || op == "#>>" ? literal_string(right) : std::nullopt) {
        auto path = json_path(*steps);
        if (!path.ok()) return text_.error(path.status().message(), e.location);
        return expr::call(op == "#>" ? "json.raw" : "json.extract", {left, expr::literal(std::string_view(*path))});
      }
      if (op == "||" && (is_list_call(*left) || is_list_call(*right))) return expr::call("list.concat", {left, right});
      const Name* known = find(kOperators, op == "!=" ? "<>" : op);
      if (!known) return text_.error(unsupported("operator " + op), e.location);
      return expr::call(known->engine, {left, right});
    }
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN: {
      ARROW_ASSIGN_OR_RAISE(NodePtr left, lower(*e.lexpr));
      std::vector<NodePtr> args{left};
      ARROW_ASSIGN_OR_RAISE(auto values, lower_all(e.rexpr->list->items, e.rexpr->list->n_items));
      args.insert(args.end(), values.begin(), values.end());
      NodePtr in = expr::call("is_in", std::move(args));
      return op == "<>" ? negated(in) : in;
    }
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR: return lower_pattern(e, op[0] == '!');
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL: {
      ARROW_ASSIGN_OR_RAISE(NodePtr left, lower(*e.lexpr));
      ARROW_ASSIGN_OR_RAISE(NodePtr list, lower(*e.rexpr));
      const bool all = e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL;
      if (NodePtr decided = any_or_all(op, all, left, list)) return decided;
      return text_.error(unsupported("operator " + op + (all ? " all" : " any") + " of a list"), e.location);
    }
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM: {
      ARROW_ASSIGN_OR_RAISE(NodePtr left, lower(*e.lexpr));
      ARROW_ASSIGN_OR_RAISE(auto ends, lower_all(e.rexpr->list->items, e.rexpr->list->n_items));
      const bool not_it = e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN || e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM;
      const bool straight = e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN || e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN;
      NodePtr between = straight ? expr::call("between", {left, ends[0], ends[1]}) : between_symmetric(left, ends[0], ends[1]);
      return not_it ? negated(between) : between;
    }
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF: {
      ARROW_ASSIGN_OR_RAISE(NodePtr left, lower(*e.lexpr));
      ARROW_ASSIGN_OR_RAISE(NodePtr right, lower(*e.rexpr));
      const char* f = e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF     ? "nullif"
                      : e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT ? "is_distinct_from"
                                                                          : "is_not_distinct_from";
      return expr::call(f, {left, right});
    }
    default: return text_.error(unsupported("this form of operator " + op), e.location);
  }
}

// LIKE, ILIKE and SIMILAR TO. The grammar hands an escape character on as a function around the pattern.
arrow::Result<NodePtr> ExpressionLowering::lower_pattern(const PgQuery__AExpr& e, bool not_it) const {
  const bool similar = e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR;
  const PgQuery__FuncCall* escaped = e.rexpr->node_case == PG_QUERY__NODE__NODE_FUNC_CALL ? e.rexpr->func_call : nullptr;
  if (escaped) {
    const std::string name = last_name(escaped->funcname, escaped->n_funcname);
    if (name != "like_escape" && name != "similar_to_escape") escaped = nullptr;
  }
  ARROW_ASSIGN_OR_RAISE(NodePtr left, lower(*e.lexpr));
  ARROW_ASSIGN_OR_RAISE(NodePtr right, lower(escaped ? *escaped->args[0] : *e.rexpr));
  const char* engine = similar ? "str.regex_full_match" : e.kind == PG_QUERY__A__EXPR__KIND__AEXPR_LIKE ? "str.like" : "str.ilike";
  if (escaped || similar) {
    const auto pattern = literal_string(right);
    const char* escape = escaped && escaped->n_args > 1 ? string_constant(escaped->args[1]) : "\\";
    if (!pattern || !escape) return text_.error("a pattern of SIMILAR TO or with ESCAPE must be known beforehand", e.location);
    auto known = similar ? similar_pattern(*pattern, escape) : like_pattern(*pattern, escape);
    if (!known.ok()) return text_.error(known.status().message(), e.location);
    right = expr::literal(std::string_view(*known));
  }
  NodePtr match = expr::call(engine, {std::move(left), std::move(right)});
  return not_it ? negated(std::move(match)) : match;
}

arrow::Result<NodePtr> ExpressionLowering::lower_function(const PgQuery__FuncCall& f) const {
  const std::string name = last_name(f.funcname, f.n_funcname);
  if (name.starts_with(kIgnoreNullsMarker)) return lower_ignoring_nulls(f, name.substr(std::strlen(kIgnoreNullsMarker)));
  if (f.over) return lower_windowed(f, name);
  if (expr::is_window_function(name)) return text_.error("window function " + name + " needs an OVER clause", f.location);
  if (is_aggregate_name(name)) return lower_aggregate(f, name, *this, text_);
  if (f.agg_filter || f.agg_distinct || f.agg_star || f.n_agg_order > 0) return text_.error("no aggregate \"" + name + "\"", f.location);
  if ((name == "extract" || name == "date_part") && f.n_args == 2) {
    const char* part = string_constant(f.args[0]);
    const Name* known = part ? find(kExtract, part) : nullptr;
    const char* engine = known ? known->engine : part ? extract_function(part) : nullptr;
    if (!engine) return text_.error(unsupported(std::string("extract(") + (part ? part : "...") + ")"), f.location);
    ARROW_ASSIGN_OR_RAISE(NodePtr x, lower(*f.args[1]));
    return expr::call(engine, {x});
  }
  if ((makes_windows(name) || !window_edge(name).empty()) && !expr::find_user_function(name)) return window_value(f, name, scope_, text_);
  if (name == "unnest" && !expr::find_user_function(name)) return unnest_call(f, *this, text_);
  if (name == "try_cast" && f.n_args == 1 && f.args[0]->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) return lower_cast(*f.args[0]->type_cast, true);
  ARROW_ASSIGN_OR_RAISE(auto args, lower_all(f.args, f.n_args));
  if (args.empty() && !expr::find_user_function(name)) {
    if (NodePtr moment = current_moment(name, text_)) return moment;
  }
  if (name == "date_trunc" && args.size() == 2) return expr::call("dt.truncate", {args[1], args[0]});
  if (name == "concat") {
    NodePtr out;
    for (auto& a : args) {
      NodePtr part = expr::call("coalesce", {a, expr::literal(std::string_view(""))});
      out = out ? expr::call("str.concat", {out, part}) : part;
    }
    return out ? out : expr::literal(std::string_view(""));
  }
  if (name == "overlay") {
    if (NodePtr made = overlay(args)) return made;
  }
  if (name == "substring" && args.size() == 2) {  // of the first group, where there is one
    if (const auto regex = literal_string(args[1])) {
      const size_t group = regex->find('(');
      const bool groups = group != std::string::npos && regex->compare(group, 2, "(?") != 0;
      return expr::call("str.regex_extract", {args[0], args[1], expr::literal(int64_t{groups ? 1 : 0})});
    }
  }
  const Name* known = find(kFunctions, name);
  if (!known) {
    if (NodePtr named = named_call(name, args)) return named;
    if (expr::find_function(name)) return expr::call(name, std::move(args));
    if (auto user = expr::find_user_function(name)) return expr::user_call(std::move(user), std::move(args));
    std::vector<std::string> names = sql_function_names();
    for (const auto& e : kFunctions) names.push_back(e.sql);
    for (std::string& n : sql_aggregate_names()) names.push_back(std::move(n));
    return text_.error("no function \"" + name + "\"" + base::suggest_name(name, names), f.location);
  }
  return expr::call(known->engine, std::move(args));
}

arrow::Result<NodePtr> ExpressionLowering::lower_ignoring_nulls(const PgQuery__FuncCall& f, const std::string& name) const {
  for (const char* known : {"lag", "lead", "first_value", "last_value", "nth_value"}) {
    if (name != known) continue;
    ARROW_ASSIGN_OR_RAISE(const NodePtr window, lower_windowed(f, name));
    auto copy = std::make_shared<expr::Node>(*window);
    copy->options.push_back({"ignore_nulls", std::make_shared<arrow::BooleanScalar>(true)});
    return copy;
  }
  return text_.error("IGNORE NULLS is for lag, lead, first_value, last_value and nth_value, not for " + name, f.location);
}

// The same call without OVER says whether it is an aggregate, and which.
arrow::Result<NodePtr> ExpressionLowering::lower_windowed(const PgQuery__FuncCall& f, const std::string& name) const {
  if (expr::is_window_function(name)) {
    ARROW_ASSIGN_OR_RAISE(auto args, lower_all(f.args, f.n_args));
    return lower_window_call(f, name, std::move(args), nullptr, *this, text_, windows_);
  }
  PgQuery__FuncCall plain = f;
  plain.over = nullptr;
  ARROW_ASSIGN_OR_RAISE(NodePtr call, lower_function(plain));
  if (call->kind != expr::NodeKind::kAggregate) return text_.error(name + " is neither an aggregate nor a window function", f.location);
  return lower_window_call(f, name, {}, call, *this, text_, windows_);
}

arrow::Result<NodePtr> ExpressionLowering::lower_case(const PgQuery__CaseExpr& c) const {
  NodePtr subject;
  if (c.arg) {
    ARROW_ASSIGN_OR_RAISE(subject, lower(*c.arg));
  }
  std::vector<NodePtr> parts;
  for (size_t i = 0; i < c.n_args; ++i) {
    const PgQuery__CaseWhen& when = *c.args[i]->case_when;
    ARROW_ASSIGN_OR_RAISE(NodePtr condition, lower(*when.expr));
    if (subject) condition = expr::call("eq", {subject, condition});
    ARROW_ASSIGN_OR_RAISE(NodePtr value, lower(*when.result));
    parts.push_back(std::move(condition));
    parts.push_back(std::move(value));
  }
  if (c.defresult) {
    ARROW_ASSIGN_OR_RAISE(NodePtr other, lower(*c.defresult));
    parts.push_back(std::move(other));
  }
  return expr::call("case", std::move(parts));
}

arrow::Result<NodePtr> ExpressionLowering::lower_interval(const PgQuery__Node& n, int location) const {
  ARROW_ASSIGN_OR_RAISE(const IntervalValue v, interval_value(n, [this](const PgQuery__Node& x) { return lower(x); }, text_));
  return as_duration(v, text_, location);
}

arrow::Result<NodePtr> ExpressionLowering::lower_cast(const PgQuery__TypeCast& c, bool lenient) const {
  if (c.type_name->n_array_bounds > 0) return text_.error(unsupported("a cast to an array"), c.location);
  auto type = sql_type(*c.type_name);
  if (!type.ok()) return text_.error(type.status().message(), c.location);
  ARROW_ASSIGN_OR_RAISE(NodePtr x, lower(*c.arg));
  // date '1994-01-01' is a literal, not work for every row.
  if (const char* s = string_constant(c.arg); s && !lenient && ((*type)->id() == arrow::Type::DATE32 || (*type)->id() == arrow::Type::TIMESTAMP)) {
    auto literal = parse_moment(s, *type);
    if (!literal.ok()) return text_.error(literal.status().message(), c.location);
    return expr::literal(*literal, false);
  }
  return expr::cast(std::move(x), *type, lenient);
}

}  // namespace gristmill::sqltext
