// Computes each output column; plain input columns pass by reference.
//
// Kernels run over all rows of a batch, selected or not, so a batch with few live rows is made dense first, unless nothing is
// computed. Of several failing rows the smallest is reported, of several expressions failing on one row the first
// (the pipeline comes back with the rows before it, which settles the rest).
//
// Invariant: rows and their order are those of the input.

#include "exec/project.h"

#include "base/status.h"
#include "exec/evaluate_all.h"

namespace gristmill::exec {
namespace {

// Dense from here down: evaluating everything costs more than gathering the live rows of the inputs.
bool is_sparse(const column::Batch& batch) { return !batch.selection.all() && batch.selected() * 2 < batch.rows; }

struct ProjectLocal final : LocalState {
  explicit ProjectLocal(arrow::MemoryPool* p) : evaluator(p) {}
  expr::Evaluator evaluator;
};

class Project final : public Operator {
 public:
  Project(std::vector<expr::BoundPtr> outputs, std::string label, bool keep_origin)
      : outputs_(std::move(outputs)), label_(std::move(label)), keep_origin_(keep_origin) {
    for (const auto& e : outputs_) {
      computes_ |= e->kind == expr::BoundKind::kCall;
      keep_origin_ |= e->fallible;
      mark_used(*e);
    }
  }

  std::string name() const override { return "project " + label_; }

  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) const override {
    return std::make_unique<ProjectLocal>(context.pool());
  }

  arrow::Status process(column::Batch batch, LocalState& local, const Emit& emit) const override {
    expr::Evaluator& evaluator = local.as<ProjectLocal>().evaluator;
    column::Selection kept;  // of the batch we were given, once it is dense: for errors
    const int64_t given = batch.rows;
    if (computes_ && is_sparse(batch)) {
      kept = batch.selection;
      for (size_t i = 0; i < batch.columns.size(); ++i) {
        if (i >= used_.size() || !used_[i]) {  // not read by any output: need not be gathered
          ARROW_ASSIGN_OR_RAISE(batch.columns[i], column::null_column(batch.columns[i].type(), evaluator.pool()));
        }
      }
      ARROW_ASSIGN_OR_RAISE(batch, column::compact(std::move(batch), evaluator.pool(), keep_origin_));
    }
    column::Batch out;
    out.rows = batch.rows;
    out.selection = batch.selection;
    out.origin = batch.origin;
    arrow::Result<std::vector<column::Column>> columns = evaluate_all(evaluator, outputs_, batch);
    if (!columns.ok()) {
      auto known = base::error_detail(columns.status());
      if (kept.all() || !known || known->batch_row < 0) return columns.status();
      base::ErrorDetail detail = *known;
      detail.batch_row = kept.indices(given)[static_cast<size_t>(detail.batch_row)];
      return base::with_detail(columns.status(), std::move(detail));
    }
    out.columns = std::move(*columns);
    return emit(std::move(out));
  }

 private:
  void mark_used(const expr::Bound& e) {
    if (e.kind == expr::BoundKind::kInput) {
      if (used_.size() <= static_cast<size_t>(e.input)) used_.resize(static_cast<size_t>(e.input) + 1, false);
      used_[static_cast<size_t>(e.input)] = true;
    }
    for (const auto& a : e.args) mark_used(*a);
  }

  std::vector<expr::BoundPtr> outputs_;
  std::string label_;
  bool keep_origin_;
  bool computes_ = false;
  std::vector<bool> used_;
};

}  // namespace

std::shared_ptr<const Operator> make_project(std::vector<expr::BoundPtr> outputs, std::string label, bool keep_origin) {
  return std::make_shared<Project>(std::move(outputs), std::move(label), keep_origin);
}

}  // namespace gristmill::exec
