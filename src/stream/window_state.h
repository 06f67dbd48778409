// States of groups as rows of a snapshot: (start, end, flag, rows), one batch a key group. `rows` holds encoded groups
// (exec/portable_rows.h).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "exec/aggregate_plan.h"
#include "exec/portable_rows.h"
#include "stream/snapshot.h"

namespace gristmill::stream {

struct StateRecord {
  int64_t start = 0;
  int64_t end = 0;
  int64_t number = 0;
  std::vector<uint8_t> bytes;
};

arrow::Status put_records(SnapshotWriter& writer, const std::string& part, int group, std::span<const StateRecord> records);

// f(start, end, number, groups)
using RecordVisit = std::function<arrow::Status(int64_t start, int64_t end, int64_t number, exec::LoadedGroups groups)>;
arrow::Status each_record(const SnapshotReader& reader, const std::string& part, const exec::AggregatePlan& plan, const RecordVisit& visit);
// The same for bytes that are not groups.
using BytesVisit = std::function<arrow::Status(int group, int64_t start, int64_t end, int64_t number, std::span<const uint8_t> bytes)>;
arrow::Status each_bytes(const SnapshotReader& reader, const std::string& part, const BytesVisit& visit);

}  // namespace gristmill::stream
