// Colours are the terminal's own sixteen, so that they fit any background.

#include "job/live/styled_line.h"

#include <algorithm>
#include <cmath>

#include "frame/text_width.h"

namespace gristmill::job {
namespace {

const char* code_of(Ink ink) {
  switch (ink) {
    case Ink::kPlain: return "";
    case Ink::kBold: return "\x1b[1m";
    case Ink::kDim: return "\x1b[2m";
    case Ink::kGood: return "\x1b[32m";
    case Ink::kWarn: return "\x1b[33m";
    case Ink::kBad: return "\x1b[31m";
    case Ink::kBar: return "\x1b[36m";
  }
  return "";
}

constexpr int64_t kAnyWidth = int64_t{1} << 40;

// `text` cut to `cells`; without Unicode what is not ASCII becomes '?' and the cut shows as '~'.
std::string cut(std::string_view text, int64_t cells, bool unicode) {
  if (unicode) return cells > 0 ? frame::printable(text, cells) : "";
  std::string out;
  for (const char c : frame::printable(text, kAnyWidth)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) out += c;
    if (byte >= 0xC0) out += '?';
  }
  if (static_cast<int64_t>(out.size()) <= cells) return out;
  out.resize(static_cast<size_t>(std::max<int64_t>(cells, 0)));
  if (!out.empty()) out.back() = '~';
  return out;
}

}  // namespace

StyledLine& StyledLine::add(std::string_view text, Ink ink) {
  std::string shown = frame::printable(text, kAnyWidth);
  cells_ += frame::text_width(shown);
  pieces_.push_back({std::move(shown), ink});
  return *this;
}

StyledLine& StyledLine::gap(int64_t cells) { return add(std::string(static_cast<size_t>(std::max<int64_t>(cells, 0)), ' ')); }

StyledLine& StyledLine::left(std::string_view text, int64_t cells, Ink ink) {
  const std::string shown = frame::printable(text, cells);
  add(shown, ink);
  return gap(cells - frame::text_width(shown));
}

StyledLine& StyledLine::right(std::string_view text, int64_t cells, Ink ink) {
  gap(cells - frame::text_width(text));
  return add(text, ink);
}

StyledLine& StyledLine::bar(double part, int64_t cells, const Look& look, Ink ink) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<int64_t>(std::floor(std::clamp(part, 0.0, 1.0) * static_cast<double>(cells * 8)));
  std::string full, rest;
  int64_t used = 0;
  for (; used < eighths / 8; ++used) full += look.unicode ? "█" : "#";
  if (look.unicode && eighths % 8 > 0) {
    full += kEighths[eighths % 8];
    ++used;
  }
  for (; used < cells; ++used) rest += look.unicode ? "░" : ".";
  add(full, ink);
  return add(rest, Ink::kDim);
}

std::string StyledLine::text(const Look& look) const {
  int64_t room = look.width;
  std::string out;
  for (size_t i = 0; i < pieces_.size() && room > 0; ++i) {
    const Piece& piece = pieces_[i];
    const std::string shown = cut(piece.text, room, look.unicode);
    if (shown.empty()) continue;
    room -= frame::text_width(shown);
    const bool ink = look.colours && piece.ink != Ink::kPlain;
    out += (ink ? code_of(piece.ink) : "") + shown + (ink ? "\x1b[0m" : "");
    if (frame::text_width(piece.text) > frame::text_width(shown)) break;  // what was cut ends the line
  }
  if (!look.colours) out.erase(out.find_last_not_of(' ') + 1);
  return out;
}

}  // namespace gristmill::job
