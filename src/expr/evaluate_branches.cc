// case, coalesce and nullif: each branch sees only the rows that reach it, then the branches are merged.

#include <algorithm>
#include <cstring>

#include <arrow/type.h>

#include "column/buffers.h"
#include "column/kernels.h"
#include "expr/evaluation.h"
#include "expr/kernel.h"
#include "expr/mask_ops.h"

namespace gristmill::expr {

using column::Column;
using column::Mask;
using column::Selection;

namespace {

// out[j] = bit j ? value : out[j] for as many rows as T has bits; arithmetic on masks, so that it vectorises.
template <typename T, bool kConstant>
GRISTMILL_INLINE inline void blend_rows(T bits, const T* __restrict values, T* __restrict out) {
  for (int j = 0; j < static_cast<int>(8 * sizeof(T)); ++j) {
    const T take = static_cast<T>(T{0} - ((bits >> j) & 1));
    out[j] = static_cast<T>((values[kConstant ? 0 : j] & take) | (out[j] & static_cast<T>(~take)));
  }
}

template <typename T, bool kConstant>
GRISTMILL_INLINE inline void blend_word(uint64_t m, const T* values, T* out) {
  constexpr int kStep = 8 * sizeof(T);
  for (int j = 0; j < 64; j += kStep, m = kStep < 64 ? m >> (kStep & 63) : 0)
    blend_rows<T, kConstant>(static_cast<T>(m), values + (kConstant ? 0 : j), out + j);
}

// Sparse words copy row by row, full ones as a whole, the rest blend all 64 rows.
template <typename T>
void copy_rows(const Mask& rows, const Column& from, uint8_t* out) {
  const auto* values = reinterpret_cast<const T*>(from.values->buffers[1]->data()) + from.values->offset;
  auto* o = reinterpret_cast<T*>(out);
  const bool constant = from.is_constant();
  const T one = values[0];
  at_best_level([&]() GRISTMILL_INLINE {
    for (size_t w = 0; w < rows.words.size(); ++w) {
      uint64_t m = rows.words[w];
      const int64_t at = static_cast<int64_t>(w) * 64;
      if (m == 0) continue;
      if constexpr (std::is_integral_v<T>) {
        if (at + 64 <= rows.rows && __builtin_popcountll(m) >= 8) {
          if (constant && m == ~uint64_t{0})
            std::fill(o + at, o + at + 64, one);
          else if (constant)
            blend_word<T, true>(m, values, o + at);
          else if (m == ~uint64_t{0})
            std::memcpy(o + at, values + at, 64 * sizeof(T));
          else
            blend_word<T, false>(m, values + at, o + at);
          continue;
        }
      }
      for (; m; m &= m - 1) {
        const int64_t i = at + __builtin_ctzll(m);
        o[i] = constant ? one : values[i];
      }
    }
  });
}

void copy_width(int width, const Mask& rows, const Column& from, uint8_t* out) {
  switch (width) {
    case 1: return copy_rows<uint8_t>(rows, from, out);
    case 2: return copy_rows<uint16_t>(rows, from, out);
    case 4: return copy_rows<uint32_t>(rows, from, out);
    case 8: return copy_rows<uint64_t>(rows, from, out);
    default: return copy_rows<Packed128>(rows, from, out);
  }
}

}  // namespace

arrow::Result<Column> Evaluation::case_column(const Bound& e, const Selection& rows) {
  std::vector<Branch> branches;
  Mask left = rows.all() ? Mask(batch_.rows, true) : rows.mask(batch_.rows);
  int64_t open = left.count();
  size_t i = 0;
  for (; i + 1 < e.args.size() && open > 0; i += 2) {
    ARROW_ASSIGN_OR_RAISE(Truth t, truth(*e.args[i], Selection::from_mask(left), false));
    const int64_t before = open;
    open = and_not_into(left, t.yes);
    if (open == before) continue;
    ARROW_ASSIGN_OR_RAISE(Column values, column(*e.args[i + 1], Selection::from_mask(t.yes)));
    branches.push_back({std::move(t.yes), std::move(values)});
  }
  if (open > 0 && e.args.size() % 2 == 1) {
    ARROW_ASSIGN_OR_RAISE(Column values, column(*e.args.back(), Selection::from_mask(left)));
    branches.push_back({std::move(left), std::move(values)});
  }
  return merge(e, std::move(branches), rows);
}

arrow::Result<Column> Evaluation::coalesce_column(const Bound& e, const Selection& rows) {
  std::vector<Branch> branches;
  Mask left = rows.all() ? Mask(batch_.rows, true) : rows.mask(batch_.rows);
  for (const BoundPtr& a : e.args) {
    ARROW_ASSIGN_OR_RAISE(Column values, column(*a, Selection::from_mask(left)));
    if (branches.empty() && !column::has_nulls(values)) return values;
    Mask there = column::validity_mask(values, batch_.rows);
    const int64_t some = and_into(there, left);
    if (some == 0) continue;
    const int64_t open = and_not_into(left, there);
    branches.push_back({std::move(there), std::move(values)});
    if (open == 0) break;
  }
  return merge(e, std::move(branches), rows);
}

// For values whose bytes lie elsewhere: the parts are put one after another and picked from.
arrow::Result<Column> Evaluation::pick_rows(const std::vector<Branch>& branches) {
  std::vector<Column> parts;
  std::vector<int64_t> lengths;
  std::vector<int64_t> pick(static_cast<size_t>(batch_.rows), column::kNullIndex);
  int64_t at = 0;
  for (const Branch& b : branches) {
    const int64_t kept = b.rows.count();
    ARROW_ASSIGN_OR_RAISE(Column part, column::filter(b.values, batch_.rows, b.rows, kept, pool_));
    column::for_each_set(b.rows.words.data(), words_of(b.rows), [&](int64_t i) { pick[static_cast<size_t>(i)] = at++; });
    parts.push_back(std::move(part));
    lengths.push_back(kept);
  }
  ARROW_ASSIGN_OR_RAISE(Column all, column::concat(parts, lengths, pool_));
  return column::take(all, std::span<const int64_t>(pick), pool_);
}

arrow::Result<std::shared_ptr<arrow::Buffer>> Evaluation::merge_bits(const std::vector<Branch>& branches) {
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_bits(batch_.rows, pool_));
  auto* words = reinterpret_cast<uint64_t*>(values->mutable_data());
  for (const Branch& b : branches) {
    const arrow::ArrayData& d = *b.values.values;
    const Mask bits = b.values.is_constant() ? Mask(batch_.rows, column::bit_at(d.buffers[1]->data(), d.offset))
                                             : mask_of_bits(d.buffers[1]->data(), d.offset, batch_.rows);
    for (size_t w = 0; w < b.rows.words.size(); ++w) words[w] |= b.rows.words[w] & bits.words[w];
  }
  return values;
}

// The last branch goes everywhere, the others over it; rows of no branch are null and may hold anything.
arrow::Result<std::shared_ptr<arrow::Buffer>> Evaluation::merge_values(const std::vector<Branch>& branches, int width) {
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_buffer(batch_.rows * width, pool_));
  const Branch& base = branches.back();
  if (base.values.is_constant()) {
    copy_width(width, Mask(batch_.rows, true), base.values, values->mutable_data());
  } else {
    const arrow::ArrayData& d = *base.values.values;
    std::memcpy(values->mutable_data(), d.buffers[1]->data() + d.offset * width, static_cast<size_t>(batch_.rows * width));
  }
  for (size_t b = 0; b + 1 < branches.size(); ++b) copy_width(width, branches[b].rows, branches[b].values, values->mutable_data());
  return values;
}

// Rows of no branch are null.
arrow::Result<Column> Evaluation::merge(const Bound& e, std::vector<Branch> branches, const Selection& rows) {
  if (branches.empty() || e.type->id() == arrow::Type::NA) return column::null_column(e.type, pool_);
  const int64_t n = batch_.rows;
  if (branches.size() == 1 && branches[0].rows.count() == rows.count(n)) return std::move(branches[0].values);
  Mask valid(n, false);
  for (Branch& b : branches) {
    if (b.values.is_dictionary()) {
      ARROW_ASSIGN_OR_RAISE(b.values, column::flatten(b.values, n, pool_));
    }
    Mask there = b.rows;
    if (column::has_nulls(b.values)) and_into(there, column::validity_mask(b.values, n));
    or_into(valid, there);
  }
  const column::Physical p = column::physical_unchecked(*e.type);
  if (p == column::Physical::kView || p == column::Physical::kNested) return pick_rows(branches);
  std::shared_ptr<arrow::Buffer> values;
  if (p == column::Physical::kBool) {
    ARROW_ASSIGN_OR_RAISE(values, merge_bits(branches));
  } else {
    ARROW_ASSIGN_OR_RAISE(values, merge_values(branches, column::byte_width(p)));
  }
  if (!rows.all()) {
    Mask outside = rows.mask(n);
    invert(outside);
    or_into(valid, outside);
  }
  const int64_t nulls = n - valid.count();
  std::shared_ptr<arrow::Buffer> validity;
  if (nulls > 0) {
    ARROW_ASSIGN_OR_RAISE(validity, column::allocate_bits(n, pool_));
    std::memcpy(validity->mutable_data(), valid.words.data(), valid.words.size() * sizeof(uint64_t));
  }
  return Column::flat(column::make_array(e.type, n, std::move(validity), nulls, std::move(values)));
}

arrow::Result<Column> Evaluation::null_if(const Bound& e, const Selection& rows) {
  ARROW_ASSIGN_OR_RAISE(Column a, column(*e.args[0], rows));
  ARROW_ASSIGN_OR_RAISE(Column b, column(*e.args[1], rows));
  ARROW_ASSIGN_OR_RAISE(Mask same, column::compare(column::CompareOp::kEq, a, b, batch_.rows));
  if (same.count() == 0) return a;
  Mask keep = same;
  invert(keep);
  std::vector<Branch> branches;
  branches.push_back({std::move(keep), std::move(a)});
  return merge(e, std::move(branches), Selection());
}

}  // namespace gristmill::expr
