// A limit is exact only where order is known: in the ordered sink. The operator before it merely keeps a
// morsel from producing more than could ever be wanted.
//
// Invariant: the rows passed on are a prefix-slice of the pipeline's rows in order, whatever the morsels were; a
// limit met before an error wins over it, because both arrive at the sink in order.

#include "exec/limit.h"

#include "exec/morsel_status.h"

namespace gristmill::exec {
namespace {

struct LimitLocal final : LocalState {
  int64_t passed = 0;
};

class MorselLimit final : public Operator {
 public:
  explicit MorselLimit(int64_t rows) : rows_(rows) {}
  std::string name() const override { return "limit " + std::to_string(rows_) + " per morsel"; }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext&) const override { return std::make_unique<LimitLocal>(); }

  arrow::Status process(column::Batch batch, LocalState& local, const Emit& emit) const override {
    int64_t& passed = local.as<LimitLocal>().passed;
    batch.selection = batch.selection.first(rows_ - passed, batch.rows);
    const int64_t live = batch.selected();
    if (live > 0) ARROW_RETURN_NOT_OK(emit(std::move(batch)));
    passed += live;
    if (passed < rows_) return arrow::Status::OK();
    passed = 0;
    return stop_morsel();
  }

  arrow::Status end_morsel(LocalState& local, const Emit&) const override {
    local.as<LimitLocal>().passed = 0;
    return arrow::Status::OK();
  }

 private:
  int64_t rows_;
};

class LimitedSink final : public OrderedSink {
 public:
  LimitedSink(int64_t offset, int64_t count, std::shared_ptr<OrderedSink> inner, std::shared_ptr<const QueryContext> context)
      : skip_(offset), left_(count), inner_(std::move(inner)), context_(std::move(context)) {}
  std::string name() const override { return inner_->name(); }

  arrow::Result<Answer> deliver(uint64_t seq, std::vector<column::Batch>& batches) override {
    if (!cut_done_) {
      for (auto& b : batches) cut(b);
      std::erase_if(batches, [](const column::Batch& b) { return b.selected() == 0; });
      // Only now is it known which rows count; an error of staging one that does not must not be seen.
      ARROW_ASSIGN_OR_RAISE(batches, inner_->stage(std::move(batches), *context_));
      cut_done_ = true;
    }
    ARROW_ASSIGN_OR_RAISE(Answer answer, inner_->deliver(seq, batches));
    if (answer.wait) return answer;  // the same, already cut batches come again
    cut_done_ = false;
    if (left_ == 0) answer.enough = true;
    return answer;
  }

  arrow::Status finalize() override { return inner_->finalize(); }
  void abandon() override { inner_->abandon(); }

 private:
  void cut(column::Batch& b) {
    if (skip_ > 0) {
      const int64_t drop = std::min(skip_, b.selected());
      b.selection = b.selection.skip(drop, b.rows);
      skip_ -= drop;
    }
    if (left_ < 0) return;
    b.selection = b.selection.first(left_, b.rows);
    left_ -= b.selected();
  }

  int64_t skip_, left_;
  bool cut_done_ = false;
  std::shared_ptr<OrderedSink> inner_;
  std::shared_ptr<const QueryContext> context_;
};

}  // namespace

std::shared_ptr<const Operator> make_morsel_limit(int64_t rows) { return std::make_shared<MorselLimit>(rows); }

std::shared_ptr<OrderedSink> make_limited_sink(int64_t offset, int64_t count, std::shared_ptr<OrderedSink> inner,
                                               std::shared_ptr<const QueryContext> context) {
  return std::make_shared<LimitedSink>(offset, count, std::move(inner), std::move(context));
}

}  // namespace gristmill::exec
