// Bytes become rows through the widest source of the plan (bytes per row as its estimate says, 8 a column where
// it does not know).

#include "frame/morsel_size.h"

#include <algorithm>

#include <arrow/type.h>

#include "base/topology.h"

namespace gristmill {
namespace {

constexpr int64_t kFixedRows = 65536;
constexpr int64_t kMemoryBoundBytes = int64_t{8} << 20;  // few hand-overs: bandwidth is the limit, not the cache

int64_t widest_row(const plan::Plan& p) {
  int64_t bytes = 1;
  if (p.kind == plan::PlanKind::kScan) {
    const plan::TableEstimate e = p.source->estimate();
    const auto all = std::max<int64_t>(1, p.source->schema()->num_fields());
    const int64_t row = e.rows && e.bytes && *e.rows > 0 ? *e.bytes / *e.rows : all * 8;
    bytes = std::max<int64_t>(1, row * std::max<int64_t>(1, static_cast<int64_t>(p.columns.size())) / all);
  }
  for (const auto& in : p.inputs) bytes = std::max(bytes, widest_row(*in));
  return bytes;
}

}  // namespace

int64_t morsel_rows(const plan::Plan& plan, const ParallelOptions& options) {
  if (options.chunk_rows > 0) return options.chunk_rows;
  int64_t bytes = options.chunk_bytes;
  if (bytes == 0) {
    switch (options.strategy) {
      case Strategy::kAuto: return 0;
      case Strategy::kFixedChunks: return kFixedRows;
      case Strategy::kCacheFriendly: bytes = base::Topology::system().l2_bytes() / 2; break;
      case Strategy::kMemoryBound: bytes = kMemoryBoundBytes; break;
    }
  }
  return std::max<int64_t>(1, bytes / widest_row(plan));
}

}  // namespace gristmill
