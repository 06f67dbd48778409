// Quantifiers follow those over subqueries (subquery_joins.cc): decided by extremes, open where a NULL could have decided.

#include "sql/operator_forms.h"

#include <algorithm>
#include <cctype>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;

struct Comparison {
  const char* sql;
  const char* engine;
};
constexpr Comparison kComparisons[] = {{"=", "eq"}, {"<>", "ne"}, {"!=", "ne"}, {"<", "lt"}, {"<=", "le"}, {">", "gt"}, {">=", "ge"}};

const char* engine_name(const std::string& op) {
  for (const Comparison& c : kComparisons) {
    if (op == c.sql) return c.engine;
  }
  return nullptr;
}

NodePtr constant_number(int64_t v) { return expr::literal(v); }
NodePtr engine_call(const char* f, std::vector<NodePtr> args) { return expr::call(f, std::move(args)); }

// Element by element: and, or.
NodePtr by_elements(const char* compare, bool all, const NodePtr& x, const std::vector<NodePtr>& elements) {
  NodePtr out;
  for (const NodePtr& e : elements) {
    NodePtr one = engine_call(compare, {x, e});
    out = out ? engine_call(all ? "and" : "or", {out, one}) : one;
  }
  return out ? out : expr::literal(all);
}

}  // namespace

NodePtr any_or_all(const std::string& op, bool all, const NodePtr& x, const NodePtr& list) {
  const char* compare = engine_name(op);
  if (!compare) return nullptr;
  if (list->kind == expr::NodeKind::kCall && list->name == "list.pack") return by_elements(compare, all, x, list->args);
  const NodePtr least = engine_call("list.min", {list}), greatest = engine_call("list.max", {list});
  NodePtr decided;  // some entry (ANY), or every entry (ALL) that is not NULL
  if (op == "=") decided = all ? engine_call("and", {engine_call("eq", {x, least}), engine_call("eq", {x, greatest})}) : engine_call("list.contains", {list, x});
  if (!decided && compare == std::string_view("ne"))
    decided = all ? engine_call("not", {engine_call("list.contains", {list, x})}) : engine_call("or", {engine_call("ne", {x, least}), engine_call("ne", {x, greatest})});
  const bool less = op[0] == '<';
  if (!decided) decided = engine_call(compare, {x, less != all ? greatest : least});
  const NodePtr unknown = expr::null_literal(), none = engine_call("eq", {engine_call("list.length", {list}), constant_number(0)});
  const NodePtr open = engine_call("or", {engine_call("is_null", {x}), engine_call("list.has_null", {list})});
  const NodePtr nothing = engine_call("is_null", {list});
  if (!all)
    return engine_call("case", {nothing, unknown, none, expr::literal(false), decided, expr::literal(true), open, unknown, expr::literal(false)});
  return engine_call("case", {nothing, unknown, none, expr::literal(true), engine_call("not", {decided}), expr::literal(false), open, unknown,
                       expr::literal(true)});
}

NodePtr between_symmetric(const NodePtr& x, const NodePtr& a, const NodePtr& b) {
  return engine_call("or", {engine_call("between", {x, a, b}), engine_call("between", {x, b, a})});
}

arrow::Result<std::string> like_pattern(const std::string& pattern, const std::string& escape) {
  if (escape.size() > 1) return base::plan_error("ESCAPE takes one character, not \"" + escape + "\"");
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (!escape.empty() && pattern[i] == escape[0]) {
      if (i + 1 == pattern.size()) return base::plan_error("the pattern \"" + pattern + "\" ends with its escape character");
      out.append("\\").push_back(pattern[++i]);
    } else if (pattern[i] == '\\') {
      out += "\\\\";
    } else {
      out += pattern[i];
    }
  }
  return out;
}

arrow::Result<std::string> similar_pattern(const std::string& pattern, const std::string& escape) {
  if (escape.size() > 1) return base::plan_error("ESCAPE takes one character, not \"" + escape + "\"");
  std::string out = "(?s:";
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (!escape.empty() && c == escape[0]) {
      if (i + 1 == pattern.size()) return base::plan_error("the pattern \"" + pattern + "\" ends with its escape character");
      const char literal = pattern[++i];
      if (!std::isalnum(static_cast<unsigned char>(literal)) && !(literal & 0x80)) out += '\\';
      out += literal;
    } else if (in_class) {
      if (c == '\\') out += '\\';
      out += c;
      in_class = c != ']';
    } else if (c == '%') {
      out += ".*";
    } else if (c == '_') {
      out += '.';
    } else if (c == '.' || c == '^' || c == '$' || c == '\\') {
      out.append("\\").push_back(c);
    } else {
      out += c;
      in_class = c == '[';
    }
  }
  return out + ")";
}

arrow::Result<std::string> json_path(const std::string& steps) {
  if (steps.size() < 2 || steps.front() != '{' || steps.back() != '}')
    return base::plan_error("a path into JSON is a list in braces, like '{a,0,b}', not \"" + steps + "\"");
  std::string out = "$";
  for (size_t at = 1; at < steps.size() - 1;) {
    const size_t end = std::min(steps.find(',', at), steps.size() - 1);
    const std::string step = steps.substr(at, end - at);
    const bool number = !step.empty() && step.find_first_not_of("0123456789") == std::string::npos;
    out += number ? "[" + step + "]" : ".\"" + step + "\"";
    at = end + 1;
  }
  return out;
}

NodePtr overlay(const std::vector<NodePtr>& args) {
  if (args.size() < 3 || args.size() > 4) return nullptr;
  const NodePtr &x = args[0], &put = args[1], &from = args[2];
  const NodePtr taken = args.size() == 4 ? args[3] : engine_call("str.length", {put});
  const NodePtr before = engine_call("sql_substring", {x, constant_number(1), engine_call("sub", {from, constant_number(1)})});
  const NodePtr after = engine_call("sql_substring", {x, engine_call("add", {from, taken})});
  return engine_call("str.concat", {engine_call("str.concat", {before, put}), after});
}

std::optional<std::string> literal_string(const NodePtr& e) {
  if (e->kind != expr::NodeKind::kLiteral || !e->value->is_valid) return {};
  const auto id = e->value->type->id();
  if (id != arrow::Type::STRING && id != arrow::Type::STRING_VIEW && id != arrow::Type::LARGE_STRING) return {};
  return std::string(static_cast<const arrow::BaseBinaryScalar&>(*e->value).view());
}

}  // namespace gristmill::sqltext
