// FROM: tables, subqueries and joins to one plan and the names it offers.
#pragma once

#include <functional>
#include <vector>

#include "expr/node.h"
#include "sql/lower_select.h"
#include "sql/outer.h"
#include "sql/subquery.h"

namespace gristmill::sqltext {

struct Relation {
  plan::PlanPtr plan;
  Scope scope;
  std::vector<Dependence::Key> needs;  // lateral: how its rows meet those of the items before it
  bool null_safe = false;              // ... NULL meets NULL
};

// What FROM lists, before WHERE says how it belongs together.
struct FromItems {
  std::vector<Relation> items;  // columns of all of them have names of their own
  Scope scope;
  plan::PlanPtr names;                           // all pairs of all items: for what needs the columns' types only
  std::vector<const PgQuery__Node*> conditions;  // of ON, to be met behind it all: those that hold subqueries or names of the query around
};

using LowerSelect = std::function<arrow::Result<Query>(const PgQuery__SelectStmt&)>;

class FromLowering {
 public:
  FromLowering(const ParsedText& text, const TableLookup& tables, LowerSelect select, Subqueries& subqueries, const Dependence* around)
      : text_(text), tables_(tables), select_(std::move(select)), subqueries_(subqueries), around_(around) {}

  arrow::Result<FromItems> lower(PgQuery__Node* const* items, size_t n);

 private:
  // `before`: what a lateral item may refer to; may be null.
  arrow::Result<Relation> item(const PgQuery__Node& n, const Relation* before, const std::vector<Relation>* items = nullptr);
  arrow::Result<Relation> lateral(const PgQuery__RangeSubselect& r, const Relation* before, const std::vector<Relation>* items);
  arrow::Result<Relation> combine_lateral(Relation left, Relation right, plan::JoinKind kind,
                                          const std::vector<const PgQuery__Node*>& conditions) const;
  // Conditions that cannot be told over both sides alone; they wait for the end of FROM.
  arrow::Status put_off(std::vector<const PgQuery__Node*>& conditions, const Scope& both);
  bool depends(const Relation& r) const { return around_ && around_->outer && !around_->outer_columns(*r.plan).empty(); }
  arrow::Result<Relation> table(const PgQuery__RangeVar& v) const;
  arrow::Result<Relation> join(const PgQuery__JoinExpr& j, const Relation* before, const std::vector<Relation>* items);
  arrow::Result<Relation> join_sides(const PgQuery__JoinExpr& j, const Relation* before, const std::vector<Relation>* items,
                                     Relation& needed);
  // tumble(clicks, ts, ...) and its like: the table's rows and the windows they lie in.
  arrow::Result<Relation> windowed(const PgQuery__FuncCall& call, const std::string& function, const PgQuery__Alias* alias) const;
  // A function as a table; with `before`, joined to what it may refer to. `keep_empty`: rows of `before` without any stay.
  arrow::Result<Relation> function(const PgQuery__RangeFunction& f, const Relation* before, bool keep_empty = false) const;
  arrow::Status add_function(const PgQuery__RangeFunction& f, std::vector<Relation>& items, Relation& all) const;
  arrow::Result<Relation> under_alias(const PgQuery__JoinExpr& j, arrow::Result<Relation> joined) const;
  arrow::Result<Relation> named(Query query, const PgQuery__Alias* alias, const std::string& name, int location) const;
  arrow::Result<expr::NodePtr> on_condition(const PgQuery__Node& c, const Scope& both, Relation& left, Relation& right) const;
  arrow::Result<Relation> combine(Relation left, Relation right, plan::JoinKind kind,
                                  const std::vector<const PgQuery__Node*>& conditions) const;
  static arrow::Result<Relation> cross(Relation left, Relation right);
  static arrow::Result<Relation> merge_columns(Relation joined, const Relation& left, const Relation& right,
                                               const std::vector<expr::NodePtr>& left_keys, const std::vector<expr::NodePtr>& right_keys);
  arrow::Result<Relation> combine_using(Relation left, Relation right, plan::JoinKind kind, const std::vector<std::string>& columns) const;

  const ParsedText& text_;
  const TableLookup& tables_;
  LowerSelect select_;
  Subqueries& subqueries_;
  const Dependence* around_;
  std::vector<const PgQuery__Node*> put_off_;
};

// The operands of a chain of AND.
void split_and(const PgQuery__Node* n, std::vector<const PgQuery__Node*>& out);

}  // namespace gristmill::sqltext
