// Rows are compared part by part: equality is AND of equalities, order that of the first parts which differ.

#include "sql/row_values.h"

#include "base/status.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;

NodePtr joined(const char* with, const char* each, const Row& a, const Row& b) {
  NodePtr out;
  for (size_t i = 0; i < a.size(); ++i) {
    NodePtr one = expr::call(each, {a[i], b[i]});
    out = out ? expr::call(with, {out, one}) : one;
  }
  return out;
}

// a < c or (a = c and (b < d or ...)), the last pair by `last`.
NodePtr ordered(const char* strict, const char* last, const Row& a, const Row& b) {
  NodePtr out = expr::call(last, {a.back(), b.back()});
  for (size_t i = a.size() - 1; i-- > 0;) {
    out = expr::call("or", {expr::call(strict, {a[i], b[i]}), expr::call("and", {expr::call("eq", {a[i], b[i]}), out})});
  }
  return out;
}

}  // namespace

bool is_row(const PgQuery__Node* n) { return n && n->node_case == PG_QUERY__NODE__NODE_ROW_EXPR; }

arrow::Result<NodePtr> compare_rows(const std::string& op, const Row& a, const Row& b, const ParsedText& text, int location) {
  if (a.size() != b.size() || a.empty()) {
    return text.error("rows of " + std::to_string(a.size()) + " and " + std::to_string(b.size()) + " values cannot be compared", location);
  }
  if (op == "=") return joined("and", "eq", a, b);
  if (op == "<>" || op == "!=") return joined("or", "ne", a, b);
  if (op == "distinct") return joined("or", "is_distinct_from", a, b);
  if (op == "not distinct") return joined("and", "is_not_distinct_from", a, b);
  if (op == "<") return ordered("lt", "lt", a, b);
  if (op == "<=") return ordered("lt", "le", a, b);
  if (op == ">") return ordered("gt", "gt", a, b);
  if (op == ">=") return ordered("gt", "ge", a, b);
  return text.error("rows cannot be compared by " + op, location);
}

}  // namespace gristmill::sqltext
