// Columns as values: slicing, flattening, constants, and what they weigh.

#include "column/column.h"

#include <arrow/array/array_base.h>
#include <arrow/array/util.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include <unordered_set>

#include "column/array_kernels.h"
#include "column/buffers.h"

namespace gristmill::column {
namespace {

arrow::Result<ArrayPtr> one_text(const arrow::BaseBinaryScalar& s, const TypePtr& type, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto values, allocate_zeroed(16, pool));
  auto* v = reinterpret_cast<View16*>(values->mutable_data());
  v->size = static_cast<uint32_t>(s.value->size());
  auto out = make_array(type, 1, nullptr, 0, values);
  if (v->is_inline()) {
    std::memcpy(v->inlined, s.value->data(), v->size);
  } else {
    std::memcpy(v->ref.prefix, s.value->data(), 4);
    out->buffers.push_back(s.value);
  }
  return out;
}

arrow::Result<ArrayPtr> decode_dictionary(const Column& c, arrow::MemoryPool* pool) {
  const arrow::ArrayData& indices = *c.values;
  if (c.dictionary->length == 0) return make_null_array(c.dictionary->type, indices.length, pool);
  const std::span<const int32_t> rows(values_of<int32_t>(indices), static_cast<size_t>(indices.length));
  ARROW_ASSIGN_OR_RAISE(ArrayPtr out, take_array(*c.dictionary, rows, pool));
  const int64_t nulls = null_count_of(indices);
  if (nulls == 0) return out;
  ARROW_ASSIGN_OR_RAISE(out->buffers[0], copy_bits(indices.buffers[0]->data(), indices.offset, indices.length, pool));
  out->null_count = nulls;
  return out;
}

void add_buffers(const arrow::ArrayData& d, std::unordered_set<const arrow::Buffer*>* seen, int64_t* bytes) {
  for (const auto& b : d.buffers) {
    if (!b) continue;
    const arrow::Buffer* root = b.get();
    while (root->parent()) root = root->parent().get();
    if (seen->insert(root).second) *bytes += root->capacity();
  }
  for (const auto& child : d.child_data) add_buffers(*child, seen, bytes);
}

int64_t compact_array_bytes(const arrow::ArrayData& d, int64_t rows) {
  const Physical p = physical_unchecked(*d.type);
  const int64_t bitmap = (rows + 7) / 8;
  int64_t bytes = validity_of(d).bits ? bitmap : 0;
  switch (p) {
    case Physical::kNull: return 0;
    case Physical::kBool: return bytes + bitmap;
    case Physical::kView: {
      const auto* views = values_of<View16>(d);
      const ValidityBits valid = validity_of(d);
      for (int64_t i = 0; i < rows; ++i) bytes += 16 + (views[i].is_inline() || !valid.valid(i) ? 0 : views[i].size);
      return bytes;
    }
    case Physical::kNested:
      if (d.type->id() == arrow::Type::STRUCT) {
        for (int f = 0; f < static_cast<int>(d.child_data.size()); ++f) bytes += compact_array_bytes(*struct_field(d, f), rows);
        return bytes;
      }
      bytes += (rows + 1) * (d.type->id() == arrow::Type::LARGE_LIST ? 8 : 4);
      if (rows > 0) {
        const int64_t begin = list_range(d, 0).begin, end = list_range(d, rows - 1).end;
        bytes += compact_array_bytes(*d.child_data[0]->Slice(begin, end - begin), end - begin);
      }
      return bytes;
    default: return bytes + rows * byte_width(p);
  }
}

}  // namespace

arrow::Result<Column> flatten(const Column& c, int64_t rows, arrow::MemoryPool* pool) {
  if (c.is_flat()) return c;
  if (c.is_constant()) {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr values, repeat_row(*c.values, 0, rows, pool));
    return Column::flat(std::move(values));
  }
  ARROW_ASSIGN_OR_RAISE(ArrayPtr values, decode_dictionary(c, pool));
  return Column::flat(std::move(values));
}

Column slice(const Column& c, int64_t offset, int64_t length) {
  if (c.is_constant() || (offset == 0 && length == c.values->length)) return c;
  return {c.encoding, c.values->Slice(offset, length), c.dictionary};
}

arrow::Result<Column> constant_of(const arrow::Scalar& value, arrow::MemoryPool* pool) {
  if (value.type->id() == arrow::Type::DICTIONARY) {
    ARROW_ASSIGN_OR_RAISE(auto decoded, static_cast<const arrow::DictionaryScalar&>(value).GetEncodedValue());
    return constant_of(*decoded, pool);
  }
  const TypePtr type = canonical_type(value.type);
  ARROW_RETURN_NOT_OK(physical_of(*type).status());
  if (!value.is_valid) return null_column(type, pool);
  if (is_viewed(*type)) {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr one, one_text(static_cast<const arrow::BaseBinaryScalar&>(value), type, pool));
    return Column::constant(std::move(one));
  }
  ARROW_ASSIGN_OR_RAISE(auto array, arrow::MakeArrayFromScalar(value, 1, pool));
  ARROW_ASSIGN_OR_RAISE(Column imported, import_array(array->data(), pool));
  ARROW_ASSIGN_OR_RAISE(imported, flatten(imported, 1, pool));
  return Column::constant(std::move(imported.values));
}

arrow::Result<Column> null_column(const TypePtr& type, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(ArrayPtr one, make_null_array(type, 1, pool));
  return Column::constant(std::move(one));
}

bool has_nulls(const Column& c) { return null_count_of(*c.values) > 0; }

bool is_null_at(const Column& c, int64_t row) {
  if (c.values->type->id() == arrow::Type::NA) return true;
  return !validity_of(*c.values).valid(c.is_constant() ? 0 : row);
}

int64_t retained_bytes(const Column& c) {
  if (!c.dictionary && c.values->child_data.empty() && c.values->buffers.size() <= 2) {  // two buffers are never one
    int64_t bytes = 0;
    for (const auto& b : c.values->buffers) bytes += b ? b->size() : 0;
    return bytes;
  }
  std::unordered_set<const arrow::Buffer*> seen;
  int64_t bytes = 0;
  add_buffers(*c.values, &seen, &bytes);
  if (c.dictionary) add_buffers(*c.dictionary, &seen, &bytes);
  return bytes;
}

int64_t compact_bytes(const Column& c, int64_t rows) {
  const int64_t bytes = compact_array_bytes(*c.values, c.is_constant() ? 1 : rows);
  return c.dictionary ? bytes + compact_array_bytes(*c.dictionary, c.dictionary->length) : bytes;
}

}  // namespace gristmill::column
