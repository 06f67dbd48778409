// Runs of neighbours show values that stand together, eight of them far apart show those that come back.

#include "io/parquet_repeats.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <arrow/array/data.h>
#include <arrow/type.h>

#include "column/buffers.h"
#include "column/kernels.h"
#include "column/types.h"

namespace gristmill::io {
namespace {

constexpr int64_t kRuns = 8, kRunRows = 1024, kSampleRows = kRuns * kRunRows;
// Of n random draws among N values N (1 - exp(-n / N)) are distinct: for this sample of 122,880 rows 93.6 % where each value stands twice,
// 87.8 % where it stands four times. Numbers must come more often than texts: an index of 16 bits and its look-up save less there.
constexpr int64_t kMostDistinctTexts = kSampleRows * 936 / 1000, kMostDistinctNumbers = kSampleRows * 878 / 1000;

struct Repeats {
  int64_t distinct = 0;
  int64_t far = 0;  // rows whose value an earlier run has
};

// In a table of twice as many slots; sorting them took 4 % of the time of writing a file of text and numbers.
Repeats count(const std::array<uint64_t, kSampleRows>& hashes) {
  constexpr size_t kSlots = 2 * kSampleRows;
  struct Slot {
    uint64_t hash = 0;  // 0: free
    int64_t run = 0;    // that had it first
  };
  std::vector<Slot> slots(kSlots);
  Repeats found;
  for (int64_t row = 0; row < kSampleRows; ++row) {
    const uint64_t hash = std::max<uint64_t>(hashes[static_cast<size_t>(row)], 1);
    size_t at = static_cast<size_t>(hash >> 40) % kSlots;
    while (slots[at].hash != 0 && slots[at].hash != hash) at = (at + 1) % kSlots;
    if (slots[at].hash == 0) {
      slots[at] = {hash, row / kRunRows};
      ++found.distinct;
    } else if (slots[at].run != row / kRunRows) {
      ++found.far;
    }
  }
  return found;
}

bool can_be_hashed(const column::TypePtr& type) {
  if (!column::canonical_type(type)->Equals(*type)) return false;
  const column::Physical p = column::physical_unchecked(*type);
  return p != column::Physical::kNull && p != column::Physical::kBool && p != column::Physical::kNested;
}

}  // namespace

bool values_repeat(const arrow::ArrayData& values, int64_t dictionary_bytes) {
  if (values.length < kSampleRows || !can_be_hashed(values.type)) return true;
  if (column::same_bytes(values, values.length)) return true;  // as the sample would say: whether it is seen here does not show
  const bool text = column::physical_unchecked(*values.type) == column::Physical::kView;
  std::array<uint64_t, kSampleRows> hashes;
  int64_t bytes = 0;  // of the sample's texts
  const column::Column all = column::Column::flat(std::make_shared<arrow::ArrayData>(values));
  for (int64_t run = 0; run < kRuns; ++run) {
    const int64_t from = run * (values.length - kRunRows) / (kRuns - 1);
    const column::Column rows = column::slice(all, from, kRunRows);
    column::hash_rows({&rows, 1}, kRunRows, {}, hashes.data() + run * kRunRows);
    for (int64_t i = 0; text && i < kRunRows; ++i) bytes += column::values_of<column::View16>(*rows.values)[i].size;
  }
  const Repeats found = count(hashes);
  if (!text) return found.distinct <= kMostDistinctNumbers;
  if (found.distinct > kMostDistinctTexts) return false;
  // Texts that only neighbours share: the whole has as large a share of distinct ones as the sample, 4 bytes of length before each.
  const bool together = found.far == 0;
  return !together || found.distinct * values.length / kSampleRows * (bytes / kSampleRows + 4) <= dictionary_bytes;
}

}  // namespace gristmill::io
