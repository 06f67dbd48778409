// Small questions about the parts of a SELECT.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "expr/node.h"
#include "sql/grouping_sets.h"
#include "sql/lower_expr.h"
#include "sql/parse.h"

namespace gristmill::sqltext {

struct Output {
  std::string name;
  expr::NodePtr expr;
};

// A call or a name that the token pass put in.
bool is_marker(const PgQuery__Node& n, const char* marker);
bool is_all(const PgQuery__Node& n);

// HAVING as written, and what QUALIFY said; null for none.
struct HavingClause {
  const PgQuery__Node* having = nullptr;
  const PgQuery__Node* qualify = nullptr;
};
HavingClause having_clause(const PgQuery__SelectStmt& s);

// The outputs of `* exclude (...) replace (...) rename (...)`.
arrow::Status edited_star(const PgQuery__FuncCall& marker, const Scope& scope, const ExpressionLowering& expressions,
                          const ParsedText& text, std::vector<Output>& out);

// The sets of a clause in terms of keys, `keys_of` saying which keys each of its expressions stands for.
std::vector<std::vector<size_t>> sets_of_keys(const GroupingClause& clause, const std::vector<std::vector<size_t>>& keys_of);

// A text literal or NULL: in a set operation it takes the type of what it meets.
bool is_unknown(const expr::Node& e);
std::optional<int64_t> constant_integer(const expr::NodePtr& e);

}  // namespace gristmill::sqltext
