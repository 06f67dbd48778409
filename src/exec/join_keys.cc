// Packing is first fit: each key goes whole into the first of two words that has room, so 4 + 4 bytes give one word
// and 4 + 8 + 4 two.

#include "exec/join_keys.h"

#include <algorithm>
#include <cstring>

#include <arrow/buffer.h>
#include <arrow/type.h>

#include "column/buffers.h"
#include "column/kernels.h"
#include "column/row_order.h"

namespace gristmill::exec {
namespace {

using column::Physical;

int packed_bits(Physical p) {
  if (p == Physical::kBool) return 8;
  if (p == Physical::kNull || p == Physical::kNested || p == Physical::kView) return 0;
  return 8 * column::byte_width(p);
}

template <typename T>
uint64_t word_of(T v) {
  if constexpr (std::is_same_v<T, double>) {
    uint64_t b;
    v = v == 0 ? 0.0 : v;
    std::memcpy(&b, &v, 8);
    return v != v ? 0x7ff8000000000000ULL : b;
  } else if constexpr (std::is_same_v<T, float>) {
    uint32_t b;
    v = v == 0 ? 0.0f : v;
    std::memcpy(&b, &v, 4);
    return v != v ? 0x7fc00000u : b;
  } else {
    return static_cast<uint64_t>(static_cast<int64_t>(v));
  }
}

// f(i, word) for every row, not for decimals.
template <typename F>
void for_each_word(const arrow::ArrayData& d, Physical p, int64_t rows, F&& f) {
  if (p == Physical::kBool) {
    const uint8_t* bits = d.buffers[1]->data();
    for (int64_t i = 0; i < rows; ++i) f(i, static_cast<uint64_t>(column::bit_at(bits, d.offset + i)));
    return;
  }
  column::visit_number(p, [&]<typename T>() {
    if constexpr (sizeof(T) <= 8) {
      const T* v = column::values_of<T>(d);
      for (int64_t i = 0; i < rows; ++i) f(i, word_of(v[i]));
    }
  });
}

column::Column words_column(const uint64_t* words, int64_t n) {
  static const auto type = arrow::uint64();
  return column::Column::flat(
      column::make_array(type, n, nullptr, 0, std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(words), n * 8)));
}

template <typename T>
bool equal_numbers(const arrow::ArrayData& a, int64_t i, const arrow::ArrayData& b, int64_t j) {
  const bool x = column::validity_of(a).valid(i), y = column::validity_of(b).valid(j);
  if (!x || !y) return x == y;
  const T v = column::values_of<T>(a)[i], w = column::values_of<T>(b)[j];
  if constexpr (std::is_floating_point_v<T>) return v == w || (v != v && w != w);
  return v == w;
}

bool equal_decimals(const arrow::ArrayData& a, int64_t i, const arrow::ArrayData& b, int64_t j) {
  const bool x = column::validity_of(a).valid(i), y = column::validity_of(b).valid(j);
  if (!x || !y) return x == y;
  return std::memcmp(a.buffers[1]->data() + (a.offset + i) * 16, b.buffers[1]->data() + (b.offset + j) * 16, 16) == 0;
}

bool equal_views(const arrow::ArrayData& a, int64_t i, const arrow::ArrayData& b, int64_t j) {
  const bool x = column::validity_of(a).valid(i), y = column::validity_of(b).valid(j);
  if (!x || !y) return x == y;
  const column::View16 &v = column::values_of<column::View16>(a)[i], &w = column::values_of<column::View16>(b)[j];
  if (std::memcmp(&v, &w, 8) != 0) return false;  // length and the first four bytes
  if (v.is_inline()) return std::memcmp(&v, &w, 16) == 0;
  return std::memcmp(a.buffers[2 + v.ref.buffer]->data() + v.ref.offset, b.buffers[2 + w.ref.buffer]->data() + w.ref.offset, v.size) == 0;
}

bool equal_values(const arrow::ArrayData& a, int64_t i, const arrow::ArrayData& b, int64_t j) {
  return column::compare_values(a, i, b, j) == 0;
}

}  // namespace

KeyLayout::KeyLayout(std::span<const column::TypePtr> types, bool nulls_equal) : nulls_equal_(nulls_equal) {
  int used[2] = {0, 0};
  const auto place = [&](int bits, int& word, int& shift) {
    for (word = 0; word < 2; ++word) {
      if (used[word] + bits > 64) continue;
      shift = used[word];
      used[word] += bits;
      return true;
    }
    return false;
  };
  if (types.size() == 1 && !nulls_equal && column::physical_unchecked(*types[0]) == Physical::kInt128) {
    form_ = JoinKeyForm::kPair;
    fields_ = {{Physical::kInt128, 0, 0}};
    return;
  }
  for (const auto& t : types) {
    Field f{column::physical_unchecked(*t), 0, 0};
    const int bits = packed_bits(f.physical);
    if (bits == 0 || bits > 64 || !place(bits, f.word, f.shift)) return;
    fields_.push_back(f);
  }
  if (nulls_equal && (types.size() > 8 || !place(8, flag_word_, flag_shift_))) {
    flag_word_ = -1;
    return;
  }
  if (types.empty()) return;
  form_ = used[1] > 0 ? JoinKeyForm::kPair : JoinKeyForm::kWord;
  const Physical first = fields_[0].physical;
  integer_ = types.size() == 1 && !nulls_equal && first != Physical::kFloat32 && first != Physical::kFloat64;
  signed_ = integer_ && (first == Physical::kInt8 || first == Physical::kInt16 || first == Physical::kInt32 || first == Physical::kInt64);
}

arrow::Status KeyLayout::words(std::span<const column::Column> keys, int64_t rows, arrow::MemoryPool* pool, KeyWords& out) const {
  std::vector<column::Column> flat;
  for (const auto& k : keys) {
    ARROW_ASSIGN_OR_RAISE(column::Column f, column::flatten(k, rows, pool));
    flat.push_back(std::move(f));
  }
  const arrow::ArrayData& first = *flat[0].values;
  if (flat.size() == 1 && flag_word_ < 0 && (fields_[0].physical == Physical::kInt64 || fields_[0].physical == Physical::kUInt64)) {
    out.low = column::values_of<uint64_t>(first);
    out.high = nullptr;
    out.shared = flat[0];
    return arrow::Status::OK();
  }
  out.low_store.resize(static_cast<size_t>(rows));
  out.high_store.resize(form_ == JoinKeyForm::kPair ? static_cast<size_t>(rows) : 0);
  uint64_t* const words[2] = {out.low_store.data(), out.high_store.data()};
  out.low = words[0];
  out.high = form_ == JoinKeyForm::kPair ? words[1] : nullptr;
  if (fields_[0].physical == Physical::kInt128) {
    const uint8_t* at = first.buffers[1]->data() + first.offset * 16;
    for (int64_t i = 0; i < rows; ++i, at += 16) {
      std::memcpy(&words[0][i], at, 8);
      std::memcpy(&words[1][i], at + 8, 8);
    }
    return arrow::Status::OK();
  }
  if (flat.size() == 1 && flag_word_ < 0) {
    for_each_word(first, fields_[0].physical, rows, [w = words[0]](int64_t i, uint64_t v) { w[i] = v; });
    return arrow::Status::OK();
  }
  std::fill_n(words[0], rows, 0);
  if (out.high) std::fill_n(words[1], rows, 0);
  for (size_t k = 0; k < flat.size(); ++k) {
    const Field& f = fields_[k];
    const int bits = packed_bits(f.physical);
    const uint64_t mask = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
    for_each_word(*flat[k].values, f.physical, rows,
                  [w = words[f.word], mask, shift = f.shift](int64_t i, uint64_t v) { w[i] |= (v & mask) << shift; });
    const column::ValidityBits valid = column::validity_of(*flat[k].values);
    if (flag_word_ < 0 || !valid.bits) continue;
    for (int64_t i = 0; i < rows; ++i) {
      if (valid.valid(i)) continue;
      words[f.word][i] &= ~(mask << f.shift);
      words[flag_word_][i] |= uint64_t{1} << (flag_shift_ + static_cast<int>(k));
    }
  }
  return arrow::Status::OK();
}

KeyRange key_range(const KeyLayout& layout, const uint64_t* words, int64_t n) {
  KeyRange r;
  const uint64_t flip = layout.sign_flip();
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t w = words[i] ^ flip;
    r.min = w < r.min ? w : r.min;
    r.max = w > r.max ? w : r.max;
  }
  return r;
}

arrow::Result<KeyRange> key_range(const KeyLayout& layout, const column::Column& key, int64_t rows, arrow::MemoryPool* pool,
                                  KeyWords& words) {
  ARROW_RETURN_NOT_OK(layout.words({&key, 1}, rows, pool, words));
  if (!column::has_nulls(key)) return key_range(layout, words.low, rows);
  const column::Mask there = column::validity_mask(key, rows);
  KeyRange r;
  for (int64_t i = 0; i < rows; ++i) {
    if (there.get(i)) r.widen(key_range(layout, words.low + i, 1));
  }
  return r;
}

void hash_key_words(const uint64_t* low, const uint64_t* high, int64_t n, uint64_t* out) {
  if (n == 0) return;
  const column::Column columns[2] = {words_column(low, n), high ? words_column(high, n) : column::Column{}};
  column::hash_rows(std::span<const column::Column>(columns, high ? 2 : 1), n, {}, out);
}

KeyEquality::KeyEquality(std::span<const column::Column> a, std::span<const column::Column> b) {
  for (size_t k = 0; k < a.size(); ++k) {
    const Physical p = column::physical_unchecked(*a[k].values->type);
    Equal equal = equal_values;
    if (p == Physical::kView) {
      equal = equal_views;
    } else if (p == Physical::kInt128) {
      equal = equal_decimals;
    } else if (p != Physical::kBool && p != Physical::kNull && p != Physical::kNested) {
      column::visit_number(p, [&]<typename T>() {
        if constexpr (sizeof(T) <= 8) equal = equal_numbers<T>;
      });
    }
    pairs_.push_back({equal, a[k].values.get(), b[k].values.get()});
  }
}

column::Selection non_null_rows(std::span<const column::Column> keys, int64_t rows, const column::Selection& selection) {
  column::Selection out = selection;
  for (const auto& k : keys) {
    if (column::has_nulls(k)) out = out.intersect(column::validity_mask(k, rows));
  }
  return out;
}

}  // namespace gristmill::exec
