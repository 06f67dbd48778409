// A value of a text file as an error message shows it: not too long, and text whatever the bytes.
#pragma once

#include <string>
#include <string_view>

namespace gristmill::io {

std::string shown_value(std::string_view value);

}  // namespace gristmill::io
