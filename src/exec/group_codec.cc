// Encoding goes column by column over all rows (lengths first, then bytes at each row's cursor); nested values recurse.

#include "exec/group_codec.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <arrow/type.h>

#include "column/buffers.h"
#include "column/simd/hash_mix.h"
#include "exec/group_row.h"
#include "exec/group_values.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using column::Physical;

struct Range {
  int64_t begin, end;
};

Range list_rows(const ArrayData& d, int64_t i) {
  if (d.type->id() == arrow::Type::LARGE_LIST) {
    const auto* o = column::values_of<int64_t>(d);
    return {o[i], o[i + 1]};
  }
  const auto* o = column::values_of<int32_t>(d);
  return {o[i], o[i + 1]};
}

int64_t length_bytes(uint64_t n) { return n < kLongLength ? 1 : 5; }

uint8_t* put_length(uint8_t* at, uint64_t n) {
  if (n < kLongLength) {
    *at = static_cast<uint8_t>(n);
    return at + 1;
  }
  *at = kLongLength;
  store<uint32_t>(at + 1, static_cast<uint32_t>(n));
  return at + 5;
}

void append_length(std::vector<uint8_t>* out, uint64_t n) {
  uint8_t scratch[5];
  out->insert(out->end(), scratch, put_length(scratch, n));
}

template <typename T>
T key_value(T v) {
  if constexpr (std::is_floating_point_v<T>) {
    const auto bits = column::canonical_bits(v);
    std::memcpy(&v, &bits, sizeof(T));
  }
  return v;
}

void append_value(const ArrayData& d, int64_t i, bool key, std::vector<uint8_t>* out);

void append_map(const ArrayData& d, Range r, bool key, std::vector<uint8_t>* out) {
  append_length(out, static_cast<uint64_t>(r.end - r.begin));
  const ArrayData& entries = *d.child_data[0];
  std::vector<std::vector<uint8_t>> order(static_cast<size_t>(r.end - r.begin));
  for (int64_t k = r.begin; k < r.end; ++k) {
    append_value(entries, k, key, &order[static_cast<size_t>(k - r.begin)]);
  }
  // Keys are unique and come first in an entry's bytes, so they alone decide.
  const auto view = [](const std::vector<uint8_t>& b) { return std::string_view(reinterpret_cast<const char*>(b.data()), b.size()); };
  if (key) std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) { return view(a) < view(b); });
  for (const auto& bytes : order) out->insert(out->end(), bytes.begin(), bytes.end());
}

void append_value(const ArrayData& d, int64_t i, bool key, std::vector<uint8_t>* out) {
  const Physical p = column::physical_unchecked(*d.type);
  if (p == Physical::kNull || !column::validity_of(d).valid(i)) return out->push_back(0);
  out->push_back(1);
  switch (p) {
    case Physical::kBool: return out->push_back(column::bit_at(d.buffers[1]->data(), d.offset + i));
    case Physical::kView: {
      const std::string_view v = column::view_at(d, i);
      append_length(out, v.size());
      out->insert(out->end(), v.begin(), v.end());
      return;
    }
    case Physical::kNested: {
      if (d.type->id() == arrow::Type::STRUCT) {
        for (const auto& child : d.child_data) append_value(*child, d.offset + i, key, out);
        return;
      }
      const Range r = list_rows(d, i);
      if (d.type->id() == arrow::Type::MAP) return append_map(d, r, key, out);
      append_length(out, static_cast<uint64_t>(r.end - r.begin));
      for (int64_t k = r.begin; k < r.end; ++k) append_value(*d.child_data[0], k, key, out);
      return;
    }
    default:
      column::visit_number(p, [&]<typename T>() {
        T v = column::values_of<T>(d)[i];
        if (key) v = key_value(v);
        const auto* bytes = reinterpret_cast<const uint8_t*>(&v);
        out->insert(out->end(), bytes, bytes + sizeof(T));
      });
  }
}

// One key column of all rows: its lengths, then its bytes.
class KeyColumn {
 public:
  KeyColumn(const ArrayData& d, int64_t n) : d_(d), n_(n), physical_(column::physical_unchecked(*d.type)), valid_(column::validity_of(d)) {
    if (physical_ != Physical::kNested) return;
    for (int64_t i = 0; i < n; ++i) {
      nested_.offsets.push_back(nested_.bytes.size());
      append_value(d, i, true, &nested_.bytes);
    }
    nested_.offsets.push_back(nested_.bytes.size());
  }

  void add_lengths(uint64_t* lengths) const {
    for (int64_t i = 0; i < n_; ++i) {
      if (physical_ == Physical::kNested) {
        lengths[i] += nested_.row(i).size();
      } else {
        lengths[i] += 1;
        if (physical_ == Physical::kNull || !valid_.valid(i)) continue;
        if (physical_ == Physical::kView) {
          const uint64_t size = column::values_of<column::View16>(d_)[i].size;
          lengths[i] += size + static_cast<uint64_t>(length_bytes(size));
        } else {
          lengths[i] += physical_ == Physical::kBool ? 1 : static_cast<uint64_t>(column::byte_width(physical_));
        }
      }
    }
  }

  void write(uint8_t** cursors) const {
    switch (physical_) {
      case Physical::kNull: return each(cursors, [](int64_t, uint8_t* at) { return at; });
      case Physical::kBool:
        return each(cursors, [&](int64_t i, uint8_t* at) {
          *at = column::bit_at(d_.buffers[1]->data(), d_.offset + i);
          return at + 1;
        });
      case Physical::kView:
        return each(cursors, [&](int64_t i, uint8_t* at) {
          const std::string_view v = column::view_at(d_, i);
          at = put_length(at, v.size());
          std::memcpy(at, v.data(), v.size());
          return at + v.size();
        });
      case Physical::kNested:
        for (int64_t i = 0; i < n_; ++i) {
          const std::string_view v = nested_.row(i);
          std::memcpy(cursors[i], v.data(), v.size());
          cursors[i] += v.size();
        }
        return;
      default:
        column::visit_number(physical_, [&]<typename T>() {
          const T* values = column::values_of<T>(d_);
          each(cursors, [&](int64_t i, uint8_t* at) {
            store<T>(at, key_value(values[i]));
            return at + sizeof(T);
          });
        });
    }
  }

 private:
  template <typename F>
  void each(uint8_t** cursors, F&& put) const {
    for (int64_t i = 0; i < n_; ++i) {
      const bool there = physical_ != Physical::kNull && valid_.valid(i);
      *cursors[i]++ = there;
      if (there) cursors[i] = put(i, cursors[i]);
    }
  }

  const ArrayData& d_;
  int64_t n_;
  Physical physical_;
  column::ValidityBits valid_;
  EncodedRows nested_;
};

// Values of a nested type being put together again.
struct Decoder {
  explicit Decoder(const column::TypePtr& t) : type(t), physical(column::physical_unchecked(*t)) {
    for (const auto& f : t->fields()) children.emplace_back(f->type());
    offsets.push_back(0);
  }

  void append_null() {
    valid.push_back(false);
    ++length;
    if (physical == Physical::kView) strings.emplace_back();
    if (const int width = column::byte_width(physical); width > 0 && physical != Physical::kView)
      values.resize(values.size() + static_cast<size_t>(width));
    if (physical == Physical::kBool) values.push_back(0);
    if (type->id() == arrow::Type::STRUCT) {
      for (auto& child : children) child.append_null();
    }
    offsets.push_back(offsets.back());
  }

  void append(const uint8_t*& at) {
    if (*at++ == 0) return append_null();
    valid.push_back(true);
    ++length;
    switch (physical) {
      case Physical::kView: {
        const uint64_t size = get_length(at);
        strings.emplace_back(reinterpret_cast<const char*>(at), size);
        at += size;
        return;
      }
      case Physical::kNested: {
        if (type->id() == arrow::Type::STRUCT) {
          for (auto& child : children) child.append(at);
          return;
        }
        const uint64_t size = get_length(at);
        for (uint64_t k = 0; k < size; ++k) children[0].append(at);
        offsets.push_back(offsets.back() + static_cast<int64_t>(size));
        return;
      }
      default: {
        const int width = physical == Physical::kBool ? 1 : column::byte_width(physical);
        values.insert(values.end(), at, at + width);
        at += width;
      }
    }
  }

  arrow::Result<std::shared_ptr<ArrayData>> finish(arrow::MemoryPool* pool) const;

  column::TypePtr type;
  Physical physical;
  int64_t length = 0;
  std::vector<bool> valid;
  std::vector<uint8_t> values;
  std::vector<std::string_view> strings;
  std::vector<int64_t> offsets;
  std::vector<Decoder> children;
};

template <typename T>
arrow::Result<std::shared_ptr<arrow::Buffer>> offset_buffer(const std::vector<int64_t>& offsets, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, column::allocate_buffer(static_cast<int64_t>(offsets.size() * sizeof(T)), pool));
  auto* out = reinterpret_cast<T*>(buffer->mutable_data());
  for (size_t i = 0; i < offsets.size(); ++i) out[i] = static_cast<T>(offsets[i]);
  return buffer;
}

arrow::Result<std::shared_ptr<ArrayData>> Decoder::finish(arrow::MemoryPool* pool) const {
  if (physical == Physical::kNull) return column::make_null_array(type, length, pool);
  ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(length, pool));
  for (int64_t i = 0; i < length; ++i) {
    if (!valid[static_cast<size_t>(i)]) validity.set_null(i);
  }
  if (physical == Physical::kView)
    return make_views(type, length, [&](int64_t i) { return strings[static_cast<size_t>(i)]; }, std::move(validity), pool);
  std::shared_ptr<arrow::Buffer> data;
  if (physical == Physical::kBool) {
    ARROW_ASSIGN_OR_RAISE(data, column::allocate_bits(length, pool));
    for (int64_t i = 0; i < length; ++i) {
      if (values[static_cast<size_t>(i)]) data->mutable_data()[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
    }
  } else if (physical != Physical::kNested) {
    ARROW_ASSIGN_OR_RAISE(data, column::allocate_buffer(static_cast<int64_t>(values.size()), pool));
    if (!values.empty()) std::memcpy(data->mutable_data(), values.data(), values.size());
  } else if (type->id() == arrow::Type::LARGE_LIST) {
    ARROW_ASSIGN_OR_RAISE(data, offset_buffer<int64_t>(offsets, pool));
  } else if (type->id() != arrow::Type::STRUCT) {
    ARROW_ASSIGN_OR_RAISE(data, offset_buffer<int32_t>(offsets, pool));
  }
  const int64_t nulls = validity.nulls();
  auto array = column::make_array(type, length, std::move(validity).take(), nulls, std::move(data));
  if (type->id() == arrow::Type::STRUCT) array->buffers.resize(1);
  for (const auto& child : children) {
    ARROW_ASSIGN_OR_RAISE(auto values_of_child, child.finish(pool));
    array->child_data.push_back(std::move(values_of_child));
  }
  return array;
}

}  // namespace

void encode_key_rows(std::span<const std::shared_ptr<ArrayData>> columns, int64_t n, EncodedRows* out) {
  std::vector<KeyColumn> keys;
  keys.reserve(columns.size());
  for (const auto& c : columns) keys.emplace_back(*c, n);
  out->offsets.assign(static_cast<size_t>(n) + 1, 0);
  for (const auto& k : keys) k.add_lengths(out->offsets.data() + 1);
  for (size_t i = 1; i < out->offsets.size(); ++i) out->offsets[i] += out->offsets[i - 1];
  out->bytes.resize(out->offsets.back());
  std::vector<uint8_t*> cursors(static_cast<size_t>(n));
  for (size_t i = 0; i < cursors.size(); ++i) cursors[i] = out->bytes.data() + out->offsets[i];
  for (const auto& k : keys) k.write(cursors.data());
}

void encode_value(const ArrayData& values, int64_t row, std::vector<uint8_t>* out) { append_value(values, row, false, out); }

arrow::Result<std::shared_ptr<ArrayData>> decode_values(const column::TypePtr& type, std::span<const uint8_t*> cursors,
                                                        arrow::MemoryPool* pool) {
  const auto n = static_cast<int64_t>(cursors.size());
  const Physical p = column::physical_unchecked(*type);
  if (p == Physical::kNested || p == Physical::kNull || p == Physical::kBool) {
    Decoder decoder(type);
    for (auto& at : cursors) decoder.append(at);
    return decoder.finish(pool);
  }
  ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
  if (p == Physical::kView) {
    std::vector<std::string_view> strings(cursors.size());
    for (int64_t i = 0; i < n; ++i) {
      const uint8_t*& at = cursors[static_cast<size_t>(i)];
      if (*at++ == 0) {
        validity.set_null(i);
        continue;
      }
      const uint64_t size = get_length(at);
      strings[static_cast<size_t>(i)] = {reinterpret_cast<const char*>(at), size};
      at += size;
    }
    return make_views(type, n, [&](int64_t i) { return strings[static_cast<size_t>(i)]; }, std::move(validity), pool);
  }
  const int width = column::byte_width(p);
  ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_zeroed(n * width, pool));
  for (int64_t i = 0; i < n; ++i) {
    const uint8_t*& at = cursors[static_cast<size_t>(i)];
    if (*at++ == 0) {
      validity.set_null(i);
      continue;
    }
    std::memcpy(data->mutable_data() + i * width, at, static_cast<size_t>(width));
    at += width;
  }
  const int64_t nulls = validity.nulls();
  return column::make_array(type, n, std::move(validity).take(), nulls, std::move(data));
}

}  // namespace gristmill::exec
