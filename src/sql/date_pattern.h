// PostgreSQL's patterns of to_char, to_date and to_timestamp as strftime's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gristmill::sqltext {

// 'YYYY-MM-DD HH24:MI:SS' -> '%Y-%m-%d %H:%M:%S'; nothing where a word of the pattern has no counterpart.
std::optional<std::string> c_time_pattern(std::string_view pattern);

}  // namespace gristmill::sqltext
