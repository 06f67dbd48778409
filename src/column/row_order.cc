// Order and equality of single rows, for every type: the slow path that all fast ones must agree with.
//
// One three-way order serves both: nulls equal and greatest, floats by the total order, texts by bytes, lists element by
// element, structs field by field, maps as their entries sorted by key.

#include "column/row_order.h"

#include <arrow/type.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "column/array_kernels.h"
#include "column/buffers.h"
#include "column/kernels.h"

namespace gristmill::column {
namespace {

template <typename T>
int three_way(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    const bool an = a != a, bn = b != b;
    if (an || bn) return an - bn;
  }
  return a < b ? -1 : a > b;
}

int compare_views(std::string_view a, std::string_view b) {
  const int c = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  return c ? c : three_way(a.size(), b.size());
}

int compare_lists(const arrow::ArrayData& a, int64_t i, const arrow::ArrayData& b, int64_t j) {
  const ListRange x = list_range(a, i), y = list_range(b, j);
  const int64_t common = std::min(x.end - x.begin, y.end - y.begin);
  for (int64_t k = 0; k < common; ++k) {
    if (const int c = compare_values(*a.child_data[0], x.begin + k, *b.child_data[0], y.begin + k)) return c;
  }
  return three_way(x.end - x.begin, y.end - y.begin);
}

int compare_maps(const arrow::ArrayData& a, int64_t i, const arrow::ArrayData& b, int64_t j) {
  const std::vector<int64_t> x = sorted_entries(a, i), y = sorted_entries(b, j);
  for (size_t k = 0; k < std::min(x.size(), y.size()); ++k) {
    if (const int c = compare_values(*a.child_data[0], x[k], *b.child_data[0], y[k])) return c;
  }
  return three_way(x.size(), y.size());
}

struct Place {
  const arrow::ArrayData* data;
  int64_t row;
  bool null;
};

Place resolve(const Column& c, int64_t row) {
  if (is_null_at(c, row)) return {c.values.get(), 0, true};
  if (c.is_flat()) return {c.values.get(), row, false};
  if (c.is_constant()) return {c.values.get(), 0, false};
  return {c.dictionary.get(), values_of<int32_t>(*c.values)[row], false};
}

}  // namespace

std::vector<int64_t> sorted_entries(const arrow::ArrayData& map, int64_t row) {
  const ListRange r = list_range(map, row);
  std::vector<int64_t> entries(static_cast<size_t>(r.end - r.begin));
  std::iota(entries.begin(), entries.end(), r.begin);
  const ArrayPtr keys = struct_field(*map.child_data[0], 0);
  std::stable_sort(entries.begin(), entries.end(), [&](int64_t x, int64_t y) { return compare_values(*keys, x, *keys, y) < 0; });
  return entries;
}

int compare_values(const arrow::ArrayData& a, int64_t i, const arrow::ArrayData& b, int64_t j) {
  const Physical p = physical_unchecked(*a.type);
  if (p == Physical::kNull) return 0;
  const bool an = !validity_of(a).valid(i), bn = !validity_of(b).valid(j);
  if (an || bn) return an - bn;
  switch (p) {
    case Physical::kNull: return 0;
    case Physical::kBool: return bit_at(a.buffers[1]->data(), a.offset + i) - bit_at(b.buffers[1]->data(), b.offset + j);
    case Physical::kView: return compare_views(view_at(a, i), view_at(b, j));
    case Physical::kInt128: {
      __int128 x, y;
      std::memcpy(&x, a.buffers[1]->data() + (a.offset + i) * 16, 16);
      std::memcpy(&y, b.buffers[1]->data() + (b.offset + j) * 16, 16);
      return three_way(x, y);
    }
    case Physical::kNested:
      if (a.type->id() == arrow::Type::MAP) return compare_maps(a, i, b, j);
      if (a.type->id() != arrow::Type::STRUCT) return compare_lists(a, i, b, j);
      for (size_t f = 0; f < a.child_data.size(); ++f) {
        if (const int c = compare_values(*a.child_data[f], a.offset + i, *b.child_data[f], b.offset + j)) return c;
      }
      return 0;
    default: return visit_number(p, [&]<typename T>() { return three_way(values_of<T>(a)[i], values_of<T>(b)[j]); });
  }
}

int compare_rows(const Column& a, int64_t i, const Column& b, int64_t j) {
  const Place x = resolve(a, i), y = resolve(b, j);
  if (x.null || y.null) return x.null - y.null;
  return compare_values(*x.data, x.row, *y.data, y.row);
}

bool equal_rows(const Column& a, int64_t i, const Column& b, int64_t j) {
  const Place x = resolve(a, i), y = resolve(b, j);
  if (x.null || y.null) return x.null && y.null;
  if (x.data == y.data && x.row == y.row) return true;
  if (is_viewed(*x.data->type)) {
    const std::string_view s = view_at(*x.data, x.row), t = view_at(*y.data, y.row);
    return s == t;
  }
  return compare_values(*x.data, x.row, *y.data, y.row) == 0;
}

bool same_bytes(const arrow::ArrayData& values, int64_t rows) {
  const Physical p = physical_unchecked(*values.type);
  if (p == Physical::kNull) return true;
  if (const int64_t nulls = null_count_of(values); nulls > 0) return nulls == values.length;
  const auto width = static_cast<size_t>(byte_width(p));
  if (width == 0) return rows == 1;
  const uint8_t* const first = values.buffers[1]->data() + static_cast<size_t>(values.offset) * width;
  const size_t others = width * static_cast<size_t>(rows - 1);
  return std::memcmp(first, first + others, width) == 0 && std::memcmp(first, first + width, others) == 0;
}

}  // namespace gristmill::column
