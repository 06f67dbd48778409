// How many terminal cells a text takes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gristmill::frame {

// Cells of valid or broken UTF-8: East Asian wide and emoji two, combining marks none, a broken byte one.
int64_t text_width(std::string_view text);
// At most `cells` wide; what is cut off is replaced by an ellipsis. Control characters become escapes (\n, \t, \x07).
std::string printable(std::string_view text, int64_t cells);

}  // namespace gristmill::frame
