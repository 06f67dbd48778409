// Pieces between percent signs are found from left to right, each as early as it goes; the last must end the text. Taking the
// earliest place never spoils a later piece, so nothing is tried twice.

#include "expr/like.h"

#include <algorithm>

#include "expr/find_text.h"

namespace gristmill::expr {
namespace {

size_t point_size(unsigned char lead) { return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }
bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

LikePattern::LikePattern(std::string_view pattern) {
  pieces_.emplace_back();
  for (size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '%') {
      pieces_.emplace_back();
      continue;
    }
    const bool any = c == '_';
    if (c == '\\' && i + 1 < pattern.size()) c = pattern[++i];
    pieces_.back().bytes += c;
    pieces_.back().any.push_back(any);
    pieces_.back().plain &= !any;
  }
  const bool plain = std::all_of(pieces_.begin(), pieces_.end(), [](const Piece& p) { return p.plain; });
  if (!plain) return;
  if (pieces_.size() == 1) {
    kind_ = Kind::kExact;
    text_ = pieces_[0].bytes;
  } else if (pieces_.size() == 2 && pieces_[1].bytes.empty()) {
    kind_ = Kind::kPrefix;
    text_ = pieces_[0].bytes;
  } else if (pieces_.size() == 2 && pieces_[0].bytes.empty()) {
    kind_ = Kind::kSuffix;
    text_ = pieces_[1].bytes;
  } else if (pieces_.size() == 3 && pieces_[0].bytes.empty() && pieces_[2].bytes.empty()) {
    kind_ = Kind::kContains;
    text_ = pieces_[1].bytes;
  }
}

bool LikePattern::match_at(const Piece& p, std::string_view s, size_t at, size_t& end) {
  for (size_t k = 0; k < p.bytes.size(); ++k) {
    if (at >= s.size()) return false;
    if (p.any[k]) {
      at = std::min(at + point_size(static_cast<unsigned char>(s[at])), s.size());
    } else if (s[at++] != p.bytes[k]) {
      return false;
    }
  }
  end = at;
  return true;
}

bool LikePattern::find(const Piece& p, std::string_view s, size_t from, size_t& begin, size_t& end) {
  if (p.plain) {
    const size_t found = find_text(s.substr(from), p.bytes);
    begin = from + found;
    end = begin + p.bytes.size();
    return found != std::string_view::npos;
  }
  for (begin = from; begin <= s.size(); ++begin) {
    if (begin < s.size() && continues(s[begin])) continue;
    if (match_at(p, s, begin, end)) return true;
  }
  return false;
}

// At a place not before `from` such that the piece ends with the text.
bool LikePattern::match_end(const Piece& p, std::string_view s, size_t from) {
  if (p.plain) return s.size() >= from + p.bytes.size() && s.ends_with(p.bytes);
  size_t at = s.size();
  for (size_t k = p.bytes.size(); k > 0; --k) {  // back to where it would begin
    if (at == 0) return false;
    --at;
    while (p.any[k - 1] && at > 0 && continues(s[at])) --at;
  }
  size_t end = 0;
  return at >= from && match_at(p, s, at, end) && end == s.size();
}

bool LikePattern::matches(std::string_view s) const {
  switch (kind_) {
    case Kind::kExact: return s == text_;
    case Kind::kPrefix: return s.starts_with(text_);
    case Kind::kSuffix: return s.ends_with(text_);
    case Kind::kContains: return holds_text(s, text_);
    case Kind::kGeneral: break;
  }
  size_t at = 0;
  if (!match_at(pieces_[0], s, 0, at)) return false;
  if (pieces_.size() == 1) return at == s.size();
  for (size_t i = 1; i + 1 < pieces_.size(); ++i) {
    size_t begin = 0, end = 0;
    if (!find(pieces_[i], s, at, begin, end)) return false;
    at = end;
  }
  return match_end(pieces_.back(), s, at);
}

}  // namespace gristmill::expr
