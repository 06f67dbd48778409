// Who makes which piece; the piece itself.

#include "io/text_ahead.h"

#include <algorithm>
#include <cstring>

#include "base/status.h"
#include "column/buffers.h"

namespace gristmill::io {

// Sums of 255 bytes fit a byte, so 64 of them are added side by side.
int64_t lines_in(const uint8_t* text, int64_t n) {
  int64_t out = 0, at = 0;
  while (n - at >= 64) {
    uint8_t sums[64] = {};
    const int64_t rounds = std::min<int64_t>((n - at) / 64, 255);
    for (int64_t r = 0; r < rounds; ++r, at += 64) {
      for (int i = 0; i < 64; ++i) sums[i] = static_cast<uint8_t>(sums[i] + (text[at + i] == '\n'));
    }
    for (const uint8_t s : sums) out += s;
  }
  for (; at < n; ++at) out += text[at] == '\n';
  return out;
}

TextPiece TextAhead::make(int64_t index) const {
  TextPiece out;
  const int64_t from = index * piece_bytes_, size = std::min(piece_bytes_, bytes_ - from);
  auto buffer = column::allocate_buffer(TextPiece::kRoom + size + column::kStoreSlack, pool_);
  if (!buffer.ok()) {
    out.status = buffer.status();
    return out;
  }
  uint8_t* text = (*buffer)->mutable_data() + TextPiece::kRoom;
  for (int64_t done = 0; done < size;) {
    const auto got = file_->ReadAt(from + done, size - done, text + done);
    if (!got.ok()) {
      out.status = got.status();
      return out;
    }
    if (*got == 0) {
      out.status = arrow::Status::IOError("the file became shorter while it was read");
      return out;
    }
    done += *got;
  }
  std::memset(text + size, 0, column::kStoreSlack);
  out.size = size;
  out.buffer = std::move(*buffer);
  if (dialect_.needs_machine()) return out;
  const auto* end = static_cast<const uint8_t*>(std::memchr(text, '\n', static_cast<size_t>(size)));
  if (end == nullptr) return out;
  out.head = end + 1 - text;
  column::simd::kernels().text_borders(text + out.head, size - out.head, static_cast<uint8_t>(dialect_.separator), dialect_.quote,
                                       &out.found);
  out.lines = out.found.quotes ? lines_in(text + out.head, out.found.last) : out.found.records;
  return out;
}

bool TextAhead::help() {
  int64_t index = 0;
  {
    std::lock_guard lock(mutex_);
    if (begun_ >= pieces() || begun_ >= taken_ + most_) return false;
    index = begun_++;
  }
  TextPiece piece = make(index);
  std::lock_guard lock(mutex_);
  ready_.emplace(index, std::move(piece));
  made_.notify_all();
  return true;
}

TextPiece TextAhead::take(int64_t index) {
  while (true) {
    {
      std::lock_guard lock(mutex_);
      const auto found = ready_.find(index);
      if (found != ready_.end()) {
        TextPiece out = std::move(found->second);
        ready_.erase(found);
        taken_ = index + 1;
        return out;
      }
    }
    if (help()) continue;
    std::unique_lock lock(mutex_);
    made_.wait(lock, [&] { return ready_.contains(index); });
  }
}

}  // namespace gristmill::io
