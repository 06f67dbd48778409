// a op b for whole columns, as mask bits: true only where both sides are there.
//
// A constant side takes the constant kernels; a dictionary against a constant is decided once per entry; two
// dictionaries with the same entries compare indices for (in)equality; what is left is flattened. Nested values go row by row.

#include <arrow/memory_pool.h>
#include <arrow/type.h>

#include <algorithm>
#include <vector>

#include "base/status.h"
#include "column/array_kernels.h"
#include "column/bits.h"
#include "column/kernels.h"
#include "column/row_order.h"
#include "column/simd/dispatch.h"

namespace gristmill::column {
namespace {

bool decide(CompareOp op, int c) {
  switch (op) {
    case CompareOp::kEq: return c == 0;
    case CompareOp::kNe: return c != 0;
    case CompareOp::kLt: return c < 0;
    case CompareOp::kLe: return c <= 0;
    case CompareOp::kGt: return c > 0;
    case CompareOp::kGe: return c >= 0;
  }
  return false;
}

CompareOp flip(CompareOp op) {
  switch (op) {
    case CompareOp::kLt: return CompareOp::kGt;
    case CompareOp::kLe: return CompareOp::kGe;
    case CompareOp::kGt: return CompareOp::kLt;
    case CompareOp::kGe: return CompareOp::kLe;
    default: return op;
  }
}

void and_validity(const arrow::ArrayData& d, Mask* mask) {
  const ValidityBits v = validity_of(d);
  if (!v.bits) return;
  for (size_t w = 0; w < mask->words.size(); ++w) {
    const int64_t at = static_cast<int64_t>(w) * 64;
    mask->words[w] &= read_bits(v.bits, v.offset + at, std::min<int64_t>(64, d.length - at));
  }
}

std::vector<const uint8_t*> text_buffers(const arrow::ArrayData& d) {
  std::vector<const uint8_t*> out;
  for (size_t b = 2; b < d.buffers.size(); ++b) out.push_back(d.buffers[b]->data());
  return out;
}

// Bools as words: the six operations are boolean algebra.
uint64_t compare_bools(CompareOp op, uint64_t a, uint64_t b) {
  switch (op) {
    case CompareOp::kEq: return ~(a ^ b);
    case CompareOp::kNe: return a ^ b;
    case CompareOp::kLt: return ~a & b;
    case CompareOp::kLe: return ~a | b;
    case CompareOp::kGt: return a & ~b;
    case CompareOp::kGe: return a | ~b;
  }
  return 0;
}

// `b` has one row when `b_constant`. Validity is the caller's business.
Mask compare_arrays(CompareOp op, const arrow::ArrayData& a, const arrow::ArrayData& b, bool b_constant) {
  const int64_t n = a.length;
  Mask out(n, false);
  const Physical p = physical_unchecked(*a.type);
  const auto& k = simd::kernels();
  const int o = static_cast<int>(op);
  switch (p) {
    case Physical::kNull: return out;
    case Physical::kNested:
      for (int64_t i = 0; i < n; ++i) {
        if (decide(op, compare_values(a, i, b, b_constant ? 0 : i))) out.set(i);
      }
      return out;
    case Physical::kBool: {
      const uint64_t constant = b_constant && bit_at(b.buffers[1]->data(), b.offset) ? ~uint64_t{0} : 0;
      for (int64_t at = 0; at < n; at += 64) {
        const int64_t here = std::min<int64_t>(64, n - at);
        const uint64_t x = read_bits(a.buffers[1]->data(), a.offset + at, here);
        const uint64_t y = b_constant ? constant : read_bits(b.buffers[1]->data(), b.offset + at, here);
        out.words[at >> 6] = compare_bools(op, x, y) & low_bits(here);
      }
      return out;
    }
    case Physical::kView: {
      const auto x = text_buffers(a), y = text_buffers(b);
      const auto* kernel = b_constant ? k.compare_views_const : k.compare_views;
      kernel[o](values_of<View16>(a), x.data(), values_of<View16>(b), y.data(), n, out.words.data());
      return out;
    }
    default: {
      const int width = byte_width(p);
      const auto* kernel = b_constant ? k.compare_const[simd::lane_of(p)] : k.compare_columns[simd::lane_of(p)];
      kernel[o](a.buffers[1]->data() + a.offset * width, b.buffers[1]->data() + b.offset * width, n, out.words.data());
      return out;
    }
  }
}

// Rows whose entry passed.
Mask spread(const Mask& entries, const arrow::ArrayData& indices) {
  Mask out(indices.length, false);
  const int32_t* entry = values_of<int32_t>(indices);
  for (int64_t i = 0; i < indices.length; ++i) {
    out.words[i >> 6] |= ((entries.words[entry[i] >> 6] >> (entry[i] & 63)) & 1) << (i & 63);
  }
  return out;
}

arrow::Result<Mask> compare_with_constant(CompareOp op, const Column& a, const arrow::ArrayData& b, int64_t rows) {
  Mask out;
  if (a.is_dictionary()) {
    if (a.dictionary->length == 0) return Mask(rows, false);
    if (a.dictionary->length > rows) {
      ARROW_ASSIGN_OR_RAISE(Column flat, flatten(a, rows, arrow::default_memory_pool()));
      return compare_with_constant(op, flat, b, rows);
    }
    out = spread(compare_arrays(op, *a.dictionary, b, true), *a.values);
  } else {
    out = compare_arrays(op, *a.values, b, true);
  }
  and_validity(*a.values, &out);
  return out;
}

}  // namespace

arrow::Result<Mask> compare(CompareOp op, const Column& a, const Column& b, int64_t rows) {
  if (!a.type()->Equals(*b.type())) {
    return base::internal_error("comparison of " + a.type()->ToString() + " with " + b.type()->ToString());
  }
  if (rows == 0 || a.type()->id() == arrow::Type::NA) return Mask(rows, false);
  if ((a.is_constant() && is_null_at(a, 0)) || (b.is_constant() && is_null_at(b, 0))) return Mask(rows, false);
  if (a.is_constant() && b.is_constant()) return Mask(rows, compare_arrays(op, *a.values, *b.values, true).get(0));
  if (b.is_constant()) return compare_with_constant(op, a, *b.values, rows);
  if (a.is_constant()) return compare_with_constant(flip(op), b, *a.values, rows);
  const bool equality = op == CompareOp::kEq || op == CompareOp::kNe;
  if (equality && a.is_dictionary() && b.is_dictionary() && a.dictionary == b.dictionary) {
    Mask out = compare_arrays(op, *a.values, *b.values, false);
    and_validity(*a.values, &out);
    and_validity(*b.values, &out);
    return out;
  }
  ARROW_ASSIGN_OR_RAISE(Column x, flatten(a, rows, arrow::default_memory_pool()));
  ARROW_ASSIGN_OR_RAISE(Column y, flatten(b, rows, arrow::default_memory_pool()));
  Mask out = compare_arrays(op, *x.values, *y.values, false);
  and_validity(*x.values, &out);
  and_validity(*y.values, &out);
  return out;
}

Mask validity_mask(const Column& c, int64_t rows) {
  if (c.type()->id() == arrow::Type::NA) return Mask(rows, false);
  if (c.is_constant()) return Mask(rows, !is_null_at(c, 0));
  Mask out(rows, true);
  and_validity(*c.values, &out);
  return out;
}

}  // namespace gristmill::column
