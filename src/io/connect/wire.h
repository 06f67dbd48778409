// Numbers in network byte order, as PostgreSQL's binary formats have them.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

namespace gristmill::io {

inline int16_t read_i16(const void* p) {
  uint16_t v;
  std::memcpy(&v, p, 2);
  return static_cast<int16_t>(__builtin_bswap16(v));
}
inline int32_t read_i32(const void* p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return static_cast<int32_t>(__builtin_bswap32(v));
}
inline int64_t read_i64(const void* p) {
  uint64_t v;
  std::memcpy(&v, p, 8);
  return static_cast<int64_t>(__builtin_bswap64(v));
}
inline void append_i16(int16_t v, std::string& out) {
  const uint16_t swapped = __builtin_bswap16(static_cast<uint16_t>(v));
  out.append(reinterpret_cast<const char*>(&swapped), 2);
}
inline void append_i32(int32_t v, std::string& out) {
  const uint32_t swapped = __builtin_bswap32(static_cast<uint32_t>(v));
  out.append(reinterpret_cast<const char*>(&swapped), 4);
}
inline void append_i64(int64_t v, std::string& out) {
  const uint64_t swapped = __builtin_bswap64(static_cast<uint64_t>(v));
  out.append(reinterpret_cast<const char*>(&swapped), 8);
}

}  // namespace gristmill::io
