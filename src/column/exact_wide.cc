// WideSum: a window of 64-bit two's complement limbs that grows towards both ends.
//
// Limb i weighs 2^(64 (low_ + i)); below the window are zeros, above it copies of the sign. Additions
// stop as soon as neither a carry nor the operand's sign extension can change what lies above.

#include <cmath>
#include <cstring>
#include <limits>

#include "column/exact_number.h"
#include "column/exact_sum.h"

namespace gristmill::column {
namespace {

using Wide = unsigned __int128;

constexpr uint8_t kSpecialsFollow = 1;
constexpr size_t kMostLimbs = 144;  // of a serialised form: fourth powers and their counts need less

// A finite double as m * 2^exponent, m signed.
struct Parts {
  int64_t m;
  int exponent;
};

Parts parts_of(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const int biased = static_cast<int>((bits >> 52) & 0x7ff);
  int64_t m = static_cast<int64_t>(bits & 0xfffffffffffffULL);
  if (biased != 0) m |= int64_t{1} << 52;
  return {bits >> 63 != 0 ? -m : m, (biased == 0 ? 1 : biased) - ExactUnit::kBias};
}

uint64_t sign_limb(uint64_t top) { return static_cast<uint64_t>(static_cast<int64_t>(top) >> 63); }

void append_u64(uint64_t v, std::vector<uint8_t>* out) {
  for (int i = 0; i < 8; ++i) out->push_back(static_cast<uint8_t>(v >> (8 * i)));
}

uint64_t read_u64(const uint8_t* p) {
  uint64_t v = 0;
  for (int i = 0; i < 8; ++i) v |= uint64_t{p[i]} << (8 * i);
  return v;
}

}  // namespace

void WideSum::count_special(double x, int64_t by) {
  if (std::isnan(x)) {
    nans_ += by;
  } else {
    specials_[x < 0] += by;
  }
}

void WideSum::add(double x) {
  if (!std::isfinite(x)) return count_special(x, 1);
  const Parts p = parts_of(x);
  add_scaled(p.m, p.exponent);
}

void WideSum::subtract(double x) {
  if (!std::isfinite(x)) return count_special(x, -1);
  const Parts p = parts_of(x);
  add_scaled(-p.m, p.exponent);
}

void WideSum::add_product(double a, double b) {
  if (!std::isfinite(a) || !std::isfinite(b)) return count_special(a * b, 1);
  const Parts p = parts_of(a), q = parts_of(b);
  add_scaled(static_cast<__int128>(p.m) * q.m, p.exponent + q.exponent);
}

void WideSum::subtract_product(double a, double b) {
  if (!std::isfinite(a) || !std::isfinite(b)) return count_special(a * b, -1);
  const Parts p = parts_of(a), q = parts_of(b);
  add_scaled(-(static_cast<__int128>(p.m) * q.m), p.exponent + q.exponent);
}

void WideSum::add_scaled(__int128 units, int unit_exponent) {
  const uint64_t limbs[2] = {static_cast<uint64_t>(units), static_cast<uint64_t>(units >> 64)};
  add_scaled(limbs, 2, unit_exponent);
}

void WideSum::add_scaled(const uint64_t* limbs, int count, int unit_exponent) {
  const int position = unit_exponent >> 6;  // floor
  const int part = unit_exponent & 63;
  uint64_t shifted[8];
  const uint64_t extension = sign_limb(limbs[count - 1]);
  uint64_t below = 0;
  for (int i = 0; i <= count; ++i) {
    const uint64_t here = i < count ? limbs[i] : extension;
    shifted[i] = part == 0 ? here : here << part | below >> (64 - part);
    below = here;
  }
  ++count;
  while (count > 1 && shifted[count - 1] == sign_limb(shifted[count - 2])) --count;
  int zeros = 0;
  while (zeros < count && shifted[zeros] == 0) ++zeros;
  if (zeros < count) add_limbs(shifted + zeros, count - zeros, position + zeros);
}

void WideSum::cover(int low, int high) {
  if (low < low_) {
    limbs_.insert(limbs_.begin(), static_cast<size_t>(low_ - low), 0);
    low_ = low;
  }
  const size_t wanted = static_cast<size_t>(high - low_);
  if (wanted > limbs_.size()) limbs_.resize(wanted, sign_limb(limbs_.back()));
}

void WideSum::add_limbs(const uint64_t* limbs, int count, int position) {
  if (limbs_.empty()) {
    low_ = position;
    limbs_.assign(limbs, limbs + count);
    return;
  }
  cover(position, position + count);
  const uint64_t before = sign_limb(limbs_.back());
  const uint64_t extension = sign_limb(limbs[count - 1]);
  uint64_t carry = 0;
  uint64_t* at = limbs_.data() + (position - low_);
  uint64_t* const end = limbs_.data() + limbs_.size();
  for (int i = 0; i < count; ++i, ++at) {
    const Wide sum = Wide{*at} + limbs[i] + carry;
    *at = static_cast<uint64_t>(sum);
    carry = static_cast<uint64_t>(sum >> 64);
  }
  // The extension plus the carry is zero when both are set or none is.
  for (; at != end && (extension & 1) != carry; ++at) {
    const Wide sum = Wide{*at} + extension + carry;
    *at = static_cast<uint64_t>(sum);
    carry = static_cast<uint64_t>(sum >> 64);
  }
  if (before == extension && sign_limb(limbs_.back()) != before) limbs_.push_back(before);
}

void WideSum::merge(const WideSum& other) {
  if (!other.limbs_.empty()) {
    if (&other == this) {
      const WideSum copy = other;
      return merge(copy);
    }
    add_limbs(other.limbs_.data(), static_cast<int>(other.limbs_.size()), other.low_);
  }
  for (int i = 0; i < 2; ++i) specials_[i] += other.specials_[i];
  nans_ += other.nans_;
}

void WideSum::subtract(const WideSum& other) {
  if (!other.limbs_.empty()) {
    std::vector<uint64_t> negated = other.limbs_;
    negated.push_back(sign_limb(negated.back()));  // the negative of the lowest number needs one more bit
    uint64_t carry = 1;
    for (uint64_t& limb : negated) {
      limb = ~limb + carry;
      carry &= limb == 0;
    }
    add_limbs(negated.data(), static_cast<int>(negated.size()), other.low_);
  }
  for (int i = 0; i < 2; ++i) specials_[i] -= other.specials_[i];
  nans_ -= other.nans_;
}

ExactNumber WideSum::number() const {
  const auto [first, last] = essential_limbs();
  return exact_number(limbs_.data() + first, static_cast<int>(last - first), (int64_t{low_} + static_cast<int64_t>(first)) * 64);
}

double WideSum::value() const {
  if (nans_ != 0 || (specials_[0] != 0 && specials_[1] != 0)) return std::numeric_limits<double>::quiet_NaN();
  if (specials_[0] != 0) return std::numeric_limits<double>::infinity();
  if (specials_[1] != 0) return -std::numeric_limits<double>::infinity();
  return rounded_value(number());
}

double WideSum::value_over(int64_t n) const {
  if (!is_finite()) return value();
  return rounded_quotient(number(), exact_number(n, 0));
}

bool WideSum::is_zero() const {
  const auto [first, last] = essential_limbs();
  return first == last && is_finite();
}

std::array<size_t, 2> WideSum::essential_limbs() const {
  size_t first = 0, last = limbs_.size();
  while (last > 1 && limbs_[last - 1] == sign_limb(limbs_[last - 2])) --last;
  while (first < last && limbs_[first] == 0) ++first;
  return {first, last};
}

// flags (1), position of the lowest limb (1, signed), limbs (1), the limbs (8 each, little-endian), then with the
// flag the counts of +inf, -inf, NaN (8 each). Zero has position 0.
void WideSum::append_bytes(std::vector<uint8_t>* out) const {
  const auto [first, last] = essential_limbs();
  out->push_back(is_finite() ? 0 : kSpecialsFollow);
  out->push_back(first == last ? 0 : static_cast<uint8_t>(static_cast<int8_t>(low_ + static_cast<int>(first))));
  out->push_back(static_cast<uint8_t>(last - first));
  for (size_t i = first; i < last; ++i) append_u64(limbs_[i], out);
  if (is_finite()) return;
  append_u64(static_cast<uint64_t>(specials_[0]), out);
  append_u64(static_cast<uint64_t>(specials_[1]), out);
  append_u64(static_cast<uint64_t>(nans_), out);
}

std::vector<uint8_t> WideSum::bytes() const {
  std::vector<uint8_t> out;
  append_bytes(&out);
  return out;
}

std::optional<WideSum> WideSum::read(std::span<const uint8_t>* in) {
  if (in->size() < 3 || (*in)[0] > kSpecialsFollow) return std::nullopt;
  const bool specials = (*in)[0] == kSpecialsFollow;
  const size_t count = (*in)[2];
  const size_t length = 3 + 8 * count + (specials ? 24 : 0);
  if (count > kMostLimbs || in->size() < length) return std::nullopt;
  WideSum sum;
  sum.low_ = static_cast<int8_t>((*in)[1]);
  const uint8_t* p = in->data() + 3;
  for (size_t i = 0; i < count; ++i, p += 8) sum.limbs_.push_back(read_u64(p));
  if (specials) {
    for (int i = 0; i < 2; ++i, p += 8) sum.specials_[i] = static_cast<int64_t>(read_u64(p));
    sum.nans_ = static_cast<int64_t>(read_u64(p));
  }
  *in = in->subspan(length);
  return sum;
}

WideSum WideSum::from_bytes(std::span<const uint8_t> b) { return read(&b).value_or(WideSum()); }

}  // namespace gristmill::column
