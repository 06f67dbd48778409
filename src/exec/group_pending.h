// Rows that wait for their groups. Where nearly every row is a new group, looking it up in a worker's table costs a cache miss or
// two and finds nothing; instead the rows of a batch are sorted by partition and kept as columns, and get their groups when the
// partitions are merged, each in a table that fits the caches.
//
// Nothing of a row is lost on the way: what waits is its normalised key, its order and its arguments, so the groups are the ones that
// looking up at once would have made.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <arrow/array/data.h>
#include <arrow/result.h>

#include "base/spill_file.h"
#include "exec/aggregate_plan.h"
#include "exec/group_arena.h"
#include "exec/group_hash.h"
#include "exec/group_keys.h"
#include "exec/group_spill.h"
#include "exec/group_table.h"

namespace gristmill::exec {

// Immutable, shared by the partitions.
struct PendingBatch {
  std::array<int32_t, kPartitions + 1> starts;  // of each partition's rows
  uint64_t base = 0;                            // orders are base + offset
  std::vector<PoolBytes> words;                 // kWords: uint64 a row
  PoolBytes blobs;                              // kBlob: a Blob a row, long ones in `texts`
  PoolBytes hashes;                             // kBlob: uint64 a row
  std::shared_ptr<const PoolBytes> texts;       // in the order of the batch; tables that make groups of the rows hold it
  PoolBytes offsets;                            // uint16 a row
  std::vector<std::shared_ptr<arrow::ArrayData>> values;  // of each argument; null: none needed
  int64_t bytes = 0;
};

// One partition's rows of it.
struct PendingSlice {
  std::shared_ptr<const PendingBatch> batch;
  int32_t begin = 0;
  int32_t n = 0;

  uint64_t first_order() const { return batch->base + reinterpret_cast<const uint16_t*>(batch->offsets.data())[begin]; }
  int64_t bytes() const { return batch->bytes * n / std::max<int64_t>(batch->starts.back(), 1); }
};

// Arguments are of fixed width.
bool can_wait(const AggregatePlan& plan);

// n <= 65536 rows with no null kept apart; `values` as update() gets them.
arrow::Result<std::shared_ptr<const PendingBatch>> put_off(const AggregatePlan& plan, const KeyBatch& keys,
                                                           std::span<const std::shared_ptr<arrow::ArrayData>> values, RowOrders orders,
                                                           arrow::MemoryPool* pool);
// The rows find or make their groups in `into`, and every function is fed.
arrow::Status feed_pending(const AggregatePlan& plan, const PendingSlice& slice, TableSet* into);
// To disk, each row as a group of its own.
arrow::Status write_pending(const AggregatePlan& plan, std::span<const PendingSlice> slices, base::SpillFile& file,
                            std::vector<GroupBlock>* out);
// How many groups `rows` rows make when the first `seen` of them made `groups`.
int64_t expected_groups(int64_t groups, int64_t seen, int64_t rows);

}  // namespace gristmill::exec
