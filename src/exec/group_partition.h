// One partition of all workers: what was consumed (tables, rows that wait, blocks on disk), then what came of it (sorted runs).
//
// Merging is in memory where it fits its share of the limit. Where not, the input is cut by four more bits of the hash into
// sixteen smaller ones on disk, each merged by itself; every result then is a run on disk. Either way rows leave by key, and
// a partition can go to disk before it is merged and after.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include <arrow/result.h>

#include "base/spill_file.h"
#include "exec/aggregate_plan.h"
#include "exec/group_order.h"
#include "exec/group_pending.h"
#include "exec/group_spill.h"
#include "exec/group_table.h"

namespace gristmill::exec {

// What one worker may take for merging or reading: a quarter of the limit, shared by the workers.
int64_t share_of_limit(const QueryContext& context);

// The spill file of one aggregation, made when first needed. Thread safe.
class SharedSpill {
 public:
  explicit SharedSpill(std::shared_ptr<base::QueryMemory> memory) : memory_(std::move(memory)) {}
  arrow::Result<base::SpillFile*> file();
  void count(const std::vector<GroupBlock>& blocks);

 private:
  std::shared_ptr<base::QueryMemory> memory_;
  std::mutex mutex_;
  std::shared_ptr<base::SpillFile> file_;
};

// Finished groups by key, in memory or on disk. Immutable.
struct GroupRun {
  int64_t rows = 0;
  std::unique_ptr<GroupTable> table;  // in memory: owns the rows
  PoolBytes memory;                   // GroupEntry each
  std::vector<GroupBlock> blocks;     // on disk
  int64_t kept_bytes = 0;             // of values its groups keep beside their rows

  const GroupEntry* entries() const { return reinterpret_cast<const GroupEntry*>(memory.data()); }
  bool on_disk() const { return table == nullptr; }
  int64_t bytes() const { return table ? table->bytes() + memory.size() : 0; }
  // Of its groups, wherever they are.
  int64_t group_bytes() const {
    int64_t bytes = table ? table->bytes() : 0;
    for (const GroupBlock& b : blocks) bytes += b.bytes;
    return bytes;
  }
};
using GroupRuns = std::vector<std::shared_ptr<const GroupRun>>;

// What a partition's groups are made of.
struct GroupInputs {
  std::vector<GroupTable> tables;
  std::vector<PendingSlice> pending;
  std::vector<GroupBlock> blocks;
  bool empty() const { return tables.empty() && pending.empty() && blocks.empty(); }
};

class GroupPartition {
 public:
  void add(GroupTable table, std::vector<GroupBlock> blocks, std::vector<PendingSlice> pending);
  int64_t groups_in_memory() const;  // or rows that will be groups
  bool has_blocks() const;

  arrow::Status merge(const AggregatePlan& plan, SharedSpill& spill, int number);
  GroupRuns runs() const;

  // Any thread. What a spill now could free, and doing it; 0 when somebody works here.
  int64_t spillable_bytes() const;
  arrow::Result<int64_t> spill(const AggregatePlan& plan, SharedSpill& spill);

 private:
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  bool busy_ = false;
  GroupInputs inputs_;
  GroupRuns runs_;
};

}  // namespace gristmill::exec
