// Column by column; nested ones row by row.

#include "io/value_bytes.h"

#include <arrow/type.h>

namespace gristmill::io {
namespace {

constexpr int64_t kLength = 4;  // what says how long a text or a list is

int64_t one(const arrow::ArrayData& d, int64_t i);

int64_t sum(const arrow::ArrayData& d, int64_t from, int64_t to) {
  int64_t bytes = 0;
  for (int64_t i = from; i < to; ++i) bytes += one(d, i);
  return bytes;
}

template <typename Offset>
int64_t of_list(const arrow::ArrayData& d, int64_t i) {
  const Offset* at = column::values_of<Offset>(d) + i;
  return kLength + sum(*d.child_data[0], at[0], at[1]);
}

int64_t one(const arrow::ArrayData& d, int64_t i) {
  const bool valid = column::validity_of(d).valid(i);
  switch (d.type->id()) {
    case arrow::Type::NA: return 0;
    case arrow::Type::BOOL: return 1;
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW: return valid ? kLength + column::values_of<column::View16>(d)[i].size : kLength;
    case arrow::Type::LIST:
    case arrow::Type::MAP: return valid ? of_list<int32_t>(d, i) : kLength;
    case arrow::Type::LARGE_LIST: return valid ? of_list<int64_t>(d, i) : kLength;
    case arrow::Type::FIXED_SIZE_LIST: {
      const int64_t n = static_cast<const arrow::FixedSizeListType&>(*d.type).list_size();
      return kLength + (valid ? sum(*d.child_data[0], (d.offset + i) * n, (d.offset + i + 1) * n) : 0);
    }
    case arrow::Type::STRUCT: {
      int64_t bytes = 0;
      for (const auto& child : d.child_data) bytes += valid ? one(*child, d.offset + i) : 0;
      return bytes;
    }
    default: return d.type->bit_width() / 8;
  }
}

}  // namespace

std::vector<int64_t> value_bytes(const column::Batch& batch) {
  std::vector<int64_t> out(static_cast<size_t>(batch.rows), 0);
  for (const column::Column& c : batch.columns) {
    for (int64_t i = 0; i < batch.rows; ++i) out[static_cast<size_t>(i)] += one(*c.values, i);
  }
  return out;
}

}  // namespace gristmill::io
