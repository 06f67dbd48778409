// Building the output columns of groups: validity found on the way, and views over one fresh buffer of bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/buffers.h"
#include "column/column.h"

namespace gristmill::exec {

// All valid until a row is said to be null.
class Validity {
 public:
  static arrow::Result<Validity> make(int64_t rows, arrow::MemoryPool* pool) {
    Validity v;
    ARROW_ASSIGN_OR_RAISE(v.bits_, column::allocate_bits(rows, pool));
    std::memset(v.bits_->mutable_data(), 0xff, static_cast<size_t>(v.bits_->size()));
    return v;
  }
  void set_null(int64_t i) {
    bits_->mutable_data()[i >> 3] &= static_cast<uint8_t>(~(1u << (i & 7)));
    ++nulls_;
  }
  int64_t nulls() const { return nulls_; }
  bool valid(int64_t i) const { return column::bit_at(bits_->data(), i); }
  // No buffer without nulls.
  std::shared_ptr<arrow::Buffer> take() && { return nulls_ > 0 ? std::move(bits_) : nullptr; }

 private:
  std::shared_ptr<arrow::Buffer> bits_;
  int64_t nulls_ = 0;
};

// Values of type T that lie in rows at `offset`, null where the byte at `flag` is 0.
template <typename T>
arrow::Result<std::shared_ptr<arrow::ArrayData>> fixed_values(std::span<const uint8_t* const> rows, const column::TypePtr& type,
                                                              arrow::MemoryPool* pool, int offset, int flag) {
  const auto n = static_cast<int64_t>(rows.size());
  ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
  ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_zeroed(n * static_cast<int64_t>(sizeof(T)), pool));
  for (int64_t i = 0; i < n; ++i) {
    const uint8_t* const row = rows[static_cast<size_t>(i)];
    if (row[flag]) {
      std::memcpy(data->mutable_data() + i * static_cast<int64_t>(sizeof(T)), row + offset, sizeof(T));
    } else {
      validity.set_null(i);
    }
  }
  const int64_t nulls = validity.nulls();
  return column::make_array(type, n, std::move(validity).take(), nulls, std::move(data));
}

// Views of the strings `at(i)`; long ones are copied. Null rows are zero.
template <typename At>
arrow::Result<std::shared_ptr<arrow::ArrayData>> make_views(const column::TypePtr& type, int64_t n, At&& at, Validity validity,
                                                            arrow::MemoryPool* pool) {
  constexpr int64_t kBufferBytes = int64_t{1} << 30;  // offsets are int32; a string may be as long as 2^31
  ARROW_ASSIGN_OR_RAISE(auto views, column::allocate_zeroed(n * static_cast<int64_t>(sizeof(column::View16)), pool));
  auto* out = reinterpret_cast<column::View16*>(views->mutable_data());
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < n; ++i) {
    if (!validity.valid(i)) continue;
    const std::string_view s = at(i);
    out[i].size = static_cast<uint32_t>(s.size());
    if (s.size() <= sizeof(out[i].inlined)) {
      std::memcpy(out[i].inlined, s.data(), s.size());
      continue;
    }
    if (sizes.empty() || sizes.back() + static_cast<int64_t>(s.size()) > kBufferBytes) sizes.push_back(0);
    std::memcpy(out[i].ref.prefix, s.data(), sizeof(out[i].ref.prefix));
    out[i].ref.buffer = static_cast<int32_t>(sizes.size()) - 1;
    out[i].ref.offset = static_cast<int32_t>(sizes.back());
    sizes.back() += static_cast<int64_t>(s.size());
  }
  std::vector<std::shared_ptr<arrow::Buffer>> bytes;
  for (const int64_t size : sizes) {
    ARROW_ASSIGN_OR_RAISE(auto buffer, column::allocate_buffer(size, pool));
    bytes.push_back(std::move(buffer));
  }
  if (!sizes.empty()) {
    for (int64_t i = 0; i < n; ++i) {
      if (out[i].is_inline()) continue;
      const std::string_view s = at(i);
      std::memcpy(bytes[static_cast<size_t>(out[i].ref.buffer)]->mutable_data() + out[i].ref.offset, s.data(), s.size());
    }
  }
  const int64_t nulls = validity.nulls();
  auto array = column::make_array(type, n, std::move(validity).take(), nulls, std::move(views));
  for (auto& b : bytes) array->buffers.push_back(std::move(b));
  return array;
}

}  // namespace gristmill::exec
