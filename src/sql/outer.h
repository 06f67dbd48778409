// What a subquery sees of the query around it, and what it hands back to it.
//
// A column of the query around, seen from within, is a column "$o<number of the subquery>:<column>" of the subquery's own plan. It comes
// from the domain, the distinct values of all such columns in the query around, joined to FROM; or it is one of the subquery's own columns,
// when WHERE says that both are equal. Everything above carries it along: as a key of groups and windows, as an output.
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>

#include "expr/node.h"
#include "plan/logical.h"
#include "sql/scope.h"

namespace gristmill::sqltext {

class OuterScope {
 public:
  OuterScope(Scope scope, int number) : scope_(std::move(scope)), prefix_("$o" + std::to_string(number) + ":") {}

  // A column by the user's name, as the subquery's plan calls it; asked of the query around that one when it is not here.
  arrow::Result<expr::NodePtr> find(const std::string& table, const std::string& name);
  // Columns of the plan around that were found, in order of first use.
  const std::vector<std::string>& used() const { return used_; }
  std::string inner_name(const std::string& column) const { return prefix_ + column; }
  const std::string& prefix() const { return prefix_; }

 private:
  Scope scope_;
  std::string prefix_;
  std::vector<std::string> used_;
};

// How a SELECT is lowered as a subquery: filled in by who wants it (`want`, and what it depends on), answered by who lowers it.
struct Dependence {
  enum class Want : uint8_t {
    kRows,    // all of them
    kExists,  // whether there are any
    kValue,   // one row: its value
  };
  Want want = Want::kRows;
  int number = 0;
  OuterScope* outer = nullptr;  // null: nothing of the query around is used
  plan::PlanPtr domain;         // the outer columns' values, under inner_name(); null without `outer`
  bool keep_domain = false;     // the domain is to be joined even where equalities say the same
  bool may_hand_up = false;     // conditions on outer columns may be left to the join with the query around
  bool rename = false;          // outputs are to be called value_name(0), value_name(1), ...

  bool null_safe = false;    // answer: rows for a NULL outside are there under NULL
  bool at_most_one = false;  // answer: no more than one row (for each values of the outer columns)
  bool exactly_one = false;  // answer: one row, be there anything in FROM or not; of a correlated one `empty` says what is missing
  expr::NodePtr empty;       // answer: the value where no row is; null: NULL
  bool handed_up = false;    // answer: `keys` and `conditions` are the caller's to meet; no outer columns in the plan
  struct Key {
    expr::NodePtr outer, inner;
  };
  std::vector<Key> keys;
  std::vector<expr::NodePtr> conditions;

  std::string value_name(size_t i) const { return "$v" + std::to_string(number) + "." + std::to_string(i); }
  bool is_outer(const std::string& column) const { return outer && column.starts_with(outer->prefix()); }
  bool uses_outer(const expr::Node& e) const;
  // Columns of `plan` that are outer ones.
  std::vector<std::string> outer_columns(const plan::Plan& plan) const;
};

}  // namespace gristmill::sqltext
