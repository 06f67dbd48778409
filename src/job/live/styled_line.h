// Lines of a terminal: pieces of text with an ink each, cut to a width in cells and written with or without colours.
//
// Text that comes from users (names, messages) is made harmless: control characters show as escapes and cannot move the cursor.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gristmill::job {

enum class Ink : uint8_t { kPlain, kBold, kDim, kGood, kWarn, kBad, kBar };

// What the terminal can do.
struct Look {
  int width = 80;
  int height = 24;
  bool colours = false;
  bool unicode = true;  // bars and ellipsis outside ASCII
};

class StyledLine {
 public:
  StyledLine& add(std::string_view text, Ink ink = Ink::kPlain);
  StyledLine& gap(int64_t cells = 2);
  StyledLine& left(std::string_view text, int64_t cells, Ink ink = Ink::kPlain);   // cut or filled up to `cells`
  StyledLine& right(std::string_view text, int64_t cells, Ink ink = Ink::kPlain);  // filled up in front; never cut
  // A bar `cells` wide of which `part` (0..1) is full.
  StyledLine& bar(double part, int64_t cells, const Look& look, Ink ink = Ink::kBar);
  int64_t cells() const { return cells_; }
  // At most look.width cells, without a line end.
  std::string text(const Look& look) const;

 private:
  struct Piece {
    std::string text;
    Ink ink;
  };
  std::vector<Piece> pieces_;
  int64_t cells_ = 0;
};

}  // namespace gristmill::job
