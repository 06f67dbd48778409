// A code is an unsigned number: integers with the sign flipped, floats in their total order, dictionary entries by rank. Text
// without a dictionary, decimals and what does not fit any more contribute the first bits of their key; equal prefixes then may
// hide a difference, and the prefix is not exact.

#include "exec/window_codes.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include <arrow/type.h>

#include "column/kernels.h"

namespace gristmill::exec {
namespace {

using column::Physical;

template <typename T>
uint64_t code_of(T v) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(v)) return ~uint64_t{0};
    const double d = static_cast<double>(v) + 0.0;  // -0.0 and 0.0 are equal
    const auto bits = std::bit_cast<uint64_t>(d);
    return bits >> 63 ? ~bits : bits | uint64_t{1} << 63;
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<uint64_t>(static_cast<int64_t>(v)) ^ uint64_t { 1 } << 63;
  } else {
    return static_cast<uint64_t>(v);
  }
}

bool is_coded(Physical p) { return p != Physical::kView && p != Physical::kInt128 && p != Physical::kNested; }

}  // namespace

void KeyPacking::Extent::add(const Extent& o) {
  least = std::min(least, o.least);
  greatest = std::max(greatest, o.greatest);
  nulls |= o.nulls;
}

bool KeyPacking::coded(size_t c) const {
  return columns_[c].is_constant() || columns_[c].is_dictionary() || is_coded(column::physical_unchecked(*columns_[c].type()));
}

arrow::Status KeyPacking::prepare(arrow::MemoryPool* pool) {
  ranks_.resize(columns_.size());
  for (size_t c = 0; c < columns_.size(); ++c) {
    if (!columns_[c].is_dictionary()) continue;
    const column::Column entries = column::Column::flat(columns_[c].dictionary);
    std::vector<int64_t> order(static_cast<size_t>(entries.values->length));
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return column::compare_rows(entries, a, entries, b) < 0; });
    auto& rank = ranks_[c];
    rank.resize(order.size());
    uint64_t next = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && column::compare_rows(entries, order[i - 1], entries, order[i]) != 0) ++next;
      rank[static_cast<size_t>(order[i])] = next;
    }
  }
  return arrow::Status::OK();
}

// f(i, valid, code) for i in [0, end - begin).
template <typename F>
void KeyPacking::for_codes(size_t c, int64_t begin, int64_t end, F&& f) const {
  const column::Column& col = columns_[c];
  const arrow::ArrayData& d = *col.values;
  const column::ValidityBits valid = column::validity_of(d);
  const Physical p = column::physical_unchecked(*col.type());
  if (col.is_constant()) {
    const bool null = p == Physical::kNull || !valid.valid(0);
    for (int64_t i = begin; i < end; ++i) f(i - begin, !null, 0);
  } else if (col.is_dictionary()) {
    const int32_t* v = column::values_of<int32_t>(d);
    const auto& rank = ranks_[c];
    for (int64_t i = begin; i < end; ++i) {
      const bool there = valid.valid(i);
      f(i - begin, there, there ? rank[static_cast<size_t>(v[i])] : 0);
    }
  } else if (p == Physical::kNull) {
    for (int64_t i = begin; i < end; ++i) f(i - begin, false, 0);
  } else if (p == Physical::kBool) {
    for (int64_t i = begin; i < end; ++i) f(i - begin, valid.valid(i), uint64_t{column::bit_at(d.buffers[1]->data(), d.offset + i)});
  } else {
    column::visit_number(p, [&]<typename T>() {
      if constexpr (sizeof(T) <= 8) {
        const T* v = column::values_of<T>(d);
        if (!valid.bits) {
          for (int64_t i = begin; i < end; ++i) f(i - begin, true, code_of<T>(v[i]));
        } else {
          for (int64_t i = begin; i < end; ++i) f(i - begin, valid.valid(i), code_of<T>(v[i]));
        }
      }
    });
  }
}

std::vector<KeyPacking::Extent> KeyPacking::measure(int64_t begin, int64_t end) const {
  std::vector<Extent> out(columns_.size());
  for (size_t c = 0; c < columns_.size(); ++c) {
    if (!coded(c)) continue;
    Extent& e = out[c];
    for_codes(c, begin, end, [&e](int64_t, bool there, uint64_t code) {
      if (there) {
        e.least = std::min(e.least, code);
        e.greatest = std::max(e.greatest, code);
      } else {
        e.nulls = true;
      }
    });
  }
  return out;
}

void KeyPacking::settle(const std::vector<Extent>& all) {
  int left = 64;
  for (size_t c = 0; c < columns_.size(); ++c) {
    Part part;
    part.extent = all[c];
    part.coded = coded(c);
    if (part.extent.least > part.extent.greatest) part.extent.least = part.extent.greatest = 0;  // nothing but nulls
    const uint64_t range = part.extent.greatest - part.extent.least;
    // A null takes the place after, or before, every value.
    const int width = !part.coded                                  ? 65
                      : range == ~uint64_t{0} && part.extent.nulls ? 65
                                                                   : std::bit_width(range + (part.extent.nulls ? 1 : 0));
    part.bits = std::min(width, left);
    part.drop = width - part.bits;
    left -= part.bits;
    part.shift = left;
    if (part.drop > 0) exact_ = false;
    parts_.push_back(part);
    if (part.drop > 0) break;
  }
}

int KeyPacking::bits_below(size_t columns) const {
  if (columns == 0) return 64;
  if (parts_.size() < columns) return -1;
  for (size_t c = 0; c < columns; ++c) {
    if (parts_[c].drop > 0) return -1;
  }
  return parts_[columns - 1].shift;
}

arrow::Status KeyPacking::pack(int64_t begin, int64_t end, uint64_t* out) const {
  std::fill(out, out + (end - begin), 0);
  std::vector<uint64_t> prefixes;
  for (size_t c = 0; c < parts_.size(); ++c) {
    const Part& part = parts_[c];
    if (part.bits == 0) continue;
    if (!part.coded || (part.drop > 0 && part.extent.nulls)) {  // the first bits of the key as it sorts anywhere
      prefixes.resize(static_cast<size_t>(end - begin));
      const column::Column slice = column::slice(columns_[c], begin, end - begin);
      ARROW_RETURN_NOT_OK(column::key_prefixes({&slice, 1}, {&order_[c], 1}, end - begin, prefixes.data()).status());
      for (int64_t i = 0; i < end - begin; ++i) out[i] |= prefixes[static_cast<size_t>(i)] >> (64 - part.bits);
      continue;
    }
    const bool first = order_[c].nulls_first, descending = order_[c].descending;
    const uint64_t least = part.extent.least, range = part.extent.greatest - least;
    const uint64_t null_code = first ? 0 : range + 1, lift = first && part.extent.nulls ? 1 : 0;
    const int drop = part.drop, shift = part.shift;
    for_codes(c, begin, end, [&](int64_t i, bool there, uint64_t code) {
      const uint64_t v = there ? (descending ? range - (code - least) : code - least) + lift : null_code;
      out[i] |= v >> drop << shift;
    });
  }
  return arrow::Status::OK();
}

}  // namespace gristmill::exec
