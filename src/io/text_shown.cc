// Cutting between characters, and hexadecimal for what is none.

#include "io/text_shown.h"

#include <simdjson.h>

namespace gristmill::io {
namespace {

constexpr size_t kMost = 100;

}  // namespace

std::string shown_value(std::string_view value) {
  const bool cut = value.size() > kMost;
  if (cut) {
    size_t n = kMost;
    while (n > kMost - 4 && (static_cast<unsigned char>(value[n]) & 0xc0) == 0x80) --n;
    value = value.substr(0, n);
  }
  std::string out;
  if (simdjson::validate_utf8(value.data(), value.size())) {
    out = value;
  } else {
    constexpr const char* kHex = "0123456789abcdef";
    for (const char c : value) {
      const auto b = static_cast<unsigned char>(c);
      if (b < 0x80) {
        out += c;
      } else {
        out += {'\\', 'x', kHex[b >> 4], kHex[b & 15]};
      }
    }
  }
  return cut ? out + "..." : out;
}

}  // namespace gristmill::io
