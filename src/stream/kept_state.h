// Kept rows in a snapshot: the columns of their stream, then their place in it and a mark of the operator's own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/types.h"
#include "stream/kept_batch.h"
#include "stream/snapshot.h"

namespace gristmill::stream {

struct KeptRecord {
  KeptRow row;
  uint64_t place = 0;
  bool mark = false;
};
using KeptRecords = std::vector<std::vector<KeptRecord>>;  // by key group

arrow::Status put_kept(SnapshotWriter& writer, const std::string& part, const KeptRecords& records,
                       const std::shared_ptr<arrow::Schema>& schema, std::span<const column::TypePtr> types, arrow::MemoryPool* pool);

// In batches of at most kMaxBatchRows rows; `places` and `marks` are those of its rows.
using KeptVisit =
    std::function<arrow::Status(const column::Batch& batch, std::span<const uint64_t> places, const std::vector<bool>& marks)>;
arrow::Status each_kept(const SnapshotReader& reader, const std::string& part, const std::shared_ptr<arrow::Schema>& schema,
                        arrow::MemoryPool* pool, const KeptVisit& visit);

}  // namespace gristmill::stream
