// The window of the fast path, what happens at its edges, and sums without groups.

#include "column/exact_sum.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "column/exact_block.h"
#include "column/exact_number.h"

namespace gristmill::column {
namespace {

using Wide = unsigned __int128;

// One entry of the map: key, sum, node link and a bucket, as the standard library lays them out, roughly.
constexpr int64_t kEntryBytes = sizeof(uint64_t) + sizeof(WideSum) + 4 * sizeof(void*);

Wide magnitude_of(__int128 v) { return v < 0 ? -static_cast<Wide>(v) : static_cast<Wide>(v); }

int trailing_zeros(Wide v) {
  const uint64_t low = static_cast<uint64_t>(v);
  return low != 0 ? __builtin_ctzll(low) : 64 + __builtin_ctzll(static_cast<uint64_t>(v >> 64));
}

int bit_length(Wide v) {
  const uint64_t high = static_cast<uint64_t>(v >> 64), low = static_cast<uint64_t>(v);
  return high != 0 ? 128 - __builtin_clzll(high) : low != 0 ? 64 - __builtin_clzll(low) : 0;
}

double rounded_units(__int128 units, int exponent) {
  const Wide magnitude = magnitude_of(units);
  const int excess = std::max(bit_length(magnitude) - 64, 0);
  const bool sticky = excess > 0 && (magnitude & ((Wide{1} << excess) - 1)) != 0;
  return rounded_from_top(static_cast<uint64_t>(magnitude >> excess), sticky, int64_t{exponent} + excess, units < 0);
}

}  // namespace

ExactUnit ExactUnit::choose(std::span<const double> sample) {
  constexpr int kExponents = 2047;  // biased exponents of finite doubles
  std::vector<int64_t> counts(kExponents, 0);
  int lowest = kExponents, highest = 0;
  for (const double x : sample) {
    uint64_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const int biased = static_cast<int>(bits >> 52 & 0x7ff);
    if (biased == 0x7ff || bits << 1 == 0) continue;
    ++counts[biased];
    lowest = std::min(lowest, biased);
    highest = std::max(highest, biased);
  }
  if (lowest > highest) return ExactUnit();
  if (highest - lowest >= kShifts) {  // the first of the fullest windows, then what it really covers
    int64_t covered = 0, best = -1;
    int best_top = highest;
    for (int top = lowest; top <= highest; ++top) {
      covered += counts[top];
      if (top - kShifts >= 0) covered -= counts[top - kShifts];
      if (covered > best) {
        best = covered;
        best_top = top;
      }
    }
    highest = best_top;
    lowest = std::max(lowest, highest - kShifts + 1);
    while (counts[lowest] == 0) ++lowest;
  }
  return ExactUnit(highest - kBias - std::max(kPreferredShift, highest - lowest));
}

ExactUnit ExactUnit::reconsidered(std::span<const double> sample) const {
  const ExactUnit other = choose(sample);
  int64_t mine = 0, others = 0;
  for (const double x : sample) {
    mine += takes(x);
    others += other.takes(x);
  }
  return others >= 2 * mine && others > 0 ? other : *this;
}

bool ExactUnit::add_unusual(ExactSum& s, double x) const {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const int biased = static_cast<int>(bits >> 52 & 0x7ff);
  if (biased == 0x7ff) return false;
  int64_t m = static_cast<int64_t>(bits & 0xfffffffffffffULL);
  if (biased != 0) m |= int64_t{1} << 52;
  return add_scaled(s, bits >> 63 != 0 ? -m : m, std::max(biased, 1) - kBias);
}

bool ExactUnit::add_scaled(ExactSum& s, __int128 units, int exponent) const {
  if (units == 0) return true;
  const Wide magnitude = magnitude_of(units);
  const int shift = exponent - exponent_;
  Wide scaled;
  if (shift >= 0) {
    if (shift + bit_length(magnitude) > 127) return false;
    scaled = magnitude << shift;
  } else {
    if (trailing_zeros(magnitude) < -shift) return false;
    scaled = magnitude >> -shift;
    if (scaled >> 127 != 0) return false;
  }
  const __int128 v = units < 0 ? -static_cast<__int128>(scaled) : static_cast<__int128>(scaled);
  __int128 sum;
  if (__builtin_add_overflow(s.units, v, &sum)) return false;
  s.units = sum;
  return true;
}

void ExactUnit::add_outside(ExactSum& s, WideSum& wide, double x) const {
  if (add_unusual(s, x)) return;
  ExactSum fresh;
  if (add(fresh, x)) {  // it fits, but the state is full
    wide.add_scaled(s.units, exponent_);
    s = fresh;
  } else {
    wide.add(x);
  }
}

namespace {

template <class Float>
int64_t add_all(const ExactUnit& unit, ExactSum& s, WideSum& wide, const Float* x, const uint8_t* validity, int64_t validity_offset,
                int64_t n) {
  const ExactKernels& kernels = exact_kernels();
  uint16_t outside[kExactBlock];
  double buffer[kExactBlock];
  int64_t outside_rows = 0;
  for_each_block(validity, validity_offset, n, [&](int64_t first, int rows, const uint64_t* valid) {
    const double* values = block_as_doubles(x + first, rows, buffer);
    uint64_t limbs[2];
    const int count = kernels.sum_block(values, valid, rows, unit.exponent(), limbs, outside);
    const __int128 block_sum = static_cast<__int128>(Wide{limbs[1]} << 64 | limbs[0]);
    __int128 sum;
    if (__builtin_add_overflow(s.units, block_sum, &sum)) {
      wide.add_scaled(s.units, unit.exponent());
      sum = block_sum;
    }
    s.units = sum;
    for (int k = 0; k < count; ++k) unit.add_outside(s, wide, values[outside[k]]);
    outside_rows += count;
  });
  return outside_rows;
}

}  // namespace

int64_t exact_add_all(const ExactUnit& unit, ExactSum& s, WideSum& wide, const double* x, const uint8_t* validity, int64_t validity_offset,
                      int64_t n) {
  return add_all(unit, s, wide, x, validity, validity_offset, n);
}

int64_t exact_add_all(const ExactUnit& unit, ExactSum& s, WideSum& wide, const float* x, const uint8_t* validity, int64_t validity_offset,
                      int64_t n) {
  return add_all(unit, s, wide, x, validity, validity_offset, n);
}

void PreparedUnits::prepare(const ExactUnit& unit, const double* x, const uint8_t* validity, int64_t validity_offset, int n) {
  uint64_t bits[kMostRows / 64];
  if (validity != nullptr) copy_validity(validity, validity_offset, n, bits);
  outside_count_ = exact_kernels().units_block(x, validity == nullptr ? nullptr : bits, n, unit.exponent(), low_, high_, outside_);
}

void PreparedUnits::prepare(const ExactUnit& unit, const float* x, const uint8_t* validity, int64_t validity_offset, int n) {
  double buffer[kMostRows];
  prepare(unit, block_as_doubles(x, n, buffer), validity, validity_offset, n);
}

double exact_value(const ExactUnit& unit, const ExactSum& s, const WideSum* wide) {
  if (wide == nullptr) return rounded_units(s.units, unit.exponent());
  if (!wide->is_finite() || s.units == 0) return wide->value();
  return rounded_value(exact_add(wide->number(), exact_number(s.units, unit.exponent())));
}

double exact_value_over(const ExactUnit& unit, const ExactSum& s, const WideSum* wide, int64_t n) {
  const ExactNumber divisor = exact_number(n, 0);
  if (wide == nullptr) return rounded_quotient(exact_number(s.units, unit.exponent()), divisor);
  if (!wide->is_finite()) return wide->value();
  return rounded_quotient(exact_add(wide->number(), exact_number(s.units, unit.exponent())), divisor);
}

template <class Change>
void WideSums::update(uint64_t slot, Change change) {
  const auto [entry, inserted] = wides_.try_emplace(slot);
  WideSum& wide = entry->second;
  bytes_ += (inserted ? kEntryBytes : 0) - wide.heap_bytes();
  change(wide);
  bytes_ += wide.heap_bytes();
}

void WideSums::add_outside(const ExactUnit& unit, ExactSum& s, uint64_t slot, double x) {
  if (unit.add_unusual(s, x)) return;  // no entry for what needs none
  update(slot, [&](WideSum& wide) { unit.add_outside(s, wide, x); });
}

void WideSums::subtract_outside(const ExactUnit& unit, ExactSum& s, uint64_t slot, double x) {
  if (unit.add_unusual(s, -x)) return;
  update(slot, [&](WideSum& wide) {
    if (std::isfinite(x)) {
      unit.add_outside(s, wide, -x);
    } else {
      wide.subtract(x);
    }
  });
}

void WideSums::merge(const ExactUnit& unit, ExactSum& s, uint64_t slot, const ExactUnit& source_unit, const ExactSum& source,
                     const WideSums& sources, uint64_t source_slot) {
  if (!unit.add_scaled(s, source.units, source_unit.exponent())) add_scaled(slot, source.units, source_unit.exponent());
  if (const WideSum* wide = sources.find(source_slot); wide != nullptr) merge_wide(slot, *wide);
}

void WideSums::merge_wide(uint64_t slot, const WideSum& other) {
  update(slot, [&](WideSum& wide) { wide.merge(other); });
}

void WideSums::change_unit(const ExactUnit& from, const ExactUnit& to, ExactSum& s, uint64_t slot) {
  ExactSum changed;
  if (!to.add_scaled(changed, s.units, from.exponent())) add_scaled(slot, s.units, from.exponent());
  s = changed;
}

bool WideSums::fits(const WideSum& wide, const ExactUnit& unit, ExactSum& s) {
  uint64_t limbs[2];
  if (!wide.is_finite() || !exact_fixed_point(wide.number(), unit.exponent(), limbs, 2)) return false;
  return unit.add_scaled(s, static_cast<__int128>(Wide{limbs[1]} << 64 | limbs[0]), unit.exponent());
}

void WideSums::add_scaled(uint64_t slot, __int128 units, int exponent) {
  update(slot, [&](WideSum& wide) { wide.add_scaled(units, exponent); });
}

const WideSum* WideSums::find(uint64_t slot) const {
  if (wides_.empty()) return nullptr;
  const auto entry = wides_.find(slot);
  return entry == wides_.end() ? nullptr : &entry->second;
}

void WideSums::erase(uint64_t slot) {
  if (wides_.empty()) return;
  const auto entry = wides_.find(slot);
  if (entry == wides_.end()) return;
  bytes_ -= kEntryBytes + entry->second.heap_bytes();
  wides_.erase(entry);
}

void WideSums::clear() {
  wides_.clear();
  bytes_ = 0;
}

// A length byte 0 .. 16, then, unless it is 0, the exponent (2) and that many bytes of an odd two's complement integer;
// or kWideFollows and the form of WideSum, for what has specials or more than 127 bits.
namespace {
constexpr uint8_t kWideFollows = 0xff;

// The number as an odd integer below 2^127 (or zero) times a power of two, when it is one.
bool odd_units(const ExactNumber& number, __int128* units, int* exponent) {
  *units = 0;
  if (number.is_zero()) return true;
  if (number.size > 3) return false;
  const int zeros = __builtin_ctzll(number.limb[0]);
  const uint64_t top = number.size > 2 ? number.limb[2] : 0;
  if (top >> zeros != 0) return false;
  Wide magnitude = number.limb[0] | (number.size > 1 ? Wide{number.limb[1]} << 64 : 0);
  magnitude >>= zeros;
  if (zeros != 0) magnitude |= Wide{top} << (128 - zeros);
  if (magnitude >> 127 != 0) return false;
  *units = number.negative ? -static_cast<__int128>(magnitude) : static_cast<__int128>(magnitude);
  *exponent = static_cast<int>(number.exponent) + zeros;
  return true;
}

void append_short(__int128 units, int exponent, std::vector<uint8_t>* out) {
  if (units == 0) {
    out->push_back(0);
    return;
  }
  const int zeros = trailing_zeros(magnitude_of(units));
  units >>= zeros;
  exponent += zeros;
  int length = 16;
  while (length > 1 && units >> (8 * length - 9) == units >> 127) --length;
  out->push_back(static_cast<uint8_t>(length));
  out->push_back(static_cast<uint8_t>(exponent));
  out->push_back(static_cast<uint8_t>(exponent >> 8));
  for (int i = 0; i < length; ++i) out->push_back(static_cast<uint8_t>(units >> (8 * i)));
}

}  // namespace

void WideSums::append_bytes(const ExactUnit& unit, const ExactSum& s, uint64_t slot, std::vector<uint8_t>* out) const {
  const WideSum* wide = find(slot);
  if (wide == nullptr) {
    append_short(s.units, unit.exponent(), out);
    return;
  }
  WideSum total = *wide;
  total.add_scaled(s.units, unit.exponent());
  __int128 units = 0;
  int exponent = 0;
  if (total.is_finite() && odd_units(total.number(), &units, &exponent)) {
    append_short(units, exponent, out);
    return;
  }
  out->push_back(kWideFollows);
  total.append_bytes(out);
}

bool WideSums::read_into(const ExactUnit& unit, ExactSum& s, uint64_t slot, std::span<const uint8_t>* in) {
  if (in->empty()) return false;
  const uint8_t length = in->front();
  *in = in->subspan(1);
  if (length == kWideFollows) {
    const std::optional<WideSum> wide = WideSum::read(in);
    if (wide) merge_wide(slot, *wide);
    return wide.has_value();
  }
  if (length == 0) return true;
  if (length > 16 || in->size() < size_t{2} + length) return false;
  const uint8_t* p = in->data();
  const int exponent = static_cast<int16_t>(static_cast<uint16_t>(p[0] | p[1] << 8));
  __int128 units = static_cast<int8_t>(p[1 + length]);
  for (int i = length - 2; i >= 0; --i) units = static_cast<__int128>(static_cast<Wide>(units) << 8 | p[2 + i]);
  *in = in->subspan(size_t{2} + length);
  if (!unit.add_scaled(s, units, exponent)) add_scaled(slot, units, exponent);
  return true;
}

}  // namespace gristmill::column
