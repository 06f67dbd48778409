// Records a group keeps, as many as its rows: a chain of blocks in its table's arena.
//
// Two chains become one by a link, so merging what another worker kept costs nothing a record; a chain on disk is one block.
// Records come in the order they were appended, chain after chain: who needs the order of rows puts it into the record.
// A block has room for twice as many bytes as the one before, up to 32 KiB, so a chain takes at most twice what it holds.
//
//   block: next 8 | used 4 | capacity 4 | records
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include <arrow/result.h>

#include "exec/group_arena.h"
#include "exec/group_row.h"

namespace gristmill::exec {

// In the row; zero bytes are the empty chain.
struct ValueChain {
  static constexpr int kHeader = 16;
  static constexpr int64_t kLeastBlock = 48;
  static constexpr int64_t kMostBlock = int64_t{32} << 10;

  uint64_t head = 0;
  uint64_t tail = 0;
  uint64_t bytes = 0;  // of records

  static uint8_t* block(uint64_t address) { return reinterpret_cast<uint8_t*>(address); }

  // Room for a record of `n` bytes at the end. On an error nothing changed.
  arrow::Result<uint8_t*> append(int64_t n, Arena& arena, arrow::MemoryPool* pool) {
    uint8_t* last = block(tail);
    if (last == nullptr || load<uint32_t>(last + 8) + n > load<uint32_t>(last + 12)) {
      const int64_t before = last == nullptr ? kLeastBlock / 2 : load<uint32_t>(last + 12) + kHeader;
      const int64_t size = std::max(std::min(2 * before, kMostBlock), n + kHeader);
      ARROW_ASSIGN_OR_RAISE(uint8_t* const fresh, arena.borrow(size, pool));
      store<uint64_t>(fresh, 0);
      store<uint32_t>(fresh + 8, 0);
      store<uint32_t>(fresh + 12, static_cast<uint32_t>(size - kHeader));
      if (last == nullptr) {
        head = reinterpret_cast<uint64_t>(fresh);
      } else {
        store<uint64_t>(last, reinterpret_cast<uint64_t>(fresh));
      }
      tail = reinterpret_cast<uint64_t>(fresh);
      last = fresh;
    }
    const auto used = load<uint32_t>(last + 8);
    store<uint32_t>(last + 8, used + static_cast<uint32_t>(n));
    bytes += static_cast<uint64_t>(n);
    return last + kHeader + used;
  }

  // f(records, bytes) for every block.
  template <typename F>
  arrow::Status each_block(F&& f) const {
    for (const uint8_t* b = block(head); b != nullptr; b = block(load<uint64_t>(b))) {
      ARROW_RETURN_NOT_OK(f(b + kHeader, static_cast<int64_t>(load<uint32_t>(b + 8))));
    }
    return arrow::Status::OK();
  }

  // The blocks of `other` belong to the same arena from now on.
  void link(const ValueChain& other) {
    if (other.head == 0) return;
    if (head == 0) {
      head = other.head;
    } else {
      store<uint64_t>(block(tail), other.head);
    }
    tail = other.tail;
    bytes += other.bytes;
  }

  // Copies: whole blocks, as no record lies in two.
  arrow::Status copy(const ValueChain& other, Arena& arena, arrow::MemoryPool* pool) {
    return other.each_block([&](const uint8_t* records, int64_t n) -> arrow::Status {
      if (n == 0) return arrow::Status::OK();
      ARROW_ASSIGN_OR_RAISE(uint8_t* const to, append(n, arena, pool));
      std::memcpy(to, records, static_cast<size_t>(n));
      return arrow::Status::OK();
    });
  }
};
static_assert(sizeof(ValueChain) == 24);

// The chains at `state` of rows that become one (an aggregate's MergeSpan).
template <typename Span>
arrow::Status merge_chains(const Span& span, int state) {
  for (int64_t k = 0; k < span.n; ++k) {
    auto chain = load<ValueChain>(span.into[k] + state);
    const auto other = load<ValueChain>(span.from[k] + state);
    if (other.head == 0) continue;
    if (span.adopt) {
      chain.link(other);
    } else {
      ARROW_RETURN_NOT_OK(chain.copy(other, span.into_table.arena(), span.into_table.pool()));
    }
    store(span.into[k] + state, chain);
  }
  return arrow::Status::OK();
}

}  // namespace gristmill::exec
