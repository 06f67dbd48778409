// Hash partitions of keyed state: every row is in exactly one, the same one however the rows are cut and whatever process asks.

#include <numeric>

#include "column/kernels.h"
#include "stream/key_group.h"
#include "stream_data.h"

namespace gristmill::stream::test {
namespace {

std::vector<int> groups_of(const RecordBatchPtr& rows) {
  const auto batch = column::import_batch(*rows, arrow::default_memory_pool()).ValueOrDie();
  std::vector<uint64_t> hashes(static_cast<size_t>(batch.rows));
  column::hash_rows(batch.columns, batch.rows, batch.selection, hashes.data());
  std::vector<int> out;
  for (const uint64_t h : hashes) out.push_back(key_group(h));
  return out;
}

TEST(Partition, EveryRowIsInExactlyOneHashPartition) {
  const auto groups = groups_of(numbers(50'000));
  std::vector<int64_t> rows(kKeyGroups);
  for (const int g : groups) {
    ASSERT_GE(g, 0);
    ASSERT_LT(g, kKeyGroups);
    ++rows[static_cast<size_t>(g)];
  }
  EXPECT_EQ(std::accumulate(rows.begin(), rows.end(), int64_t{0}), 50'000);
  const auto [least, most] = std::minmax_element(rows.begin(), rows.end());
  EXPECT_GT(*least, 200);  // 390 on average
  EXPECT_LT(*most, 600);
}

TEST(Partition, TheHashPartitionOfARowDoesNotDependOnHowRowsAreCut) {
  const auto whole = groups_of(numbers(10'000));
  for (const int64_t size : {1, 7, 1'000}) {
    std::vector<int> cut;
    for (const auto& b : in_batches(10'000, size)) {
      const auto some = groups_of(b);
      cut.insert(cut.end(), some.begin(), some.end());
    }
    ASSERT_EQ(cut, whole) << "in batches of " << size;
  }
}

TEST(Partition, RescalingTakesWholeGroupsAndLosesNone) {
  const auto groups = groups_of(numbers(20'000));
  for (const int workers : {1, 2, 3, 8, 128}) {
    int64_t rows = 0;
    for (int w = 0; w < workers; ++w) {
      const int from = w * kKeyGroups / workers, to = (w + 1) * kKeyGroups / workers;
      rows += std::count_if(groups.begin(), groups.end(), [&](int g) { return g >= from && g < to; });
    }
    EXPECT_EQ(rows, 20'000);
  }
}

}  // namespace
}  // namespace gristmill::stream::test
