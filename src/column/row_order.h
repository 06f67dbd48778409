// Order of single values of plain arrays; compare_rows and equal_rows of kernels.h resolve encodings and come here.
#pragma once

#include <arrow/array/data.h>

#include <cstdint>
#include <vector>

namespace gristmill::column {

// Negative, 0, positive; nulls equal and greatest.
int compare_values(const arrow::ArrayData& a, int64_t i, const arrow::ArrayData& b, int64_t j);
// Positions in the map's child of the entries of one row, by key.
std::vector<int64_t> sorted_entries(const arrow::ArrayData& map, int64_t row);

}  // namespace gristmill::column
