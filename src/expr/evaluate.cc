// Walking the bound tree: inputs and constants as they are, kernels on flattened arguments, nulls by the framework.

#include "expr/evaluate.h"

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "column/bits.h"
#include "column/buffers.h"
#include "column/kernels.h"
#include "expr/entry_cache.h"
#include "expr/evaluation.h"
#include "expr/mask_ops.h"
#include "expr/registry.h"

namespace gristmill::expr {
namespace {

using column::Column;
using column::Selection;

const std::string* sole_column(const Bound& e) {
  if (e.kind == BoundKind::kInput) return &e.label;
  if (e.kind != BoundKind::kCall || e.sole_input < 0) return nullptr;
  for (const BoundPtr& a : e.args) {
    if (const std::string* name = sole_column(*a)) return name;
  }
  return nullptr;
}

// Names the column that an error is about, where there is only one.
arrow::Status located(const arrow::Status& status, const Bound& e) {
  const auto known = base::error_detail(status);
  const std::string* name = sole_column(e);
  if (!known || known->batch_row < 0 || !known->column.empty() || !name) return status;
  base::ErrorDetail detail = *known;
  detail.column = *name;
  return base::with_detail(status, std::move(detail));
}

arrow::Status at_row(const arrow::Status& status, int64_t row) {
  const auto known = base::error_detail(status);
  if (!known || known->batch_row < 0) return status;
  base::ErrorDetail detail = *known;
  detail.batch_row = row;
  return base::with_detail(status, std::move(detail));
}

// Runs `f` on fewer and fewer rows until no smaller row fails: which node fails first must not hide a smaller row.
template <typename F>
auto smallest_error(const column::Batch& batch, F&& f) {
  auto result = f(batch.selection);
  while (!result.ok()) {
    const auto detail = base::error_detail(result.status());
    if (!detail || detail->batch_row <= 0) return result;
    auto earlier = f(batch.selection.below(detail->batch_row, batch.rows));
    if (earlier.ok()) return result;
    result = std::move(earlier);
  }
  return result;
}

}  // namespace

arrow::Result<Column> with_nulls_of(Column result, std::span<const Column> args, int64_t rows, arrow::MemoryPool* pool) {
  std::vector<const arrow::ArrayData*> nullable;
  for (const Column& a : args) {
    if (!a.is_constant() && column::validity_of(*a.values).bits) nullable.push_back(a.values.get());
  }
  if (nullable.empty() || result.is_constant()) return result;
  if (column::validity_of(*result.values).bits) nullable.push_back(result.values.get());
  const int64_t n_words = column::word_count(rows);
  std::shared_ptr<arrow::Buffer> bits;
  int64_t valid = 0;
  for (const arrow::ArrayData* d : nullable) {
    const column::ValidityBits v = column::validity_of(*d);
    if (!bits) {
      ARROW_ASSIGN_OR_RAISE(bits, column::allocate_bits(rows, pool));
      valid = column::simd::kernels().bits_to_words(v.bits, v.offset, rows, reinterpret_cast<uint64_t*>(bits->mutable_data()));
      continue;
    }
    const column::Mask more = mask_of_bits(v.bits, v.offset, rows);
    auto* words = reinterpret_cast<uint64_t*>(bits->mutable_data());
    valid = column::simd::kernels().and_words(words, more.words.data(), n_words, words);
  }
  if (const int64_t offset = result.values->offset; offset != 0 && valid < rows) {
    ARROW_ASSIGN_OR_RAISE(auto moved, column::allocate_bits(rows + offset, pool));
    for (int64_t i = 0; i < rows; ++i) column::write_bit(moved->mutable_data(), offset + i, column::bit_at(bits->data(), i));
    bits = std::move(moved);
  }
  auto data = std::make_shared<arrow::ArrayData>(*result.values);
  data->buffers[0] = valid == rows ? nullptr : std::move(bits);
  data->SetNullCount(rows - valid);
  return Column::flat(std::move(data));
}

arrow::Result<Column> Evaluation::column(const Bound& e, const Selection& rows) {
  if (e.kind == BoundKind::kInput) return batch_.columns[static_cast<size_t>(e.input)];
  if (e.kind == BoundKind::kConstant) return e.constant;
  if (rows.empty(batch_.rows)) return column::null_column(e.type, pool_);
  ARROW_ASSIGN_OR_RAISE(auto by_entry, column_by_entry(e, rows));
  if (by_entry) return std::move(*by_entry);
  switch (e.function->special) {
    case Special::kNone: return kernel(e, rows);
    case Special::kCase: return case_column(e, rows);
    case Special::kCoalesce: return coalesce_column(e, rows);
    case Special::kNullIf: return null_if(e, rows);
    default: return bool_column(e, rows);
  }
}

arrow::Result<Column> Evaluation::kernel(const Bound& e, const Selection& rows) {
  std::vector<Column> args;
  args.reserve(e.args.size());
  bool constant = true, null = false;
  for (const BoundPtr& a : e.args) {
    ARROW_ASSIGN_OR_RAISE(Column c, column(*a, rows));
    if (c.is_dictionary()) {
      ARROW_ASSIGN_OR_RAISE(c, column::flatten(c, batch_.rows, pool_));
    }
    constant &= c.is_constant();
    null |= c.is_constant() && column::is_null_at(c, 0);
    args.push_back(std::move(c));
  }
  const bool propagate = e.function->nulls == NullRule::kPropagate;
  if (propagate && null) return column::null_column(e.type, pool_);
  if (constant && e.deterministic) return constant_kernel(e, std::move(args), rows);
  const KernelCall call{args, batch_.rows, &rows, e.state.get(), e.type, pool_};
  arrow::Result<Column> result = e.function->run(call);
  if (!result.ok()) return located(result.status(), e);
  return propagate ? with_nulls_of(std::move(*result), args, batch_.rows, pool_) : std::move(result);
}

// One row stands for all; if it fails, the first selected row has failed.
arrow::Result<Column> Evaluation::constant_kernel(const Bound& e, std::vector<Column> args, const Selection& rows) {
  for (Column& a : args) a = Column::flat(a.values);
  const Selection all;
  const KernelCall call{args, 1, &all, e.state.get(), e.type, pool_};
  arrow::Result<Column> result = e.function->run(call);
  if (!result.ok()) return at_row(located(result.status(), e), rows.all() ? 0 : rows.indices(batch_.rows)[0]);
  return Column::constant(result->values);
}

arrow::Result<Column> Evaluation::bool_column(const Bound& e, const Selection& rows) {
  ARROW_ASSIGN_OR_RAISE(Truth t, truth(e, rows, e.nullable));
  const size_t bytes = t.yes.words.size() * sizeof(uint64_t);
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_bits(batch_.rows, pool_));
  std::memcpy(values->mutable_data(), t.yes.words.data(), bytes);
  std::shared_ptr<arrow::Buffer> validity;
  int64_t nulls = 0;
  if (e.nullable) {
    or_into(t.no, t.yes);
    if (!rows.all()) {
      column::Mask outside = rows.mask(batch_.rows);
      invert(outside);
      or_into(t.no, outside);
    }
    nulls = batch_.rows - t.no.count();
    if (nulls > 0) {
      ARROW_ASSIGN_OR_RAISE(validity, column::allocate_bits(batch_.rows, pool_));
      std::memcpy(validity->mutable_data(), t.no.words.data(), bytes);
    }
  }
  return Column::flat(column::make_array(e.type, batch_.rows, std::move(validity), nulls, std::move(values)));
}

Evaluator::Evaluator(arrow::MemoryPool* pool) : pool_(pool), entries_(std::make_unique<EntryCache>()) {}
Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;

arrow::Result<Column> Evaluator::evaluate(const Bound& e, const column::Batch& batch) {
  Evaluation run(batch, pool_, entries_.get());
  return smallest_error(batch, [&](const Selection& rows) { return run.column(e, rows); });
}

arrow::Result<column::Mask> Evaluator::mask(const Bound& predicate, const column::Batch& batch) {
  if (predicate.type->id() == arrow::Type::NA) return column::Mask(batch.rows, false);
  Evaluation run(batch, pool_, entries_.get());
  ARROW_ASSIGN_OR_RAISE(Truth t, smallest_error(batch, [&](const Selection& rows) { return run.truth(predicate, rows, false); }));
  return std::move(t.yes);
}

}  // namespace gristmill::expr
