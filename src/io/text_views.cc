// Keeping the block or copying out of it.

#include "io/text_views.h"

#include "column/buffers.h"

namespace gristmill::io {
namespace {

constexpr int64_t kWantedShare = 4;  // a block is kept when at least one byte of so many is wanted

}  // namespace

arrow::Result<std::vector<std::shared_ptr<arrow::Buffer>>> ViewTexts::finish(column::View16* views, int64_t n,
                                                                             const std::shared_ptr<arrow::Buffer>& block,
                                                                             arrow::MemoryPool* pool) {
  std::vector<std::shared_ptr<arrow::Buffer>> out;
  if (in_place == 0 && rewritten.empty()) return out;
  if (in_place * kWantedShare < block->size()) {
    ARROW_ASSIGN_OR_RAISE(auto own, column::allocate_buffer(in_place, pool));
    char* to = reinterpret_cast<char*>(own->mutable_data());
    int64_t at = 0;
    for (int64_t i = 0; i < n && at < in_place; ++i) {
      column::View16& v = views[i];
      if (v.is_inline() || v.ref.buffer != 0) continue;
      std::memcpy(to + at, base + v.ref.offset, v.size);
      v.ref.offset = static_cast<int32_t>(at);
      at += v.size;
    }
    out.push_back(std::move(own));
  } else {
    out.push_back(block);
  }
  if (!rewritten.empty()) {
    ARROW_ASSIGN_OR_RAISE(auto own, column::allocate_buffer(std::ssize(rewritten), pool));
    std::memcpy(own->mutable_data(), rewritten.data(), rewritten.size());
    out.push_back(std::move(own));
  }
  return out;
}

}  // namespace gristmill::io
