// Allocation with slack, and the few ways an ArrayData is put together.

#include "column/buffers.h"

#include <arrow/device.h>
#include <arrow/type.h>

#include <atomic>
#include <cstring>

#include "column/simd/dispatch.h"

namespace gristmill::column {

arrow::Result<std::shared_ptr<arrow::Buffer>> allocate_buffer(int64_t bytes, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(bytes + kStoreSlack, pool));
  ARROW_RETURN_NOT_OK(buffer->Resize(bytes, false));
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

arrow::Result<std::shared_ptr<arrow::Buffer>> allocate_zeroed(int64_t bytes, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, allocate_buffer(bytes, pool));
  std::memset(buffer->mutable_data(), 0, static_cast<size_t>(bytes));
  return buffer;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> allocate_bits(int64_t bits, arrow::MemoryPool* pool) {
  const int64_t bytes = (bits + 7) / 8;
  ARROW_ASSIGN_OR_RAISE(auto buffer, allocate_buffer(bytes, pool));
  std::memset(buffer->mutable_data(), 0, static_cast<size_t>(bytes + 8));
  return buffer;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> copy_bits(const uint8_t* bits, int64_t offset, int64_t n, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto out, allocate_bits(n, pool));
  simd::kernels().bits_to_words(bits, offset, n, reinterpret_cast<uint64_t*>(out->mutable_data()));
  return out;
}

std::shared_ptr<arrow::Buffer> own_values(const std::shared_ptr<arrow::ArrayData>& values, int64_t bytes, arrow::MemoryPool* pool) {
  if (values.use_count() != 1 || values->offset != 0 || values->buffers[1].use_count() != 1) return nullptr;
  const std::shared_ptr<arrow::Buffer>& buffer = values->buffers[1];
  if (!buffer->is_mutable() || buffer->parent() || buffer->size() != bytes || buffer->capacity() < bytes + kStoreSlack) return nullptr;
  const auto* memory = dynamic_cast<const arrow::CPUMemoryManager*>(buffer->memory_manager().get());
  if (memory == nullptr || memory->pool() != pool) return nullptr;
  std::atomic_thread_fence(std::memory_order_acquire);  // whoever held it before has read what it wanted
  return buffer;
}

std::shared_ptr<arrow::ArrayData> make_array(TypePtr type, int64_t length, std::shared_ptr<arrow::Buffer> validity, int64_t null_count,
                                             std::shared_ptr<arrow::Buffer> values) {
  if (null_count == 0) validity.reset();
  return arrow::ArrayData::Make(std::move(type), length, {std::move(validity), std::move(values)}, null_count);
}

std::shared_ptr<arrow::ArrayData> make_array_like(const arrow::ArrayData& like, int64_t length, std::shared_ptr<arrow::Buffer> validity,
                                                  int64_t null_count, std::shared_ptr<arrow::Buffer> values) {
  auto out = make_array(like.type, length, std::move(validity), null_count, std::move(values));
  if (like.buffers.size() > 2) out->buffers.insert(out->buffers.end(), like.buffers.begin() + 2, like.buffers.end());
  return out;
}

arrow::Result<std::shared_ptr<arrow::ArrayData>> make_null_array(const TypePtr& type, int64_t rows, arrow::MemoryPool* pool) {
  const Physical p = physical_unchecked(*type);
  if (p == Physical::kNull) return arrow::ArrayData::Make(type, rows, {nullptr}, rows);
  std::shared_ptr<arrow::Buffer> validity;
  if (rows > 0) {
    ARROW_ASSIGN_OR_RAISE(validity, allocate_bits(rows, pool));
  }
  if (p != Physical::kNested) {
    const int64_t bytes = p == Physical::kBool ? (rows + 7) / 8 : rows * byte_width(p);
    ARROW_ASSIGN_OR_RAISE(auto values, allocate_zeroed(bytes, pool));
    return make_array(type, rows, std::move(validity), rows, std::move(values));
  }
  auto out = arrow::ArrayData::Make(type, rows, {validity}, rows);
  if (type->id() == arrow::Type::STRUCT) {
    for (const auto& f : type->fields()) {
      ARROW_ASSIGN_OR_RAISE(auto child, make_null_array(f->type(), rows, pool));
      out->child_data.push_back(std::move(child));
    }
    return out;
  }
  const int64_t width = type->id() == arrow::Type::LARGE_LIST ? 8 : 4;
  ARROW_ASSIGN_OR_RAISE(auto offsets, allocate_zeroed((rows + 1) * width, pool));
  out->buffers.push_back(std::move(offsets));
  ARROW_ASSIGN_OR_RAISE(auto child, make_null_array(type->field(0)->type(), 0, pool));
  out->child_data.push_back(std::move(child));
  return out;
}

int64_t null_count_of(const arrow::ArrayData& d) {
  if (d.type->id() == arrow::Type::NA) return d.length;
  if (d.buffers.empty() || !d.buffers[0]) return 0;
  return d.GetNullCount();
}

}  // namespace gristmill::column
