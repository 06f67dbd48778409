// Border -> inside: strings become views into their old bytes, dictionaries an encoding, nested types are canonicalised.
//
// One pass at most over the rows of a flat column, none over fixed-width ones. Everything promised in column.h about
// what lies inside is made true here and relied upon from then on.

#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include <cstring>

#include "base/status.h"
#include "column/array_kernels.h"
#include "column/buffers.h"
#include "column/column.h"
#include "column/import_dictionary.h"
#include "column/simd/dispatch.h"

namespace gristmill::column {
namespace {

arrow::Result<ArrayPtr> import_flat(const ArrayPtr& border, arrow::MemoryPool* pool);

// The bits of its nulls, from bit 0 on; none without nulls.
arrow::Result<std::shared_ptr<arrow::Buffer>> validity_from_zero(const arrow::ArrayData& d, arrow::MemoryPool* pool) {
  if (null_count_of(d) == 0) return nullptr;
  if (d.offset == 0) return d.buffers[0];
  return copy_bits(d.buffers[0]->data(), d.offset, d.length, pool);
}

// The border's rows with the canonical type, null count known, and no validity without nulls.
ArrayPtr adopt(const arrow::ArrayData& d, TypePtr type) {
  auto out = d.Copy();
  out->type = std::move(type);
  out->null_count = null_count_of(d);
  if (out->null_count == 0) out->buffers[0].reset();
  out->dictionary.reset();
  return out;
}

arrow::Result<ArrayPtr> import_fixed(const arrow::ArrayData& d, const TypePtr& type, int width, arrow::MemoryPool* pool) {
  auto out = adopt(d, type);
  out->buffers.resize(2);
  auto& values = out->buffers[1];
  const bool missing = !values || !values->data();
  const bool crooked = !missing && width > 1 && reinterpret_cast<uintptr_t>(values->data()) % static_cast<uintptr_t>(width) != 0;
  if (!missing && !crooked) return out;
  // The rows of a slice only: a morsel may be a small one of a large array.
  const int64_t bytes = width ? d.length * width : (d.length + 7) / 8;
  ARROW_ASSIGN_OR_RAISE(auto fresh, allocate_zeroed(bytes, pool));
  if (crooked) std::memcpy(fresh->mutable_data(), values->data() + d.offset * width, static_cast<size_t>(bytes));
  values = std::move(fresh);
  ARROW_ASSIGN_OR_RAISE(out->buffers[0], validity_from_zero(d, pool));
  out->offset = 0;
  return out;
}

// Which bits of the first four and of the next eight bytes belong to a text of n <= 12 bytes.
struct InlineMasks {
  uint32_t head[13];
  uint64_t tail[13];
};
constexpr InlineMasks make_inline_masks() {
  InlineMasks m{};
  for (int n = 0; n <= 12; ++n) {
    m.head[n] = n >= 4 ? ~0u : (1u << (8 * n)) - 1;
    m.tail[n] = n <= 4 ? 0 : n == 12 ? ~uint64_t{0} : (uint64_t{1} << (8 * (n - 4))) - 1;
  }
  return m;
}
constexpr InlineMasks kInlineMasks = make_inline_masks();

// Writes the view of the `size` bytes at `text`, of which `readable` bytes may be read.
inline void write_view(View16* v, const uint8_t* text, uint32_t size, int64_t readable, int32_t buffer, int64_t offset) {
  if (size <= 12 && readable < 12) {
    std::memset(v, 0, 16);
    v->size = size;
    std::memcpy(v->inlined, text, size);
    return;
  }
  uint32_t head;
  uint64_t tail;
  std::memcpy(&head, text, 4);
  if (size > 12) {
    tail = static_cast<uint32_t>(buffer) | static_cast<uint64_t>(offset) << 32;
  } else {
    std::memcpy(&tail, text + 4, 8);
    head &= kInlineMasks.head[size];
    tail &= kInlineMasks.tail[size];
  }
  const uint64_t first = size | static_cast<uint64_t>(head) << 32;
  std::memcpy(v, &first, 8);
  std::memcpy(reinterpret_cast<uint8_t*>(v) + 8, &tail, 8);
}

// Offsets of values in one data buffer -> views. `at(i)` is the offset of value i; the buffer is cut so that every view's
// offset fits 31 bits.
template <typename At>
arrow::Result<ArrayPtr> views_of(const arrow::ArrayData& d, const TypePtr& type, const std::shared_ptr<arrow::Buffer>& text, At at,
                                 arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto values, allocate_buffer(d.length * 16, pool));
  auto* views = reinterpret_cast<View16*>(values->mutable_data());
  const ValidityBits valid = validity_of(d);
  const uint8_t* bytes = text ? text->data() : nullptr;
  const int64_t text_size = text ? text->size() : 0;
  arrow::BufferVector cuts;
  int64_t base = 0;
  bool outside = false;
  for (int64_t i = 0, end = at(0); i < d.length; ++i) {
    const int64_t begin = end;
    end = at(i + 1);
    const int64_t size = end - begin;
    if (size == 0 || (valid.bits && !valid.valid(i))) {
      std::memset(views + i, 0, 16);
      continue;
    }
    if (begin < 0 || size < 0 || end > text_size) return base::data_error("a string column's offsets lie outside its data", {}, i);
    if (size > INT32_MAX) return base::data_error("a string of " + std::to_string(size) + " bytes; the limit is 2^31 - 1", {}, i);
    if (size > 12) {
      if (begin + size - base > INT32_MAX) {
        if (outside) cuts.push_back(arrow::SliceBuffer(text, base));
        base = begin;
      }
      outside = true;
    }
    write_view(views + i, bytes + begin, static_cast<uint32_t>(size), text_size - begin, static_cast<int32_t>(cuts.size()), begin - base);
  }
  if (outside) cuts.push_back(base ? arrow::SliceBuffer(text, base) : text);
  ARROW_ASSIGN_OR_RAISE(auto validity, validity_from_zero(d, pool));
  auto out = make_array(type, d.length, std::move(validity), null_count_of(d), std::move(values));
  out->buffers.insert(out->buffers.end(), cuts.begin(), cuts.end());
  return out;
}

template <typename O>
arrow::Result<ArrayPtr> import_text(const arrow::ArrayData& d, const TypePtr& type, arrow::MemoryPool* pool) {
  if (d.length == 0) return make_null_array(type, 0, pool);
  const O* offsets = values_of<O>(d);
  return views_of(d, type, d.buffers[2], [offsets](int64_t i) { return static_cast<int64_t>(offsets[i]); }, pool);
}

arrow::Result<ArrayPtr> import_fixed_size_binary(const arrow::ArrayData& d, const TypePtr& type, arrow::MemoryPool* pool) {
  const int64_t width = static_cast<const arrow::FixedSizeBinaryType&>(*d.type).byte_width(), first = d.offset;
  return views_of(d, type, d.buffers[1], [=](int64_t i) { return (first + i) * width; }, pool);
}

// Views as they come, unless a null slot or the unused bytes of a short one hold something: equality of whole views
// relies on zeros there, so one pass looks (0.1 ns a row with AVX-512).
arrow::Result<ArrayPtr> import_views(const arrow::ArrayData& d, const TypePtr& type, arrow::MemoryPool* pool) {
  if (d.length == 0) return make_null_array(type, 0, pool);
  auto out = adopt(d, type);
  const ValidityBits valid = validity_of(*out);
  const auto* views = values_of<View16>(d);
  const auto clean = [&](int64_t i) {
    View16 v = views[i];
    if (!valid.valid(i)) return View16{};
    if (v.is_inline()) std::memset(v.inlined + v.size, 0, 12 - v.size);
    return v;
  };
  bool dirty = reinterpret_cast<uintptr_t>(views) % 8 != 0 || !simd::kernels().views_are_padded(views, d.length);
  const View16 zero{};
  for (int64_t i = 0; valid.bits && i < d.length && !dirty; ++i) dirty = !valid.valid(i) && std::memcmp(&zero, views + i, 16) != 0;
  if (!dirty) return out;
  ARROW_ASSIGN_OR_RAISE(auto fresh, allocate_buffer(d.length * 16, pool));
  for (int64_t i = 0; i < d.length; ++i) {
    const View16 v = clean(i);
    std::memcpy(fresh->mutable_data() + 16 * i, &v, 16);
  }
  out->buffers[1] = std::move(fresh);
  if (valid.bits && out->offset != 0) {
    ARROW_ASSIGN_OR_RAISE(out->buffers[0], copy_bits(valid.bits, valid.offset, d.length, pool));
  }
  out->offset = 0;
  return out;
}

template <typename T>
arrow::Result<ArrayPtr> import_narrow_decimal(const arrow::ArrayData& d, const TypePtr& type, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto values, allocate_buffer(d.length * 16, pool));
  auto* to = reinterpret_cast<int64_t*>(values->mutable_data());
  for (int64_t i = 0; i < d.length; ++i) {
    T v;
    std::memcpy(&v, d.buffers[1]->data() + (d.offset + i) * static_cast<int64_t>(sizeof(T)), sizeof(T));
    to[2 * i] = v;
    to[2 * i + 1] = v < 0 ? -1 : 0;
  }
  ARROW_ASSIGN_OR_RAISE(auto validity, validity_from_zero(d, pool));
  return make_array(type, d.length, std::move(validity), null_count_of(d), std::move(values));
}

// Of 256 bits, as far as 38 digits reach.
arrow::Result<ArrayPtr> import_wide_decimal(const arrow::ArrayData& d, const TypePtr& type, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto values, allocate_zeroed(d.length * 16, pool));
  unsigned __int128 power = 1;
  for (int digits = static_cast<const arrow::DecimalType&>(*type).precision(); digits > 0; --digits) power *= 10;
  const ValidityBits valid = validity_of(d);
  for (int64_t i = 0; i < d.length; ++i) {
    if (valid.bits && !valid.valid(i)) continue;
    const uint8_t* const from = d.buffers[1]->data() + (d.offset + i) * 32;
    __int128 low, high;
    std::memcpy(&low, from, 16);
    std::memcpy(&high, from + 16, 16);
    const unsigned __int128 magnitude = low < 0 ? -static_cast<unsigned __int128>(low) : static_cast<unsigned __int128>(low);
    if (high != (low < 0 ? -1 : 0) || magnitude >= power) {
      const int scale = static_cast<const arrow::DecimalType&>(*type).scale();
      return base::data_error("a decimal of more than 38 digits", arrow::Decimal256(from).ToString(scale), i);
    }
    std::memcpy(values->mutable_data() + i * 16, &low, 16);
  }
  ARROW_ASSIGN_OR_RAISE(auto validity, validity_from_zero(d, pool));
  return make_array(type, d.length, std::move(validity), null_count_of(d), std::move(values));
}

// The child's rows in use only, so that a small slice of a large array costs little.
template <typename O>
arrow::Result<ArrayPtr> import_list(const arrow::ArrayData& d, const TypePtr& type, arrow::MemoryPool* pool) {
  if (d.length == 0) return make_null_array(type, 0, pool);
  auto out = adopt(d, type);
  out->buffers.resize(2);
  const O* from = values_of<O>(d);
  const O first = from[0], last = from[d.length];
  ArrayPtr child = d.child_data[0];
  if (first != 0 || last != child->length) {
    child = child->Slice(first, last - first);
    if (first != 0) {
      ARROW_ASSIGN_OR_RAISE(auto offsets, allocate_buffer((d.length + 1) * static_cast<int64_t>(sizeof(O)), pool));
      auto* to = reinterpret_cast<O*>(offsets->mutable_data());
      for (int64_t i = 0; i <= d.length; ++i) to[i] = from[i] - first;
      out->buffers[1] = std::move(offsets);
      ARROW_ASSIGN_OR_RAISE(out->buffers[0], validity_from_zero(d, pool));
      out->offset = 0;
    }
  }
  ARROW_ASSIGN_OR_RAISE(out->child_data[0], import_flat(child, pool));
  return out;
}

arrow::Result<ArrayPtr> import_struct(const arrow::ArrayData& d, const TypePtr& type, arrow::MemoryPool* pool) {
  auto out = adopt(d, type);
  out->buffers.resize(1);
  out->offset = 0;
  ARROW_ASSIGN_OR_RAISE(out->buffers[0], validity_from_zero(d, pool));
  for (size_t f = 0; f < d.child_data.size(); ++f) {
    ARROW_ASSIGN_OR_RAISE(out->child_data[f], import_flat(d.child_data[f]->Slice(d.offset, d.length), pool));
  }
  return out;
}

arrow::Result<ArrayPtr> import_flat(const ArrayPtr& border, arrow::MemoryPool* pool) {
  using arrow::Type;
  const arrow::ArrayData& d = *border;
  const TypePtr type = canonical_type(d.type);
  ARROW_ASSIGN_OR_RAISE(const Physical p, physical_of(*type));
  switch (d.type->id()) {
    case Type::NA: return arrow::ArrayData::Make(type, d.length, {nullptr}, d.length);
    case Type::STRING:
    case Type::BINARY: return import_text<int32_t>(d, type, pool);
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY: return import_text<int64_t>(d, type, pool);
    case Type::STRING_VIEW:
    case Type::BINARY_VIEW: return import_views(d, type, pool);
    case Type::FIXED_SIZE_BINARY: return import_fixed_size_binary(d, type, pool);
    case Type::DECIMAL32: return import_narrow_decimal<int32_t>(d, type, pool);
    case Type::DECIMAL64: return import_narrow_decimal<int64_t>(d, type, pool);
    case Type::DECIMAL256: return import_wide_decimal(d, type, pool);
    case Type::LIST:
    case Type::MAP: return import_list<int32_t>(d, type, pool);
    case Type::LARGE_LIST: return import_list<int64_t>(d, type, pool);
    case Type::STRUCT: return import_struct(d, type, pool);
    case Type::DICTIONARY:
    case Type::EXTENSION: {
      ARROW_ASSIGN_OR_RAISE(Column c, import_array(border, pool));
      ARROW_ASSIGN_OR_RAISE(c, flatten(c, d.length, pool));
      return c.values;
    }
    default: return import_fixed(d, type, byte_width(p), pool);
  }
}

}  // namespace

arrow::Result<Column> import_array(const std::shared_ptr<arrow::ArrayData>& border, arrow::MemoryPool* pool) {
  if (border->type->id() == arrow::Type::EXTENSION) {
    auto storage = border->Copy();
    storage->type = static_cast<const arrow::ExtensionType&>(*border->type).storage_type();
    return import_array(storage, pool);
  }
  if (border->type->id() == arrow::Type::DICTIONARY) return import_dictionary(*border, pool);
  ARROW_ASSIGN_OR_RAISE(ArrayPtr flat, import_flat(border, pool));
  return Column::flat(std::move(flat));
}

}  // namespace gristmill::column
