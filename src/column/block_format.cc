// One batch as one run of bytes, for spill files: cheap to write and to read, because the file compresses.
//
//   block    := magic:u32 version:u32 rows:i64 columns:u32 flags:u32 selection? origin column*
//   origin   := input:i64 first_row:i64 (rows: section when flagged)
//   column   := encoding:u32 array (array of the entries for a dictionary)
//   array    := length:i64 null_count:i64 validity? values? (texts:i64 section*) array*     children after their parent
//   section  := size:i64, padding to a multiple of 64, bytes
//
// Arrays are written from row 0, with the referenced rows only: slices, list children and texts alike. A dictionary with more
// entries than rows keeps the entries that are used, in their order. Reading makes buffers that are slices of the
// block; types are not written, the reader knows them.

#include <arrow/buffer.h>
#include <arrow/buffer_builder.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/status.h"
#include "column/array_kernels.h"
#include "column/bits.h"
#include "column/buffers.h"
#include "column/kernels.h"

namespace gristmill::column {
namespace {

constexpr uint32_t kMagic = 0x4d475242;  // "BRGM"
constexpr uint32_t kVersion = 1;
constexpr uint32_t kHasSelection = 1, kHasOriginRows = 2;
constexpr int64_t kAlign = 64;

class BlockWriter {
 public:
  explicit BlockWriter(arrow::MemoryPool* pool) : out_(pool) {}
  arrow::Status reserve(int64_t bytes) { return out_.Reserve(bytes); }

  template <typename T>
  arrow::Status number(T v) {
    return out_.Append(&v, sizeof v);
  }
  // Room for a section; the pointer holds until the next write.
  arrow::Result<uint8_t*> section(int64_t bytes) {
    ARROW_RETURN_NOT_OK(number(bytes));
    const int64_t start = (out_.length() + kAlign - 1) / kAlign * kAlign;
    ARROW_RETURN_NOT_OK(out_.Reserve(start - out_.length() + bytes + kStoreSlack));
    std::memset(out_.mutable_data() + out_.length(), 0, static_cast<size_t>(start - out_.length()));
    out_.UnsafeAdvance(start - out_.length() + bytes);
    return out_.mutable_data() + start;
  }
  arrow::Status bytes(const void* data, int64_t n) {
    ARROW_ASSIGN_OR_RAISE(uint8_t* to, section(n));
    if (n > 0) std::memcpy(to, data, static_cast<size_t>(n));
    return arrow::Status::OK();
  }
  arrow::Status bits(const uint8_t* data, int64_t offset, int64_t n) {
    ARROW_ASSIGN_OR_RAISE(uint8_t* to, section(word_count(n) * 8));
    for (int64_t at = 0; at < n; at += 64, to += 8) {
      const uint64_t w = read_bits(data, offset + at, std::min<int64_t>(64, n - at));
      std::memcpy(to, &w, 8);
    }
    return arrow::Status::OK();
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> finish() { return out_.Finish(); }

 private:
  arrow::BufferBuilder out_;
};

arrow::Status write_array(const arrow::ArrayData& d, BlockWriter* w);

// Values of 16 bytes whose out-of-line part is copied once per row, unless the old buffers together are smaller.
arrow::Status write_views(const arrow::ArrayData& d, BlockWriter* w) {
  const auto* views = values_of<View16>(d);
  const ValidityBits valid = validity_of(d);
  int64_t referenced = 0, held = 0;
  for (int64_t i = 0; i < d.length; ++i) {
    if (!views[i].is_inline() && valid.valid(i)) referenced += views[i].size;
  }
  for (size_t b = 2; b < d.buffers.size(); ++b) held += d.buffers[b]->size();
  if (referenced > held || referenced > INT32_MAX) {
    ARROW_RETURN_NOT_OK(w->bytes(views, d.length * 16));
    ARROW_RETURN_NOT_OK(w->number(static_cast<int64_t>(d.buffers.size()) - 2));
    for (size_t b = 2; b < d.buffers.size(); ++b) ARROW_RETURN_NOT_OK(w->bytes(d.buffers[b]->data(), d.buffers[b]->size()));
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(uint8_t* to, w->section(d.length * 16));
  int32_t at = 0;
  for (int64_t i = 0; i < d.length; ++i, to += 16) {
    View16 v = views[i];
    if (!v.is_inline()) {
      if (valid.valid(i)) {
        v.ref.buffer = 0;
        v.ref.offset = at;
        at += static_cast<int32_t>(v.size);
      } else {
        v = View16{};
      }
    }
    std::memcpy(to, &v, 16);
  }
  ARROW_RETURN_NOT_OK(w->number(static_cast<int64_t>(referenced > 0)));
  if (referenced == 0) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(to, w->section(referenced));
  for (int64_t i = 0; i < d.length; ++i) {
    if (views[i].is_inline() || !valid.valid(i)) continue;
    const std::string_view v = view_at(d, i);
    std::memcpy(to, v.data(), v.size());
    to += v.size();
  }
  return arrow::Status::OK();
}

template <typename O>
arrow::Status write_list(const arrow::ArrayData& d, BlockWriter* w) {
  ARROW_ASSIGN_OR_RAISE(uint8_t* section, w->section((d.length + 1) * static_cast<int64_t>(sizeof(O))));
  auto* to = reinterpret_cast<O*>(section);
  O first = 0, last = 0;
  to[0] = 0;
  if (d.length > 0) {
    const O* from = values_of<O>(d);
    first = from[0];
    last = from[d.length];
    for (int64_t i = 0; i <= d.length; ++i) to[i] = from[i] - first;
  }
  return write_array(*d.child_data[0]->Slice(first, last - first), w);
}

arrow::Status write_array(const arrow::ArrayData& d, BlockWriter* w) {
  const Physical p = physical_unchecked(*d.type);
  const int64_t nulls = null_count_of(d);
  ARROW_RETURN_NOT_OK(w->number(d.length));
  ARROW_RETURN_NOT_OK(w->number(nulls));
  if (p == Physical::kNull) return arrow::Status::OK();
  if (nulls > 0) ARROW_RETURN_NOT_OK(w->bits(d.buffers[0]->data(), d.offset, d.length));
  switch (p) {
    case Physical::kNull: return arrow::Status::OK();
    case Physical::kBool: return w->bits(d.buffers[1]->data(), d.offset, d.length);
    case Physical::kView: return write_views(d, w);
    case Physical::kNested:
      if (d.type->id() == arrow::Type::LARGE_LIST) return write_list<int64_t>(d, w);
      if (d.type->id() != arrow::Type::STRUCT) return write_list<int32_t>(d, w);
      for (int f = 0; f < static_cast<int>(d.child_data.size()); ++f) ARROW_RETURN_NOT_OK(write_array(*struct_field(d, f), w));
      return arrow::Status::OK();
    default: {
      const int width = byte_width(p);
      return w->bytes(d.buffers[1]->data() + d.offset * width, d.length * width);
    }
  }
}

// Entries in use, and indices into those.
arrow::Result<Column> used_entries_only(const Column& c, arrow::MemoryPool* pool) {
  const arrow::ArrayData& d = *c.values;
  const int32_t* from = values_of<int32_t>(d);
  const ValidityBits valid = validity_of(d);
  std::vector<int32_t> used;
  for (int64_t i = 0; i < d.length; ++i) {
    if (valid.valid(i)) used.push_back(from[i]);
  }
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  ARROW_ASSIGN_OR_RAISE(ArrayPtr entries, take_array(*c.dictionary, std::span<const int32_t>(used), pool));
  ARROW_ASSIGN_OR_RAISE(auto indices, allocate_zeroed(d.length * 4, pool));
  auto* to = reinterpret_cast<int32_t*>(indices->mutable_data());
  for (int64_t i = 0; i < d.length; ++i) {
    if (valid.valid(i)) to[i] = static_cast<int32_t>(std::lower_bound(used.begin(), used.end(), from[i]) - used.begin());
  }
  std::shared_ptr<arrow::Buffer> validity;
  const int64_t nulls = null_count_of(d);
  if (nulls > 0) {
    ARROW_ASSIGN_OR_RAISE(validity, copy_bits(valid.bits, valid.offset, d.length, pool));
  }
  return Column::dict(make_array(d.type, d.length, std::move(validity), nulls, std::move(indices)), std::move(entries));
}

arrow::Status write_column(const Column& c, BlockWriter* w, arrow::MemoryPool* pool) {
  if (c.is_dictionary() && c.dictionary->length > c.values->length) {
    ARROW_ASSIGN_OR_RAISE(Column small, used_entries_only(c, pool));
    if (small.dictionary->length <= small.values->length) return write_column(small, w, pool);
  }
  ARROW_RETURN_NOT_OK(w->number(static_cast<uint32_t>(c.encoding)));
  ARROW_RETURN_NOT_OK(write_array(*c.values, w));
  return c.is_dictionary() ? write_array(*c.dictionary, w) : arrow::Status::OK();
}

class BlockReader {
 public:
  explicit BlockReader(std::shared_ptr<arrow::Buffer> block) : block_(std::move(block)) {}

  template <typename T>
  arrow::Result<T> number() {
    T v;
    if (at_ + static_cast<int64_t>(sizeof v) > block_->size()) return truncated();
    std::memcpy(&v, block_->data() + at_, sizeof v);
    at_ += sizeof v;
    return v;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> section() {
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, number<int64_t>());
    const int64_t start = (at_ + kAlign - 1) / kAlign * kAlign;
    if (bytes < 0 || start > block_->size() || bytes > block_->size() - start) return truncated();
    at_ = start + bytes;
    return arrow::SliceBuffer(block_, start, bytes);
  }
  static arrow::Status truncated() { return base::internal_error("a spilled block ends too early"); }

 private:
  std::shared_ptr<arrow::Buffer> block_;
  int64_t at_ = 0;
};

arrow::Result<ArrayPtr> read_array(const TypePtr& type, BlockReader* r) {
  const Physical p = physical_unchecked(*type);
  ARROW_ASSIGN_OR_RAISE(const int64_t length, r->number<int64_t>());
  ARROW_ASSIGN_OR_RAISE(const int64_t nulls, r->number<int64_t>());
  auto out = arrow::ArrayData::Make(type, length, {nullptr}, nulls);
  if (p == Physical::kNull) return out;
  if (nulls > 0) {
    ARROW_ASSIGN_OR_RAISE(out->buffers[0], r->section());
  }
  if (type->id() == arrow::Type::STRUCT) {
    for (const auto& f : type->fields()) {
      ARROW_ASSIGN_OR_RAISE(ArrayPtr child, read_array(f->type(), r));
      out->child_data.push_back(std::move(child));
    }
    return out;
  }
  ARROW_ASSIGN_OR_RAISE(auto values, r->section());
  out->buffers.push_back(std::move(values));
  if (p == Physical::kView) {
    ARROW_ASSIGN_OR_RAISE(const int64_t buffers, r->number<int64_t>());
    for (int64_t b = 0; b < buffers; ++b) {
      ARROW_ASSIGN_OR_RAISE(auto text, r->section());
      out->buffers.push_back(std::move(text));
    }
  } else if (p == Physical::kNested) {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr child, read_array(type->field(0)->type(), r));
    out->child_data.push_back(std::move(child));
  }
  return out;
}

arrow::Result<Column> read_column(const TypePtr& type, BlockReader* r) {
  ARROW_ASSIGN_OR_RAISE(const uint32_t encoding, r->number<uint32_t>());
  if (encoding > static_cast<uint32_t>(Encoding::kDictionary)) return base::internal_error("a spilled column has an unknown encoding");
  Column out;
  out.encoding = static_cast<Encoding>(encoding);
  ARROW_ASSIGN_OR_RAISE(out.values, read_array(out.is_dictionary() ? arrow::int32() : type, r));
  if (out.encoding == Encoding::kDictionary) {
    ARROW_ASSIGN_OR_RAISE(out.dictionary, read_array(type, r));
  }
  return out;
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Buffer>> serialize_batch(const Batch& batch, arrow::MemoryPool* pool) {
  BlockWriter w(pool);
  const bool selected = !batch.selection.all();
  int64_t bytes = 256 + batch.rows / 4;
  for (const Column& c : batch.columns) bytes += 256 + compact_bytes(c, batch.rows);
  ARROW_RETURN_NOT_OK(w.reserve(bytes));
  ARROW_RETURN_NOT_OK(w.number(kMagic));
  ARROW_RETURN_NOT_OK(w.number(kVersion));
  ARROW_RETURN_NOT_OK(w.number(batch.rows));
  ARROW_RETURN_NOT_OK(w.number(static_cast<uint32_t>(batch.columns.size())));
  ARROW_RETURN_NOT_OK(w.number((selected ? kHasSelection : 0) | (batch.origin.rows ? kHasOriginRows : 0)));
  ARROW_RETURN_NOT_OK(w.number(static_cast<int64_t>(batch.origin.input)));
  ARROW_RETURN_NOT_OK(w.number(batch.origin.first_row));
  if (selected) {
    const Mask& m = batch.selection.mask(batch.rows);
    ARROW_RETURN_NOT_OK(w.bytes(m.words.data(), static_cast<int64_t>(m.words.size()) * 8));
  }
  if (batch.origin.rows) ARROW_RETURN_NOT_OK(w.bytes(batch.origin.rows->data(), batch.origin.rows->size()));
  for (const Column& c : batch.columns) ARROW_RETURN_NOT_OK(write_column(c, &w, pool));
  return w.finish();
}

arrow::Result<Batch> deserialize_batch(const std::shared_ptr<arrow::Buffer>& block, std::span<const TypePtr> types,
                                       arrow::MemoryPool* pool) {
  BlockReader r(block);
  ARROW_ASSIGN_OR_RAISE(const uint32_t magic, r.number<uint32_t>());
  ARROW_ASSIGN_OR_RAISE(const uint32_t version, r.number<uint32_t>());
  if (magic != kMagic || version != kVersion) return base::internal_error("a spilled block does not begin like one");
  Batch out;
  ARROW_ASSIGN_OR_RAISE(out.rows, r.number<int64_t>());
  ARROW_ASSIGN_OR_RAISE(const uint32_t columns, r.number<uint32_t>());
  ARROW_ASSIGN_OR_RAISE(const uint32_t flags, r.number<uint32_t>());
  ARROW_ASSIGN_OR_RAISE(const int64_t input, r.number<int64_t>());
  out.origin.input = static_cast<int32_t>(input);
  ARROW_ASSIGN_OR_RAISE(out.origin.first_row, r.number<int64_t>());
  if (columns != types.size()) return base::internal_error("a spilled block has another number of columns than expected");
  if (flags & kHasSelection) {
    ARROW_ASSIGN_OR_RAISE(auto words, r.section());
    Mask m(out.rows, false);
    if (words->size() != static_cast<int64_t>(m.words.size()) * 8) return BlockReader::truncated();
    std::memcpy(m.words.data(), words->data(), static_cast<size_t>(words->size()));
    out.selection = Selection::from_mask(std::move(m));
  }
  if (flags & kHasOriginRows) {
    ARROW_ASSIGN_OR_RAISE(out.origin.rows, r.section());
  }
  for (const TypePtr& type : types) {
    ARROW_ASSIGN_OR_RAISE(Column c, read_column(type, &r));
    out.columns.push_back(std::move(c));
  }
  return out;
}

}  // namespace gristmill::column
