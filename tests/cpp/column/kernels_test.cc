// The kernel tables themselves: every level against naive twins, over random values, lengths and offsets.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "column/simd/dispatch.h"
#include "random_columns.h"

namespace gristmill::column::simd {
namespace {

using testing::RandomColumns;

constexpr int64_t kLengths[] = {0, 1, 7, 63, 64, 65, 128, 129, 500, 4099};

template <typename F>
void at_levels(F&& f) {
  for (base::SimdLevel level : base::available_simd_levels()) {
    SCOPED_TRACE(std::string(base::simd_level_name(level)));
    f(kernels(level));
    if (::testing::Test::HasFailure()) return;
  }
}

// Values with their extremes; bytes at random for the rest.
template <typename T>
std::vector<T> values(RandomColumns& random, int64_t n, bool small = false) {
  std::vector<T> out(static_cast<size_t>(n));
  for (T& v : out) {
    const int64_t roll = random.below(10);
    if constexpr (std::is_floating_point_v<T>) {
      const T kSpecial[] = {T{0},
                            -T{0},
                            std::numeric_limits<T>::quiet_NaN(),
                            -std::numeric_limits<T>::quiet_NaN(),
                            std::numeric_limits<T>::infinity(),
                            -std::numeric_limits<T>::infinity(),
                            std::numeric_limits<T>::max(),
                            std::numeric_limits<T>::denorm_min()};
      v = roll < 4 ? kSpecial[random.below(8)] : static_cast<T>(static_cast<double>(random.below(400) - 200) / 16);
    } else if (small || roll < 5) {
      v = static_cast<T>(random.below(12) - (std::numeric_limits<T>::is_signed || sizeof(T) == 16 ? 6 : 0));
    } else if (roll < 7 && sizeof(T) < 16) {
      v = random.chance(0.5) ? std::numeric_limits<T>::max() : std::numeric_limits<T>::min();
    } else if (sizeof(T) == 16) {
      v = static_cast<T>(static_cast<__int128>(random.bits()) << 64 | random.bits());
    } else {
      v = static_cast<T>(random.bits());
    }
  }
  return out;
}

std::vector<uint64_t> words(RandomColumns& random, int64_t n) {
  Mask m = random.mask(n);
  return m.words;
}

bool bit(const std::vector<uint64_t>& w, int64_t i) { return (w[static_cast<size_t>(i >> 6)] >> (i & 63)) & 1; }

std::vector<uint8_t> bytes(RandomColumns& random, int64_t n) {
  std::vector<uint8_t> out(static_cast<size_t>(n));
  for (uint8_t& b : out) b = static_cast<uint8_t>(random.bits());
  return out;
}

// Calls f.template operator()<T>(lane) for every lane type.
template <typename F>
void every_lane(F&& f) {
  f.template operator()<int8_t>(kI8);
  f.template operator()<int16_t>(kI16);
  f.template operator()<int32_t>(kI32);
  f.template operator()<int64_t>(kI64);
  f.template operator()<uint8_t>(kU8);
  f.template operator()<uint16_t>(kU16);
  f.template operator()<uint32_t>(kU32);
  f.template operator()<uint64_t>(kU64);
  f.template operator()<float>(kF32);
  f.template operator()<double>(kF64);
  f.template operator()<__int128>(kI128);
}

TEST(Kernels, EveryTableIsCompleteAndEveryMemberHasAName) {
  at_levels([](const KernelTable& k) {
    void* const* slots = reinterpret_cast<void* const*>(&k);
    for (size_t i = 0; i < sizeof(KernelTable) / sizeof(void*); ++i) ASSERT_NE(slots[i], nullptr) << i;
  });
  EXPECT_EQ(kernel_names().size(), 24u);
  EXPECT_EQ(kernel_names().front(), "count_bits");
}

TEST(Kernels, EveryLevelHasATableOfItsOwn) {
  const auto levels = base::available_simd_levels();
  for (size_t i = 1; i < levels.size(); ++i) EXPECT_NE(&kernels(levels[i]), &kernels(levels[i - 1]));
}

TEST(Kernels, MaskAlgebra) {
  uint64_t seed = 1;
  for (int64_t n : kLengths) {
    for (int round = 0; round < 5; ++round, ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      RandomColumns random(seed);
      const auto a = words(random, n), b = words(random, n);
      const int64_t nw = static_cast<int64_t>(a.size());
      const int64_t offset = random.below(70);
      const auto source = bytes(random, (offset + n + 7) / 8);
      at_levels([&](const KernelTable& k) {
        std::vector<uint64_t> conj(a.size()), disj(a.size()), diff(a.size()), inverse(a.size()), copied(a.size()), full(a.size());
        const int64_t counts[] = {k.and_words(a.data(), b.data(), nw, conj.data()),         k.or_words(a.data(), b.data(), nw, disj.data()),
                                  k.and_not_words(a.data(), b.data(), nw, diff.data()),     k.not_words(a.data(), n, inverse.data()),
                                  k.bits_to_words(source.data(), offset, n, copied.data()), k.bits_to_words(nullptr, 0, n, full.data())};
        int64_t expected[6] = {};
        int64_t ones = 0;
        for (int64_t i = 0; i < n; ++i) {
          const bool x = bit(a, i), y = bit(b, i), s = bit_at(source.data(), offset + i);
          ASSERT_EQ(bit(conj, i), x && y);
          ASSERT_EQ(bit(disj, i), x || y);
          ASSERT_EQ(bit(diff, i), x && !y);
          ASSERT_EQ(bit(inverse, i), !x);
          ASSERT_EQ(bit(copied, i), s);
          ASSERT_TRUE(bit(full, i));
          expected[0] += x && y;
          expected[1] += x || y;
          expected[2] += x && !y;
          expected[3] += !x;
          expected[4] += s;
          expected[5] += 1;
          ones += x;
        }
        for (int c = 0; c < 6; ++c) ASSERT_EQ(counts[c], expected[c]) << c;
        ASSERT_EQ(k.count_bits(a.data(), nw), ones);
        for (const auto* w : {&inverse, &copied, &full})
          ASSERT_EQ(k.count_bits(w->data(), nw), w == &inverse ? counts[3] : w == &copied ? counts[4] : n);
        std::vector<uint16_t> indices(static_cast<size_t>(n) + 32, 7);
        ASSERT_EQ(k.mask_to_indices(a.data(), n, indices.data()), ones);
        int64_t at = 0;
        for (int64_t i = 0; i < n; ++i) {
          if (bit(a, i)) {
            ASSERT_EQ(indices[static_cast<size_t>(at++)], i);
          }
        }
      });
    }
  }
}

TEST(Kernels, FilterOfEveryWidthAndOfBits) {
  uint64_t seed = 1;
  for (int64_t n : kLengths) {
    for (int round = 0; round < 8; ++round, ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      RandomColumns random(seed);
      const auto keep = words(random, n);
      int64_t kept = 0;
      for (int64_t i = 0; i < n; ++i) kept += bit(keep, i);
      const int64_t offset = random.below(70);
      const auto flags = bytes(random, (offset + n + 7) / 8);
      at_levels([&](const KernelTable& k) {
        for (int w = 0; w < kWidths; ++w) {
          const int64_t width = int64_t{1} << w;
          const auto in = bytes(random, n * width);
          std::vector<uint8_t> out(static_cast<size_t>(kept * width + 64)), expected;
          for (int64_t i = 0; i < n; ++i) {
            if (bit(keep, i)) expected.insert(expected.end(), in.begin() + i * width, in.begin() + (i + 1) * width);
          }
          ASSERT_EQ(k.filter[w](in.data(), keep.data(), n, out.data()), kept);
          ASSERT_TRUE(std::equal(expected.begin(), expected.end(), out.begin())) << width << " bytes";
        }
        for (bool all : {false, true}) {
          std::vector<uint8_t> out(static_cast<size_t>((kept + 63) / 64 * 8), 0xaa);
          const int64_t ones = k.filter_bits(all ? nullptr : flags.data(), offset, keep.data(), n, out.data());
          int64_t at = 0, expected = 0;
          for (int64_t i = 0; i < n; ++i) {
            if (!bit(keep, i)) continue;
            const bool b = all || bit_at(flags.data(), offset + i);
            ASSERT_EQ(bit_at(out.data(), at++), b);
            expected += b;
          }
          ASSERT_EQ(ones, expected);
        }
      });
    }
  }
}

template <typename I>
void check_take(int kind) {
  uint64_t seed = 1;
  for (int64_t n : kLengths) {
    for (bool gaps : {false, true}) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      RandomColumns random(seed++);
      const int64_t source = 1 + random.below(60'000);
      std::vector<I> at(static_cast<size_t>(n));
      for (I& i : at) i = gaps && sizeof(I) > 2 && random.chance(0.2) ? static_cast<I>(-1) : static_cast<I>(random.below(source));
      const int64_t offset = random.below(70);
      const auto flags = bytes(random, (offset + source + 7) / 8);
      at_levels([&](const KernelTable& k) {
        for (int w = 0; w < kWidths; ++w) {
          const size_t width = size_t{1} << w;
          const auto in = bytes(random, source << w);
          std::vector<uint8_t> out(at.size() * width + 64);
          k.take[w][kind](in.data(), at.data(), n, out.data());
          for (size_t i = 0; i < at.size(); ++i) {
            std::vector<uint8_t> expected(width, 0);
            if (sizeof(I) == 2 || static_cast<int64_t>(at[i]) >= 0)
              std::memcpy(expected.data(), in.data() + static_cast<size_t>(at[i]) * width, width);
            ASSERT_EQ(std::memcmp(expected.data(), out.data() + i * width, width), 0);
          }
        }
        for (bool all : {false, true}) {
          std::vector<uint8_t> out(static_cast<size_t>((n + 63) / 64 * 8), 0xaa);
          const int64_t ones = k.take_bits[kind](all ? nullptr : flags.data(), offset, at.data(), n, out.data());
          int64_t expected = 0;
          for (int64_t i = 0; i < n; ++i) {
            const int64_t row = static_cast<int64_t>(at[static_cast<size_t>(i)]);
            const bool b = row >= 0 && (all || bit_at(flags.data(), offset + row));
            ASSERT_EQ(bit_at(out.data(), i), b);
            expected += b;
          }
          ASSERT_EQ(ones, expected);
        }
      });
    }
  }
}

TEST(Kernels, TakeByEveryIndexType) {
  check_take<uint16_t>(kIndex16);
  check_take<int32_t>(kIndex32);
  check_take<int64_t>(kIndex64);
}

template <typename T>
int order(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return static_cast<int>(std::isnan(a)) - static_cast<int>(std::isnan(b));
  }
  return a < b ? -1 : a > b;
}

bool holds(int op, int c) {
  const bool answers[] = {c == 0, c != 0, c < 0, c <= 0, c > 0, c >= 0};
  return answers[op];
}

TEST(Kernels, ComparisonsOfEveryLane) {
  every_lane([&]<typename T>(Lane lane) {
    uint64_t seed = 1;
    for (int64_t n : kLengths) {
      for (int round = 0; round < 3; ++round, ++seed) {
        SCOPED_TRACE("lane " + std::to_string(lane) + ", seed " + std::to_string(seed));
        RandomColumns random(seed);
        const auto a = values<T>(random, n), b = values<T>(random, n), c = values<T>(random, 1);
        at_levels([&](const KernelTable& k) {
          for (int op = 0; op < kCompares; ++op) {
            std::vector<uint64_t> columns((a.size() + 63) / 64), constant(columns.size());
            k.compare_columns[lane][op](a.data(), b.data(), n, columns.data());
            k.compare_const[lane][op](a.data(), c.data(), n, constant.data());
            for (int64_t i = 0; i < static_cast<int64_t>(columns.size()) * 64; ++i) {
              const size_t r = static_cast<size_t>(i);
              ASSERT_EQ(bit(columns, i), i < n && holds(op, order(a[r], b[r]))) << "op " << op << ", row " << i;
              ASSERT_EQ(bit(constant, i), i < n && holds(op, order(a[r], c[0]))) << "op " << op << ", row " << i;
            }
          }
        });
      }
    }
  });
}

// What + - * / give in 128 bits, or in the float's own arithmetic with the one NaN.
template <typename T>
unsigned naive(int op, T a, T b, T* out) {
  if constexpr (std::is_floating_point_v<T>) {
    *out = op == kAdd ? a + b : op == kSubtract ? a - b : op == kMultiply ? a * b : a / b;
    if (std::isnan(*out)) *out = std::numeric_limits<T>::quiet_NaN();
    return kFine;
  } else {
    if (op == kDivide) {
      *out = 0;
      if (b == 0) return kZeroDivisor;
      if constexpr (sizeof(T) == 16 || std::numeric_limits<T>::is_signed) {
        if (b == T(-1)) return __builtin_sub_overflow(T(0), a, out) ? kOverflow : kFine;
      }
      *out = static_cast<T>(a / b);
      return kFine;
    }
    const bool over = op == kAdd        ? __builtin_add_overflow(a, b, out)
                      : op == kSubtract ? __builtin_sub_overflow(a, b, out)
                                        : __builtin_mul_overflow(a, b, out);
    return over ? kOverflow : kFine;
  }
}

TEST(Kernels, ArithmeticWrapsAndReports) {
  every_lane([&]<typename T>(Lane lane) {
    uint64_t seed = 1;
    for (int64_t n : kLengths) {
      for (int round = 0; round < 6; ++round, ++seed) {
        SCOPED_TRACE("lane " + std::to_string(lane) + ", seed " + std::to_string(seed));
        RandomColumns random(seed);
        const bool small = round % 2 == 0;  // mostly without overflow
        const auto a = values<T>(random, n, small), b = values<T>(random, n, small), x = values<T>(random, 1, small),
                   y = values<T>(random, 1, small);
        at_levels([&](const KernelTable& k) {
          for (int op = 0; op < kArithmetics; ++op) {
            for (int shape = 0; shape < kShapes; ++shape) {
              const T* left = shape == kConstColumn ? x.data() : a.data();
              const T* right = shape == kColumnConst ? y.data() : b.data();
              std::vector<T> out(a.size()), expected(a.size());
              unsigned trouble = 0;
              for (size_t i = 0; i < a.size(); ++i) {
                trouble |= naive(op, left[shape == kConstColumn ? 0 : i], right[shape == kColumnConst ? 0 : i], &expected[i]);
              }
              ASSERT_EQ(k.arithmetic[lane][op][shape](left, right, n, out.data()), trouble) << "op " << op << " shape " << shape;
              if (n > 0) {
                ASSERT_EQ(std::memcmp(out.data(), expected.data(), out.size() * sizeof(T)), 0) << "op " << op << " shape " << shape;
              }
            }
          }
        });
      }
    }
  });
}

TEST(Kernels, ProductsOfLongColumnsOverflowWhereTheyDo) {
  constexpr int64_t kRows = 3000;
  for (const int64_t at : {0, 1023, 1024, 2047, 2999}) {
    for (const int64_t large : {int64_t{1} << 31, -(int64_t{1} << 31) - 1, int64_t{1} << 62}) {
      std::vector<int64_t> a(kRows), b(kRows), out(kRows);
      for (int64_t i = 0; i < kRows; ++i) {
        a[i] = (i % 2 == 0 ? 1 : -1) * ((int64_t{1} << 31) - 1 - i);
        b[i] = -(int64_t{1} << 31) + i;
      }
      a[at] = large;
      const bool over = large == int64_t{1} << 62;
      at_levels([&](const KernelTable& k) {
        ASSERT_EQ(k.arithmetic[kI64][kMultiply][kColumnColumn](a.data(), b.data(), kRows, out.data()), over ? kOverflow : kFine) << at;
        for (int64_t i = 0; i < kRows; ++i) {
          ASSERT_EQ(out[i], static_cast<int64_t>(static_cast<uint64_t>(a[i]) * static_cast<uint64_t>(b[i]))) << at << " " << i;
        }
        std::vector<uint64_t> u(kRows, (uint64_t{1} << 32) - 1), v(kRows);
        const uint64_t factor = (uint64_t{1} << 32) - 1;
        u[at] = uint64_t{1} << 32;
        ASSERT_EQ(k.arithmetic[kU64][kMultiply][kColumnConst](u.data(), &factor, kRows, v.data()), kFine) << at;
        for (int64_t i = 0; i < kRows; ++i) ASSERT_EQ(v[i], u[i] * factor) << at << " " << i;
        u[at] = uint64_t{1} << 33;
        ASSERT_EQ(k.arithmetic[kU64][kMultiply][kColumnConst](u.data(), &factor, kRows, v.data()), kOverflow) << at;
      });
    }
  }
}

TEST(Kernels, MinimumAndMaximumUnderAMask) {
  every_lane([&]<typename T>(Lane lane) {
    uint64_t seed = 1;
    for (int64_t n : kLengths) {
      for (int round = 0; round < 4; ++round, ++seed) {
        SCOPED_TRACE("lane " + std::to_string(lane) + ", seed " + std::to_string(seed));
        RandomColumns random(seed);
        const auto v = values<T>(random, n);
        const auto live = words(random, n);
        at_levels([&](const KernelTable& k) {
          for (bool all : {false, true}) {
            T low = T(99), high = T(99), lowest{}, highest{};
            int64_t seen = 0;
            for (int64_t i = 0; i < n; ++i) {
              if (!all && !bit(live, i)) continue;
              const T x = v[static_cast<size_t>(i)];
              if (seen == 0 || order(x, lowest) < 0) lowest = x;
              if (seen == 0 || order(x, highest) > 0) highest = x;
              ++seen;
            }
            ASSERT_EQ(k.min_max[lane](v.data(), all ? nullptr : live.data(), n, &low, &high), seen);
            if (seen == 0) {
              ASSERT_TRUE(low == T(99) && high == T(99));
              continue;
            }
            ASSERT_EQ(order(low, lowest), 0);
            ASSERT_EQ(order(high, highest), 0);
            if constexpr (std::is_floating_point_v<T>) {
              ASSERT_FALSE(low == 0 && std::signbit(low));
              ASSERT_FALSE(high == 0 && std::signbit(high));
              ASSERT_FALSE(std::isnan(high) && std::signbit(high));
            }
          }
        });
      }
    }
  });
}

TEST(Kernels, StrayBytesBehindAnInlineTextAreFound) {
  for (int64_t n : {1, 7, 8, 9, 64, 100}) {
    RandomColumns random(static_cast<uint64_t>(n));
    std::vector<View16> views(static_cast<size_t>(n));
    for (View16& v : views) {
      std::memset(&v, 0, 16);
      v.size = static_cast<uint32_t>(random.below(20));
      std::memset(v.inlined, 'x', v.is_inline() ? v.size : 12);
    }
    at_levels([&](const KernelTable& k) {
      ASSERT_EQ(k.views_are_padded(views.data(), n), 1);
      for (View16& v : views) {
        for (uint32_t b = v.is_inline() ? v.size : 12; b < 12; ++b) {
          v.inlined[b] = 1;
          ASSERT_EQ(k.views_are_padded(views.data(), n), 0);
          v.inlined[b] = 0;
        }
      }
    });
  }
}

TEST(Kernels, SortPrefixesOrderLikeTheValues) {
  every_lane([&]<typename T>(Lane lane) {
    for (int64_t n : kLengths) {
      if (n == 0) continue;
      RandomColumns random(static_cast<uint64_t>(n) + 5);
      const auto v = values<T>(random, n);
      std::vector<uint64_t> first(v.size());
      kernels(base::SimdLevel::kBaseline).sort_prefixes[lane](v.data(), n, 0, first.data());
      for (size_t i = 1; i < v.size(); ++i) {
        const int order_of_two = order(v[i - 1], v[i]);
        if (sizeof(T) <= 8) {
          ASSERT_EQ(order_of_two < 0, first[i - 1] < first[i]);
        }
        if (order_of_two == 0) {
          ASSERT_EQ(first[i - 1], first[i]);
        }
        if (order_of_two < 0) {
          ASSERT_LE(first[i - 1], first[i]);
        }
      }
      constexpr uint64_t kFlip = ~uint64_t{0} << (sizeof(T) < 8 ? 64 - 8 * sizeof(T) : 0);
      at_levels([&](const KernelTable& k) {
        std::vector<uint64_t> up(v.size()), down(v.size());
        k.sort_prefixes[lane](v.data(), n, 0, up.data());
        k.sort_prefixes[lane](v.data(), n, kFlip, down.data());
        ASSERT_EQ(up, first);
        for (size_t i = 0; i < v.size(); ++i) ASSERT_EQ(down[i], up[i] ^ kFlip);
      });
    }
  });
}

TEST(Kernels, HashesHaveTheSameBitsAtEveryLevel) {
  every_lane([&]<typename T>(Lane lane) {
    for (int64_t n : kLengths) {
      RandomColumns random(static_cast<uint64_t>(n) + 1);
      const auto v = values<T>(random, n);
      std::vector<uint64_t> first(v.size()), combined(v.size());
      kernels(base::SimdLevel::kBaseline).hash[lane](v.data(), n, first.data());
      combined = first;
      kernels(base::SimdLevel::kBaseline).combine_hashes(combined.data(), first.data(), n);
      at_levels([&](const KernelTable& k) {
        std::vector<uint64_t> h(v.size()), one(1);
        k.hash[lane](v.data(), n, h.data());
        ASSERT_EQ(h, first);
        for (size_t i = 0; i < v.size(); i += 37) {  // alone as in company
          k.hash[lane](&v[i], 1, one.data());
          ASSERT_EQ(one[0], first[i]);
        }
        k.combine_hashes(h.data(), first.data(), n);
        ASSERT_EQ(h, combined);
      });
    }
  });
}

}  // namespace
}  // namespace gristmill::column::simd
