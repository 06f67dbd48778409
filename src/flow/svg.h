// Text in a drawing.
#pragma once

#include <string>

namespace gristmill::flow {

std::string svg_text(const std::string& text);  // with <, >, & and " written as SVG wants them

}  // namespace gristmill::flow
