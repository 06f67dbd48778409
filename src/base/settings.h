// The one table of GRISTMILL_* settings: name, type, default, one line of help.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gristmill::base {

struct Setting {
  const char* name;      // e.g. "GRISTMILL_WORKERS"
  const char* fallback;  // textual default
  const char* help;
};

const std::vector<Setting>& settings();
std::string setting_text(std::string_view name);  // environment, else default
arrow::Result<int64_t> setting_int(std::string_view name);
arrow::Result<int64_t> setting_bytes(std::string_view name);  // "512MB", "2GiB", "0"
arrow::Result<int64_t> parse_bytes(std::string_view text);
// The first setting whose value cannot be read. Whoever reads settings later falls back to the default; faces call this first.
arrow::Status check_settings();

}  // namespace gristmill::base
