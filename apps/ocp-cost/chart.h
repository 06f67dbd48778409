// Bars as inline SVG: one row a name, what was used on what was requested on what there is.
#pragma once

#include <string>
#include <vector>

namespace ocp {

struct Bar {
  std::string name;
  double usage = 0, request = 0, capacity = 0;  // capacity 0: none shown
};

// Rows below each other; all to one scale. `unit` follows the numbers.
std::string bar_chart(const std::vector<Bar>& bars, const std::string& unit);

// `text` where HTML would read it as markup.
std::string html_text(const std::string& text);

}  // namespace ocp
