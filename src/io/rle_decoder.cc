// Runs, and unpacking of 1 to 32 bits by a routine per width.
//
// A group of 8 values of W bits is W bytes. Up to 8 bytes they fit one word; beyond, value i lies in the 8 bytes from
// min(i * W / 8, W - 8): the last value begins at bit 7 W, that is bit 64 - W of the group's last 8 bytes, so it fits too
// and no load leaves the group.

#include "io/rle_decoder.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace gristmill::io {
namespace {

template <int W>
void unpack(const uint8_t* p, int64_t groups, uint32_t* out) {
  constexpr uint64_t kMask = (uint64_t{1} << W) - 1;
  for (int64_t g = 0; g < groups; ++g, p += W, out += 8) {
    if constexpr (W == 0) {
      for (int i = 0; i < 8; ++i) out[i] = 0;
    } else if constexpr (W <= 8) {
      uint64_t word = 0;
      std::memcpy(&word, p, W);
      for (int i = 0; i < 8; ++i) out[i] = static_cast<uint32_t>((word >> (i * W)) & kMask);
    } else {
      for (int i = 0; i < 8; ++i) {
        const int offset = std::min(i * W / 8, W - 8);
        uint64_t word;
        std::memcpy(&word, p + offset, 8);
        out[i] = static_cast<uint32_t>((word >> (i * W - offset * 8)) & kMask);
      }
    }
  }
}

using Unpack = void (*)(const uint8_t*, int64_t, uint32_t*);

template <int... W>
constexpr std::array<Unpack, sizeof...(W)> make_table(std::integer_sequence<int, W...>) {
  return {unpack<W>...};
}

constexpr auto kUnpack = make_table(std::make_integer_sequence<int, 33>());

void set_bits(uint8_t* bits, int64_t from, int64_t n) {
  for (; n > 0 && (from & 7) != 0; --n, ++from) bits[from >> 3] |= static_cast<uint8_t>(1u << (from & 7));
  std::memset(bits + (from >> 3), 0xFF, static_cast<size_t>(n >> 3));
  from += n & ~int64_t{7};
  for (n &= 7; n > 0; --n, ++from) bits[from >> 3] |= static_cast<uint8_t>(1u << (from & 7));
}

}  // namespace

bool RleDecoder::next_run() {
  while (true) {
    uint64_t header = 0;
    for (int shift = 0;; shift += 7) {
      if (at_ == end_ || shift > 56) return false;
      const uint8_t byte = *at_++;
      header |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) break;
    }
    if (header >> 1 == 0) continue;
    if (header & 1) {
      groups_ = static_cast<int64_t>(header >> 1);
      return true;
    }
    const int bytes = (width_ + 7) / 8;
    if (end_ - at_ < bytes) return false;
    value_ = 0;
    std::memcpy(&value_, at_, static_cast<size_t>(bytes));
    at_ += bytes;
    repeats_ = static_cast<int64_t>(header >> 1);
    return true;
  }
}

// The last group of a page may be cut short by its writer: what is missing counts as 0.
bool RleDecoder::unpack_group() {
  uint8_t padded[32] = {};
  const int64_t bytes = std::min<int64_t>(end_ - at_, width_);
  if (bytes == 0 && width_ > 0) return false;
  std::memcpy(padded, at_, static_cast<size_t>(bytes));
  kUnpack[width_](padded, 1, carried_);
  at_ += bytes;
  --groups_;
  carried_at_ = 0;
  return true;
}

bool RleDecoder::read(uint32_t* out, int64_t n) {
  while (n > 0) {
    if (repeats_ > 0) {
      const int64_t some = std::min(n, repeats_);
      std::fill_n(out, some, value_);
      repeats_ -= some;
      out += some;
      n -= some;
    } else if (carried_at_ < 8) {
      const int64_t some = std::min<int64_t>(n, 8 - carried_at_);
      std::copy_n(carried_ + carried_at_, some, out);
      carried_at_ += static_cast<int>(some);
      out += some;
      n -= some;
    } else if (groups_ > 0) {
      const int64_t whole = std::min({n / 8, groups_, width_ == 0 ? groups_ : (end_ - at_) / width_});
      if (whole > 0) {
        kUnpack[width_](at_, whole, out);
        at_ += whole * width_;
        groups_ -= whole;
        out += whole * 8;
        n -= whole * 8;
      } else if (!unpack_group()) {
        return false;
      }
    } else if (!next_run()) {
      return false;
    }
  }
  return true;
}

bool RleDecoder::skip(int64_t n) {
  while (n > 0) {
    if (repeats_ > 0) {
      const int64_t some = std::min(n, repeats_);
      repeats_ -= some;
      n -= some;
    } else if (carried_at_ < 8) {
      const int64_t some = std::min<int64_t>(n, 8 - carried_at_);
      carried_at_ += static_cast<int>(some);
      n -= some;
    } else if (groups_ > 0) {
      const int64_t whole = std::min({n / 8, groups_, width_ == 0 ? groups_ : (end_ - at_) / width_});
      if (whole > 0) {
        at_ += whole * width_;
        groups_ -= whole;
        n -= whole * 8;
      } else if (!unpack_group()) {
        return false;
      }
    } else if (!next_run()) {
      return false;
    }
  }
  return true;
}

int64_t RleDecoder::read_bits(uint8_t* bits, int64_t n) {
  int64_t ones = 0;
  for (int64_t at = 0; at < n;) {
    if (repeats_ > 0) {
      const int64_t some = std::min(n - at, repeats_);
      if (value_ & 1) set_bits(bits, at, some), ones += some;
      repeats_ -= some;
      at += some;
    } else if (groups_ > 0) {
      if (at_ == end_) return -1;
      const int some = static_cast<int>(std::min<int64_t>(8, n - at));
      const uint32_t byte = *at_++ & ((1u << some) - 1);
      ones += __builtin_popcount(byte);
      bits[at >> 3] |= static_cast<uint8_t>(byte << (at & 7));
      const int low = 8 - static_cast<int>(at & 7);
      if (some > low) bits[(at >> 3) + 1] |= static_cast<uint8_t>(byte >> low);
      --groups_;
      at += some;
    } else if (!next_run()) {
      return -1;
    }
  }
  return ones;
}

}  // namespace gristmill::io
