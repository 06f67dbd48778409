// Ranges of row groups.

#include "io/parquet_ahead.h"

#include <algorithm>

#include <parquet/metadata.h>

namespace gristmill::io {
namespace {

constexpr int64_t kLargestHole = 256 * 1024;  // cheaper read over than asked around
constexpr int64_t kLargestRange = int64_t{16} << 20;
constexpr size_t kGroupsAhead = 3;

struct Range {
  int64_t begin = 0, end = 0;
};

// Ordered, apart from each other. A range ends with a chunk, so that no chunk is split. What lies outside the file gets none: the
// reader will say so.
std::vector<Range> ranges_of(const ParquetAhead::Group& g) {
  std::vector<Range> chunks, out;
  const auto group = g.file->metadata->RowGroup(g.group);
  for (const int leaf : g.leaves) {
    const auto chunk = group->ColumnChunk(leaf);
    int64_t begin = chunk->data_page_offset();
    if (chunk->has_dictionary_page() && chunk->dictionary_page_offset() > 0) begin = std::min(begin, chunk->dictionary_page_offset());
    const int64_t bytes = chunk->total_compressed_size(), size = g.input->stamp().bytes;
    if (begin < 0 || bytes <= 0 || begin > size || bytes > size - begin) continue;
    chunks.push_back({begin, begin + bytes});
  }
  std::sort(chunks.begin(), chunks.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  for (const Range& c : chunks) {
    const bool joins = !out.empty() && c.begin - out.back().end <= kLargestHole &&
                       (std::max(c.end, out.back().end) - out.back().begin <= kLargestRange || c.begin < out.back().end);
    if (joins) {
      out.back().end = std::max(out.back().end, c.end);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace

ParquetAhead::ParquetAhead(std::vector<Group> groups, int64_t most_bytes, arrow::MemoryPool* pool, MayMatch may_match)
    : groups_(std::move(groups)), most_bytes_(most_bytes), pool_(pool), may_match_(std::move(may_match)), pieces_done_(groups_.size(), 0) {}

arrow::Result<bool> ParquetAhead::begin(size_t index) {
  const Group& g = groups_[index];
  const std::vector<Range> ranges = ranges_of(g);
  int64_t bytes = 0;
  for (const Range& r : ranges) bytes += r.end - r.begin;
  if (bytes_ + bytes > most_bytes_) return false;
  auto set = std::make_shared<RangeSet>();
  for (const Range& r : ranges) {
    auto made = Fetch::make(g.input, r.begin, r.end - r.begin, pool_);
    if (made.status().IsOutOfMemory()) return false;
    ARROW_RETURN_NOT_OK(made.status());
    set->push_back(std::move(*made));
  }
  for (const auto& fetch : *set) Fetch::start(fetch);
  bytes_ += bytes;
  held_[index] = {std::move(set), bytes};
  return true;
}

arrow::Result<std::shared_ptr<const RangeSet>> ParquetAhead::take(size_t index) {
  std::lock_guard lock(mutex_);
  if (groups_[index].input == nullptr) return nullptr;
  if (!held_.contains(index)) {
    ARROW_ASSIGN_OR_RAISE(const bool begun, begin(index));
    if (!begun) return nullptr;
  }
  const auto ranges = held_[index].ranges;
  for (size_t next = index + 1, begun = 0; next < groups_.size() && begun < kGroupsAhead; ++next) {
    if (groups_[next].input == nullptr || pieces_done_[next] > 0 || !may_match_(next)) continue;
    ++begun;
    if (held_.contains(next)) continue;
    ARROW_ASSIGN_OR_RAISE(const bool fits, begin(next));
    if (!fits) break;
  }
  return ranges;
}

void ParquetAhead::done(size_t index) {
  std::shared_ptr<const RangeSet> dropped;  // before the lock, so after it
  std::lock_guard lock(mutex_);
  if (++pieces_done_[index] < groups_[index].pieces) return;
  if (const auto it = held_.find(index); it != held_.end()) {
    dropped = std::move(it->second.ranges);
    bytes_ -= it->second.bytes;
    held_.erase(it);
  }
}

}  // namespace gristmill::io
