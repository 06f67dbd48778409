// Keys and aggregates of a grouped query: expressions are rewritten to the columns that the aggregation gives them, "$key<i>" and
// "$agg<i>".
//
// An aggregate is computed once however often it is written; a column that is neither is an error.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "plan/nodes.h"
#include "sql/dependent.h"
#include "sql/grouping_sets.h"

namespace gristmill::sqltext {

class Grouping {
 public:
  // A set is of positions of keys.
  Grouping(std::vector<expr::NodePtr> keys, std::vector<std::vector<size_t>> sets) : keys_(std::move(keys)), sets_(std::move(sets)) {}

  arrow::Result<expr::NodePtr> rewrite(const expr::NodePtr& e) {
    if (e->kind == expr::NodeKind::kCall && e->name == kGroupingCall) return grouping(*e);
    for (size_t i = 0; i < keys_.size(); ++i) {
      if (expr::equal(*keys_[i], *e)) return expr::column(key_name(i));
    }
    if (e->kind == expr::NodeKind::kAggregate) {
      for (size_t i = 0; i < aggregates_.size(); ++i) {
        if (expr::equal(*aggregates_[i], *e)) return expr::column(aggregate_name(i));
      }
      aggregates_.push_back(e);
      return expr::column(aggregate_name(aggregates_.size() - 1));
    }
    if (e->kind == expr::NodeKind::kColumn) {
      return base::plan_error("column \"" + e->name + "\" must appear in GROUP BY or be used in an aggregate");
    }
    if (e->args.empty()) return e;
    auto copy = std::make_shared<expr::Node>(*e);
    for (auto& a : copy->args) {
      ARROW_ASSIGN_OR_RAISE(a, rewrite(a));
    }
    if (copy->filter) {
      ARROW_ASSIGN_OR_RAISE(copy->filter, rewrite(copy->filter));
    }
    return copy;
  }

  arrow::Result<plan::PlanPtr> apply(plan::PlanPtr input) const {
    std::vector<expr::NodePtr> keys, aggregates;
    for (size_t i = 0; i < keys_.size(); ++i) keys.push_back(expr::alias(keys_[i], key_name(i)));
    for (size_t i = 0; i < aggregates_.size(); ++i) aggregates.push_back(expr::alias(aggregates_[i], aggregate_name(i)));
    if (sets_.size() > 1) return aggregate_sets(std::move(input), keys, aggregates, sets_);
    return plan::make_aggregate(std::move(input), std::move(keys), std::move(aggregates));
  }

  // Of an aggregation without GROUP BY in a correlated subquery, whose keys are all outer columns.
  arrow::Result<plan::PlanPtr> with_missing_groups(plan::PlanPtr aggregated, const Dependence& d) const {
    std::vector<std::pair<std::string, std::string>> keys;
    std::vector<NamedAggregate> aggregates;
    for (size_t i = 0; i < keys_.size(); ++i) keys.emplace_back(keys_[i]->name, key_name(i));
    for (size_t i = 0; i < aggregates_.size(); ++i) aggregates.push_back({aggregate_name(i), aggregates_[i]});
    return sqltext::with_missing_groups(std::move(aggregated), d, keys, aggregates);
  }

 private:
  static std::string key_name(size_t i) { return "$key" + std::to_string(i); }
  static std::string aggregate_name(size_t i) { return "$agg" + std::to_string(i); }

  arrow::Result<expr::NodePtr> grouping(const expr::Node& call) const {
    std::vector<size_t> keys;
    for (const expr::NodePtr& a : call.args) {
      const auto key = std::find_if(keys_.begin(), keys_.end(), [&](const expr::NodePtr& k) { return expr::equal(*k, *a); });
      if (key == keys_.end()) return base::plan_error("the arguments of GROUPING must be expressions of GROUP BY");
      keys.push_back(static_cast<size_t>(key - keys_.begin()));
    }
    return grouping_value(keys, sets_);
  }

  std::vector<expr::NodePtr> keys_, aggregates_;
  std::vector<std::vector<size_t>> sets_;
};

}  // namespace gristmill::sqltext
