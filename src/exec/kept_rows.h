// Aggregates that look at all rows of a group at once, in order: lists, joined text, products of floats, ordered first and last,
// distinct ones, and whatever else is given a GroupFinisher.
//
// make_kept_rows() makes a function that keeps, for each group, the arguments (and sort keys) of its rows with the rows' orders, in
// a ValueChain: spilled, merged and counted like every state. When groups leave, a batch of them becomes one array an argument,
// the rows of each group together and in their order (or sorted by the keys, ties in order), and the finisher makes the values
// of it. So a new aggregate of this kind (a user's, say) is a GroupFinisher and a line in make_function(): nothing of its own about
// workers, memory or order. A finisher is shared by all workers, and may be called several times for the same groups.
#pragma once

#include <memory>
#include <span>

#include <arrow/array/data.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "exec/aggregate_functions.h"

namespace gristmill::exec {

// The rows of several groups: those of group g are offsets[g] .. offsets[g + 1] of each (flat) argument.
struct GroupRows {
  std::vector<std::shared_ptr<arrow::ArrayData>> arguments;
  std::vector<int64_t> offsets;
  int64_t groups() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t size(int64_t g) const { return offsets[static_cast<size_t>(g) + 1] - offsets[static_cast<size_t>(g)]; }
};

class GroupFinisher {
 public:
  virtual ~GroupFinisher() = default;
  // One value of `type` a group. A group of no rows: none came, or a filter kept none.
  virtual arrow::Result<std::shared_ptr<arrow::ArrayData>> finish(const GroupRows& rows, const column::TypePtr& type,
                                                                  arrow::MemoryPool* pool) const = 0;
};

// `skip_nulls`: rows whose first argument is null are not kept.
arrow::Result<AggregateFunctionPtr> make_kept_rows(const expr::BoundAggregate& a, bool skip_nulls, std::unique_ptr<GroupFinisher> finisher);
// The same for the distinct values of one argument, in the order of their first rows, or sorted by the one key. `nulls`: NULL is one.
arrow::Result<AggregateFunctionPtr> make_distinct_values(const expr::BoundAggregate& a, bool nulls,
                                                         std::unique_ptr<GroupFinisher> finisher);

// Finishers.
std::unique_ptr<GroupFinisher> list_finisher();
std::unique_ptr<GroupFinisher> join_finisher(std::string separator);
std::unique_ptr<GroupFinisher> product_finisher();
std::unique_ptr<GroupFinisher> edge_finisher(bool last);
// What another aggregate function makes of the rows.
arrow::Result<std::unique_ptr<GroupFinisher>> function_finisher(AggregateFunctionPtr function, bool mean);

// Rows of each group by `order`'s keys, the last arguments, ties as they are; the keys are taken out. No keys: as it is.
arrow::Status sort_group_rows(std::span<const expr::AggregateOrder> order, GroupRows* rows, arrow::MemoryPool* pool);

}  // namespace gristmill::exec
