#include "shapes.h"

#include <arrow/array/array_base.h>
#include <arrow/array/concatenate.h>
#include <arrow/memory_pool.h>
#include <arrow/type.h>

#include "column/buffers.h"
#include "column/kernels.h"

namespace gristmill::expr::testing {
namespace {

using column::Batch;
using column::Column;

arrow::MemoryPool* pool() { return arrow::default_memory_pool(); }

Batch taken(const Batch& b, const std::vector<int64_t>& rows) {
  Batch out;
  out.rows = static_cast<int64_t>(rows.size());
  for (const Column& c : b.columns) out.columns.push_back(column::take(c, std::span<const int64_t>(rows), pool()).ValueOrDie());
  return out;
}

std::vector<int64_t> count_to(int64_t n) {
  std::vector<int64_t> v(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) v[static_cast<size_t>(i)] = i;
  return v;
}

Batch sliced(const Batch& b) {
  std::vector<int64_t> rows;
  for (int i = 0; i < 5; ++i) rows.push_back(b.rows - 1 - i % b.rows);
  for (int64_t i = 0; i < b.rows; ++i) rows.push_back(i);
  for (int i = 0; i < 3; ++i) rows.push_back(i % b.rows);
  return column::slice(taken(b, rows), 5, b.rows);
}

Column as_dictionary(const Column& c, int64_t rows) {
  std::vector<int64_t> first;  // row of each entry
  auto indices = column::allocate_buffer(rows * 4, pool()).ValueOrDie();
  auto validity = column::allocate_bits(rows, pool()).ValueOrDie();
  int64_t nulls = 0;
  auto* index = reinterpret_cast<int32_t*>(indices->mutable_data());
  for (int64_t i = 0; i < rows; ++i) {
    index[i] = 0;
    if (column::is_null_at(c, i)) {
      ++nulls;
      continue;
    }
    validity->mutable_data()[i >> 3] |= static_cast<uint8_t>(1 << (i & 7));
    size_t e = 0;
    while (e < first.size() && !column::equal_rows(c, i, c, first[e])) ++e;
    if (e == first.size()) first.push_back(i);
    index[i] = static_cast<int32_t>(e);
  }
  Column entries = column::take(c, std::span<const int64_t>(first), pool()).ValueOrDie();
  return Column::dict(column::make_array(arrow::int32(), rows, validity, nulls, indices), entries.values);
}

Batch dictionaries(const Batch& b) {
  Batch out = b;
  for (Column& c : out.columns) {
    if (c.type()->id() != arrow::Type::NA) c = as_dictionary(c, b.rows);
  }
  return out;
}

// Every row of `b`, each followed by a row that does not count.
Batch with_junk(const Batch& b, bool indices) {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < b.rows; ++i) {
    rows.push_back(i);
    rows.push_back((i * 7 + 3) % b.rows);
  }
  Batch out = taken(b, rows);
  if (indices) {
    std::vector<uint16_t> kept;
    for (int64_t i = 0; i < b.rows; ++i) kept.push_back(static_cast<uint16_t>(2 * i));
    out.selection = column::Selection::from_indices(std::move(kept), out.rows);
  } else {
    column::Mask m(out.rows, false);
    for (int64_t i = 0; i < b.rows; ++i) m.set(2 * i);
    out.selection = column::Selection::from_mask(std::move(m));
  }
  return out;
}

std::vector<int64_t> junk_source(int64_t n) {
  std::vector<int64_t> v;
  for (int64_t i = 0; i < n; ++i) {
    v.push_back(i);
    v.push_back(-1);
  }
  return v;
}

}  // namespace

std::vector<Shape> every_shape(const Batch& flat) {
  const int64_t n = flat.rows;
  std::vector<Shape> out;
  out.push_back({"flat", flat, count_to(n)});
  if (n == 0) return out;
  out.push_back({"sliced", sliced(flat), count_to(n)});
  out.push_back({"dictionary", dictionaries(flat), count_to(n)});
  out.push_back({"sliced dictionary", column::slice(dictionaries(with_junk(flat, true)), 0, 2 * n), junk_source(n)});
  out.back().batch.selection = with_junk(flat, true).selection;
  out.push_back({"bitmap selection", with_junk(flat, false), junk_source(n)});
  out.push_back({"index selection", with_junk(flat, true), junk_source(n)});
  for (int64_t i = 0; i < n; ++i) {
    out.push_back({"row " + std::to_string(i), taken(flat, {i}), {i}});
    Batch constants = taken(flat, {i});
    for (Column& c : constants.columns) c = Column::constant(c.values);
    constants.rows = 3;
    out.push_back({"constant row " + std::to_string(i), constants, {i, i, i}});
  }
  return out;
}

}  // namespace gristmill::expr::testing
