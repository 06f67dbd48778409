// Schubfach (R. Giulietti, "The Schubfach way to render doubles"): the interval of decimals that round to the float is scaled by one power
// of ten, known to 128 bits, so that a number of at most 17 digits, or the one a digit shorter, lies in it.
//
// Powers are rounded up where they are not exact; the products' lowest bit is sticky ("rounded to odd"), which keeps every comparison with
// a quarter of a unit right.

#include "column/float_digits.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "column/integer_digits.h"

namespace gristmill::column {
namespace {

constexpr int kLeastPower = -292, kMostPower = 324;

struct Power {
  uint64_t high, low;
};

// The highest 128 bits of a number of many words (lowest first), rounded up where bits are left.
template <size_t n>
constexpr Power highest_bits(const std::array<uint64_t, n>& words, bool inexact) {
  size_t top = n;
  while (words[top - 1] == 0) --top;
  const int shift = std::countl_zero(words[top - 1]);
  const auto word = [&](size_t back) { return top > back ? words[top - 1 - back] : 0; };
  const auto joined = [&](size_t back) { return shift == 0 ? word(back) : word(back) << shift | word(back + 1) >> (64 - shift); };
  Power out{joined(0), joined(1)};
  if (shift != 0) inexact = inexact || (word(2) << shift) != 0;
  for (size_t back = shift == 0 ? 2 : 3; back < top; ++back) inexact = inexact || word(back) != 0;
  if (inexact && ++out.low == 0) ++out.high;
  return out;
}

// Upwards the power itself; downwards 2^1151 over it, whose floor divided by ten is the next one's floor.
constexpr auto make_powers() {
  std::array<Power, kMostPower - kLeastPower + 1> out{};
  std::array<uint64_t, 18> words{};
  words[0] = 1;
  for (int k = 0; k <= kMostPower; ++k) {
    out[static_cast<size_t>(k - kLeastPower)] = highest_bits(words, false);
    uint64_t carry = 0;
    for (uint64_t& w : words) {
      const unsigned __int128 product = static_cast<unsigned __int128>(w) * 10 + carry;
      w = static_cast<uint64_t>(product);
      carry = static_cast<uint64_t>(product >> 64);
    }
  }
  words = {};
  words[17] = uint64_t{1} << 63;
  for (int k = -1; k >= kLeastPower; --k) {
    uint64_t rest = 0;
    for (size_t i = words.size(); i > 0; --i) {
      const unsigned __int128 part = static_cast<unsigned __int128>(rest) << 64 | words[i - 1];
      words[i - 1] = static_cast<uint64_t>(part / 10);
      rest = static_cast<uint64_t>(part % 10);
    }
    out[static_cast<size_t>(k - kLeastPower)] = highest_bits(words, true);
  }
  return out;
}

constexpr auto kPowers = make_powers();

constexpr int floor_log2_of_power(int k) { return (k * 1741647) >> 19; }

uint64_t scaled_to_odd(const Power& power, uint64_t v) {
  const auto low = static_cast<uint64_t>((static_cast<unsigned __int128>(power.low) * v) >> 64);
  const unsigned __int128 sum = static_cast<unsigned __int128>(power.high) * v + low;
  return static_cast<uint64_t>(sum >> 64) | (static_cast<uint64_t>(sum) > 1);
}

// c * 2^q. `closer`: the next float below stands at half the distance.
FloatDigits shortest(uint64_t c, int q, bool closer) {
  const uint64_t out_lower = c & 1, out_upper = c & 1;  // an odd one's borders round to its neighbours
  const int k = (q * 1262611 - (closer ? 524031 : 0)) >> 22;
  const int h = q + floor_log2_of_power(-k) + 1;
  const Power& power = kPowers[static_cast<size_t>(-k - kLeastPower)];
  const uint64_t lower = scaled_to_odd(power, (4 * c - 2 + closer) << h) + out_lower;
  const uint64_t middle = scaled_to_odd(power, (4 * c) << h);
  const uint64_t upper = scaled_to_odd(power, (4 * c + 2) << h) - out_upper;
  // Both lengths are computed and one is taken: which it is nobody can foretell, and a wrong guess costs more.
  const uint64_t s = middle / 4, tens = s / 10;
  const bool tens_fit = lower <= 40 * tens, next_tens_fit = 40 * tens + 40 <= upper;
  const bool shorter = (tens_fit != next_tens_fit) & (s >= 10);
  const bool fits = lower <= 4 * s, next_fits = 4 * s + 4 <= upper;
  const uint64_t half = 4 * s + 2;
  const bool nearer = (middle > half) | ((middle == half) & (s & 1));
  const uint64_t whole = s + (fits != next_fits ? next_fits : nearer);
  return {shorter ? tens + next_tens_fit : whole, k + shorter};
}

template <typename Bits, int kFractionBits, int kBias>
FloatDigits shortest_of(Bits bits) {
  const auto fraction = static_cast<uint64_t>(bits & ((Bits{1} << kFractionBits) - 1));
  const int exponent = static_cast<int>(bits >> kFractionBits);
  if (exponent == 0) return shortest(fraction, 1 - kBias, false);
  const uint64_t c = fraction | uint64_t{1} << kFractionBits;
  const int q = exponent - kBias;
  if (q <= 0 && -q <= kFractionBits && (c & ((uint64_t{1} << -q) - 1)) == 0) return {c >> -q, 0};  // a whole number
  return shortest(c, q, fraction == 0 && exponent > 1);
}

constexpr auto kTens = [] {
  std::array<uint64_t, 20> out{};
  uint64_t v = 1;
  for (uint64_t& t : out) {
    t = v;
    v *= 10;
  }
  return out;
}();

int count_of_digits(uint64_t v) {  // of 1 to 18 digits
  const int guess = (static_cast<int>(std::bit_width(v)) * 1233) >> 12;
  return guess + (v >= kTens[static_cast<size_t>(guess)]);
}

char* write_exponent(int e, char* out) {
  *out++ = 'e';
  *out++ = e < 0 ? '-' : '+';
  e = std::abs(e);
  if (e >= 100) *out++ = static_cast<char>('0' + e / 100);
  *out++ = static_cast<char>('0' + e / 10 % 10);
  *out++ = static_cast<char>('0' + e % 10);
  return out;
}

// Digits as text, the second one in the lowest byte, zeros behind them; how many there are up to the last that is not 0.
struct Spread {
  char first;
  unsigned __int128 rest;
  int used;
};

Spread spread(uint64_t digits) {  // 17, the first not 0
  constexpr uint64_t kHalf = 100000000, kZeros = 0x3030303030303030u;
  const uint64_t rest = digits % (kHalf * kHalf);
  const uint64_t a = eight_digits(static_cast<uint32_t>(rest / kHalf)), b = eight_digits(static_cast<uint32_t>(rest % kHalf));
  const int used = b != kZeros ? 17 - (std::countl_zero(b ^ kZeros) >> 3) : a != kZeros ? 9 - (std::countl_zero(a ^ kZeros) >> 3) : 1;
  return {static_cast<char>('0' + digits / (kHalf * kHalf)), static_cast<unsigned __int128>(b) << 64 | a, used};
}

void put_sixteen(unsigned __int128 text, char* out) { std::memcpy(out, &text, 16); }

// Everything is stored from registers: text that was just stored is slow to load again in other pieces.
char* write_text(FloatDigits d, const FloatForm& form, char* out) {
  const int count = count_of_digits(d.digits);
  const Spread text = spread(d.digits * kTens[static_cast<size_t>(17 - count)]);
  const int e = d.exponent + count - 1;  // of the first digit
  if (e < form.least_plain || e > form.most_plain) {
    out[0] = text.first;
    out[1] = '.';
    put_sixteen(text.rest, out + 2);
    return write_exponent(e, out + (text.used == 1 ? 1 : text.used + 1));
  }
  if (e < 0) {
    std::memcpy(out, "0.000000", 8);
    out[1 - e] = text.first;
    put_sixteen(text.rest, out + 2 - e);
    return out + 1 - e + text.used;
  }
  out[0] = text.first;
  put_sixteen(text.rest, out + 1);
  if (text.used <= e + 1 && !form.keeps_point) return out + e + 1;
  put_sixteen(text.rest >> (8 * e), out + e + 2);
  out[e + 1] = '.';
  return out + std::max(text.used, e + 2) + 1;
}

template <typename T>
char* write_any(T v, const FloatForm& form, char* out) {
  *out = '-';
  out += std::signbit(v);
  if (v == 0) {
    std::memcpy(out, "0.0", 3);
    return out + (form.keeps_point ? 3 : 1);
  }
  const T size = std::abs(v);
  if constexpr (sizeof(T) == 4) {
    // Plain whole numbers are shown as they are, not with zeros for what a float cannot tell apart.
    if (size >= T(1 << 24) && size < static_cast<T>(kTens[static_cast<size_t>(form.most_plain + 1)]))
      return write_text({static_cast<uint64_t>(size), 0}, form, out);
  }
  return write_text(shortest_decimal(size), form, out);
}

}  // namespace

FloatDigits shortest_decimal(double positive) { return shortest_of<uint64_t, 52, 1075>(std::bit_cast<uint64_t>(positive)); }
FloatDigits shortest_decimal(float positive) { return shortest_of<uint32_t, 23, 150>(std::bit_cast<uint32_t>(positive)); }

char* write_float(double v, const FloatForm& form, char* out) { return write_any(v, form, out); }
char* write_float(float v, const FloatForm& form, char* out) { return write_any(v, form, out); }

}  // namespace gristmill::column
