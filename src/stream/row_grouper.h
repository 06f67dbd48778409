// Rows of a batch into groups of aggregate states: the engine's keys, tables and functions, for operators that keep tables of their own.
//
// evaluate() computes keys and arguments of some rows of a batch, in any order; add() then puts a range of them into a table, or into rows
// that the caller found. States are merged by the engine's functions, so nothing depends on which rows were aggregated together first.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "column/batch.h"
#include "exec/aggregate_plan.h"
#include "exec/group_keys.h"
#include "exec/group_table.h"
#include "expr/evaluate.h"
#include "stream/near_keys.h"

namespace gristmill::stream {

class RowGrouper {
 public:
  explicit RowGrouper(const exec::AggregatePlan& plan) : plan_(plan), layout_(plan.layout), evaluator_(plan.pool()) {}

  expr::Evaluator& evaluator() { return evaluator_; }

  // What follows evaluate(): anything, or nothing but add(), of rows that ascend within each call.
  enum class Use : uint8_t { kAny, kAddAscending };
  // `rows`: physical, selected ones. Orders are `order_base` + physical row.
  arrow::Status evaluate(const column::Batch& batch, std::span<const uint16_t> rows, uint64_t order_base, Use use = Use::kAny);
  int64_t size() const { return n_; }
  uint64_t order(int64_t j) const { return order_base_ + physical_[static_cast<size_t>(j)]; }

  // Rows [begin, begin + n), their groups found or made in the one table of the set.
  arrow::Status add(int64_t begin, int64_t n, exec::TableSet* tables);
  // The same, with groups known: `rows[k]` (in `tables`) takes row begin + k.
  arrow::Status update(uint8_t* const* rows, int64_t begin, int64_t n, exec::TableSet* tables);
  // rows[k] = the group of row begin + k; new ones get the row's order.
  arrow::Status find(int64_t begin, int64_t n, exec::TableSet* tables, uint8_t** rows);
  // The group of row j, or null.
  uint8_t* look_up(int64_t j, exec::TableSet* tables) const;

 private:
  struct Argument {
    std::shared_ptr<arrow::ArrayData> values;
    std::vector<int32_t> places;     // filtered: which of the evaluated rows
    std::vector<uint16_t> physical;  // of each value
    bool filtered = false;
  };
  arrow::Result<column::Column> dense(const expr::Bound& e, const column::Batch& batch, std::span<const uint16_t> rows);
  arrow::Status evaluate_argument(const exec::AggregateArgument& a, const column::Batch& batch, Argument* out);
  arrow::Status find_around_nulls(int64_t begin, int64_t n, exec::TableSet* tables, uint8_t** rows);
  arrow::Status add_global(int64_t begin, int64_t n, exec::TableSet* tables);
  arrow::Status add_near(int64_t begin, int64_t n, exec::TableSet* tables);
  arrow::Status find_missing(int64_t begin, const uint16_t* missing, int64_t n, exec::TableSet* tables, uint8_t** rows);
  arrow::Status normalise();

  const exec::AggregatePlan& plan_;
  const exec::RowLayout& layout_;
  expr::Evaluator evaluator_;
  exec::KeyNormaliser normaliser_;
  std::vector<column::Column> keys_;
  std::vector<Argument> arguments_;
  std::vector<uint16_t> physical_;
  exec::KeyBatch key_batch_;
  bool normalised_ = false;
  NearKeys near_keys_;
  exec::KeyNormaliser near_normaliser_;
  bool near_ = false;
  uint64_t order_base_ = 0;
  int64_t n_ = 0;
  bool whole_ = false;  // the rows are those of the batch, all and in order
};

// One table.
inline exec::TableSet one_table(const exec::AggregatePlan& plan) {
  return exec::TableSet(&plan.layout, exec::GroupTable(&plan.layout, plan.pool()));
}

// `row` of `from`, its key and state, into the zero row `to` of `into`.
arrow::Status copy_row(const exec::AggregatePlan& plan, uint8_t* to, const uint8_t* row, exec::GroupTable& from, exec::GroupTable* into);
// The same into a new row, which no index knows.
arrow::Result<uint8_t*> append_copy(const exec::AggregatePlan& plan, const uint8_t* row, exec::GroupTable& from, exec::GroupTable* into);
// The state of `from` into that of `into`; the smaller order stays.
arrow::Status fold_row(const exec::AggregatePlan& plan, uint8_t* into, exec::GroupTable& into_table, uint8_t* from,
                       exec::GroupTable& from_table);
// All groups of `from` into `into`, which keeps copies.
arrow::Status fold_table(const exec::AggregatePlan& plan, exec::TableSet* into, exec::GroupTable& from);
arrow::Status fold_rows(const exec::AggregatePlan& plan, exec::TableSet* into, uint8_t* const* rows, int64_t n, exec::GroupTable& from);

inline uint64_t order_of(const exec::RowLayout& layout, const uint8_t* row) {
  return exec::load<uint64_t>(row + layout.order_offset) & ~exec::RowLayout::kNullKey;
}
// The key group of a row.
int row_key_group(const exec::RowLayout& layout, const uint8_t* row);
// Of up to 1024 rows.
void row_key_groups(const exec::RowLayout& layout, uint8_t* const* rows, int64_t n, int* out);
// A group's key as bytes: equal keys have equal bytes.
std::string key_bytes(const exec::RowLayout& layout, const uint8_t* row);

// The state of rows of one key group, portable, for a snapshot; and back as rows that lie in `LoadedGroups`.
arrow::Result<std::vector<uint8_t>> portable_rows(const exec::AggregatePlan& plan, std::span<uint8_t* const> rows, exec::GroupTable& table);

}  // namespace gristmill::stream
