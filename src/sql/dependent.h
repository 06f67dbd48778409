// What a SELECT does with the outer columns that it carries as a correlated subquery: beside its groups, windows and limits.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "expr/node.h"
#include "sql/outer.h"
#include "sql/select_parts.h"

namespace gristmill::sqltext {

struct NamedAggregate {
  std::string name;
  expr::NodePtr aggregate;
};

// The outer columns among the outputs; none without `d`.
std::vector<expr::NodePtr> carried(const std::vector<Output>& outputs, const Dependence* d);

// `e` with every window function partitioned by `keys` as well.
expr::NodePtr partition_windows(const expr::NodePtr& e, const std::vector<expr::NodePtr>& keys);

// Whether some aggregate in `e` is of outer columns alone: it is the query around's, in PostgreSQL.
bool aggregates_outer(const expr::Node& e, const Dependence& d);

// An aggregation without GROUP BY gives one row even of nothing: a row for each of the domain's, where `aggregated` has none with what the
// aggregates are of no row. `keys`: outer column, name of the group key. `d.null_safe`: whether the group of NULL is one of the domain's.
arrow::Result<plan::PlanPtr> with_missing_groups(plan::PlanPtr aggregated, const Dependence& d,
                                                 const std::vector<std::pair<std::string, std::string>>& keys,
                                                 const std::vector<NamedAggregate>& aggregates);

// What an expression over aggregates and outer columns is of no row; null when that is NULL.
arrow::Result<expr::NodePtr> value_of_nothing(const expr::NodePtr& e, const Dependence& d);

// The first `count` rows after `offset` for each of the values of the outer columns, `parts`; -1 = all after it.
arrow::Result<plan::PlanPtr> limit_each(plan::PlanPtr plan, const Dependence& d, std::vector<expr::NodePtr> parts, int64_t offset,
                                        int64_t count);

}  // namespace gristmill::sqltext
