// One block is built in memory and handed over whole; reading patches addresses in place.

#include "exec/group_spill.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/status.h"
#include "column/buffers.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kBlockBytes = int64_t{256} << 10;
constexpr int64_t kHeader = sizeof(uint64_t);
constexpr uint64_t kTag = 7;  // low bits of a wide reference

void put_piece(std::vector<uint8_t>* out, std::span<const uint8_t> bytes) {
  uint8_t size[8];
  store<uint64_t>(size, bytes.size());
  out->insert(out->end(), size, size + sizeof(size));
  out->insert(out->end(), bytes.begin(), bytes.end());
  out->resize((out->size() + 7) & ~size_t{7});
}

std::span<const uint8_t> get_piece(const uint8_t* block, uint64_t offset) {
  return {block + offset + 8, static_cast<size_t>(load<uint64_t>(block + offset))};
}

// What `row` (its copy in `block` at `at`) refers to goes to the end of the block.
void detach(const RowReference& r, size_t at, const GroupTable* owner, std::vector<uint8_t>* block) {
  const uint64_t offset = block->size();
  uint8_t* const field = block->data() + at + r.offset;
  switch (r.kind) {
    case RowReference::kBlob: {
      const Blob blob = load<Blob>(field);
      if (!blob.is_long()) return;
      store<uint64_t>(field + offsetof(Blob, tail), offset);
      put_piece(block, {blob.data(), blob.size});
      return;
    }
    case RowReference::kWide: {
      const auto link = load<uint64_t>(field);
      if ((link & ~kTag) == 0) return;
      store<uint64_t>(field, offset | (link & kTag));
      put_piece(block, reinterpret_cast<const column::WideSum*>(link & ~kTag)->bytes());
      return;
    }
    case RowReference::kMoments: {
      const auto group = load<uint32_t>(field);
      if (owner == nullptr || group == 0) return;
      std::vector<uint8_t> bytes;
      owner->find_moments(r.function)->append_bytes(group - 1, &bytes);
      store<uint32_t>(field, static_cast<uint32_t>(offset / 8));
      put_piece(block, bytes);
      return;
    }
  }
}

arrow::Status attach(const RowReference& r, uint8_t* row, const uint8_t* block, bool sealed, GroupTable* side) {
  uint8_t* const field = row + r.offset;
  switch (r.kind) {
    case RowReference::kBlob: {
      const Blob blob = load<Blob>(field);
      if (blob.is_long()) store<uint64_t>(field + offsetof(Blob, tail), reinterpret_cast<uint64_t>(get_piece(block, blob.tail).data()));
      return arrow::Status::OK();
    }
    case RowReference::kWide: {
      const auto link = load<uint64_t>(field);
      if ((link & ~kTag) == 0) return arrow::Status::OK();
      column::WideSum* const wide = side->make_wide();
      *wide = column::WideSum::from_bytes(get_piece(block, link & ~kTag));
      store<uint64_t>(field, reinterpret_cast<uint64_t>(wide) | (link & kTag));
      return arrow::Status::OK();
    }
    case RowReference::kMoments: {
      const auto place = load<uint32_t>(field);
      if (sealed || place == 0) return arrow::Status::OK();
      std::span<const uint8_t> bytes = get_piece(block, uint64_t{place} * 8);
      column::GroupVariances& moments = side->moments(r.function, column::GroupVariances::Units());
      const auto group = static_cast<uint32_t>(moments.size());
      moments.resize(group + 1);
      if (!moments.read_into(group, &bytes)) return base::internal_error("spilled moments cannot be read back");
      store<uint32_t>(field, group + 1);
      return arrow::Status::OK();
    }
  }
  return arrow::Status::OK();
}

}  // namespace

int64_t stored_bytes(const RowLayout& layout, const uint8_t* row) {
  int64_t bytes = layout.stride;
  for (const RowReference& r : layout.references) {
    if (r.kind != RowReference::kBlob) continue;
    const Blob blob = load<Blob>(row + r.offset);
    if (blob.is_long()) bytes += blob.size;
  }
  return bytes;
}

arrow::Result<GroupBlock> write_groups(const RowLayout& layout, const uint8_t* const* rows, int64_t n, const GroupTable* owner,
                                       base::SpillFile& file) {
  const auto stride = static_cast<size_t>(layout.stride);
  std::vector<uint8_t> block(static_cast<size_t>(kHeader) + static_cast<size_t>(n) * stride);
  store<uint64_t>(block.data(), static_cast<uint64_t>(n));
  for (int64_t i = 0; i < n; ++i) std::memcpy(block.data() + kHeader + static_cast<size_t>(i) * stride, rows[i], stride);
  if (!layout.references.empty()) {
    for (int64_t i = 0; i < n; ++i) {
      for (const RowReference& r : layout.references)
        detach(r, static_cast<size_t>(kHeader) + static_cast<size_t>(i) * stride, owner, &block);
    }
  }
  GroupBlock out;
  ARROW_ASSIGN_OR_RAISE(out.block, file.write(block.data(), static_cast<int64_t>(block.size())));
  out.rows = n;
  out.bytes = static_cast<int64_t>(block.size());
  return out;
}

arrow::Result<LoadedGroups> read_groups(const RowLayout& layout, const GroupBlock& block, bool sealed, const base::SpillFile& file,
                                        arrow::MemoryPool* pool) {
  LoadedGroups out;
  ARROW_ASSIGN_OR_RAISE(out.buffer, file.read(block.block, pool));
  if (!out.buffer->is_mutable()) return base::internal_error("a block read from a spill file cannot be changed");
  out.side = std::make_unique<GroupTable>(&layout, pool);
  uint8_t* const data = out.buffer->mutable_data();
  const auto n = static_cast<int64_t>(load<uint64_t>(data));
  out.rows.resize(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    uint8_t* const row = data + kHeader + i * layout.stride;
    out.rows[static_cast<size_t>(i)] = row;
    for (const RowReference& r : layout.references) ARROW_RETURN_NOT_OK(attach(r, row, data, sealed, out.side.get()));
  }
  return out;
}

arrow::Status write_table(const RowLayout& layout, const GroupTable& table, base::SpillFile& file, std::vector<GroupBlock>* out) {
  std::vector<const uint8_t*> rows;
  int64_t bytes = 0;
  const auto flush = [&]() -> arrow::Status {
    if (rows.empty()) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(GroupBlock block, write_groups(layout, rows.data(), static_cast<int64_t>(rows.size()), &table, file));
    out->push_back(block);
    rows.clear();
    bytes = 0;
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(table.for_each([&](uint8_t* const* span, int64_t n) -> arrow::Status {
    for (int64_t i = 0; i < n; ++i) {
      rows.push_back(span[i]);
      bytes += stored_bytes(layout, span[i]);
      if (bytes >= kBlockBytes) ARROW_RETURN_NOT_OK(flush());
    }
    return arrow::Status::OK();
  }));
  return flush();
}

}  // namespace gristmill::exec
