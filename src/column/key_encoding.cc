// Rows -> bytes that memcmp orders.
//
// A first pass over the columns adds up each row's bytes, a second writes column after column at every row's cursor.
// Fixed-width columns write the same bytes for a null as for a zero, so rows of fixed-width keys have one length.

#include "column/key_encoding.h"

#include <arrow/memory_pool.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstring>

#include "column/array_kernels.h"
#include "column/kernels.h"
#include "column/row_order.h"
#include "column/simd/dispatch.h"
#include "column/simd/hash_mix.h"

namespace gristmill::column {
namespace {

// Values as unsigned numbers of the same width whose order is the value's.
template <typename T>
auto ordered_bits(T v) {
  if constexpr (std::is_floating_point_v<T>) {
    const auto b = canonical_bits(v);
    using U = std::remove_const_t<decltype(b)>;
    constexpr U kSign = U{1} << (sizeof(U) * 8 - 1);
    return static_cast<U>(b & kSign ? ~b : b | kSign);
  } else if constexpr (sizeof(T) == 16) {
    return static_cast<unsigned __int128>(v) ^ (static_cast<unsigned __int128>(1) << 127);
  } else {
    using U = std::make_unsigned_t<T>;
    constexpr U kSign = std::is_signed_v<T> ? static_cast<U>(U{1} << (sizeof(U) * 8 - 1)) : U{0};
    return static_cast<U>(static_cast<U>(v) ^ kSign);
  }
}

template <typename U>
void write_big_endian(U v, uint8_t* to) {
  for (int k = static_cast<int>(sizeof(U)) - 1; k >= 0; --k) {
    to[k] = static_cast<uint8_t>(v);
    if constexpr (sizeof(U) > 1) v = static_cast<U>(v >> 8);
  }
}

template <typename T>
T load_value(const arrow::ArrayData& d, int64_t i) {
  T v;
  std::memcpy(&v, d.buffers[1]->data() + (d.offset + i) * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return v;
}

int64_t encoded_text_size(std::string_view v) { return static_cast<int64_t>(v.size()) + std::count(v.begin(), v.end(), '\0') + 2; }

uint8_t* write_text(std::string_view v, uint8_t* to) {
  if (std::memchr(v.data(), 0, v.size()) == nullptr) {
    std::memcpy(to, v.data(), v.size());
    to += v.size();
  } else {
    for (char c : v) {
      *to++ = static_cast<uint8_t>(c);
      if (c == 0) *to++ = 0xff;
    }
  }
  *to++ = 0;
  *to++ = 0;
  return to;
}

// One nested value with its null byte, ascending with nulls last; the caller inverts. Appends.
void append_value(const arrow::ArrayData& d, int64_t i, std::vector<uint8_t>* out) {
  const Physical p = physical_unchecked(*d.type);
  const bool null = p == Physical::kNull || !validity_of(d).valid(i);
  out->push_back(null);
  if (null) return;
  switch (p) {
    case Physical::kNull: return;
    case Physical::kBool: out->push_back(bit_at(d.buffers[1]->data(), d.offset + i)); return;
    case Physical::kView: {
      const std::string_view v = view_at(d, i);
      const size_t at = out->size();
      out->resize(at + static_cast<size_t>(encoded_text_size(v)));
      write_text(v, out->data() + at);
      return;
    }
    case Physical::kNested: {
      if (d.type->id() == arrow::Type::STRUCT) {
        for (const auto& child : d.child_data) append_value(*child, d.offset + i, out);
        return;
      }
      std::vector<int64_t> rows;
      if (d.type->id() == arrow::Type::MAP) {
        rows = sorted_entries(d, i);
      } else {
        for (ListRange r = list_range(d, i); r.begin < r.end; ++r.begin) rows.push_back(r.begin);
      }
      for (int64_t row : rows) {
        out->push_back(1);
        append_value(*d.child_data[0], row, out);
      }
      out->push_back(0);
      return;
    }
    default:
      visit_number(p, [&]<typename T>() {
        const auto bits = ordered_bits(load_value<T>(d, i));
        const size_t at = out->size();
        out->resize(at + sizeof bits);
        write_big_endian(bits, out->data() + at);
      });
  }
}

// Bytes of every value, or -1.
int64_t fixed_bytes(Physical p) {
  switch (p) {
    case Physical::kNull: return 0;
    case Physical::kBool: return 1;
    case Physical::kView:
    case Physical::kNested: return -1;
    default: return byte_width(p);
  }
}

// A key column made flat, with what its encoding needs.
struct KeyColumn {
  ArrayPtr data;
  Physical physical;
  SortKey order;
  std::vector<std::vector<uint8_t>> nested;  // encoded values of nested rows
  size_t skip = 0;                           // bytes at the front of every text that are left out

  std::string_view text(int64_t i) const { return view_at(*data, i).substr(skip); }
  bool null_at(int64_t i) const { return physical == Physical::kNull || !validity_of(*data).valid(i); }
  int64_t null_bytes() const { return order.nullable ? 1 : 0; }
  uint8_t null_byte(bool null) const { return null != order.nulls_first; }
  int64_t fixed_bytes() const { return column::fixed_bytes(physical); }
};

arrow::Result<std::vector<KeyColumn>> prepare(std::span<const Column> keys, std::span<const SortKey> order, int64_t rows) {
  std::vector<KeyColumn> out;
  for (size_t k = 0; k < keys.size(); ++k) {
    ARROW_ASSIGN_OR_RAISE(Column flat, flatten(keys[k], rows, arrow::default_memory_pool()));
    KeyColumn c{flat.values, physical_unchecked(*flat.values->type), order[k], {}, 0};
    if (c.physical == Physical::kNested) {
      c.nested.resize(static_cast<size_t>(rows));
      for (int64_t i = 0; i < rows; ++i) {
        if (!c.null_at(i)) append_value(*c.data, i, &c.nested[i]);
      }
    }
    out.push_back(std::move(c));
  }
  return out;
}

int64_t value_bytes(const KeyColumn& c, int64_t i) {
  if (const int64_t fixed = c.fixed_bytes(); fixed >= 0) return fixed;
  if (c.null_at(i)) return 0;
  return c.physical == Physical::kView ? encoded_text_size(c.text(i)) : static_cast<int64_t>(c.nested[i].size());
}

// f(i, null) writes row i's value and returns how far it got; nulls and inversion are done here.
template <typename F>
void write_rows(const KeyColumn& c, int64_t rows, std::vector<uint8_t*>* cursors, F&& f) {
  const uint8_t invert = c.order.descending ? 0xff : 0;
  for (int64_t i = 0; i < rows; ++i) {
    uint8_t*& at = (*cursors)[i];
    const bool null = c.null_at(i);
    if (c.order.nullable) *at++ = c.null_byte(null);
    uint8_t* end = f(i, null, at);
    if (invert && !null) {
      for (uint8_t* p = at; p < end; ++p) *p ^= 0xff;
    }
    at = end;
  }
}

void write_column(const KeyColumn& c, int64_t rows, std::vector<uint8_t*>* cursors) {
  const arrow::ArrayData& d = *c.data;
  switch (c.physical) {
    case Physical::kNull: return write_rows(c, rows, cursors, [](int64_t, bool, uint8_t* to) { return to; });
    case Physical::kBool:
      return write_rows(c, rows, cursors, [&](int64_t i, bool null, uint8_t* to) {
        *to = !null && bit_at(d.buffers[1]->data(), d.offset + i);
        return to + 1;
      });
    case Physical::kView:
      return write_rows(c, rows, cursors, [&](int64_t i, bool null, uint8_t* to) { return null ? to : write_text(c.text(i), to); });
    case Physical::kNested:
      return write_rows(c, rows, cursors, [&](int64_t i, bool null, uint8_t* to) {
        if (!null) to = std::copy(c.nested[i].begin(), c.nested[i].end(), to);
        return to;
      });
    default:
      return visit_number(c.physical, [&]<typename T>() {
        write_rows(c, rows, cursors, [&](int64_t i, bool null, uint8_t* to) {
          using U = decltype(ordered_bits(T{}));
          write_big_endian(null ? U{0} : ordered_bits(load_value<T>(d, i)), to);
          return to + sizeof(U);
        });
      });
  }
}

// One fixed-width key, every row as if not null.
void fixed_prefixes(const KeyColumn& c, int64_t rows, uint64_t* out) {
  const int width = byte_width(c.physical);
  const uint64_t flip = c.order.descending ? ~uint64_t{0} << (width < 8 ? 64 - 8 * width : 0) : 0;
  simd::kernels().sort_prefixes[simd::lane_of(c.physical)](c.data->buffers[1]->data() + c.data->offset * width, rows, flip, out);
}

constexpr int kPrefix = 8;

// The first bytes of a text's encoding; what does not fit in `room` is left out. Returns how many were written.
int write_text_start(std::string_view v, int room, uint8_t* to) {
  int at = 0;
  for (size_t k = 0; k < v.size() && at < room; ++k) {
    to[at++] = static_cast<uint8_t>(v[k]);
    if (v[k] == 0 && at < room) to[at++] = 0xff;
  }
  for (int end = 0; end < 2 && at < room; ++end) to[at++] = 0;
  return at;
}

// The first eight bytes of a view's encoding, straight from the view.
void text_prefixes(const KeyColumn& c, int64_t rows, uint64_t* out) {
  for (int64_t i = 0; i < rows; ++i) {
    uint8_t bytes[kPrefix] = {};
    const int written = write_text_start(c.null_at(i) ? std::string_view() : c.text(i), kPrefix, bytes);
    if (c.order.descending) {
      for (int k = 0; k < written; ++k) bytes[k] ^= 0xff;
    }
    out[i] = __builtin_bswap64(load64(bytes));
  }
}

}  // namespace

arrow::Result<EncodedKeys> encode_keys(std::span<const Column> keys, std::span<const SortKey> order, int64_t rows) {
  ARROW_ASSIGN_OR_RAISE(std::vector<KeyColumn> columns, prepare(keys, order, rows));
  EncodedKeys out;
  out.offsets.assign(static_cast<size_t>(rows) + 1, 0);
  int64_t fixed = 0;
  for (const KeyColumn& c : columns) {
    fixed += c.null_bytes();
    if (c.fixed_bytes() >= 0) {
      fixed += c.fixed_bytes();
    } else {
      for (int64_t i = 0; i < rows; ++i) out.offsets[i + 1] += static_cast<uint64_t>(value_bytes(c, i));
    }
  }
  for (int64_t i = 0; i < rows; ++i) out.offsets[i + 1] += out.offsets[i] + static_cast<uint64_t>(fixed);
  out.bytes.resize(out.offsets.back());
  std::vector<uint8_t*> cursors(static_cast<size_t>(rows));
  for (int64_t i = 0; i < rows; ++i) cursors[i] = out.bytes.data() + out.offsets[i];
  for (const KeyColumn& c : columns) write_column(c, rows, &cursors);
  return out;
}

namespace {

// start(i, room, to) writes the first bytes of row i's value, up to `room`, and returns how many; they go behind those of earlier columns.
template <typename F>
void start_rows(const KeyColumn& c, int64_t rows, uint8_t* at, uint64_t* out, F&& start) {
  for (int64_t i = 0; i < rows; ++i) {
    if (at[i] == kPrefix) continue;
    uint8_t bytes[kPrefix] = {};
    const bool null = c.null_at(i);
    const int n = start(i, null, kPrefix - at[i], bytes);
    for (int k = 0; k < n && c.order.descending && !null; ++k) bytes[k] ^= 0xff;
    out[i] |= __builtin_bswap64(load64(bytes)) >> (8 * at[i]);
    at[i] = static_cast<uint8_t>(at[i] + n);
  }
}

// The same as encode_keys() writes, but no further than eight bytes a row.
void start_column(const KeyColumn& c, int64_t rows, uint8_t* at, uint64_t* out) {
  const arrow::ArrayData& d = *c.data;
  switch (c.physical) {
    case Physical::kNull: return;
    case Physical::kBool:
      return start_rows(c, rows, at, out, [&](int64_t i, bool null, int, uint8_t* to) {
        *to = !null && bit_at(d.buffers[1]->data(), d.offset + i);
        return 1;
      });
    case Physical::kView:
      return start_rows(c, rows, at, out, [&](int64_t i, bool null, int room, uint8_t* to) {
        return null ? 0 : write_text_start(c.text(i), room, to);
      });
    case Physical::kNested:
      return start_rows(c, rows, at, out, [&](int64_t i, bool null, int room, uint8_t* to) {
        const int n = null ? 0 : static_cast<int>(std::min<size_t>(static_cast<size_t>(room), c.nested[i].size()));
        std::copy_n(c.nested[i].data(), n, to);
        return n;
      });
    default:
      return visit_number(c.physical, [&]<typename T>() {
        start_rows(c, rows, at, out, [&](int64_t i, bool null, int room, uint8_t* to) {
          using U = decltype(ordered_bits(T{}));
          uint8_t whole[sizeof(U)];
          write_big_endian(null ? U{0} : ordered_bits(load_value<T>(d, i)), whole);
          const int n = std::min(room, static_cast<int>(sizeof(U)));
          std::copy_n(whole, n, to);
          return n;
        });
      });
  }
}

// Without null bytes: every row as if not null.
void plain_prefixes(const std::vector<KeyColumn>& columns, int64_t rows, uint64_t* out) {
  const bool simple = columns.size() == 1 || (!columns.empty() && columns[0].fixed_bytes() >= kPrefix);
  if (simple && columns[0].physical == Physical::kView) return text_prefixes(columns[0], rows, out);
  if (simple && byte_width(columns[0].physical) > 0) return fixed_prefixes(columns[0], rows, out);
  std::fill_n(out, rows, 0);
  std::vector<uint8_t> at(static_cast<size_t>(rows));
  for (const KeyColumn& c : columns) start_column(c, rows, at.data(), out);
}

// How many keys it takes until the first eight bytes of every row are settled. A row with a null among them is settled by the null.
size_t keys_of_prefix(std::span<const Column> keys) {
  constexpr int64_t kTextEnd = 2;
  int64_t bytes = 0;
  for (size_t k = 0; k < keys.size(); ++k) {
    if (bytes >= 8) return k;
    const int64_t fixed = fixed_bytes(physical_unchecked(*keys[k].type()));
    const bool text = physical_unchecked(*keys[k].type()) == Physical::kView;
    bytes += fixed >= 0 ? fixed : text ? kTextEnd : 0;
  }
  return keys.size();
}

}  // namespace

arrow::Result<bool> key_prefixes(std::span<const Column> keys, std::span<const SortKey> order, int64_t rows, uint64_t* out,
                                 size_t shared_bytes) {
  int64_t bytes = 0;
  bool exact = true;
  for (const Column& key : keys) {
    const int64_t fixed = fixed_bytes(physical_unchecked(*key.type()));
    exact &= fixed >= 0 && !has_nulls(key);
    bytes += std::max<int64_t>(fixed, 0);
  }
  keys = keys.first(keys_of_prefix(keys));
  std::vector<SortKey> plain(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(keys.size()));
  for (SortKey& k : plain) k.nullable = false;
  ARROW_ASSIGN_OR_RAISE(std::vector<KeyColumn> columns, prepare(keys, plain, rows));
  if (!columns.empty()) columns[0].skip = shared_bytes;
  plain_prefixes(columns, rows, out);
  for (size_t k = 0; k < columns.size(); ++k) {
    if (!has_nulls(keys[k])) continue;
    // From the null key on, the extreme: whatever follows cannot contradict the null's place.
    for (int64_t i = 0; i < rows; ++i) {
      if (!columns[k].null_at(i)) continue;
      int64_t start = 0;
      bool earlier_null = false;
      for (size_t j = 0; j < k; ++j) {
        earlier_null |= columns[j].null_at(i);
        start += value_bytes(columns[j], i);
      }
      if (earlier_null || start >= 8) continue;
      const uint64_t rest = ~uint64_t{0} >> (8 * start);
      out[i] = plain[k].nulls_first ? out[i] & ~rest : out[i] | rest;
    }
  }
  return exact && bytes <= 8;
}

}  // namespace gristmill::column
