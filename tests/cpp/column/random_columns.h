// Seeded random columns of every type and shape: nulls, NaN, -0.0, empty and long texts, slices, constants,
// dictionaries, selections. Values come from small sets often enough that equal ones meet.
//
// The same seed gives the same columns on every machine. Tests print the seed when they fail (SCOPED_TRACE).
#pragma once

#include <arrow/array/data.h>
#include <arrow/memory_pool.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "column/batch.h"
#include "column/buffers.h"
#include "column/column.h"
#include "column/kernels.h"
#include "column/types.h"

namespace gristmill::column::testing {

using ArrayPtr = std::shared_ptr<arrow::ArrayData>;

inline arrow::MemoryPool* pool() { return arrow::default_memory_pool(); }

// Unwraps a result or stops the program: a test cannot go on without it.
template <typename T>
T ok(arrow::Result<T> r) {
  if (!r.ok()) {
    ADD_FAILURE() << r.status().ToString();
    std::abort();
  }
  return std::move(r).ValueOrDie();
}

// Canonical types, one of each kind.
inline std::vector<TypePtr> flat_types() {
  std::vector<TypePtr> out;
  for (const char* t : {"null",
                        "bool",
                        "int8",
                        "int16",
                        "int32",
                        "int64",
                        "uint8",
                        "uint16",
                        "uint32",
                        "uint64",
                        "float32",
                        "float64",
                        "string",
                        "binary",
                        "decimal(38,4)",
                        "decimal(9,2)",
                        "date",
                        "time",
                        "timestamp(ns,UTC)",
                        "duration(ms)"}) {
    out.push_back(ok(parse_type(t)));
  }
  return out;
}
inline std::vector<TypePtr> nested_types() {
  std::vector<TypePtr> out;
  for (const char* t : {"list<int64>", "large_list<string>", "struct<a:int32,b:string>", "map<string,float64>",
                        "list<struct<x:list<bool>,y:decimal(20,3)>>", "struct<m:map<int16,list<string>>>"}) {
    out.push_back(ok(parse_type(t)));
  }
  return out;
}
inline std::vector<TypePtr> all_types() {
  std::vector<TypePtr> out = flat_types();
  for (auto& t : nested_types()) out.push_back(t);
  return out;
}

class RandomColumns {
 public:
  explicit RandomColumns(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 0x1234567) {}

  uint64_t bits() {  // splitmix64
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  int64_t below(int64_t n) { return n <= 0 ? 0 : static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
  bool chance(double p) { return static_cast<double>(bits() >> 11) * 0x1p-53 < p; }
  template <typename T>
  const T& pick(const std::vector<T>& from) {
    return from[static_cast<size_t>(below(static_cast<int64_t>(from.size())))];
  }

  // Flat rows of a canonical type; often a slice of a longer array. null_share 0: no nulls (the null type excepted).
  ArrayPtr array(const TypePtr& type, int64_t rows, double null_share = 0.2) {
    const int64_t before = chance(0.5) ? below(70) : 0, after = chance(0.5) ? below(9) : 0;
    ArrayPtr whole = whole_array(type, before + rows + after, null_share);
    return before + after == 0 ? whole : whole->Slice(before, rows);
  }
  Column flat(const TypePtr& type, int64_t rows, double null_share = 0.2) { return Column::flat(array(type, rows, null_share)); }
  Column constant(const TypePtr& type, double null_share = 0.2) { return Column::constant(array(type, 1, chance(null_share) ? 1.0 : 0.0)); }
  // Distinct entries without nulls; indices with nulls. Types that no dictionary is made of come out flat.
  Column dictionary(const TypePtr& type, int64_t rows, double null_share = 0.2) {
    const Physical p = physical_unchecked(*type);
    if (p == Physical::kNull || p == Physical::kBool || p == Physical::kNested || column::is_float(*type))
      return flat(type, rows, null_share);
    const Column many = flat(type, 1 + below(60), 0);
    std::vector<int64_t> unique;
    for (int64_t i = 0; i < many.values->length; ++i) {
      bool known = false;
      for (int64_t j : unique) known |= equal_rows(many, i, many, j);
      if (!known) unique.push_back(i);
    }
    ArrayPtr entries = ok(take(many, std::span<const int64_t>(unique), pool())).values;
    return Column::dict(indices(rows, entries->length, null_share), entries);
  }
  // Any encoding.
  Column column(const TypePtr& type, int64_t rows, double null_share = 0.2) {
    switch (below(4)) {
      case 0: return constant(type, null_share);
      case 1: return dictionary(type, rows, null_share);
      default: return flat(type, rows, null_share);
    }
  }
  Mask mask(int64_t rows, double density) {
    Mask m(rows, false);
    for (int64_t i = 0; i < rows; ++i) {
      if (chance(density)) m.set(i);
    }
    return m;
  }
  // All, none, few, half or most rows; in runs sometimes.
  Mask mask(int64_t rows) {
    static const std::vector<double> kDensities = {0, 0.01, 0.1, 0.5, 0.9, 0.99, 1};
    Mask m = mask(rows, pick(kDensities));
    for (uint64_t& w : m.words) {
      const int64_t roll = below(8);
      if (roll == 0) w = 0;
      if (roll == 1) w = ~uint64_t{0};
    }
    if (rows & 63) m.words.back() &= (uint64_t{1} << (rows & 63)) - 1;
    return m;
  }
  Selection selection(int64_t rows) {
    if (chance(0.25)) return {};
    const Mask m = mask(rows);
    if (chance(0.5)) return Selection::from_mask(m);
    std::vector<uint16_t> sorted;
    for (int64_t i = 0; i < rows; ++i) {
      if (m.get(i)) sorted.push_back(static_cast<uint16_t>(i));
    }
    return Selection::from_indices(sorted, rows);
  }
  Batch batch(const std::vector<TypePtr>& types, int64_t rows, bool with_selection = true) {
    Batch b;
    b.rows = rows;
    for (const TypePtr& t : types) b.columns.push_back(column(t, rows));
    if (with_selection) b.selection = selection(rows);
    b.origin.input = static_cast<int32_t>(below(5));
    b.origin.first_row = below(1'000'000);
    return b;
  }
  std::string text() {
    static const std::vector<std::string> kKnown = {
        "",     "a",    "ab", std::string("ab\0", 3), std::string("\0", 1),           "abcdefghijkl", "abcdefghijklm",
        "abcd", "abce", "zz", "\xc3\xa4\xc3\xb6",     "abcdefghijklmn abcdefghijklmn"};
    if (chance(0.5)) return pick(kKnown);
    std::string s(static_cast<size_t>(chance(0.7) ? below(16) : below(90)), 'a');
    for (char& c : s) c = static_cast<char>('a' + below(3));
    return s;
  }

 private:
  ArrayPtr indices(int64_t rows, int64_t entries, double null_share) {
    auto values = ok(allocate_buffer(rows * 4, pool()));
    auto* v = reinterpret_cast<int32_t*>(values->mutable_data());
    auto [validity, nulls] = nulls_of(rows, null_share);
    for (int64_t i = 0; i < rows; ++i) v[i] = validity && !bit_at(validity->data(), i) ? 0 : static_cast<int32_t>(below(entries));
    return make_array(arrow::int32(), rows, validity, nulls, values);
  }

  std::pair<std::shared_ptr<arrow::Buffer>, int64_t> nulls_of(int64_t rows, double null_share) {
    if (null_share <= 0 || (null_share < 1 && chance(0.3))) return {nullptr, 0};
    auto bits = ok(allocate_bits(rows, pool()));
    int64_t nulls = 0;
    for (int64_t i = 0; i < rows; ++i) {
      if (chance(null_share)) {
        ++nulls;
      } else {
        bits->mutable_data()[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
      }
    }
    return {bits, nulls};
  }

  template <typename T>
  T number() {
    if constexpr (std::is_floating_point_v<T>) {
      static const std::vector<T> kSpecial = {T{0},
                                              -T{0},
                                              std::numeric_limits<T>::quiet_NaN(),
                                              -std::numeric_limits<T>::quiet_NaN(),
                                              std::numeric_limits<T>::infinity(),
                                              -std::numeric_limits<T>::infinity(),
                                              std::numeric_limits<T>::denorm_min(),
                                              std::numeric_limits<T>::lowest(),
                                              std::numeric_limits<T>::max()};
      if (chance(0.4)) return pick(kSpecial);
      return static_cast<T>(static_cast<double>(below(2001) - 1000) / 8);
    } else {
      const int64_t roll = below(10);
      if (roll < 6) return static_cast<T>(below(20) - 10);
      if (roll < 8) return std::numeric_limits<T>::max() - static_cast<T>(below(3));
      if (roll < 9) return std::numeric_limits<T>::min() + static_cast<T>(below(3));
      return static_cast<T>(bits());
    }
  }

  ArrayPtr whole_array(const TypePtr& type, int64_t rows, double null_share) {
    const Physical p = physical_unchecked(*type);
    if (p == Physical::kNull) return arrow::ArrayData::Make(type, rows, {nullptr}, rows);
    auto [validity, nulls] = nulls_of(rows, null_share);
    switch (p) {
      case Physical::kBool: {
        auto values = ok(allocate_bits(rows, pool()));
        for (int64_t i = 0; i < rows; ++i) {
          if (chance(0.5)) values->mutable_data()[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
        }
        return make_array(type, rows, validity, nulls, values);
      }
      case Physical::kView: return texts(type, rows, validity, nulls);
      case Physical::kNested: return nested(type, rows, validity, nulls, null_share);
      case Physical::kInt128: {
        auto values = ok(allocate_buffer(rows * 16, pool()));
        for (int64_t i = 0; i < rows; ++i) {
          __int128 v = below(40) - 20;
          if (chance(0.3)) v = static_cast<__int128>(static_cast<int64_t>(bits())) << below(50);
          __int128 limit = 1;
          for (int d = 0; d < static_cast<const arrow::DecimalType&>(*type).precision(); ++d) limit *= 10;
          v %= limit;
          std::memcpy(values->mutable_data() + 16 * i, &v, 16);
        }
        return make_array(type, rows, validity, nulls, values);
      }
      default: return numbers(type, p, rows, validity, nulls);
    }
  }

  ArrayPtr numbers(const TypePtr& type, Physical p, int64_t rows, std::shared_ptr<arrow::Buffer> validity, int64_t nulls) {
    auto values = ok(allocate_buffer(rows * byte_width(p), pool()));
    const bool clock = type->id() == arrow::Type::TIME64 || type->id() == arrow::Type::TIMESTAMP;
    visit_number(p, [&]<typename T>() {
      if constexpr (sizeof(T) < 16) {
        for (int64_t i = 0; i < rows; ++i) {
          T v = clock ? static_cast<T>(below(86'400'000'000)) : number<T>();
          if (type->id() == arrow::Type::DATE32) v = static_cast<T>(below(40'000) - 10'000);
          std::memcpy(values->mutable_data() + static_cast<int64_t>(sizeof(T)) * i, &v, sizeof(T));
        }
      }
    });
    return make_array(type, rows, validity, nulls, values);
  }

  // Out-of-line bytes in one to three buffers.
  ArrayPtr texts(const TypePtr& type, int64_t rows, std::shared_ptr<arrow::Buffer> validity, int64_t nulls) {
    auto values = ok(allocate_zeroed(rows * 16, pool()));
    auto* views = reinterpret_cast<View16*>(values->mutable_data());
    std::vector<std::string> heaps(static_cast<size_t>(1 + below(3)));
    for (int64_t i = 0; i < rows; ++i) {
      if (validity && !bit_at(validity->data(), i) && chance(0.8)) continue;  // some null slots hold a readable view
      const std::string s = text();
      views[i].size = static_cast<uint32_t>(s.size());
      if (views[i].is_inline()) {
        std::memcpy(views[i].inlined, s.data(), s.size());
        continue;
      }
      const int64_t heap = below(static_cast<int64_t>(heaps.size()));
      std::memcpy(views[i].ref.prefix, s.data(), 4);
      views[i].ref.buffer = static_cast<int32_t>(heap);
      views[i].ref.offset = static_cast<int32_t>(heaps[static_cast<size_t>(heap)].size());
      heaps[static_cast<size_t>(heap)] += s;
    }
    ArrayPtr out = make_array(type, rows, validity, nulls, values);
    for (std::string& h : heaps) out->buffers.push_back(arrow::Buffer::FromString(std::move(h)));
    return out;
  }

  ArrayPtr nested(const TypePtr& type, int64_t rows, std::shared_ptr<arrow::Buffer> validity, int64_t nulls, double null_share) {
    auto out = arrow::ArrayData::Make(type, rows, {nulls ? validity : nullptr}, nulls);
    if (type->id() == arrow::Type::STRUCT) {
      for (const auto& f : type->fields()) out->child_data.push_back(array(f->type(), rows, null_share));
      return out;
    }
    const bool large = type->id() == arrow::Type::LARGE_LIST, map = type->id() == arrow::Type::MAP;
    auto offsets = ok(allocate_buffer((rows + 1) * (large ? 8 : 4), pool()));
    int64_t at = chance(0.3) ? below(5) : 0;  // a list need not begin at its child's first value
    for (int64_t i = 0; i <= rows; ++i) {
      if (large) {
        reinterpret_cast<int64_t*>(offsets->mutable_data())[i] = at;
      } else {
        reinterpret_cast<int32_t*>(offsets->mutable_data())[i] = static_cast<int32_t>(at);
      }
      if (i < rows) at += below(4);
    }
    out->buffers.push_back(offsets);
    out->child_data.push_back(map ? entries(*type, offsets, rows, at + below(3))
                                  : array(type->field(0)->type(), at + below(3), null_share));
    return out;
  }

  // Keys of a map are not null and, within a row, distinct.
  ArrayPtr entries(const arrow::DataType& type, const std::shared_ptr<arrow::Buffer>& offsets, int64_t rows, int64_t length) {
    const auto& m = static_cast<const arrow::MapType&>(type);
    const Column keys = Column::flat(array(m.key_type(), length, 0));
    std::vector<int64_t> chosen(static_cast<size_t>(length));
    for (int64_t i = 0; i < length; ++i) chosen[static_cast<size_t>(i)] = i;
    ArrayPtr key_array = keys.values;
    const auto* o = reinterpret_cast<const int32_t*>(offsets->data());
    // A duplicate within a row is redrawn from new keys until all differ.
    for (bool again = true; again;) {
      again = false;
      const Column now = Column::flat(key_array);
      for (int64_t r = 0; r < rows && !again; ++r) {
        for (int32_t a = o[r]; a < o[r + 1]; ++a) {
          for (int32_t b = o[r]; b < a; ++b) again |= equal_rows(now, a, now, b);
        }
      }
      if (again) key_array = distinct_within_rows(key_array, o, rows, length, m.key_type());
    }
    return arrow::ArrayData::Make(m.value_type(), length, {nullptr}, {key_array, array(m.item_type(), length)}, 0);
  }

  ArrayPtr distinct_within_rows(const ArrayPtr& keys, const int32_t* o, int64_t rows, int64_t length, const TypePtr& type) {
    const Column spare = Column::flat(array(type, 64, 0)), now = Column::flat(keys);
    const ArrayPtr both = ok(concat(std::vector<Column>{now, spare}, std::vector<int64_t>{length, 64}, pool())).values;
    const Column all = Column::flat(both);
    std::vector<int64_t> chosen(static_cast<size_t>(length));
    for (int64_t i = 0; i < length; ++i) chosen[static_cast<size_t>(i)] = i;
    for (int64_t r = 0; r < rows; ++r) {
      for (int32_t a = o[r]; a < o[r + 1]; ++a) {
        for (int32_t b = o[r]; b < a; ++b) {
          if (equal_rows(all, chosen[static_cast<size_t>(a)], all, chosen[static_cast<size_t>(b)]))
            chosen[static_cast<size_t>(a)] = length + below(64);
        }
      }
    }
    return ok(take(all, std::span<const int64_t>(chosen), pool())).values;
  }

  uint64_t state_;
};

// Every row as text: the oracle of the tests of kernels that move rows. "-0" and "0" differ, null is "null".
inline std::vector<std::string> texts_of(const Column& c, int64_t rows) {
  std::vector<std::string> out;
  out.reserve(static_cast<size_t>(rows));
  for (int64_t i = 0; i < rows; ++i) out.push_back(value_text(c, i));
  return out;
}

// Runs `f(level)` once per kernel level of this machine, forced.
template <typename F>
void at_every_level(F&& f) {
  const base::SimdLevel before = base::active_simd_level();
  for (base::SimdLevel level : base::available_simd_levels()) {
    base::force_simd_level(level);
    SCOPED_TRACE(std::string(base::simd_level_name(level)));
    f(level);
  }
  base::force_simd_level(before);
}

}  // namespace gristmill::column::testing
