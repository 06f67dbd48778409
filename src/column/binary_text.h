// Binary values as people read them, in messages and plans: the bytes need not be text.
#pragma once

#include <string>
#include <string_view>

namespace gristmill::column {

// \x and two digits a byte, as PostgreSQL writes them.
std::string binary_text(std::string_view bytes);

}  // namespace gristmill::column
