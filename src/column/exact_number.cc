// Schoolbook arithmetic on 64-bit limbs: operands are a handful of limbs, seldom more than seventy.

#include "column/exact_number.h"

#include <cassert>
#include <cmath>
#include <cstring>

namespace gristmill::column {
namespace {

using Wide = unsigned __int128;

void trim(ExactNumber& a) {
  while (a.size > 0 && a.limb[a.size - 1] == 0) --a.size;
}

int64_t bit_length(const ExactNumber& a) { return a.size == 0 ? 0 : int64_t{64} * a.size - __builtin_clzll(a.limb[a.size - 1]); }

// The magnitude times 2^bits, the exponent untouched. A negative `bits` drops low bits; true when one of them was set.
bool shift_magnitude(ExactNumber& a, int64_t bits) {
  if (a.size == 0 || bits == 0) return false;
  if (bits > 0) {
    const int whole = static_cast<int>(bits / 64), part = static_cast<int>(bits % 64);
    assert(a.size + whole + 1 <= ExactNumber::kCapacity);
    uint64_t above = 0;
    if (part != 0) above = a.limb[a.size - 1] >> (64 - part);
    for (int i = a.size - 1; i >= 0; --i) {
      const uint64_t below = i > 0 && part != 0 ? a.limb[i - 1] >> (64 - part) : 0;
      a.limb[i + whole] = a.limb[i] << part | below;
    }
    std::memset(a.limb, 0, sizeof(uint64_t) * whole);
    a.size += whole;
    if (above != 0) a.limb[a.size++] = above;
    return false;
  }
  const int64_t whole = -bits / 64;
  const int part = static_cast<int>(-bits % 64);
  bool lost = false;
  for (int i = 0; i < a.size && i < whole; ++i) lost |= a.limb[i] != 0;
  if (whole >= a.size) {
    a.size = 0;
    return lost;
  }
  if (part != 0) lost |= a.limb[whole] << (64 - part) != 0;
  for (int64_t i = whole; i < a.size; ++i) {
    const uint64_t above = i + 1 < a.size && part != 0 ? a.limb[i + 1] << (64 - part) : 0;
    a.limb[i - whole] = a.limb[i] >> part | above;
  }
  a.size -= static_cast<int>(whole);
  trim(a);
  return lost;
}

int compare_magnitude(const ExactNumber& a, const ExactNumber& b) {
  if (a.size != b.size) return a.size < b.size ? -1 : 1;
  for (int i = a.size - 1; i >= 0; --i) {
    if (a.limb[i] != b.limb[i]) return a.limb[i] < b.limb[i] ? -1 : 1;
  }
  return 0;
}

void add_magnitude(ExactNumber& a, const ExactNumber& b) {
  uint64_t carry = 0;
  int i = 0;
  for (; i < b.size || (carry != 0 && i < a.size); ++i) {
    const Wide sum = Wide{i < a.size ? a.limb[i] : 0} + (i < b.size ? b.limb[i] : 0) + carry;
    a.limb[i] = static_cast<uint64_t>(sum);
    carry = static_cast<uint64_t>(sum >> 64);
  }
  if (i > a.size) a.size = i;
  if (carry != 0) {
    assert(a.size < ExactNumber::kCapacity);
    a.limb[a.size++] = carry;
  }
}

// a -= b for |a| >= |b|.
void subtract_magnitude(ExactNumber& a, const ExactNumber& b) {
  uint64_t borrow = 0;
  for (int i = 0; i < b.size || borrow != 0; ++i) {
    const Wide difference = Wide{a.limb[i]} - (i < b.size ? b.limb[i] : 0) - borrow;
    a.limb[i] = static_cast<uint64_t>(difference);
    borrow = static_cast<uint64_t>(difference >> 64) & 1;
  }
  trim(a);
}

ExactNumber add_signed(const ExactNumber& a, const ExactNumber& b, bool b_negative) {
  if (b.is_zero()) return a;
  ExactNumber x = a, y = b;
  y.negative = b_negative;
  if (a.is_zero()) return y;
  if (x.exponent > y.exponent) {
    shift_magnitude(x, x.exponent - y.exponent);
    x.exponent = y.exponent;
  } else if (y.exponent > x.exponent) {
    shift_magnitude(y, y.exponent - x.exponent);
    y.exponent = x.exponent;
  }
  if (x.negative == y.negative) {
    add_magnitude(x, y);
    return x;
  }
  if (compare_magnitude(x, y) >= 0) {
    subtract_magnitude(x, y);
    if (x.is_zero()) x.negative = false;
    return x;
  }
  subtract_magnitude(y, x);
  return y;
}

// One digit of Knuth's algorithm D: u[0..n] -= q * v[0..n-1] for the largest q that leaves u >= 0.
// The top bit of v[n-1] is set and u[n..1] < v.
uint64_t divide_step(uint64_t* u, const uint64_t* v, int n) {
  const Wide head = Wide{u[n]} << 64 | u[n - 1];
  Wide digit, rest;
  if (u[n] >= v[n - 1]) {
    digit = ~uint64_t{0};
    rest = Wide{u[n - 1]} + v[n - 1];
  } else {
    digit = head / v[n - 1];
    rest = head % v[n - 1];
  }
  if (n >= 2) {
    while (rest >> 64 == 0 && digit * v[n - 2] > (rest << 64 | u[n - 2])) {
      --digit;
      rest += v[n - 1];
    }
  }
  uint64_t carry = 0, borrow = 0;
  for (int i = 0; i < n; ++i) {
    const Wide product = digit * v[i] + carry;
    carry = static_cast<uint64_t>(product >> 64);
    const Wide difference = Wide{u[i]} - static_cast<uint64_t>(product) - borrow;
    u[i] = static_cast<uint64_t>(difference);
    borrow = static_cast<uint64_t>(difference >> 64) & 1;
  }
  const Wide difference = Wide{u[n]} - carry - borrow;
  u[n] = static_cast<uint64_t>(difference);
  if (difference >> 64 != 0) {  // one too many
    --digit;
    uint64_t back = 0;
    for (int i = 0; i < n; ++i) {
      const Wide sum = Wide{u[i]} + v[i] + back;
      u[i] = static_cast<uint64_t>(sum);
      back = static_cast<uint64_t>(sum >> 64);
    }
    u[n] += back;
  }
  return static_cast<uint64_t>(digit);
}

struct Quotient {
  Wide whole = 0;
  bool sticky = false;  // something is left over
  int64_t exponent = 0;
};

// |a / b| with `bits` or `bits` + 1 (one more when the exponent was made even) significant bits; bits <= 124.
Quotient divide(const ExactNumber& a, const ExactNumber& b, int bits, bool even_exponent) {
  Quotient result;
  int64_t shift = bits - (bit_length(a) - bit_length(b));
  result.exponent = a.exponent - b.exponent - shift;
  if (even_exponent && (result.exponent & 1) != 0) {
    ++shift;
    --result.exponent;
  }
  ExactNumber u = a, v = b;
  result.sticky = shift_magnitude(u, shift);
  const int normal = __builtin_clzll(v.limb[v.size - 1]);
  shift_magnitude(u, normal);
  shift_magnitude(v, normal);
  const int n = v.size;
  assert(u.size < ExactNumber::kCapacity);
  const int used = u.size > n ? u.size : n;
  std::memset(u.limb + u.size, 0, sizeof(uint64_t) * (used + 1 - u.size));
  for (int j = used - n; j >= 0; --j) result.whole = result.whole << 64 | divide_step(u.limb + j, v.limb, n);
  for (int i = 0; i < n; ++i) result.sticky |= u.limb[i] != 0;
  return result;
}

// floor(sqrt(q)) for q < 2^124: a guess from floating point, mended by integers.
uint64_t integer_root(Wide q) {
  if (q == 0) return 0;
  uint64_t r = static_cast<uint64_t>(std::sqrt(static_cast<double>(q)));
  r = static_cast<uint64_t>((Wide{r} + q / r) / 2);
  while (Wide{r} * r > q) --r;
  while (Wide{r + 1} * (r + 1) <= q) ++r;
  return r;
}

}  // namespace

ExactNumber::ExactNumber(const ExactNumber& other) { *this = other; }

ExactNumber& ExactNumber::operator=(const ExactNumber& other) {
  negative = other.negative;
  size = other.size;
  exponent = other.exponent;
  std::memmove(limb, other.limb, sizeof(uint64_t) * other.size);
  return *this;
}

ExactNumber exact_number(__int128 units, int64_t exponent) {
  ExactNumber a;
  a.negative = units < 0;
  const Wide magnitude = units < 0 ? -static_cast<Wide>(units) : static_cast<Wide>(units);
  a.limb[0] = static_cast<uint64_t>(magnitude);
  a.limb[1] = static_cast<uint64_t>(magnitude >> 64);
  a.size = 2;
  a.exponent = exponent;
  trim(a);
  return a;
}

ExactNumber exact_number(const uint64_t* limbs, int count, int64_t exponent) {
  ExactNumber a;
  if (count == 0) return a;
  assert(count <= ExactNumber::kCapacity);
  a.negative = limbs[count - 1] >> 63 != 0;
  a.size = count;
  a.exponent = exponent;
  uint64_t carry = a.negative;
  for (int i = 0; i < count; ++i) {
    a.limb[i] = a.negative ? ~limbs[i] + carry : limbs[i];
    carry &= a.limb[i] == 0;
  }
  trim(a);
  return a;
}

ExactNumber exact_add(const ExactNumber& a, const ExactNumber& b) { return add_signed(a, b, b.negative); }
ExactNumber exact_subtract(const ExactNumber& a, const ExactNumber& b) { return add_signed(a, b, !b.negative); }

ExactNumber exact_multiply(const ExactNumber& a, const ExactNumber& b) {
  ExactNumber product;
  if (a.is_zero() || b.is_zero()) return product;
  assert(a.size + b.size <= ExactNumber::kCapacity);
  product.negative = a.negative != b.negative;
  product.exponent = a.exponent + b.exponent;
  product.size = a.size + b.size;
  std::memset(product.limb, 0, sizeof(uint64_t) * product.size);
  for (int i = 0; i < a.size; ++i) {
    uint64_t carry = 0;
    for (int j = 0; j < b.size; ++j) {
      const Wide sum = Wide{a.limb[i]} * b.limb[j] + product.limb[i + j] + carry;
      product.limb[i + j] = static_cast<uint64_t>(sum);
      carry = static_cast<uint64_t>(sum >> 64);
    }
    product.limb[i + b.size] = carry;
  }
  trim(product);
  return product;
}

bool exact_fixed_point(const ExactNumber& a, int64_t exponent, uint64_t* limbs, int count) {
  std::memset(limbs, 0, sizeof(uint64_t) * count);
  if (a.is_zero()) return true;
  const int64_t shift = a.exponent - exponent;
  if (bit_length(a) + shift >= int64_t{64} * count || -shift >= bit_length(a)) return false;
  ExactNumber scaled = a;
  if (shift_magnitude(scaled, shift)) return false;
  uint64_t carry = a.negative;
  for (int i = 0; i < count; ++i) {
    const uint64_t limb = i < scaled.size ? scaled.limb[i] : 0;
    limbs[i] = a.negative ? ~limb + carry : limb;
    carry &= limbs[i] == 0;
  }
  return true;
}

double rounded_from_top(uint64_t top, bool sticky, int64_t exponent, bool negative) {
  uint64_t bits = 0;
  if (top != 0) {
    const int up = __builtin_clzll(top);
    top <<= up;
    const int64_t leading = exponent - up + 63;  // the value lies in [2^leading, 2^(leading + 1))
    const int64_t precision = leading >= -1022 ? 53 : leading + 1075;
    if (leading > 1023) {
      bits = uint64_t{0x7ff} << 52;
    } else if (precision >= 0) {
      const int drop = static_cast<int>(64 - precision);  // 11 .. 64
      uint64_t kept = drop == 64 ? 0 : top >> drop;
      const uint64_t rest = drop == 64 ? top : top & ((uint64_t{1} << drop) - 1);
      const uint64_t half = uint64_t{1} << (drop - 1);
      if (rest > half || (rest == half && (sticky || (kept & 1) != 0))) ++kept;
      // The implicit bit of `kept` adds one to the exponent field, and so does a carry out of the mantissa.
      bits = leading >= -1022 ? (static_cast<uint64_t>(leading + 1022) << 52) + kept : kept;
    }
  }
  bits |= uint64_t{negative} << 63;
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

double rounded_value(const ExactNumber& a) {
  if (a.is_zero()) return 0.0;
  const int top = a.size - 1;
  uint64_t head = a.limb[top];
  const int up = __builtin_clzll(head);
  bool sticky = false;
  int below = top;
  if (top > 0 && up > 0) {
    head = head << up | a.limb[top - 1] >> (64 - up);
    sticky = a.limb[top - 1] << up != 0;
    below = top - 1;
  } else {
    head <<= up;
  }
  for (int i = 0; i < below && !sticky; ++i) sticky = a.limb[i] != 0;
  return rounded_from_top(head, sticky, a.exponent + int64_t{64} * top - up, a.negative);
}

double rounded_quotient(const ExactNumber& a, const ExactNumber& b) {
  if (a.is_zero()) return 0.0;
  const Quotient q = divide(a, b, 63, false);
  return rounded_from_top(static_cast<uint64_t>(q.whole), q.sticky, q.exponent, a.negative != b.negative);
}

double rounded_quotient(__int128 a, __int128 b) {
  constexpr __int128 kExact = __int128{1} << 53;
  if (a > -kExact && a < kExact && b > -kExact && b < kExact) return static_cast<double>(a) / static_cast<double>(b);
  return rounded_quotient(exact_number(a, 0), exact_number(b, 0));
}

double rounded_root(const ExactNumber& a, const ExactNumber& b, bool negative) {
  if (a.is_zero()) return 0.0;
  const Quotient q = divide(a, b, 120, true);
  const uint64_t root = integer_root(q.whole);
  return rounded_from_top(root, q.sticky || Wide{root} * root != q.whole, q.exponent / 2, negative);
}

}  // namespace gristmill::column
