// Runs of neighbours show values that stand together, eight of them far apart show those that come back.

#include "io/parquet_repeats.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <arrow/array/data.h>
#include <arrow/type.h>

#include "column/kernels.h"
#include "column/types.h"

namespace gristmill::io {
namespace {

constexpr int64_t kRuns = 8, kRunRows = 1024, kSampleRows = kRuns * kRunRows;
// Of n random draws among N values N (1 - exp(-n / N)) are distinct: 93.6 % for this sample where each value stands twice in 122,880 rows.
constexpr int64_t kMostDistinct = kSampleRows * 936 / 1000;

// In a table of twice as many slots; sorting them took 4 % of the time of writing a file of text and numbers.
int64_t distinct(const std::array<uint64_t, kSampleRows>& hashes) {
  constexpr size_t kSlots = 2 * kSampleRows;
  std::vector<uint64_t> slots(kSlots);
  int64_t found = 0;
  for (const uint64_t hash : hashes) {
    const uint64_t kept = std::max<uint64_t>(hash, 1);  // 0: a free slot
    size_t at = static_cast<size_t>(kept >> 40) % kSlots;
    while (slots[at] != 0 && slots[at] != kept) at = (at + 1) % kSlots;
    found += slots[at] == 0 ? 1 : 0;
    slots[at] = kept;
  }
  return found;
}

bool can_be_hashed(const column::TypePtr& type) {
  if (!column::canonical_type(type)->Equals(*type)) return false;
  const column::Physical p = column::physical_unchecked(*type);
  return p != column::Physical::kNull && p != column::Physical::kBool && p != column::Physical::kNested;
}

}  // namespace

bool values_repeat(const arrow::ArrayData& values) {
  if (values.length < kSampleRows || !can_be_hashed(values.type)) return true;
  std::array<uint64_t, kSampleRows> hashes;
  const column::Column all = column::Column::flat(std::make_shared<arrow::ArrayData>(values));
  for (int64_t run = 0; run < kRuns; ++run) {
    const int64_t from = run * (values.length - kRunRows) / (kRuns - 1);
    const column::Column rows = column::slice(all, from, kRunRows);
    column::hash_rows({&rows, 1}, kRunRows, {}, hashes.data() + run * kRunRows);
  }
  return distinct(hashes) <= kMostDistinct;
}

}  // namespace gristmill::io
