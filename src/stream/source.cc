// What sources have in common: rows that come as record batches.

#include "stream/source.h"

#include "base/status.h"
#include "stream/rows.h"

namespace gristmill::stream {

arrow::Status EndlessSource::decode(const Chunk& chunk, const std::vector<int>& columns, plan::ScanLocal&, arrow::MemoryPool* pool,
                                    const plan::BatchConsumer& emit, plan::ScanCounts& counts) {
  if (!chunk.rows) return base::internal_error("a chunk of " + name() + " has no rows");
  return emit_rows(*chunk.rows, columns, chunk.position, pool, emit, counts, chunk.partition);
}

}  // namespace gristmill::stream
