// One evaluation over one batch: columns for values, pairs of masks for truth.
//
// Truth keeps three-valued logic at one bit operation a word: `yes` and `no` are disjoint, NULL is in neither, and both
// lie within the selection asked for. Rows outside the selection hold anything.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/batch.h"
#include "expr/bind.h"
#include "expr/entry_cache.h"

namespace gristmill::expr {

struct Truth {
  column::Mask yes;
  column::Mask no;  // empty (no words) unless asked for
};

class Evaluation {
 public:
  // `entries` null: dictionaries are flattened.
  Evaluation(const column::Batch& batch, arrow::MemoryPool* pool, EntryCache* entries) : batch_(batch), pool_(pool), entries_(entries) {}

  arrow::Result<column::Column> column(const Bound& e, const column::Selection& rows);
  arrow::Result<Truth> truth(const Bound& e, const column::Selection& rows, bool want_no);

 private:
  // evaluate.cc
  arrow::Result<column::Column> kernel(const Bound& e, const column::Selection& rows);
  arrow::Result<column::Column> constant_kernel(const Bound& e, std::vector<column::Column> args, const column::Selection& rows);
  arrow::Result<column::Column> bool_column(const Bound& e, const column::Selection& rows);
  // evaluate_truth.cc
  arrow::Result<Truth> plain_truth(const Bound& e, const column::Selection& rows, bool want_no);
  arrow::Result<Truth> chain(const Bound& e, const column::Selection& rows, bool want_no, bool conjunction);
  arrow::Result<Truth> comparison(const Bound& e, const column::Selection& rows, bool want_no);
  arrow::Result<Truth> distinct(const Bound& e, const column::Selection& rows, bool want_no);
  arrow::Result<Truth> between(const Bound& e, const column::Selection& rows, bool want_no);
  arrow::Result<Truth> membership(const Bound& e, const column::Selection& rows, bool want_no);
  arrow::Result<Truth> nullness(const Bound& e, const column::Selection& rows, bool want_no);
  arrow::Result<Truth> truth_of_column(const Bound& e, const column::Selection& rows, bool want_no);
  // evaluate_branches.cc
  struct Branch {
    column::Mask rows;
    column::Column values;
  };
  arrow::Result<column::Column> case_column(const Bound& e, const column::Selection& rows);
  arrow::Result<column::Column> coalesce_column(const Bound& e, const column::Selection& rows);
  arrow::Result<column::Column> null_if(const Bound& e, const column::Selection& rows);
  arrow::Result<column::Column> merge(const Bound& e, std::vector<Branch> branches, const column::Selection& rows);
  arrow::Result<column::Column> pick_rows(const std::vector<Branch>& branches);
  arrow::Result<std::shared_ptr<arrow::Buffer>> merge_bits(const std::vector<Branch>& branches);
  arrow::Result<std::shared_ptr<arrow::Buffer>> merge_values(const std::vector<Branch>& branches, int width);
  // evaluate_entries.cc: nullopt = evaluate row by row.
  arrow::Result<std::optional<column::Column>> column_by_entry(const Bound& e, const column::Selection& rows);
  arrow::Result<std::optional<Truth>> truth_by_entry(const Bound& e, const column::Selection& rows, bool want_no);
  CachedEntries* entries_for(const Bound& e, const column::Selection& rows);

  const column::Batch& batch_;
  arrow::MemoryPool* pool_;
  EntryCache* entries_;
};

// The arguments' nulls added to the result's.
arrow::Result<column::Column> with_nulls_of(column::Column result, std::span<const column::Column> args, int64_t rows,
                                            arrow::MemoryPool* pool);

}  // namespace gristmill::expr
