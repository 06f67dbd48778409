// Open addressing on the two words of a value; a text of up to 12 bytes is its view, so most lookups are one compare.

#include "exec/group_codes.h"

#include <cstring>
#include <type_traits>
#include <utility>

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using column::Physical;

constexpr size_t kFirstSlots = 1024;
constexpr int64_t kMostLongBytes = int64_t{256} << 10;

template <typename T>
uint64_t bits_of(T v) {
  if constexpr (std::is_floating_point_v<T>) {
    return column::canonical_bits(v);
  } else {
    return static_cast<uint64_t>(v);
  }
}

// Whether values stand in runs, as the windows of rows in the order of their time do; by the first of them.
template <typename T>
bool in_runs(const T* values, int64_t n) {
  constexpr int64_t kSample = 32;
  if (n <= kSample) return false;
  int64_t changes = 0;
  for (int64_t i = 1; i <= kSample; ++i) changes += bits_of(values[i]) != bits_of(values[i - 1]);
  return changes * 4 < kSample;
}

std::pair<uint64_t, uint64_t> words_of(const column::View16& v) {
  uint64_t words[2];
  std::memcpy(words, &v, sizeof(words));
  return {words[0], words[1]};
}

}  // namespace

ValueCodes::ValueCodes() : slots_(kFirstSlots), mask_(kFirstSlots - 1) {}

bool ValueCodes::takes(Physical p) {
  return p != Physical::kNull && p != Physical::kNested && p != Physical::kBool && (p == Physical::kView || column::byte_width(p) <= 8);
}

int64_t ValueCodes::bytes() const {
  return static_cast<int64_t>(slots_.capacity() * sizeof(Slot) + codes_of_entries_.capacity() * sizeof(int32_t)) + long_bytes_;
}

int32_t ValueCodes::look_further(uint64_t head, uint64_t tail) {
  const uint64_t hash = place(head, tail);
  for (uint64_t at = hash & mask_; slots_[at].code != 0; at = (at + 1) & mask_) {
    if (slots_[at].head == head && slots_[at].tail == tail) return slots_[at].code;
  }
  return number(head, tail, hash);
}

int32_t ValueCodes::code_of_long(std::string_view text) {
  column::View16 view{};
  view.size = static_cast<uint32_t>(text.size());
  std::memcpy(view.ref.prefix, text.data(), sizeof(view.ref.prefix));
  const uint64_t head = words_of(view).first;
  const uint64_t hash = column::hash_long_text(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  for (uint64_t at = hash & mask_; slots_[at].code != 0; at = (at + 1) & mask_) {
    if (slots_[at].head == head && std::memcmp(reinterpret_cast<const char*>(slots_[at].tail), text.data(), text.size()) == 0) {
      return slots_[at].code;
    }
  }
  const auto size = static_cast<int64_t>(text.size() + sizeof(std::string));
  if (count_ == kMost || long_bytes_ + size > kMostLongBytes) return kUnknown;
  long_bytes_ += size;
  return number(head, reinterpret_cast<uint64_t>(long_texts_.emplace_back(text).data()), hash);
}

int32_t ValueCodes::number(uint64_t head, uint64_t tail, uint64_t hash) {
  if (count_ == kMost) return kUnknown;
  if (static_cast<size_t>(count_) * 4 >= slots_.size()) grow();
  uint64_t at = hash & mask_;
  while (slots_[at].code != 0) at = (at + 1) & mask_;
  slots_[at] = {head, tail, ++count_};
  return count_;
}

void ValueCodes::grow() {
  const std::vector<Slot> old = std::move(slots_);
  slots_.assign(old.size() * 2, Slot{});
  mask_ = slots_.size() - 1;
  for (const Slot& s : old) {
    if (s.code == 0) continue;
    const auto size = static_cast<uint32_t>(s.head);
    const bool long_text = !long_texts_.empty() && size > 12;
    uint64_t at = (long_text ? column::hash_long_text(reinterpret_cast<const uint8_t*>(s.tail), size) : place(s.head, s.tail)) & mask_;
    while (slots_[at].code != 0) at = (at + 1) & mask_;
    slots_[at] = s;
  }
}

int32_t ValueCodes::code_at(const ArrayData& values, Physical p, int64_t row) {
  if (p == Physical::kView) {
    const column::View16& v = column::values_of<column::View16>(values)[row];
    if (!v.is_inline()) return code_of_long(column::view_at(values, row));
    const auto [head, tail] = words_of(v);
    return code_of(head, tail);
  }
  return column::visit_number(p, [&]<typename T>() -> int32_t {
    if constexpr (sizeof(T) <= 8) return code_of(bits_of(column::values_of<T>(values)[row]), 0);
    return kUnknown;
  });
}

// code(i) is asked for valid rows only.
template <typename Code>
void ValueCodes::join(const ArrayData& rows, int64_t n, int32_t size, int32_t* codes, Code&& code) {
  const auto put = [&](int64_t i, int32_t own) {
    const bool outside = static_cast<uint32_t>(own) >= static_cast<uint32_t>(size);
    codes[i] = (codes[i] < 0) | outside ? kUnknown : codes[i] * size + own;
  };
  const column::ValidityBits valid = column::validity_of(rows);
  if (!valid.bits) {
    for (int64_t i = 0; i < n; ++i) put(i, code(i));
  } else {
    for (int64_t i = 0; i < n; ++i) put(i, valid.valid(i) ? code(i) : 0);
  }
}

const int32_t* ValueCodes::translate(const std::shared_ptr<ArrayData>& entries, Physical p) {
  if (entries_ == entries) return codes_of_entries_.data();
  codes_of_entries_.resize(static_cast<size_t>(entries->length));
  for (int64_t e = 0; e < entries->length; ++e) codes_of_entries_[static_cast<size_t>(e)] = code_at(*entries, p, e);
  entries_ = entries;
  return codes_of_entries_.data();
}

void ValueCodes::append(const column::Column& key, Physical p, int64_t n, int32_t size, int32_t* codes) {
  const ArrayData& d = *key.values;
  if (key.is_constant()) {
    const int32_t own = column::is_null_at(key, 0) ? 0 : code_at(d, p, 0);
    const bool outside = static_cast<uint32_t>(own) >= static_cast<uint32_t>(size);
    for (int64_t i = 0; i < n; ++i) codes[i] = codes[i] < 0 || outside ? kUnknown : codes[i] * size + own;
  } else if (key.is_dictionary()) {
    const int32_t* const own = translate(key.dictionary, p);
    const auto* const entry = column::values_of<int32_t>(d);
    join(d, n, size, codes, [&](int64_t i) { return own[entry[i]]; });
  } else if (p == Physical::kView) {
    const auto* const views = column::values_of<column::View16>(d);
    join(d, n, size, codes, [&](int64_t i) {
      const auto [head, tail] = words_of(views[i]);
      return __builtin_expect(static_cast<uint32_t>(head) > 12, 0) ? code_of_long(column::view_at(d, i)) : code_of(head, tail);
    });
  } else {
    column::visit_number(p, [&]<typename T>() {
      if constexpr (sizeof(T) <= 8) {
        const auto* const v = column::values_of<T>(d);
        if (!in_runs(v, n)) return join(d, n, size, codes, [&](int64_t i) { return code_of(bits_of(v[i]), 0); });
        uint64_t last = 0;
        int32_t own = 0;  // of `last`; 0: of none yet
        join(d, n, size, codes, [&](int64_t i) {
          const uint64_t bits = bits_of(v[i]);
          if (own == 0 || bits != last) own = code_of(bits, 0);
          last = bits;
          return own;
        });
      }
    });
  }
}

}  // namespace gristmill::exec
