// Texts of a block as views: those that lie there as they are point into it, the others into a buffer of their own.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/column.h"
#include "expr/text_out.h"

namespace gristmill::io {

// What the views of one column refer to: buffer 0 is the block, buffer 1 what had to be rewritten.
struct ViewTexts {
  const char* base = nullptr;  // where the block's buffer begins
  int64_t in_place = 0;        // bytes that lie in the block
  std::string rewritten;

  // Up to 12 bytes behind the text are read, whatever they are.
  void set(column::View16& v, const char* p, int64_t n) {
    v.size = static_cast<uint32_t>(n);
    if (n <= 12) {
      uint64_t w[2];
      std::memcpy(w, p, 16);
      w[0] &= n >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * n)) - 1;
      w[1] &= n <= 8 ? 0 : (uint64_t{1} << (8 * (n - 8))) - 1;
      std::memcpy(v.inlined, w, 8);
      std::memcpy(v.inlined + 8, w + 1, 4);
      return;
    }
    std::memcpy(v.ref.prefix, p, 4);
    v.ref.buffer = 0;
    v.ref.offset = static_cast<int32_t>(p - base);
    in_place += n;
  }
  void set_rewritten(column::View16& v, std::string_view s) {
    if (s.size() <= 12) {
      v = expr::inline_view(s);
      return;
    }
    v.size = static_cast<uint32_t>(s.size());
    std::memcpy(v.ref.prefix, s.data(), 4);
    v.ref.buffer = 1;
    v.ref.offset = static_cast<int32_t>(rewritten.size());
    rewritten += s;
  }
  // The buffers behind the views. The block is kept only when enough of it is wanted; else its texts are copied out.
  arrow::Result<std::vector<std::shared_ptr<arrow::Buffer>>> finish(column::View16* views, int64_t n,
                                                                    const std::shared_ptr<arrow::Buffer>& block, arrow::MemoryPool* pool);
};

}  // namespace gristmill::io
