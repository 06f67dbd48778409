// The aggregate functions: each keeps a state of fixed size in a group's row (group_row.h) and works on spans of rows.
//
// Zero bytes are the empty state. update() and merge() may be called for any rows in any order and splitting: every function
// is exact, or carries the order of the row it kept, so the outcome never depends on it. A function is shared by all
// workers; what it remembers outside rows is only the unit of exact sums, which never shows in a value.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include <arrow/array/data.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "exec/group_row.h"
#include "exec/group_table.h"
#include "expr/bind.h"

namespace gristmill::exec {

// Rows begin .. begin + n of the argument go to rows[0 .. n).
struct UpdateSpan {
  uint8_t* const* rows;
  const arrow::ArrayData* values;  // flat; null: no argument
  int64_t begin;
  int64_t n;
  RowOrders orders;  // of the argument's rows
  TableSet* tables;
  int64_t* done = nullptr;  // where memory ends, a function that may not see a row twice leaves here how many it has seen
};

struct MergeSpan {
  uint8_t* const* into;
  uint8_t* const* from;
  int64_t n;
  GroupTable& into_table;
  GroupTable& from_table;
  bool adopt;  // arena and wide sums of from_table will belong to into_table
};

// What to make of a state: two functions over one argument may share it.
enum class Outcome : uint8_t { kValue, kMean };

class AggregateFunction {
 public:
  virtual ~AggregateFunction() = default;

  virtual int state_bytes() const = 0;
  virtual bool has_flag() const { return false; }  // one more byte
  void place(int state_offset, int flag_offset, int number, RowLayout* layout) {
    state_ = state_offset;
    flag_ = flag_offset;
    number_ = number;
    refer(layout);
  }

  // Whether update() looks at values; else only at validity.
  virtual bool needs_values() const { return true; }
  virtual arrow::Status update(const UpdateSpan& span) const = 0;
  // All rows into one group.
  virtual arrow::Status update_one(uint8_t* row, const UpdateSpan& span) const;
  virtual arrow::Status merge(const MergeSpan& span) const = 0;
  // After the last merge: what lies in the table comes into the rows. Optional.
  virtual arrow::Status seal(uint8_t* const* rows, int64_t n, GroupTable& table, arrow::MemoryPool* pool) const {
    return arrow::Status::OK();
  }
  virtual arrow::Result<std::shared_ptr<arrow::ArrayData>> finish(std::span<const uint8_t* const> rows, Outcome outcome,
                                                                  const column::TypePtr& type, arrow::MemoryPool* pool) const = 0;

 protected:
  virtual void refer(RowLayout* layout) const {}  // adds its references

  int state_ = 0;
  int flag_ = 0;
  int number_ = 0;
};

using AggregateFunctionPtr = std::unique_ptr<AggregateFunction>;

// States one after the other behind the order, then the flags.
void place_functions(std::span<AggregateFunction* const> functions, RowLayout* layout);

// One family a file. `mean`: a mean is wanted of this state, also or only.
arrow::Result<AggregateFunctionPtr> make_sum(const expr::BoundAggregate& a, bool mean, bool exact_floats);
arrow::Result<AggregateFunctionPtr> make_extreme(const expr::BoundAggregate& a, bool greatest);
arrow::Result<AggregateFunctionPtr> make_edge(const expr::BoundAggregate& a, bool last);
arrow::Result<AggregateFunctionPtr> make_variance(const expr::BoundAggregate& a, bool root);
AggregateFunctionPtr make_count(const expr::BoundAggregate& a);
arrow::Result<AggregateFunctionPtr> make_bits(const expr::BoundAggregate& a);
AggregateFunctionPtr make_integer_product(const expr::BoundAggregate& a);
AggregateFunctionPtr make_pairs(const expr::BoundAggregate& a);
AggregateFunctionPtr make_powers(const expr::BoundAggregate& a);
arrow::Result<AggregateFunctionPtr> make_extreme_by(const expr::BoundAggregate& a, bool greatest);
arrow::Result<AggregateFunctionPtr> make_quantile(const expr::BoundAggregate& a);
arrow::Result<AggregateFunctionPtr> make_n_unique(const expr::BoundAggregate& a);
arrow::Result<AggregateFunctionPtr> make_mode(const expr::BoundAggregate& a);
AggregateFunctionPtr make_approx_n_unique();
AggregateFunctionPtr make_approx_quantile(const expr::BoundAggregate& a);
arrow::Result<AggregateFunctionPtr> make_function(const expr::BoundAggregate& a, bool mean, bool exact_floats);

// The unit of one exact sum: chosen once, from the first batch that holds a finite value other than zero.
class SharedUnit {
 public:
  template <typename T>
  column::ExactUnit get(const arrow::ArrayData& values) const {
    if (chosen_.load(std::memory_order_acquire)) return unit_;
    return choose<T>(values);
  }
  column::ExactUnit get() const { return chosen_.load(std::memory_order_acquire) ? unit_ : column::ExactUnit(); }

 private:
  template <typename T>
  column::ExactUnit choose(const arrow::ArrayData& values) const;

  mutable std::mutex mutex_;
  mutable std::atomic<bool> chosen_{false};
  mutable column::ExactUnit unit_;
};

// f(k, i) for the valid rows of a span: k counts from 0, i is the row of `values`.
template <typename F>
void for_valid(const UpdateSpan& span, F&& f) {
  const column::ValidityBits valid = column::validity_of(*span.values);
  if (!valid.bits) {
    for (int64_t k = 0; k < span.n; ++k) f(k, span.begin + k);
  } else {
    for (int64_t k = 0; k < span.n; ++k) {
      if (valid.valid(span.begin + k)) f(k, span.begin + k);
    }
  }
}

}  // namespace gristmill::exec
