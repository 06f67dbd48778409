// One block is built in memory and handed over whole; reading patches addresses in place.

#include "exec/group_spill.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>

#include "base/status.h"
#include "column/buffers.h"
#include "exec/portable_rows.h"
#include "exec/value_chain.h"
#include "exec/value_map.h"

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

// Which part of what a reference that grows leads to: of a chain its blocks, of a map its slots.
struct Part {
  int64_t begin = 0;
  int64_t end = std::numeric_limits<int64_t>::max();
};

// The place of a piece that is being written: its length is filled in by end_piece().
size_t begin_piece(std::vector<uint8_t>* block) {
  block->resize(block->size() + sizeof(uint64_t));
  return block->size();
}

void end_piece(size_t begin, std::vector<uint8_t>* block) {
  store<uint64_t>(block->data() + begin - sizeof(uint64_t), block->size() - begin);
  block->resize((block->size() + 7) & ~size_t{7});
}

void put_bytes(std::vector<uint8_t>* block, const uint8_t* bytes, size_t n) { block->insert(block->end(), bytes, bytes + n); }

// As one block of a chain.
void put_chain(const ValueChain& chain, Part part, std::vector<uint8_t>* block) {
  const size_t begin = begin_piece(block);
  block->resize(begin + ValueChain::kHeader);
  int64_t number = 0;
  (void)chain.each_block([&](const uint8_t* records, int64_t n) {
    if (number >= part.begin && number < part.end) put_bytes(block, records, static_cast<size_t>(n));
    ++number;
    return arrow::Status::OK();
  });
  const auto used = static_cast<uint32_t>(block->size() - begin - ValueChain::kHeader);
  store<uint64_t>(block->data() + begin, 0);
  store<uint32_t>(block->data() + begin + 8, used);
  store<uint32_t>(block->data() + begin + 12, used);
  end_piece(begin, block);
}

// As a list; the texts of long keys behind it, their addresses counted from its begin.
void put_map(const MapShape& shape, const uint8_t* map, Part part, std::vector<uint8_t>* block) {
  const size_t begin = begin_piece(block);
  put_bytes(block, map, ValueMap::kHeader);
  if (part.begin > 0) std::memset(block->data() + begin + 12, 0, ValueMap::kHeader - 12);  // zero and NULL went with the first part
  const auto stride = static_cast<size_t>(shape.stride());
  uint64_t used = 0;
  const auto slots = static_cast<int64_t>(ValueMap::slots(map));
  for (int64_t i = part.begin; i < std::min(part.end, slots); ++i) {
    const uint8_t* const entry = map + ValueMap::kHeader + static_cast<size_t>(i) * stride;
    if (ValueMap::is_free(shape, entry)) continue;
    put_bytes(block, entry, stride);
    ++used;
  }
  store<uint64_t>(block->data() + begin, used);
  store<uint32_t>(block->data() + begin + 8, 0);
  for (uint64_t i = 0; shape.blob && i < used; ++i) {
    const size_t at = begin + ValueMap::kHeader + static_cast<size_t>(i) * stride;
    const Blob blob = load<Blob>(block->data() + at);
    if (!blob.is_long()) continue;
    store<uint64_t>(block->data() + at + offsetof(Blob, tail), block->size() - begin);
    put_bytes(block, blob.data(), blob.size);
  }
  end_piece(begin, block);
}

void attach_map(const MapShape& shape, uint8_t* map) {
  if (!shape.blob) return;
  uint8_t* entry = map + ValueMap::kHeader;
  for (uint64_t i = ValueMap::used(map); i > 0; --i, entry += shape.stride()) {
    const Blob blob = load<Blob>(entry);
    if (blob.is_long()) store<uint64_t>(entry + offsetof(Blob, tail), reinterpret_cast<uint64_t>(map) + blob.tail);
  }
}

// `moments`: null when rows are sealed and have none any more.
template <typename Moments>
void detach_moments(const Moments* moments, uint8_t* field, uint64_t offset, std::vector<uint8_t>* block) {
  const auto group = load<uint32_t>(field);
  if (moments == nullptr || group == 0) return;
  std::vector<uint8_t> bytes;
  moments->append_bytes(group - 1, &bytes);
  store<uint32_t>(field, static_cast<uint32_t>(offset / 8));
  put_piece(block, bytes);
}

// What `row` (its copy in `block` at `at`) refers to goes to the end of the block.
void detach(const RowReference& r, size_t at, const GroupTable* owner, Part part, std::vector<uint8_t>* block) {
  const uint64_t offset = block->size();
  uint8_t* const field = block->data() + at + r.offset;
  if (r.until_seal && owner == nullptr) return;
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
    case RowReference::kMoments: return detach_moments(owner ? owner->find_moments(r.function) : nullptr, field, offset, block);
    case RowReference::kPairs: return detach_moments(owner ? owner->find_pairs(r.function) : nullptr, field, offset, block);
    case RowReference::kPowers: return detach_moments(owner ? owner->find_powers(r.function) : nullptr, field, offset, block);
    case RowReference::kChain: {
      const auto chain = load<ValueChain>(field);
      if (chain.head == 0) return;
      store<uint64_t>(field, offset);
      put_chain(chain, part, block);
      return;
    }
    case RowReference::kMap: {
      const auto map = load<uint64_t>(field);
      if (map == 0) return;
      store<uint64_t>(field, offset);
      put_map(r.shape, reinterpret_cast<const uint8_t*>(map), part, block);
      return;
    }
  }
}

template <typename Moments>
arrow::Status read_moments(uint8_t* field, std::span<const uint8_t> bytes, Moments& moments) {
  const auto group = static_cast<uint32_t>(moments.size());
  moments.resize(group + 1);
  if (!moments.read_into(group, &bytes)) return base::internal_error("spilled moments cannot be read back");
  store<uint32_t>(field, group + 1);
  return arrow::Status::OK();
}

arrow::Status attach_moments(const RowReference& r, uint8_t* field, uint8_t* block, bool sealed, GroupTable* side) {
  const auto place = load<uint32_t>(field);
  if (sealed || place == 0) return arrow::Status::OK();
  const std::span<const uint8_t> bytes = get_piece(block, uint64_t{place} * 8);
  if (r.kind == RowReference::kPowers) return read_moments(field, bytes, side->powers(r.function, column::GroupPowers::Units()));
  if (r.kind == RowReference::kPairs) return read_moments(field, bytes, side->pairs(r.function, column::GroupPairs::Units()));
  return read_moments(field, bytes, side->moments(r.function, column::GroupVariances::Units()));
}

arrow::Status attach(const RowReference& r, uint8_t* row, uint8_t* block, bool sealed, GroupTable* side) {
  uint8_t* const field = row + r.offset;
  if (r.until_seal && sealed) return arrow::Status::OK();
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
    case RowReference::kMoments:
    case RowReference::kPairs:
    case RowReference::kPowers: return attach_moments(r, field, block, sealed, side);
    case RowReference::kChain: {
      const auto place = load<uint64_t>(field);
      if (place == 0) return arrow::Status::OK();
      uint8_t* const piece = block + place + sizeof(uint64_t);
      const auto address = reinterpret_cast<uint64_t>(piece);
      store(field, ValueChain{address, address, load<uint32_t>(piece + 8)});
      return arrow::Status::OK();
    }
    case RowReference::kMap: {
      const auto place = load<uint64_t>(field);
      if (place == 0) return arrow::Status::OK();
      uint8_t* const piece = block + place + sizeof(uint64_t);
      attach_map(r.shape, piece);
      store<uint64_t>(field, reinterpret_cast<uint64_t>(piece));
      return arrow::Status::OK();
    }
  }
  return arrow::Status::OK();
}

}  // namespace

int64_t stored_bytes(const RowLayout& layout, const uint8_t* row, bool sealed) {
  int64_t bytes = layout.stride;
  for (const RowReference& r : layout.references) {
    if (r.until_seal && sealed) continue;
    if (r.kind == RowReference::kBlob) {
      const Blob blob = load<Blob>(row + r.offset);
      if (blob.is_long()) bytes += blob.size;
    } else if (r.kind == RowReference::kChain) {
      bytes += static_cast<int64_t>(load<ValueChain>(row + r.offset).bytes);
    } else if (r.kind == RowReference::kMap) {
      bytes += ValueMap::bytes(r.shape, reinterpret_cast<const uint8_t*>(load<uint64_t>(row + r.offset)));
    }
  }
  return bytes;
}

namespace {

std::vector<uint8_t> block_of(const RowLayout& layout, const uint8_t* const* rows, int64_t n, const GroupTable* owner, Part part) {
  const auto stride = static_cast<size_t>(layout.stride);
  std::vector<uint8_t> block(static_cast<size_t>(kHeader) + static_cast<size_t>(n) * stride);
  store<uint64_t>(block.data(), static_cast<uint64_t>(n));
  for (int64_t i = 0; i < n; ++i) std::memcpy(block.data() + kHeader + static_cast<size_t>(i) * stride, rows[i], stride);
  if (!layout.references.empty()) {
    for (int64_t i = 0; i < n; ++i) {
      for (const RowReference& r : layout.references)
        detach(r, static_cast<size_t>(kHeader) + static_cast<size_t>(i) * stride, owner, part, &block);
    }
  }
  return block;
}

arrow::Result<GroupBlock> write_block(const RowLayout& layout, const uint8_t* const* rows, int64_t n, const GroupTable* owner, Part part,
                                      base::SpillFile& file) {
  const std::vector<uint8_t> block = block_of(layout, rows, n, owner, part);
  GroupBlock out;
  ARROW_ASSIGN_OR_RAISE(out.block, file.write(block.data(), static_cast<int64_t>(block.size())));
  out.rows = n;
  out.bytes = static_cast<int64_t>(block.size());
  return out;
}

// Addresses are put into the rows of a block in `out->buffer`.
arrow::Status attach_rows(const RowLayout& layout, bool sealed, LoadedGroups* out, arrow::MemoryPool* pool) {
  out->side = std::make_unique<GroupTable>(&layout, pool);
  uint8_t* const data = out->buffer->mutable_data();
  const auto n = static_cast<int64_t>(load<uint64_t>(data));
  out->rows.resize(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    uint8_t* const row = data + kHeader + i * layout.stride;
    out->rows[static_cast<size_t>(i)] = row;
    for (const RowReference& r : layout.references) ARROW_RETURN_NOT_OK(attach(r, row, data, sealed, out->side.get()));
  }
  return arrow::Status::OK();
}

// How many blocks of a chain or slots of a map a part of about kBlockBytes takes, and how many there are.
Part part_size(const RowReference& r, const uint8_t* row) {
  if (r.kind == RowReference::kChain) {
    int64_t blocks = 0;
    (void)load<ValueChain>(row + r.offset).each_block([&](const uint8_t*, int64_t) {
      ++blocks;
      return arrow::Status::OK();
    });
    return {kBlockBytes / ValueChain::kMostBlock, blocks};
  }
  const auto* map = reinterpret_cast<const uint8_t*>(load<uint64_t>(row + r.offset));
  if (map == nullptr) return {1, 0};
  const auto slots = static_cast<int64_t>(ValueMap::slots(map));
  const int64_t each = ValueMap::bytes(r.shape, map) / std::max<int64_t>(slots, 1) + 1;
  return {std::max<int64_t>(kBlockBytes / each, 1), std::max<int64_t>(slots, 1)};
}

// A group whose values alone fill more than a block, as several rows of the same group: they merge to what it was.
arrow::Status write_large(const RowLayout& layout, const uint8_t* row, const GroupTable* owner, base::SpillFile& file,
                          std::vector<GroupBlock>* out) {
  std::vector<uint8_t> copy(row, row + layout.stride);
  const auto take_out = [&](const RowReference& r) {
    std::memset(copy.data() + r.offset, 0, r.kind == RowReference::kChain ? sizeof(ValueChain) : sizeof(uint64_t));
  };
  const auto write = [&](Part part) -> arrow::Status {
    const uint8_t* const one = copy.data();
    ARROW_ASSIGN_OR_RAISE(GroupBlock block, write_block(layout, &one, 1, owner, part, file));
    out->push_back(block);
    return arrow::Status::OK();
  };
  for (const RowReference& r : layout.references) {
    if (r.grows()) take_out(r);
  }
  ARROW_RETURN_NOT_OK(write({}));
  // From here on the states are empty ones, but for one reference at a time.
  const int states = layout.order_offset + static_cast<int>(sizeof(uint64_t));
  std::memset(copy.data() + states, 0, static_cast<size_t>(layout.partition_offset - states));
  for (const RowReference& r : layout.references) {
    if (!r.grows()) continue;
    std::memcpy(copy.data() + r.offset, row + r.offset, r.kind == RowReference::kChain ? sizeof(ValueChain) : sizeof(uint64_t));
    const Part size = part_size(r, row);
    for (int64_t at = 0; at < size.end; at += size.begin) ARROW_RETURN_NOT_OK(write({at, at + size.begin}));
    take_out(r);
  }
  return arrow::Status::OK();
}

bool grows(const RowLayout& layout) {
  return std::any_of(layout.references.begin(), layout.references.end(), [](const RowReference& r) { return r.grows(); });
}

}  // namespace

arrow::Status write_rows(const RowLayout& layout, const uint8_t* const* rows, int64_t n, const GroupTable* owner, base::SpillFile& file,
                         std::vector<GroupBlock>* out) {
  const bool may_be_large = grows(layout);
  int64_t begin = 0, bytes = 0;
  const auto flush = [&](int64_t end) -> arrow::Status {
    if (begin == end) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(GroupBlock block, write_block(layout, rows + begin, end - begin, owner, {}, file));
    out->push_back(block);
    return arrow::Status::OK();
  };
  for (int64_t i = 0; i < n; ++i) {
    const int64_t here = stored_bytes(layout, rows[i], owner == nullptr);
    if (may_be_large && owner != nullptr && here > kBlockBytes) {
      ARROW_RETURN_NOT_OK(flush(i));
      ARROW_RETURN_NOT_OK(write_large(layout, rows[i], owner, file, out));
      begin = i + 1;
      bytes = 0;
      continue;
    }
    bytes += here;
    if (bytes < kBlockBytes) continue;
    ARROW_RETURN_NOT_OK(flush(i + 1));
    begin = i + 1;
    bytes = 0;
  }
  return flush(n);
}

arrow::Result<LoadedGroups> read_groups(const RowLayout& layout, const GroupBlock& block, bool sealed, const base::SpillFile& file,
                                        arrow::MemoryPool* pool) {
  LoadedGroups out;
  ARROW_ASSIGN_OR_RAISE(out.buffer, file.read(block.block, pool));
  if (!out.buffer->is_mutable()) return base::internal_error("a block read from a spill file cannot be changed");
  ARROW_RETURN_NOT_OK(attach_rows(layout, sealed, &out, pool));
  return out;
}

std::vector<uint8_t> encode_rows(const RowLayout& layout, const uint8_t* const* rows, int64_t n, const GroupTable& owner) {
  return block_of(layout, rows, n, &owner, {});
}

arrow::Result<LoadedGroups> decode_rows(const RowLayout& layout, std::span<const uint8_t> bytes, arrow::MemoryPool* pool) {
  const auto size = static_cast<int64_t>(bytes.size());
  if (size < kHeader || static_cast<int64_t>(load<uint64_t>(bytes.data())) > (size - kHeader) / layout.stride) {
    return base::data_error("kept groups are cut short");
  }
  LoadedGroups out;
  ARROW_ASSIGN_OR_RAISE(out.buffer, column::allocate_buffer(size, pool));
  std::memcpy(out.buffer->mutable_data(), bytes.data(), bytes.size());
  ARROW_RETURN_NOT_OK(attach_rows(layout, false, &out, pool));
  return out;
}

arrow::Status write_table(const RowLayout& layout, const GroupTable& table, base::SpillFile& file, std::vector<GroupBlock>* out) {
  std::vector<const uint8_t*> rows;
  int64_t bytes = 0;
  const auto flush = [&]() -> arrow::Status {
    ARROW_RETURN_NOT_OK(write_rows(layout, rows.data(), static_cast<int64_t>(rows.size()), &table, file, out));
    rows.clear();
    bytes = 0;
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(table.for_each([&](uint8_t* const* span, int64_t n) -> arrow::Status {
    for (int64_t i = 0; i < n; ++i) {
      rows.push_back(span[i]);
      bytes += layout.stride;
      if (bytes >= kBlockBytes) ARROW_RETURN_NOT_OK(flush());
    }
    return arrow::Status::OK();
  }));
  return flush();
}

}  // namespace gristmill::exec
