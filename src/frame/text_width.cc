// Widths after Unicode's East Asian Width and the combining blocks; a few ranges cover what tables show.

#include "frame/text_width.h"

#include <algorithm>
#include <iterator>

namespace gristmill::frame {
namespace {

struct Range {
  uint32_t first, last;
};

constexpr Range kZero[] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},   {0x0610, 0x061A},  {0x064B, 0x065F}, {0x0900, 0x0902},
                           {0x093C, 0x093C}, {0x0941, 0x0948}, {0x0E31, 0x0E31},   {0x0E34, 0x0E3A},  {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF},
                           {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x202A, 0x202E},   {0x2060, 0x2064},  {0x20D0, 0x20FF}, {0xFE00, 0xFE0F},
                           {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0x1F3FB, 0x1F3FF}, {0xE0100, 0xE01EF}};
constexpr Range kWide[] = {{0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},   {0x25FD, 0x25FE},
                           {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26A1, 0x26A1},   {0x26BD, 0x26BE},   {0x26D4, 0x26D4},
                           {0x2705, 0x2705},   {0x270A, 0x270B},   {0x274C, 0x274C},   {0x2753, 0x2755},   {0x2795, 0x2797},
                           {0x2B1B, 0x2B1C},   {0x2B50, 0x2B50},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
                           {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
                           {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x16FE0, 0x18AFF}, {0x1B000, 0x1B2FF},
                           {0x1F004, 0x1F004}, {0x1F18E, 0x1F18E}, {0x1F191, 0x1F19A}, {0x1F200, 0x1F320}, {0x1F32D, 0x1F3FA},
                           {0x1F400, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F7E0, 0x1F7EB}, {0x1F900, 0x1FAFF}, {0x20000, 0x3FFFD}};

template <size_t N>
bool within(uint32_t c, const Range (&ranges)[N]) {
  const auto it = std::upper_bound(std::begin(ranges), std::end(ranges), c, [](uint32_t x, const Range& r) { return x < r.first; });
  return it != std::begin(ranges) && c <= std::prev(it)->last;
}

int64_t cells_of(uint32_t c) {
  if (c < 0x300) return 1;
  return within(c, kZero) ? 0 : within(c, kWide) ? 2 : 1;
}

// The code point at `at` and its bytes; a broken byte stands for itself.
uint32_t decode(std::string_view s, size_t at, size_t& bytes) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char lead = byte(at);
  const size_t want = lead < 0x80 ? 1 : lead >= 0xF0 && lead < 0xF8 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 1;
  bytes = 1;
  if (want == 1 || at + want > s.size() || lead >= 0xF8) return lead;
  uint32_t c = lead & (0xFF >> (want + 1));
  for (size_t i = 1; i < want; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return lead;
    c = c << 6 | (byte(at + i) & 0x3F);
  }
  bytes = want;
  return c;
}

std::string shown(std::string_view bytes, uint32_t c) {
  static constexpr char kHex[] = "0123456789abcdef";
  if (c == '\n') return "\\n";
  if (c == '\r') return "\\r";
  if (c == '\t') return "\\t";
  if (bytes.size() == 1 && (c < 0x20 || c >= 0x7F)) return std::string("\\x") + kHex[c >> 4 & 15] + kHex[c & 15];
  return std::string(bytes);
}

}  // namespace

int64_t text_width(std::string_view text) {
  int64_t cells = 0;
  for (size_t at = 0, bytes = 0; at < text.size(); at += bytes) cells += cells_of(decode(text, at, bytes));
  return cells;
}

std::string printable(std::string_view text, int64_t cells) {
  std::string out;
  int64_t used = 0;
  size_t fits = 0;  // bytes of `out` that leave a cell for the ellipsis
  for (size_t at = 0, bytes = 0; at < text.size(); at += bytes) {
    const uint32_t c = decode(text, at, bytes);
    const std::string piece = shown(text.substr(at, bytes), c);
    const int64_t width = text_width(piece);
    if (used + width > cells) return out.substr(0, fits) + "…";
    out += piece;
    used += width;
    if (used < cells) fits = out.size();
  }
  return out;
}

}  // namespace gristmill::frame
