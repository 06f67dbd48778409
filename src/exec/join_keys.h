// How the keys of a join are compared: as one machine word, as two, or column by column.
//
// Fixed-width keys that fit 16 bytes together are packed: equal keys (semantics.md 3) have equal words and different keys
// different ones, so comparing words is comparing keys. One integer key is its own value. Where nulls are equal, a bit per
// key says null. Everything else (texts, nested values, wide combinations) is compared through its columns.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"

namespace gristmill::exec {

inline constexpr int64_t kMostBuildRows = INT32_MAX - 1;  // row numbers are 32 bits; more rows go to disk

enum class JoinKeyForm : uint8_t { kWord, kPair, kColumns };

// Words of a batch's rows. Scratch: the pointers hold until the next use.
struct KeyWords {
  const uint64_t* low = nullptr;
  const uint64_t* high = nullptr;  // kPair only
  std::vector<uint64_t> low_store, high_store;
  column::Column shared;  // keeps `low` alive where it is the column's own buffer
};

class KeyLayout {
 public:
  KeyLayout() = default;
  KeyLayout(std::span<const column::TypePtr> types, bool nulls_equal);

  JoinKeyForm form() const { return form_; }
  bool nulls_equal() const { return nulls_equal_; }
  // One integer-like key (date, time, timestamp, bool as well) without a null bit: the word is its value.
  bool integer() const { return integer_; }
  // Makes words order like the values, for integer() keys.
  uint64_t sign_flip() const { return signed_ ? uint64_t{1} << 63 : 0; }

  // Words of all rows (not for kColumns); under a null anything unless nulls are equal.
  arrow::Status words(std::span<const column::Column> keys, int64_t rows, arrow::MemoryPool* pool, KeyWords& out) const;

 private:
  struct Field {
    column::Physical physical;
    int word;   // 0 low, 1 high
    int shift;  // bits
  };
  JoinKeyForm form_ = JoinKeyForm::kColumns;
  bool nulls_equal_ = false, integer_ = false, signed_ = false;
  std::vector<Field> fields_;
  int flag_word_ = -1, flag_shift_ = 0;
};

struct KeyRange {  // of integer() words, in their order; empty when min > max
  uint64_t min = ~uint64_t{0}, max = 0;
  void widen(const KeyRange& o) {
    min = o.min < min ? o.min : min;
    max = o.max > max ? o.max : max;
  }
};
KeyRange key_range(const KeyLayout& layout, const uint64_t* words, int64_t n);
// Of the rows where the one key of an integer() layout is not null.
arrow::Result<KeyRange> key_range(const KeyLayout& layout, const column::Column& key, int64_t rows, arrow::MemoryPool* pool,
                                  KeyWords& words);

// hash_rows of words; one hash whichever side and however the words came about.
void hash_key_words(const uint64_t* low, const uint64_t* high, int64_t n, uint64_t* out);

// Equality of rows of flat columns, pairwise of one type.
class KeyEquality {
 public:
  KeyEquality(std::span<const column::Column> a, std::span<const column::Column> b);
  bool operator()(int64_t i, int64_t j) const {
    for (const Pair& p : pairs_) {
      if (!p.equal(*p.a, i, *p.b, j)) return false;
    }
    return true;
  }

 private:
  using Equal = bool (*)(const arrow::ArrayData&, int64_t, const arrow::ArrayData&, int64_t);
  struct Pair {
    Equal equal;
    const arrow::ArrayData* a;
    const arrow::ArrayData* b;
  };
  std::vector<Pair> pairs_;
};

// The rows of `selection` whose keys are all non-null.
column::Selection non_null_rows(std::span<const column::Column> keys, int64_t rows, const column::Selection& selection);

}  // namespace gristmill::exec
