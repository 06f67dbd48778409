// Keeps the rows for which the predicate is true; false and NULL go.
//
// Only the selection shrinks, no column is copied: whoever needs dense rows makes them.
// If no row is left nothing is emitted; the pipeline reports the morsel as done anyway.
//
// Invariant: what leaves is a subsequence of what came, in row order, so the same rows
// survive at any worker count and any batch size.

#include "exec/filter.h"

#include "expr/evaluate.h"

namespace gristmill::exec {
namespace {

// One per worker. Scratch only: nothing in it may change a result.
struct FilterLocal final : LocalState {
  explicit FilterLocal(arrow::MemoryPool* pool) : evaluator(pool) {}
  expr::Evaluator evaluator;
};

class Filter final : public Operator {
 public:
  Filter(expr::BoundPtr predicate, std::string label) : predicate_(std::move(predicate)), label_(std::move(label)) {}

  std::string name() const override { return "filter " + label_; }

  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) const override {
    return std::make_unique<FilterLocal>(context.pool());
  }

  arrow::Status process(column::Batch batch, LocalState& local, const Emit& emit) const override {
    ARROW_ASSIGN_OR_RAISE(column::Mask keep, local.as<FilterLocal>().evaluator.mask(*predicate_, batch));
    batch.selection = column::Selection::from_mask(std::move(keep));
    if (batch.selection.empty(batch.rows)) return arrow::Status::OK();
    return emit(std::move(batch));
  }

 private:
  expr::BoundPtr predicate_;
  std::string label_;
};

}  // namespace

std::shared_ptr<const Operator> make_filter(expr::BoundPtr predicate, std::string label) {
  return std::make_shared<Filter>(std::move(predicate), std::move(label));
}

}  // namespace gristmill::exec
