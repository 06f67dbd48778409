// Which form a plan's keys take, and the two ways to normalise them.

#include "exec/group_keys.h"

#include <algorithm>
#include <numeric>
#include <type_traits>

#include <arrow/buffer.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/kernels.h"
#include "column/simd/hash_mix.h"
#include "exec/group_hash.h"
#include "exec/group_values.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using column::Physical;

int packed_width(Physical p) { return p == Physical::kBool ? 1 : column::byte_width(p); }
bool packable(Physical p) { return p != Physical::kNull && p != Physical::kNested && p != Physical::kView; }

// The bits of a value; equal values have equal bits.
template <typename T>
auto value_bits(T v) {
  if constexpr (std::is_floating_point_v<T>) {
    return column::canonical_bits(v);
  } else if constexpr (sizeof(T) == 1) {
    return static_cast<uint8_t>(v);
  } else if constexpr (sizeof(T) == 2) {
    return static_cast<uint16_t>(v);
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<uint32_t>(v);
  } else if constexpr (sizeof(T) == 8) {
    return static_cast<uint64_t>(v);
  } else {
    return static_cast<unsigned __int128>(v);
  }
}

// words |= the values at their byte; null rows add nothing.
template <typename T>
void pack_values(const ArrayData& d, int64_t n, int shift, uint64_t* low, uint64_t* high) {
  const T* values = column::values_of<T>(d);
  const column::ValidityBits valid = column::validity_of(d);
  const auto put = [&](int64_t i) {
    const auto bits = value_bits(values[i]);
    low[i] |= static_cast<uint64_t>(bits) << shift;
    if constexpr (sizeof(T) == 16) high[i] |= static_cast<uint64_t>(bits >> 64);
  };
  if (!valid.bits) {
    for (int64_t i = 0; i < n; ++i) put(i);
  } else {
    for (int64_t i = 0; i < n; ++i) {
      if (valid.valid(i)) put(i);
    }
  }
}

void pack_bools(const ArrayData& d, int64_t n, int shift, uint64_t* word) {
  const column::ValidityBits valid = column::validity_of(d);
  for (int64_t i = 0; i < n; ++i) {
    word[i] |= static_cast<uint64_t>(column::bit_at(d.buffers[1]->data(), d.offset + i) && valid.valid(i)) << shift;
  }
}

}  // namespace

bool KeyPlan::pack(int null_bits) {
  std::vector<size_t> order(parts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return packed_width(parts[a].physical) > packed_width(parts[b].physical); });
  int at = 0;
  for (const size_t i : order) {
    parts[i].offset = at;
    at += packed_width(parts[i].physical);
  }
  null_offset = at;
  if (null_bits > 0) ++at;
  words = (at + 7) / 8;
  return words <= RowLayout::kMaxWords && null_bits <= 8;
}

arrow::Result<KeyPlan> KeyPlan::make(const std::vector<expr::BoundPtr>& keys) {
  KeyPlan plan;
  bool fixed = true;
  int null_bits = 0;
  for (const auto& k : keys) {
    Part part{k->type, Physical::kNull, k->nullable};
    ARROW_ASSIGN_OR_RAISE(part.physical, column::physical_of(*k->type));
    if (part.nullable) part.null_bit = null_bits++;
    fixed = fixed && packable(part.physical);
    plan.parts.push_back(std::move(part));
  }
  if (keys.empty()) return plan;
  if (keys.size() == 1 && plan.parts[0].nullable && fixed && packed_width(plan.parts[0].physical) == 8) {
    plan.keeps_nulls_apart = true;
    null_bits = 0;
  }
  if (fixed && plan.pack(null_bits)) {
    plan.form = KeyForm::kWords;
    return plan;
  }
  plan.form = KeyForm::kBlob;
  plan.encoded = keys.size() > 1 || plan.parts[0].physical != Physical::kView;
  return plan;
}

arrow::Status KeyNormaliser::normalise(const KeyPlan& plan, std::span<const column::Column> columns, int64_t n, arrow::MemoryPool* pool,
                                       KeyBatch* out) {
  arrays_.clear();
  for (size_t c = 0; c < columns.size(); ++c) {
    ARROW_ASSIGN_OR_RAISE(column::Column flat, column::flatten(columns[c], n, pool));
    if (!plan.parts[c].nullable && column::has_nulls(flat)) return base::internal_error("a group key that is never null is null");
    arrays_.push_back(std::move(flat.values));
  }
  *out = KeyBatch{};
  out->n = n;
  hashes_.resize(static_cast<size_t>(n));
  out->hashes = hashes_.data();
  if (plan.form == KeyForm::kWords) {
    if (plan.keeps_nulls_apart && column::null_count_of(*arrays_[0]) > 0) out->apart = column::validity_of(*arrays_[0]);
    ARROW_RETURN_NOT_OK(pack_words(plan, n, out));
    hash_words(out->words, plan.words, n, hashes_.data());
    return arrow::Status::OK();
  }
  blobs_.resize(static_cast<size_t>(n));
  out->blobs = blobs_.data();
  if (plan.encoded) {
    encode_key_rows(arrays_, n, &rows_);
    encoded_blobs(n);
  } else {
    view_blobs(n);
    const column::Column key = column::Column::flat(arrays_[0]);
    column::hash_rows({&key, 1}, n, column::Selection(), hashes_.data());
  }
  return arrow::Status::OK();
}

arrow::Status KeyNormaliser::pack_words(const KeyPlan& plan, int64_t n, KeyBatch* out) {
  if (plan.parts.size() == 1 && plan.words == 1 && (!plan.parts[0].nullable || plan.keeps_nulls_apart) &&
      (plan.parts[0].physical == Physical::kInt64 || plan.parts[0].physical == Physical::kUInt64)) {
    out->words[0] = column::values_of<uint64_t>(*arrays_[0]);
    return arrow::Status::OK();
  }
  for (int w = 0; w < plan.words; ++w) {
    words_[w].assign(static_cast<size_t>(n), 0);
    out->words[w] = words_[w].data();
  }
  for (size_t c = 0; c < plan.parts.size(); ++c) {
    const KeyPlan::Part& part = plan.parts[c];
    const ArrayData& d = *arrays_[c];
    const int w = part.offset / 8, shift = part.offset % 8 * 8;
    uint64_t* const low = words_[w].data();
    if (part.physical == Physical::kBool) {
      pack_bools(d, n, shift, low);
    } else {
      column::visit_number(part.physical,
                           [&]<typename T>() { pack_values<T>(d, n, shift, low, sizeof(T) == 16 ? words_[w + 1].data() : nullptr); });
    }
    if (const column::ValidityBits valid = column::validity_of(d); part.nullable && !plan.keeps_nulls_apart && valid.bits) {
      uint64_t* const nulls = words_[plan.null_offset / 8].data();
      const int bit = plan.null_offset % 8 * 8 + part.null_bit;
      for (int64_t i = 0; i < n; ++i) nulls[i] |= static_cast<uint64_t>(!valid.valid(i)) << bit;
    }
  }
  return arrow::Status::OK();
}

// A short view is a Blob as it lies; a long one gets an address for buffer and offset.
void KeyNormaliser::view_blobs(int64_t n) {
  const ArrayData& d = *arrays_[0];
  const column::ValidityBits valid = column::validity_of(d);
  const auto* const views = column::values_of<column::View16>(d);
  std::memcpy(static_cast<void*>(blobs_.data()), views, static_cast<size_t>(n) * sizeof(Blob));
  for (int64_t i = 0; i < n; ++i) {
    if (views[i].size > Blob::kInline && valid.valid(i)) blobs_[static_cast<size_t>(i)] = Blob::of(column::view_at(d, i));
  }
  for (int64_t i = 0; valid.bits && i < n; ++i) {
    if (!valid.valid(i)) blobs_[static_cast<size_t>(i)] = Blob::null();
  }
}

// The encoded bytes seen as a binary column, for their hashes.
void KeyNormaliser::encoded_blobs(int64_t n) {
  constexpr int kBufferBits = 30;
  std::vector<column::View16> views(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const std::string_view bytes = rows_.row(i);
    blobs_[static_cast<size_t>(i)] = Blob::of(bytes);
    column::View16& v = views[static_cast<size_t>(i)];
    std::memcpy(&v, &blobs_[static_cast<size_t>(i)], sizeof(v));
    if (v.is_inline()) continue;
    const uint64_t at = rows_.offsets[static_cast<size_t>(i)];
    v.ref.buffer = static_cast<int32_t>(at >> kBufferBits);
    v.ref.offset = static_cast<int32_t>(at & ((uint64_t{1} << kBufferBits) - 1));
  }
  auto array = column::make_array(
      arrow::binary_view(), n, nullptr, 0,
      std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(views.data()), n * static_cast<int64_t>(sizeof(column::View16))));
  for (uint64_t at = 0; at < rows_.bytes.size(); at += uint64_t{1} << kBufferBits) {
    array->buffers.push_back(std::make_shared<arrow::Buffer>(rows_.bytes.data() + at, static_cast<int64_t>(rows_.bytes.size() - at)));
  }
  const column::Column key = column::Column::flat(std::move(array));
  column::hash_rows({&key, 1}, n, column::Selection(), hashes_.data());
}

arrow::Result<std::vector<column::Column>> KeyPlan::decode(std::span<const uint8_t* const> rows, const RowLayout& layout,
                                                           arrow::MemoryPool* pool) const {
  std::vector<column::Column> out;
  if (form == KeyForm::kNone) return out;
  if (encoded) {
    std::vector<const uint8_t*> cursors(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) cursors[i] = reinterpret_cast<const Blob*>(rows[i])->data();
    for (const Part& part : parts) {
      ARROW_ASSIGN_OR_RAISE(auto values, decode_values(part.type, cursors, pool));
      out.push_back(column::Column::flat(std::move(values)));
    }
    return out;
  }
  for (const Part& part : parts) {
    ARROW_ASSIGN_OR_RAISE(auto values, decode_part(part, rows, layout, pool));
    out.push_back(column::Column::flat(std::move(values)));
  }
  return out;
}

arrow::Result<std::shared_ptr<ArrayData>> KeyPlan::decode_part(const Part& part, std::span<const uint8_t* const> rows,
                                                               const RowLayout& layout, arrow::MemoryPool* pool) const {
  const auto n = static_cast<int64_t>(rows.size());
  ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
  for (int64_t i = 0; part.nullable && i < n; ++i) {
    const uint8_t* row = rows[static_cast<size_t>(i)];
    const bool null = form == KeyForm::kBlob ? reinterpret_cast<const Blob*>(row)->is_null()
                      : keeps_nulls_apart    ? (load<uint64_t>(row + layout.order_offset) & RowLayout::kNullKey) != 0
                                             : (row[null_offset] >> part.null_bit) & 1;
    if (null) validity.set_null(i);
  }
  if (form == KeyForm::kBlob) {
    return make_views(
        part.type, n, [&](int64_t i) { return reinterpret_cast<const Blob*>(rows[static_cast<size_t>(i)])->bytes(); }, std::move(validity),
        pool);
  }
  const int64_t nulls = validity.nulls();
  if (part.physical == Physical::kBool) {
    ARROW_ASSIGN_OR_RAISE(auto bits, column::allocate_bits(n, pool));
    for (int64_t i = 0; i < n; ++i) {
      if (rows[static_cast<size_t>(i)][part.offset]) bits->mutable_data()[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
    }
    return column::make_array(part.type, n, std::move(validity).take(), nulls, std::move(bits));
  }
  ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_buffer(n * column::byte_width(part.physical), pool));
  column::visit_number(part.physical, [&]<typename T>() {
    auto* out = reinterpret_cast<T*>(data->mutable_data());
    for (int64_t i = 0; i < n; ++i) store<T>(reinterpret_cast<uint8_t*>(out + i), load<T>(rows[static_cast<size_t>(i)] + part.offset));
  });
  return column::make_array(part.type, n, std::move(validity).take(), nulls, std::move(data));
}

}  // namespace gristmill::exec
