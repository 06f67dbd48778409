// The inner loop of every sort against std::stable_sort, and the buckets that divide its work.

#include "exec/sort_entries.h"

#include <algorithm>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "../column/random_columns.h"

namespace gristmill::exec {
namespace {

using column::testing::RandomColumns;

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
constexpr SortEntry kGuard = {0x5eed5eed5eed5eed, 0xfee1fee1fee1fee1};

std::vector<SortEntry> numbered(const std::vector<uint64_t>& prefixes) {
  std::vector<SortEntry> out;
  for (size_t i = 0; i < prefixes.size(); ++i) out.push_back({prefixes[i], i * 3});
  return out;
}

void check_stable(const std::vector<uint64_t>& prefixes) {
  std::vector<SortEntry> expected = numbered(prefixes), entries = expected, scratch(prefixes.size());
  std::stable_sort(expected.begin(), expected.end(), [](const SortEntry& a, const SortEntry& b) { return a.prefix < b.prefix; });
  entries.push_back(kGuard);
  scratch.push_back(kGuard);
  sort_entries(entries.data(), scratch.data(), static_cast<int64_t>(prefixes.size()));
  for (size_t i = 0; i < prefixes.size(); ++i) {
    ASSERT_EQ(entries[i].prefix, expected[i].prefix) << "at " << i << " of " << prefixes.size();
    ASSERT_EQ(entries[i].row, expected[i].row) << "at " << i << " of " << prefixes.size();
  }
  for (const auto& all : {entries, scratch}) {
    EXPECT_EQ(all.back().prefix, kGuard.prefix);
    EXPECT_EQ(all.back().row, kGuard.row);
  }
}

// Sizes around every change of method and every width of a merge.
const std::vector<size_t> kSizes = {0, 1, 2, 3, 23, 24, 25, 47, 48, 49, 95, 96, 97, 192, 193, 384, 385, 511, 512, 513, 700, 3000};

void check_sizes(uint64_t seed, const std::function<uint64_t(RandomColumns&)>& prefix) {
  RandomColumns random(seed);
  for (const size_t n : kSizes) {
    for (int round = 0; round < 3; ++round) {
      std::vector<uint64_t> prefixes(n);
      for (uint64_t& p : prefixes) p = prefix(random);
      ASSERT_NO_FATAL_FAILURE(check_stable(prefixes)) << "seed " << seed;
    }
  }
}

TEST(SortEntries, SortsNumbersOfAllBits) {
  check_sizes(1, [](RandomColumns& r) { return r.bits(); });
}
TEST(SortEntries, KeepsTheOrderOfEquals) {
  check_sizes(2, [](RandomColumns& r) { return r.bits() % 5 * 0x0102030405060708; });
}
TEST(SortEntries, SortsNumbersThatDifferInOneByte) {
  for (int byte = 0; byte < 8; ++byte) {
    check_sizes(static_cast<uint64_t>(3 + byte), [=](RandomColumns& r) { return 0xa5a5a5a5a5a5a5a5 ^ (r.bits() & 0xff) << 8 * byte; });
  }
}
TEST(SortEntries, SortsTheExtremes) {
  check_sizes(11, [](RandomColumns& r) {
    const uint64_t some[] = {0, 1, kMost, kMost - 1, uint64_t{1} << 63, (uint64_t{1} << 63) - 1};
    return some[r.below(6)];
  });
}
TEST(SortEntries, TakesSortedAndReversedOnes) {
  for (const size_t n : kSizes) {
    std::vector<uint64_t> up(n);
    for (size_t i = 0; i < n; ++i) up[i] = i / 2 * 1000003;
    ASSERT_NO_FATAL_FAILURE(check_stable(up));
    std::reverse(up.begin(), up.end());
    ASSERT_NO_FATAL_FAILURE(check_stable(up));
    if (n < 2) continue;
    std::sort(up.begin(), up.end());
    std::swap(up[n - 2], up[n - 1]);  // all but the last in order
    ASSERT_NO_FATAL_FAILURE(check_stable(up));
  }
}

TEST(PrefixBuckets, KeepTheOrderWithinAnyRange) {
  RandomColumns random(12);
  for (int round = 0; round < 500; ++round) {
    uint64_t min = random.bits() >> random.below(64), max = random.bits() >> random.below(64);
    if (round == 0) min = 0, max = kMost;
    if (min > max) std::swap(min, max);
    const PrefixBuckets buckets(min, max);
    ASSERT_EQ(buckets.of(min), 0);
    ASSERT_LT(buckets.of(max), PrefixBuckets::kCount) << min << " to " << max;
    // Half of them at least are of use.
    ASSERT_GE(buckets.of(max), static_cast<int>(std::min<uint64_t>(max - min, PrefixBuckets::kCount / 2))) << min << " to " << max;
    std::vector<uint64_t> between = {min, max};
    for (int i = 0; i < 20; ++i) between.push_back(max - min == kMost ? random.bits() : min + random.bits() % (max - min + 1));
    std::sort(between.begin(), between.end());
    for (size_t i = 1; i < between.size(); ++i) ASSERT_LE(buckets.of(between[i - 1]), buckets.of(between[i]));
  }
}
TEST(PrefixBuckets, OneNumberIsOneBucket) {
  for (const uint64_t v : {uint64_t{0}, uint64_t{7}, kMost}) EXPECT_EQ(PrefixBuckets(v, v).of(v), 0);
}
TEST(PrefixBuckets, AllNumbersFillAllBuckets) {
  const PrefixBuckets buckets(0, kMost);
  EXPECT_EQ(buckets.of(0), 0);
  EXPECT_EQ(buckets.of(kMost), PrefixBuckets::kCount - 1);
  EXPECT_EQ(buckets.of(uint64_t{1} << 63), PrefixBuckets::kCount / 2);
}

}  // namespace
}  // namespace gristmill::exec
