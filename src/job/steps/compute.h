// Columns computed from the others of their row: what compute, cast and json have in common.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "expr/bind.h"
#include "job/evaluate_rows.h"

namespace gristmill::job {

class ComputedColumns {
 public:
  struct Column {
    std::string name;
    expr::NodePtr node;                     // over the columns that come
    std::shared_ptr<arrow::DataType> type;  // of the schema; null: that of the expression
  };
  // The columns that leave: those that come, some replaced, new ones behind them.
  arrow::Result<std::shared_ptr<arrow::Schema>> bind(const arrow::Schema& input, const std::vector<Column>& columns);
  arrow::Status process(column::Batch& batch, RowEvaluator& evaluator, RowErrors& errors) const;
  bool fallible() const { return fallible_; }
  std::vector<bool> needs(const std::vector<bool>& wanted) const;

 private:
  std::vector<expr::BoundPtr> expressions_;
  std::vector<int> places_;  // of each among the columns that leave
  size_t came_ = 0;          // columns
  bool fallible_ = false;
};

// Marks the columns that an expression reads.
void mark_inputs(const expr::Bound& e, std::vector<bool>& used);

}  // namespace gristmill::job
