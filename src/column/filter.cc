// Rows whose mask bit is set, in order.

#include <arrow/type.h>

#include "column/array_kernels.h"
#include "column/bits.h"
#include "column/buffers.h"
#include "column/kernels.h"
#include "column/simd/dispatch.h"

namespace gristmill::column {

arrow::Result<ArrayPtr> filter_array(const arrow::ArrayData& d, const Mask& keep, int64_t kept, arrow::MemoryPool* pool) {
  const Physical p = physical_unchecked(*d.type);
  if (p == Physical::kNull) return arrow::ArrayData::Make(d.type, kept, {nullptr}, kept);
  const uint64_t* words = keep.words.data();
  if (p == Physical::kNested) {
    std::vector<int64_t> rows;
    rows.reserve(static_cast<size_t>(kept));
    for_each_set(words, static_cast<int64_t>(keep.words.size()), [&](int64_t i) { rows.push_back(i); });
    return take_array(d, std::span<const int64_t>(rows), pool);
  }
  const auto& k = simd::kernels();
  std::shared_ptr<arrow::Buffer> validity;
  int64_t valid = kept;
  if (const ValidityBits v = validity_of(d); v.bits) {
    ARROW_ASSIGN_OR_RAISE(validity, allocate_bits(kept, pool));
    valid = k.filter_bits(v.bits, v.offset, words, d.length, validity->mutable_data());
  }
  std::shared_ptr<arrow::Buffer> values;
  if (p == Physical::kBool) {
    ARROW_ASSIGN_OR_RAISE(values, allocate_bits(kept, pool));
    k.filter_bits(d.buffers[1]->data(), d.offset, words, d.length, values->mutable_data());
  } else {
    const int width = byte_width(p);
    ARROW_ASSIGN_OR_RAISE(values, allocate_buffer(kept * width, pool));
    k.filter[simd::width_class(width)](d.buffers[1]->data() + d.offset * width, words, d.length, values->mutable_data());
  }
  return make_array_like(d, kept, std::move(validity), kept - valid, std::move(values));
}

arrow::Result<Column> filter(const Column& c, int64_t rows, const Mask& keep, int64_t kept, arrow::MemoryPool* pool) {
  if (c.is_constant() || kept == rows) return c;
  ARROW_ASSIGN_OR_RAISE(ArrayPtr values, filter_array(*c.values, keep, kept, pool));
  return Column{c.encoding, std::move(values), c.dictionary};
}

}  // namespace gristmill::column
