// Groups as bytes that another process can read: what checkpoints of streams are made of. The form is that of a block on disk
// (group_spill.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "exec/group_row.h"
#include "exec/group_spill.h"
#include "exec/group_table.h"

namespace gristmill::exec {

// An aggregate function whose states mean something only beside what the function itself remembers.
class BoundState {
 public:
  virtual ~BoundState() = default;
  // Brings one state into a form that means the same to any function of its kind.
  virtual void make_portable(uint8_t* row, GroupTable& table) const = 0;
};

// Rows that are not sealed, portable ones. A row is one piece, however much it keeps.
std::vector<uint8_t> encode_rows(const RowLayout& layout, const uint8_t* const* rows, int64_t n, const GroupTable& owner);
arrow::Result<LoadedGroups> decode_rows(const RowLayout& layout, std::span<const uint8_t> bytes, arrow::MemoryPool* pool);

}  // namespace gristmill::exec
