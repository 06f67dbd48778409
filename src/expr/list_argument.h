// Lists and maps as arguments: the entries of a row, and their values as a column.
#pragma once

#include <string_view>

#include "column/array_kernels.h"
#include "expr/row_kernel.h"

namespace gristmill::expr {

struct ListArgument {
  const arrow::ArrayData& data;
  bool constant;
  explicit ListArgument(const column::Column& c) : data(*c.values), constant(c.is_constant()) {}
  column::ListRange operator[](int64_t i) const { return column::list_range(data, constant ? 0 : i); }
  // All entries; a row's lie at [begin, end).
  column::Column entries() const { return column::Column::flat(data.child_data[0]); }
};

inline bool is_list(const arrow::DataType& t) { return t.id() == arrow::Type::LIST || t.id() == arrow::Type::LARGE_LIST; }
inline bool is_map(const arrow::DataType& t) { return t.id() == arrow::Type::MAP; }

// The type of a list's values, of NULL for NULL; a plan error for what is no list.
arrow::Result<column::TypePtr> list_values(std::string_view function, std::span<const ArgumentInfo> args);
// The type that a value beside a list of `values` is cast to; a plan error where they do not meet in that type.
arrow::Result<column::TypePtr> value_beside(std::string_view function, const column::TypePtr& values, const ArgumentInfo& value);

// A column of rows of `from` by index, -1 for NULL.
inline arrow::Result<column::Column> picked(const column::Column& from, const std::vector<int64_t>& index, arrow::MemoryPool* pool) {
  return column::take(from, std::span<const int64_t>(index), pool);
}

// f(row, index of entries to append to) for rows without NULL arguments: lists of the entries of `from` that it names.
template <typename F>
arrow::Result<column::Column> list_of_picked(const KernelCall& call, const column::Column& from, F&& f) {
  ARROW_ASSIGN_OR_RAISE(ListEnds ends, ListEnds::make(call.rows, call.pool));
  std::vector<int64_t> index;
  arrow::Status full;
  ARROW_RETURN_NOT_OK(each_row(call, [&](int64_t i) {
                        f(i, index);
                        full &= ends.close(i, static_cast<int64_t>(index.size()));
                      }).status());
  ARROW_RETURN_NOT_OK(full);
  ARROW_ASSIGN_OR_RAISE(column::Column values, picked(from, index, call.pool));
  return ends.finish(call.type, values.values, nullptr);
}

}  // namespace gristmill::expr
