// Inside -> border: a flat array of the user's type, byte for byte a function of the values alone: null slots are zero
// and a validity bitmap is there only if there are nulls.

#include <arrow/extension_type.h>
#include <arrow/type.h>

#include <cstring>

#include "base/status.h"
#include "column/array_kernels.h"
#include "column/buffers.h"
#include "column/column.h"
#include "column/export_dictionary.h"

namespace gristmill::column {
namespace {

arrow::Status mismatch(const arrow::DataType& from, const arrow::DataType& to) {
  return base::internal_error("a column of type " + from.ToString() + " was exported as " + to.ToString());
}

// Validity for an output that starts at row 0.
arrow::Result<std::shared_ptr<arrow::Buffer>> dense_validity(const arrow::ArrayData& d, arrow::MemoryPool* pool) {
  const ValidityBits v = validity_of(d);
  if (null_count_of(d) == 0 || !v.bits) return nullptr;
  return copy_bits(v.bits, v.offset, d.length, pool);
}

// Bits beyond the last row are zero, or would be written to files as they happen to be.
bool clean_tail(const uint8_t* bits, int64_t offset, int64_t rows) {
  const int64_t end = offset + rows;
  return end % 8 == 0 || (bits[end >> 3] >> (end & 7)) == 0;
}

arrow::Result<ArrayPtr> export_bools(const arrow::ArrayData& d, const TypePtr& type, arrow::MemoryPool* pool) {
  const int64_t nulls = null_count_of(d);
  if (nulls == 0 && d.length > 0 && !clean_tail(d.buffers[1]->data(), d.offset, d.length)) {
    ARROW_ASSIGN_OR_RAISE(auto values, copy_bits(d.buffers[1]->data(), d.offset, d.length, pool));
    return make_array(type, d.length, nullptr, 0, std::move(values));
  }
  if (nulls == 0) return arrow::ArrayData::Make(type, d.length, {nullptr, d.buffers[1]}, 0, d.length > 0 ? d.offset : 0);
  ARROW_ASSIGN_OR_RAISE(auto validity, dense_validity(d, pool));
  ARROW_ASSIGN_OR_RAISE(auto values, copy_bits(d.buffers[1]->data(), d.offset, d.length, pool));
  for (int64_t i = 0; i < values->size(); ++i) values->mutable_data()[i] &= validity->data()[i];
  return make_array(type, d.length, std::move(validity), nulls, std::move(values));
}

// Fixed-width values, views included: as they are, or with null slots zeroed in a copy when one is not.
arrow::Result<ArrayPtr> export_fixed(const arrow::ArrayData& d, const TypePtr& type, int width, arrow::MemoryPool* pool) {
  auto out = d.Copy();
  out->type = type;
  out->null_count = null_count_of(d);
  if (d.length == 0) out->offset = 0;  // across the C interface the buffers of no rows are empty: nothing lies behind an offset
  if (out->null_count == 0) {
    out->buffers[0].reset();
    return out;
  }
  static constexpr uint8_t kZero[16] = {};
  const ValidityBits valid = validity_of(d);
  const uint8_t* from = d.buffers[1]->data() + d.offset * width;
  bool dirty = false;
  for (int64_t i = 0; i < d.length && !dirty; ++i)
    dirty = !valid.valid(i) && std::memcmp(from + i * width, kZero, static_cast<size_t>(width)) != 0;
  if (!dirty && clean_tail(valid.bits, valid.offset, d.length)) return out;
  ARROW_ASSIGN_OR_RAISE(out->buffers[0], dense_validity(d, pool));
  ARROW_ASSIGN_OR_RAISE(auto values, allocate_buffer(d.length * width, pool));
  uint8_t* to = values->mutable_data();
  std::memcpy(to, from, static_cast<size_t>(d.length * width));
  for (int64_t i = 0; i < d.length; ++i) {
    if (!valid.valid(i)) std::memset(to + i * width, 0, static_cast<size_t>(width));
  }
  out->buffers[1] = std::move(values);
  out->offset = 0;
  return out;
}

// Views -> offsets and one run of bytes.
template <typename O>
arrow::Result<ArrayPtr> export_text(const arrow::ArrayData& d, const TypePtr& type, arrow::MemoryPool* pool) {
  const ValidityBits valid = validity_of(d);
  ARROW_ASSIGN_OR_RAISE(auto offsets, allocate_buffer((d.length + 1) * static_cast<int64_t>(sizeof(O)), pool));
  auto* o = reinterpret_cast<O*>(offsets->mutable_data());
  const auto* views = values_of<View16>(d);
  int64_t bytes = 0;
  for (int64_t i = 0; i < d.length; ++i) {
    o[i] = static_cast<O>(bytes);
    if (valid.valid(i)) bytes += views[i].size;
    if (sizeof(O) == 4 && bytes > INT32_MAX) {
      return base::data_error("the column holds more than 2^31 bytes of text in one array; use large_string or string_view", {}, i);
    }
  }
  o[d.length] = static_cast<O>(bytes);
  ARROW_ASSIGN_OR_RAISE(auto text, allocate_buffer(bytes, pool));
  for (int64_t i = 0; i < d.length; ++i) {
    if (o[i + 1] == o[i]) continue;
    const std::string_view v = view_at(d, i);
    std::memcpy(text->mutable_data() + o[i], v.data(), v.size());
  }
  ARROW_ASSIGN_OR_RAISE(auto validity, dense_validity(d, pool));
  return arrow::ArrayData::Make(type, d.length, {std::move(validity), std::move(offsets), std::move(text)}, null_count_of(d));
}

arrow::Result<ArrayPtr> export_fixed_size_binary(const arrow::ArrayData& d, const TypePtr& type, arrow::MemoryPool* pool) {
  const int64_t width = static_cast<const arrow::FixedSizeBinaryType&>(*type).byte_width();
  const ValidityBits valid = validity_of(d);
  ARROW_ASSIGN_OR_RAISE(auto values, allocate_zeroed(d.length * width, pool));
  for (int64_t i = 0; i < d.length; ++i) {
    if (!valid.valid(i)) continue;
    const std::string_view v = view_at(d, i);
    if (static_cast<int64_t>(v.size()) != width) {
      return base::data_error("a value of " + std::to_string(v.size()) + " bytes does not fit " + type->ToString(), {}, i);
    }
    std::memcpy(values->mutable_data() + i * width, v.data(), v.size());
  }
  ARROW_ASSIGN_OR_RAISE(auto validity, dense_validity(d, pool));
  return make_array(type, d.length, std::move(validity), null_count_of(d), std::move(values));
}

template <typename T>
arrow::Result<ArrayPtr> export_narrow_decimal(const arrow::ArrayData& d, const TypePtr& type, arrow::MemoryPool* pool) {
  const ValidityBits valid = validity_of(d);
  ARROW_ASSIGN_OR_RAISE(auto values, allocate_zeroed(d.length * static_cast<int64_t>(sizeof(T)), pool));
  for (int64_t i = 0; i < d.length; ++i) {
    if (!valid.valid(i)) continue;
    __int128 v;
    std::memcpy(&v, d.buffers[1]->data() + (d.offset + i) * 16, 16);
    if (v != static_cast<T>(v))
      return base::data_error("a decimal does not fit " + type->ToString(), value_text(Column::flat(d.Copy()), i), i);
    reinterpret_cast<T*>(values->mutable_data())[i] = static_cast<T>(v);
  }
  ARROW_ASSIGN_OR_RAISE(auto validity, dense_validity(d, pool));
  return make_array(type, d.length, std::move(validity), null_count_of(d), std::move(values));
}

arrow::Result<ArrayPtr> export_wide_decimal(const arrow::ArrayData& d, const TypePtr& type, arrow::MemoryPool* pool) {
  const ValidityBits valid = validity_of(d);
  ARROW_ASSIGN_OR_RAISE(auto values, allocate_zeroed(d.length * 32, pool));
  for (int64_t i = 0; i < d.length; ++i) {
    if (valid.bits && !valid.valid(i)) continue;
    uint8_t* const to = values->mutable_data() + i * 32;
    std::memcpy(to, d.buffers[1]->data() + (d.offset + i) * 16, 16);
    if (to[15] >> 7) std::memset(to + 16, 0xff, 16);
  }
  ARROW_ASSIGN_OR_RAISE(auto validity, dense_validity(d, pool));
  return make_array(type, d.length, std::move(validity), null_count_of(d), std::move(values));
}

arrow::Result<ArrayPtr> export_flat(const ArrayPtr& d, const TypePtr& type, arrow::MemoryPool* pool);

// Identity take when a null list has values, so that only lists that are there own any; children start at row 0.
template <typename O>
arrow::Result<ArrayPtr> export_list(const ArrayPtr& d, const TypePtr& type, arrow::MemoryPool* pool) {
  std::vector<int64_t> rows(static_cast<size_t>(d->length));
  const ValidityBits valid = validity_of(*d);
  bool dirty = d->offset != 0 || d->child_data[0]->offset != 0;
  for (int64_t i = 0; i < d->length; ++i) {
    rows[i] = i;
    const ListRange r = list_range(*d, i);
    dirty |= !valid.valid(i) && r.begin != r.end;
  }
  if (d->length > 0) {
    dirty |= list_range(*d, 0).begin != 0 || list_range(*d, d->length - 1).end != d->child_data[0]->length;
  }
  ArrayPtr clean = d;
  if (dirty) {
    ARROW_ASSIGN_OR_RAISE(clean, take_array(*d, std::span<const int64_t>(rows), pool));
  }
  auto out = clean->Copy();
  out->type = type;
  out->null_count = null_count_of(*clean);
  if (out->null_count == 0) out->buffers[0].reset();
  ARROW_ASSIGN_OR_RAISE(out->child_data[0], export_flat(clean->child_data[0], type->field(0)->type(), pool));
  return out;
}

arrow::Result<ArrayPtr> export_struct(const arrow::ArrayData& d, const TypePtr& type, arrow::MemoryPool* pool) {
  if (type->num_fields() != static_cast<int>(d.child_data.size())) return mismatch(*d.type, *type);
  ARROW_ASSIGN_OR_RAISE(auto validity, dense_validity(d, pool));
  auto out = arrow::ArrayData::Make(type, d.length, {std::move(validity)}, null_count_of(d));
  for (int f = 0; f < type->num_fields(); ++f) {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr child, export_flat(struct_field(d, f), type->field(f)->type(), pool));
    out->child_data.push_back(std::move(child));
  }
  return out;
}

arrow::Result<ArrayPtr> export_flat(const ArrayPtr& d, const TypePtr& type, arrow::MemoryPool* pool) {
  using arrow::Type;
  if (type->id() == Type::EXTENSION) {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr storage, export_flat(d, static_cast<const arrow::ExtensionType&>(*type).storage_type(), pool));
    auto out = storage->Copy();
    out->type = type;
    return out;
  }
  if (type->id() == Type::DICTIONARY) return export_dictionary(Column::flat(d), d->length, type, pool);
  if (!canonical_type(type)->Equals(*d->type) && !canonical_type(type)->Equals(*canonical_type(d->type))) return mismatch(*d->type, *type);
  const Physical p = physical_unchecked(*d->type);
  switch (type->id()) {
    case Type::NA: return arrow::ArrayData::Make(type, d->length, {nullptr}, d->length);
    case Type::BOOL: return export_bools(*d, type, pool);
    case Type::STRING:
    case Type::BINARY: return export_text<int32_t>(*d, type, pool);
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY: return export_text<int64_t>(*d, type, pool);
    case Type::FIXED_SIZE_BINARY: return export_fixed_size_binary(*d, type, pool);
    case Type::DECIMAL32: return export_narrow_decimal<int32_t>(*d, type, pool);
    case Type::DECIMAL64: return export_narrow_decimal<int64_t>(*d, type, pool);
    case Type::DECIMAL256: return export_wide_decimal(*d, type, pool);
    case Type::LIST:
    case Type::MAP: return export_list<int32_t>(d, type, pool);
    case Type::LARGE_LIST: return export_list<int64_t>(d, type, pool);
    case Type::STRUCT: return export_struct(*d, type, pool);
    default: return export_fixed(*d, type, byte_width(p), pool);
  }
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::ArrayData>> export_array(const Column& c, int64_t rows, const TypePtr& type, arrow::MemoryPool* pool) {
  if (type->id() == arrow::Type::DICTIONARY) return export_dictionary(c, rows, type, pool);
  ARROW_ASSIGN_OR_RAISE(Column flat, flatten(c, rows, pool));
  return export_flat(flat.values, type, pool);
}

}  // namespace gristmill::column
