// The hidden column holds row numbers or orders of one input.

#include "exec/join_order.h"

#include <arrow/type.h>

#include "exec/sort.h"

namespace gristmill::exec {
namespace {

class FirstColumns final : public Source {
 public:
  FirstColumns(std::shared_ptr<Source> inner, int kept, StopAt stop) : inner_(std::move(inner)), kept_(kept), stop_(std::move(stop)) {}
  std::string name() const override { return inner_->name(); }
  arrow::Result<int64_t> start(const QueryContext& context) override {
    if (stop_) until_ = stop_();
    return inner_->start(context);
  }
  arrow::Result<Next> next(uint64_t seq) override { return inner_->next(seq); }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) override { return inner_->make_local(context); }
  arrow::Status read(uint64_t seq, LocalState& local, const Emit& emit, RowCounts& counts) override {
    return inner_->read(
        seq, local,
        [&](column::Batch batch) -> arrow::Status {
          const column::Column order = batch.columns.back();
          batch.columns.resize(static_cast<size_t>(kept_));
          return until_ ? emit_until(std::move(batch), order, emit) : emit(std::move(batch));
        },
        counts);
  }
  std::string file_of(int32_t input) const override { return inner_->file_of(input); }
  std::string detail() const override { return inner_->detail(); }

 private:
  arrow::Status emit_until(column::Batch batch, const column::Column& order, const Emit& emit) {
    ARROW_ASSIGN_OR_RAISE(const column::Column flat, column::flatten(order, batch.rows, arrow::default_memory_pool()));
    const auto* numbers = column::values_of<uint64_t>(*flat.values);
    for (uint16_t i : batch.selection.indices(batch.rows)) {
      if (numbers[i] < until_->first) continue;
      batch.selection = batch.selection.below(i, batch.rows);
      if (batch.selected() > 0) ARROW_RETURN_NOT_OK(emit(std::move(batch)));
      return until_->second;
    }
    return emit(std::move(batch));
  }

  const std::shared_ptr<Source> inner_;
  const int kept_;
  const StopAt stop_;
  std::optional<std::pair<uint64_t, arrow::Status>> until_;
};

}  // namespace

arrow::Result<Breaker> make_join_order(std::vector<column::TypePtr> types, const std::string& label, const QueryContext& context,
                                       StopAt stop) {
  const int kept = static_cast<int>(types.size()) - 1;
  auto key = std::make_shared<expr::Bound>();
  key->kind = expr::BoundKind::kInput;
  key->type = arrow::uint64();
  key->input = kept;
  key->sole_input = kept;
  key->nullable = false;
  key->label = "row";
  SortSpec spec;
  spec.types = std::move(types);
  spec.keys.push_back(std::move(key));
  spec.order.push_back({.nullable = false});
  spec.label = label;
  ARROW_ASSIGN_OR_RAISE(Breaker b, make_sort(std::move(spec), context));
  b.source = std::make_shared<FirstColumns>(std::move(b.source), kept, std::move(stop));
  return b;
}

std::vector<column::TypePtr> output_types(const JoinShape& shape) {
  std::vector<column::TypePtr> out;
  const size_t width = shape.spec.left_types.size();
  for (int c : shape.spec.output) {
    const size_t at = static_cast<size_t>(c);
    out.push_back(at < width ? shape.spec.left_types[at] : shape.spec.right_types[at - width]);
  }
  return out;
}

}  // namespace gristmill::exec
