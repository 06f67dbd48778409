// Powers as limbs, and the closing formulas over sums S1 .. S4 of n values:
//
//   B = n S2 - S1^2                                        (n^2 times the second central moment)
//   A = n^2 S3 - 3 n S1 S2 + 2 S1^3                        (n^3 times the third)
//   C = n^3 S4 - 4 n^2 S1 S3 + 6 n S1^2 S2 - 3 S1^4        (n^4 times the fourth)
//   skewness = A / B^1.5, unbiased times sqrt(n (n - 1)) / (n - 2)
//   kurtosis = C / B^2 - 3, unbiased ((n + 1) (C - 3 B^2) + 6 B^2) (n - 1) / ((n - 2) (n - 3) B^2)

#include "column/exact_powers.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "column/exact_limbs.h"
#include "column/exact_number.h"

namespace gristmill::column {
namespace {

using limbs::add_checked;
using limbs::Limb;
using limbs::Unsigned128;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// A finite double is m * 2^exponent.
struct Parts {
  uint64_t m = 0;
  int exponent = 0;
  bool negative = false;
};

Parts parts_of(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const int biased = static_cast<int>(bits >> 52 & 0x7ff);
  Parts p{bits & 0xfffffffffffffULL, (biased == 0 ? 1 : biased) - ExactUnit::kBias, bits >> 63 != 0};
  if (biased != 0) p.m |= uint64_t{1} << 52;
  return p;
}

// m, m^2, m^3, m^4 as magnitudes of one to four limbs.
struct Powers {
  Limb power[4][4] = {};

  explicit Powers(uint64_t m) {
    power[0][0] = m;
    for (int p = 1; p < 4; ++p) {
      Limb carry = 0;
      for (int i = 0; i < 4; ++i) {
        const Unsigned128 product = Unsigned128{power[p - 1][i]} * m + carry;
        power[p][i] = static_cast<Limb>(product);
        carry = static_cast<Limb>(product >> 64);
      }
    }
  }
};

// sum += (-1)^negative * magnitude << shift in `count` limbs; false, with part of it done, when it does not fit.
bool add_shifted(Limb* sum, int count, const Limb* magnitude, unsigned shift, bool negative) {
  const int whole = static_cast<int>(shift / 64);
  const unsigned part = shift % 64;
  const bool was_negative = sum[count - 1] >> 63 != 0;
  const Limb flip = negative ? ~Limb{0} : 0;
  Limb carry = negative ? 1 : 0, below = 0;
  for (int i = 0; i < count; ++i) {
    Limb here = 0;
    if (i >= whole && i - whole <= 4) {
      const Limb limb = i - whole < 4 ? magnitude[i - whole] : 0;
      here = part == 0 ? limb : limb << part | below >> (64 - part);
      below = limb;
    }
    const Unsigned128 added = Unsigned128{sum[i]} + (here ^ flip) + carry;
    sum[i] = static_cast<Limb>(added);
    carry = static_cast<Limb>(added >> 64);
  }
  const bool is_negative = sum[count - 1] >> 63 != 0;
  return was_negative != negative || is_negative == was_negative;
}

ExactNumber whole(int64_t n) { return exact_number(n, 0); }
ExactNumber times(const ExactNumber& a, const ExactNumber& b) { return exact_multiply(a, b); }

}  // namespace

// With m below 2^53 and a shift below 64 a power p has at most 117 p bits: every power leaves room in its limbs for 2^11 additions at
// least, and an addition that does not fit is seen.
bool GroupPowers::add_fitting(State& state, double x) const {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  if (bits << 1 == 0) return true;  // zero adds to the count only
  const int64_t shift = static_cast<int64_t>(bits >> 52 & 0x7ff) - ExactUnit::kBias - units_[0].exponent();
  if ((bits >> 52 & 0x7ff) == 0 || shift < 0 || shift >= ExactUnit::kShifts) return false;
  const Parts parts = parts_of(x);
  const Powers powers(parts.m);
  State next = state;
  for (int p = 0; p < kPowers; ++p) {
    const bool negative = parts.negative && p % 2 == 0;
    if (!add_shifted(next.limb + kFirst[p], kLimbs[p], powers.power[p], static_cast<unsigned>(shift) * (p + 1), negative)) return false;
  }
  state = next;
  return true;
}

void GroupPowers::add_one(uint32_t group, double x) {
  State& state = states_[group];
  ++state.count;
  if (add_fitting(state, x)) return;
  State fresh;
  if (!add_fitting(fresh, x)) return add_wide(group, x);
  empty_into_wide(group);  // the value fits, but the state is nearly full
  add_fitting(state, x);
}

void GroupPowers::add_wide(uint32_t group, double x) {
  update_wide(group, [&](Wide& wide) {
    if (!std::isfinite(x)) return wide.power[0].add(x);
    const Parts parts = parts_of(x);
    const Powers powers(parts.m);
    for (int p = 0; p < kPowers; ++p) {
      Limb limbs[5] = {};
      add_shifted(limbs, 5, powers.power[p], 0, parts.negative && p % 2 == 0);
      wide.power[p].add_scaled(limbs, 5, (p + 1) * parts.exponent);
    }
  });
}

// In two pieces: a wide sum takes six limbs at once.
void GroupPowers::add_limbs(WideSum& sum, const uint64_t* limbs, int count, int unit_exponent) {
  if (count <= 4) return sum.add_scaled(limbs, count, unit_exponent);
  const Limb low[5] = {limbs[0], limbs[1], limbs[2], limbs[3], 0};
  sum.add_scaled(low, 5, unit_exponent);
  sum.add_scaled(limbs + 4, count - 4, unit_exponent + 256);
}

void GroupPowers::empty_into_wide(uint32_t group) {
  State& state = states_[group];
  update_wide(group, [&](Wide& wide) {
    for (int p = 0; p < kPowers; ++p) add_limbs(wide.power[p], state.limb + kFirst[p], kLimbs[p], exponent(p));
  });
  const int64_t count = state.count;
  state = State();
  state.count = count;
}

void GroupPowers::add_sum(uint32_t group, int power, const WideSum& sum) {
  if (sum.is_zero()) return;
  Limb limbs[8];
  const int count = kLimbs[power];
  if (sum.is_finite() && exact_fixed_point(sum.number(), exponent(power), limbs, count) &&
      add_checked(states_[group].limb + kFirst[power], limbs, count)) {
    return;
  }
  update_wide(group, [&](Wide& wide) { wide.power[power].merge(sum); });
}

void GroupPowers::merge_group(uint32_t group, const GroupPowers& other, uint32_t other_group) {
  states_[group].count += other.states_[other_group].count;
  const bool alike = other.units_ == units_ && other.find_wide(other_group) == nullptr;
  for (int p = 0; p < kPowers; ++p) {
    if (alike && add_checked(states_[group].limb + kFirst[p], other.states_[other_group].limb + kFirst[p], kLimbs[p])) continue;
    add_sum(group, p, other.power_sum(other_group, p));
  }
}

template <class Change>
void GroupPowers::update_wide(uint32_t group, Change change) {
  const auto [entry, inserted] = wides_.try_emplace(group);
  Wide& wide = entry->second;
  if (inserted) wide_bytes_ += static_cast<int64_t>(sizeof(Wide) + 5 * sizeof(void*));
  for (const WideSum& sum : wide.power) wide_bytes_ -= sum.heap_bytes();
  change(wide);
  for (const WideSum& sum : wide.power) wide_bytes_ += sum.heap_bytes();
}

const GroupPowers::Wide* GroupPowers::find_wide(uint32_t group) const {
  if (wides_.empty()) return nullptr;
  const auto entry = wides_.find(group);
  return entry == wides_.end() ? nullptr : &entry->second;
}

bool GroupPowers::is_finite(uint32_t group) const {
  const Wide* wide = find_wide(group);
  return wide == nullptr || wide->power[0].is_finite();
}

WideSum GroupPowers::power_sum(uint32_t group, int power) const {
  const Wide* wide = find_wide(group);
  WideSum sum = wide == nullptr ? WideSum() : wide->power[power];
  add_limbs(sum, states_[group].limb + kFirst[power], kLimbs[power], exponent(power));
  return sum;
}

int64_t GroupPowers::bytes() const { return static_cast<int64_t>(states_.capacity() * sizeof(State)) + wide_bytes_; }

// The count (8), then the canonical form of each power's sum.
void GroupPowers::append_bytes(uint32_t group, std::vector<uint8_t>* out) const {
  const auto count = static_cast<uint64_t>(states_[group].count);
  for (int i = 0; i < 8; ++i) out->push_back(static_cast<uint8_t>(count >> (8 * i)));
  for (int p = 0; p < kPowers; ++p) power_sum(group, p).append_bytes(out);
}

bool GroupPowers::read_into(uint32_t group, std::span<const uint8_t>* in) {
  if (in->size() < 8) return false;
  uint64_t count = 0;
  for (int i = 0; i < 8; ++i) count |= uint64_t{(*in)[i]} << (8 * i);
  *in = in->subspan(8);
  for (int p = 0; p < kPowers; ++p) {
    const std::optional<WideSum> sum = WideSum::read(in);
    if (!sum) return false;
    add_sum(group, p, *sum);
  }
  states_[group].count += static_cast<int64_t>(count);
  return true;
}

std::optional<double> GroupPowers::skewness(uint32_t group, bool unbiased) const {
  const int64_t n = states_[group].count;
  if (n == 0 || (unbiased && n < 3)) return std::nullopt;
  if (!is_finite(group)) return kNaN;
  const ExactNumber s1 = power_sum(group, 0).number(), s2 = power_sum(group, 1).number(), s3 = power_sum(group, 2).number();
  const ExactNumber b = exact_subtract(times(whole(n), s2), times(s1, s1));
  if (b.is_zero()) return kNaN;
  const ExactNumber first = exact_add(times(times(whole(n), whole(n)), s3), times(whole(2), times(s1, times(s1, s1))));
  const ExactNumber a = exact_subtract(first, times(times(whole(3), whole(n)), times(s1, s2)));
  ExactNumber above = times(a, a), below = times(b, times(b, b));
  if (unbiased) {
    above = times(above, times(whole(n), whole(n - 1)));
    below = times(below, times(whole(n - 2), whole(n - 2)));
  }
  return rounded_root(above, below, a.negative);
}

std::optional<double> GroupPowers::kurtosis(uint32_t group, bool pearson, bool unbiased) const {
  const int64_t n = states_[group].count;
  if (n == 0 || (unbiased && n < 4)) return std::nullopt;
  if (!is_finite(group)) return kNaN;
  const ExactNumber s1 = power_sum(group, 0).number(), s2 = power_sum(group, 1).number();
  const ExactNumber s3 = power_sum(group, 2).number(), s4 = power_sum(group, 3).number();
  const ExactNumber b = exact_subtract(times(whole(n), s2), times(s1, s1));
  if (b.is_zero()) return kNaN;
  const ExactNumber n2 = times(whole(n), whole(n)), s11 = times(s1, s1), bb = times(b, b);
  ExactNumber c = exact_add(times(times(n2, whole(n)), s4), times(times(whole(6), whole(n)), times(s11, s2)));
  c = exact_subtract(c, exact_add(times(times(whole(4), n2), times(s1, s3)), times(whole(3), times(s11, s11))));
  if (!unbiased) return rounded_quotient(pearson ? c : exact_subtract(c, times(whole(3), bb)), bb);
  ExactNumber above = times(whole(n + 1), exact_subtract(c, times(whole(3), bb)));
  above = times(exact_add(above, times(whole(6), bb)), whole(n - 1));
  const ExactNumber below = times(bb, times(whole(n - 2), whole(n - 3)));
  return rounded_quotient(pearson ? exact_add(above, times(whole(3), below)) : above, below);
}

}  // namespace gristmill::column
