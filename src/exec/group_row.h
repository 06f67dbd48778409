// One group as bytes: the key, the order of its first row, and the states of the aggregates, at offsets fixed by the plan.
//
//   kWords   1..4 words of packed fixed-width keys                 | order | states | flags | partition
//   kBlob    one string or an encoded row of keys, then its hash   | order | states | flags | partition
//   kNone    no key                                                | order | states | flags | partition
//
// Zero bytes are the empty state of every aggregate. Rows never move while their table lives, so a pointer to one stays
// good until the table is spilled. What does not fit (long strings, wide sums, moments, values kept) lies in the table; `references`
// tells where rows point out of themselves, for whoever moves them.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace gristmill::exec {

// A string of up to 12 bytes in place, a longer one by pointer. Unused bytes are zero, so short ones compare as words.
struct Blob {
  static constexpr uint32_t kNull = 0xffffffffU;
  static constexpr uint32_t kInline = 12;

  uint32_t size = 0;
  char prefix[4] = {};
  uint64_t tail = 0;  // inline bytes 4..11, or the address of the bytes

  bool is_null() const { return size == kNull; }
  bool is_long() const { return size > kInline && size != kNull; }
  const uint8_t* data() const {
    return is_long() ? reinterpret_cast<const uint8_t*>(tail) : reinterpret_cast<const uint8_t*>(this) + sizeof(uint32_t);
  }
  std::string_view bytes() const { return {reinterpret_cast<const char*>(data()), is_null() ? 0 : size}; }

  static Blob null() { return Blob{kNull, {}, 0}; }
  // Points at `bytes` when they are long.
  static Blob of(std::string_view bytes) {
    Blob b;
    b.size = static_cast<uint32_t>(bytes.size());
    if (bytes.size() <= kInline) {
      std::memcpy(reinterpret_cast<uint8_t*>(&b) + sizeof(uint32_t), bytes.data(), bytes.size());
    } else {
      std::memcpy(b.prefix, bytes.data(), sizeof(b.prefix));
      b.tail = reinterpret_cast<uint64_t>(bytes.data());
    }
    return b;
  }
  uint64_t head() const {
    uint64_t w;
    std::memcpy(&w, this, sizeof(w));
    return w;
  }
  friend bool operator==(const Blob& a, const Blob& b) {
    if (a.head() != b.head()) return false;
    if (a.tail == b.tail) return true;
    return a.is_long() && std::memcmp(a.data(), b.data(), a.size) == 0;
  }
};
static_assert(sizeof(Blob) == 16);

enum class KeyForm : uint8_t { kNone, kWords, kBlob };

// What a ValueMap's entries are made of (value_map.h).
struct MapShape {
  uint8_t key_bytes = 8;  // 8, or 16: a wide number or a Blob
  bool blob = false;
  bool order = false;
  bool count = false;
  int stride() const { return key_bytes + (order ? 8 : 0) + (count ? 8 : 0); }
};

struct RowReference {
  enum Kind : uint8_t {
    kBlob,     // a Blob
    kWide,     // 8 bytes: address of a WideSum | low bits that belong to the aggregate
    kMoments,  // 4 bytes: number of the group in the table's moments of `function`, plus one; 0 = none
    kPairs,    // the same in its moments of two variables
    kPowers,   // the same in its sums of powers
    kChain,    // 24 bytes: a ValueChain
    kMap,      // 8 bytes: address of a ValueMap
  };
  Kind kind;
  int offset;
  int function = -1;
  bool until_seal = false;  // kChain, kMap: a sealed row holds something else there
  MapShape shape = {};

  bool moments() const { return kind == kMoments || kind == kPairs || kind == kPowers; }
  bool grows() const { return kind == kChain || kind == kMap; }  // without bound: a group's part alone may be large
};

struct RowLayout {
  static constexpr int kMaxWords = 4;
  // The one group of rows whose lone 64-bit key is null: its order carries this bit. Orders stay below it.
  static constexpr uint64_t kNullKey = uint64_t{1} << 63;
  static constexpr uint64_t kNoOrder = ~uint64_t{0};  // a row merged into another: not a group any more

  KeyForm form = KeyForm::kNone;
  int words = 0;
  int hash_offset = 0;  // kBlob only
  int order_offset = 0;
  int partition_offset = 0;  // one byte: which table of a set owns the row
  int stride = 0;
  int functions = 0;
  // Rows and bytes are allocated in pieces up to this size: all tables of a set may ask for their next ones at once.
  int64_t largest_piece = int64_t{1} << 20;
  std::vector<RowReference> references;
};

template <typename T>
T load(const uint8_t* p) {
  T v;
  std::memcpy(&v, p, sizeof(T));
  return v;
}
template <typename T>
void store(uint8_t* p, T v) {
  std::memcpy(p, &v, sizeof(T));
}

// For the short texts that most keys are: a call takes longer than comparing them.
inline bool same_bytes(const uint8_t* a, const uint8_t* b, size_t n) {
  constexpr size_t kWord = sizeof(uint64_t), kHalf = sizeof(uint32_t), kMost = 8 * kWord;
  if (n < kHalf || n > kMost) return std::memcmp(a, b, n) == 0;
  if (n < kWord) return load<uint32_t>(a) == load<uint32_t>(b) && load<uint32_t>(a + n - kHalf) == load<uint32_t>(b + n - kHalf);
  uint64_t differ = load<uint64_t>(a + n - kWord) ^ load<uint64_t>(b + n - kWord);
  for (size_t at = 0; at + kWord < n; at += kWord) differ |= load<uint64_t>(a + at) ^ load<uint64_t>(b + at);
  return differ == 0;
}

// Where the rows of a span stand in the input (exec/operator.h, Position).
struct RowOrders {
  uint64_t base = 0;
  const uint16_t* physical = nullptr;  // null: row j is physical row j
  uint64_t at(int64_t j) const { return base + (physical ? physical[j] : static_cast<uint64_t>(j)); }
};

}  // namespace gristmill::exec
