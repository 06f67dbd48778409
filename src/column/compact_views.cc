// Copies the out-of-line bytes of views into one fresh buffer when the old buffers are mostly unreferenced.
//
// Two rows that share bytes get two copies, so a column that repeats long texts may be better off as it is: it is
// copied only when that makes it at most half as large.

#include <arrow/type.h>

#include <cstring>
#include <unordered_set>

#include "column/array_kernels.h"
#include "column/buffers.h"
#include "column/kernels.h"

namespace gristmill::column {
namespace {

bool any_out_of_line(const arrow::ArrayData& d) {
  const auto* views = values_of<View16>(d);
  bool any = false;
  for (int64_t i = 0; i < d.length; ++i) any |= !views[i].is_inline();
  return any;
}

int64_t referenced_bytes(const arrow::ArrayData& d) {
  const auto* views = values_of<View16>(d);
  const ValidityBits valid = validity_of(d);
  int64_t bytes = 0;
  for (int64_t i = 0; i < d.length; ++i) {
    if (!views[i].is_inline() && valid.valid(i)) bytes += views[i].size;
  }
  return bytes;
}

int64_t held_bytes(const arrow::ArrayData& d) {
  std::unordered_set<const arrow::Buffer*> seen;
  int64_t bytes = 0;
  for (size_t b = 2; b < d.buffers.size(); ++b) {
    const arrow::Buffer* root = d.buffers[b].get();
    while (root->parent()) root = root->parent().get();
    if (seen.insert(root).second) bytes += root->size();
  }
  return bytes;
}

arrow::Result<ArrayPtr> compact_array(const ArrayPtr& d, arrow::MemoryPool* pool) {
  if (!d->child_data.empty()) {
    auto out = d->Copy();
    for (ArrayPtr& child : out->child_data) {
      ARROW_ASSIGN_OR_RAISE(child, compact_array(child, pool));
    }
    return out;
  }
  if (!is_viewed(*d->type) || d->buffers.size() <= 2) return d;
  if (!any_out_of_line(*d)) {  // as they are, uncopied
    auto out = d->Copy();
    out->buffers.resize(2);
    return out;
  }
  const int64_t bytes = referenced_bytes(*d);
  if (bytes * 2 > held_bytes(*d) || bytes > INT32_MAX) return d;
  ARROW_ASSIGN_OR_RAISE(auto values, allocate_buffer(d->length * 16, pool));
  ARROW_ASSIGN_OR_RAISE(auto text, allocate_buffer(bytes, pool));
  const auto* from = values_of<View16>(*d);
  auto* to = reinterpret_cast<View16*>(values->mutable_data());
  const ValidityBits valid = validity_of(*d);
  int64_t at = 0;
  for (int64_t i = 0; i < d->length; ++i) {
    to[i] = from[i];
    if (from[i].is_inline()) continue;
    if (!valid.valid(i)) {
      to[i] = View16{};
      continue;
    }
    std::memcpy(text->mutable_data() + at, d->buffers[2 + from[i].ref.buffer]->data() + from[i].ref.offset, from[i].size);
    to[i].ref.buffer = 0;
    to[i].ref.offset = static_cast<int32_t>(at);
    at += from[i].size;
  }
  std::shared_ptr<arrow::Buffer> validity = valid.bits ? d->buffers[0] : nullptr;
  if (valid.bits && d->offset != 0) {
    ARROW_ASSIGN_OR_RAISE(validity, copy_bits(valid.bits, valid.offset, d->length, pool));
  }
  // A slice's count may be unknown: Make() takes that without a bitmap for none.
  auto out = arrow::ArrayData::Make(d->type, d->length, {std::move(validity), std::move(values)}, null_count_of(*d));
  if (bytes > 0) out->buffers.push_back(std::move(text));
  return out;
}

}  // namespace

arrow::Result<Column> compact_views(const Column& c, int64_t rows, arrow::MemoryPool* pool) {
  if (c.is_dictionary()) {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr entries, compact_array(c.dictionary, pool));
    return Column::dict(c.values, std::move(entries));
  }
  ARROW_ASSIGN_OR_RAISE(ArrayPtr values, compact_array(c.values, pool));
  return Column{c.encoding, std::move(values), nullptr};
}

}  // namespace gristmill::column
