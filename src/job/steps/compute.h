// Columns computed from the others of their row: what compute, cast and json have in common.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "expr/bind.h"
#include "job/evaluate_rows.h"
#include "job/settings.h"
#include "job/transform.h"

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

// A step that does no more than that: it says which columns.
class ComputedStep : public Transform {
 public:
  explicit ComputedStep(const Settings& settings) : settings_(settings) {}
  arrow::Result<std::shared_ptr<arrow::Schema>> bind(const std::shared_ptr<arrow::Schema>& input) final;
  arrow::Result<std::unique_ptr<StepLocal>> make_local(const StepContext& context) const final;
  arrow::Status process(column::Batch& batch, StepLocal& local, RowErrors& errors) const final;
  std::vector<bool> needs(const std::vector<bool>& wanted) const final { return computed_.needs(wanted); }
  bool may_reject() const final { return computed_.fallible(); }

 protected:
  virtual arrow::Result<std::vector<ComputedColumns::Column>> columns(const arrow::Schema& input) const = 0;
  // "compute a, b": the kind and the names of its entries.
  std::string named(const std::string& kind) const;
  const Settings settings_;

 private:
  ComputedColumns computed_;
};

// Marks the columns that an expression reads.
void mark_inputs(const expr::Bound& e, std::vector<bool>& used);

}  // namespace gristmill::job
