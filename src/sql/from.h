// FROM: tables, subqueries and joins to one plan and the names it offers.
#pragma once

#include <functional>
#include <vector>

#include "expr/node.h"
#include "sql/lower_select.h"

namespace gristmill::sqltext {

struct Relation {
  plan::PlanPtr plan;
  Scope scope;
};

using LowerSelect = std::function<arrow::Result<Query>(const PgQuery__SelectStmt&)>;

class FromLowering {
 public:
  FromLowering(const ParsedText& text, const TableLookup& tables, LowerSelect select)
      : text_(text), tables_(tables), select_(std::move(select)) {}

  // `where` conjuncts that join comma-separated items are used up; what is left stays in `where`.
  arrow::Result<Relation> lower(PgQuery__Node* const* items, size_t n, std::vector<const PgQuery__Node*>& where) const;

 private:
  arrow::Result<Relation> item(const PgQuery__Node& n) const;
  arrow::Result<Relation> table(const PgQuery__RangeVar& v) const;
  // A function as a table; with `before`, joined to what it may refer to. `keep_empty`: rows of `before` without any stay.
  arrow::Result<Relation> function(const PgQuery__RangeFunction& f, const Relation* before, bool keep_empty = false) const;
  arrow::Result<Relation> under_alias(const PgQuery__JoinExpr& j, arrow::Result<Relation> joined) const;
  arrow::Result<Relation> named(Query query, const PgQuery__Alias* alias, const std::string& name, int location) const;
  arrow::Result<Relation> together(std::vector<Relation> relations, const std::vector<const PgQuery__Node*>& where,
                                   std::vector<bool>& used) const;
  arrow::Result<Relation> join(const PgQuery__JoinExpr& j) const;
  arrow::Result<Relation> combine(Relation left, Relation right, plan::JoinKind kind, const std::vector<const PgQuery__Node*>& conditions,
                                  std::vector<bool>* used, int location) const;
  static arrow::Result<Relation> cross(Relation left, Relation right);
  static arrow::Result<Relation> merge_columns(Relation joined, const Relation& left, const Relation& right,
                                               const std::vector<expr::NodePtr>& left_keys, const std::vector<expr::NodePtr>& right_keys);
  arrow::Result<Relation> combine_using(Relation left, Relation right, plan::JoinKind kind, const std::vector<std::string>& columns) const;

  const ParsedText& text_;
  const TableLookup& tables_;
  LowerSelect select_;
};

// The operands of a chain of AND.
void split_and(const PgQuery__Node* n, std::vector<const PgQuery__Node*>& out);

}  // namespace gristmill::sqltext
