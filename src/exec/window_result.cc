// Numbers are one array sliced without a copy. Picked rows are taken from the argument only when they are read, so any type may be
// picked and its values are copied once.

#include "exec/window_result.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <arrow/type.h>

#include "column/buffers.h"
#include "column/kernels.h"

namespace gristmill::exec {

bool WindowResult::picks(const WindowTask& t) {
  static constexpr std::string_view kPicking[] = {"lag", "lead", "first_value", "last_value", "nth_value", "first", "last"};
  if (std::find(std::begin(kPicking), std::end(kPicking), t.function.function) != std::end(kPicking)) return true;
  const bool extreme = t.function.function == "min" || t.function.function == "max";
  return extreme && !column::is_float(*t.function.type);  // a float comes out as +0.0 and the one NaN: a value of its own
}

int64_t WindowResult::bytes_a_row(const WindowTask& t) {
  return picks(t) ? 8 : std::max(1, column::byte_width(column::physical_unchecked(*t.function.type))) + 1;
}

arrow::Result<WindowResult> WindowResult::make(const WindowTask& task, int64_t rows, bool picks, arrow::MemoryPool* pool) {
  WindowResult r;
  r.task_ = &task;
  r.picks_ = picks;
  r.rows_ = rows;
  r.nulls_ = std::make_shared<std::atomic<bool>>(false);
  const int width = r.picks_ ? 8 : column::byte_width(column::physical_unchecked(*task.function.type));
  ARROW_ASSIGN_OR_RAISE(r.values_, column::allocate_buffer(rows * width, pool));
  if (r.picks_) return r;
  ARROW_ASSIGN_OR_RAISE(r.validity_, column::allocate_bits(rows, pool));
  std::memset(r.validity_->mutable_data(), 0xff, static_cast<size_t>(r.validity_->size()));
  return r;
}

arrow::Result<column::Column> WindowResult::slice(const column::Batch& rows, int64_t begin, int64_t n, arrow::MemoryPool* pool) const {
  if (!picks_) {
    const bool nulls = nulls_->load(std::memory_order_relaxed);
    auto data = column::make_array(task_->function.type, rows_, nulls ? validity_ : nullptr, nulls ? arrow::kUnknownNullCount : 0, values_);
    return column::Column::flat(data->Slice(begin, n));
  }
  const int64_t* picked = reinterpret_cast<const int64_t*>(values_->data()) + begin;
  const bool defaults = task_->args.size() > 1 && std::find(picked, picked + n, kDefault) != picked + n;
  const column::Column& from = rows.columns[static_cast<size_t>(task_->args[0])];
  if (!defaults) return column::take(from, std::span<const int64_t>(picked, static_cast<size_t>(n)), pool);
  // Values and defaults one after the other, then each row from its side.
  std::vector<int64_t> values(picked, picked + n), side(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const bool otherwise = values[static_cast<size_t>(i)] == kDefault;
    if (otherwise) values[static_cast<size_t>(i)] = column::kNullIndex;
    side[static_cast<size_t>(i)] = otherwise ? n + i : i;
  }
  ARROW_ASSIGN_OR_RAISE(column::Column taken, column::take(from, std::span<const int64_t>(values), pool));
  const column::Column defaulted = column::slice(rows.columns[static_cast<size_t>(task_->args[1])], begin, n);
  const column::Column both[] = {std::move(taken), defaulted};
  const int64_t counts[] = {n, n};
  ARROW_ASSIGN_OR_RAISE(column::Column all, column::concat(both, counts, pool));
  return column::take(all, std::span<const int64_t>(side), pool);
}

}  // namespace gristmill::exec
