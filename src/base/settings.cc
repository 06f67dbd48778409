// The table, and the readers of its three kinds of value: text, whole numbers, sizes.

#include "base/settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <utility>

#include "base/status.h"

namespace gristmill::base {
namespace {

struct Unit {
  std::string_view name;  // lower case
  int64_t bytes;
};

constexpr Unit kUnits[] = {
    {"", 1},
    {"b", 1},
    {"k", 1000},
    {"kb", 1000},
    {"ki", int64_t{1} << 10},
    {"kib", int64_t{1} << 10},
    {"m", 1'000'000},
    {"mb", 1'000'000},
    {"mi", int64_t{1} << 20},
    {"mib", int64_t{1} << 20},
    {"g", 1'000'000'000},
    {"gb", 1'000'000'000},
    {"gi", int64_t{1} << 30},
    {"gib", int64_t{1} << 30},
    {"t", 1'000'000'000'000},
    {"tb", 1'000'000'000'000},
    {"ti", int64_t{1} << 40},
    {"tib", int64_t{1} << 40},
};

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

arrow::Status bad_size(std::string_view text) {
  std::string message = "\"";
  message.append(text).append("\" is not a size");
  return plan_error(std::move(message), "write a number and a unit, e.g. 512MB, 2GiB or 0");
}

const Setting* find_setting(std::string_view name) {
  for (const Setting& s : settings()) {
    if (name == s.name) return &s;
  }
  return nullptr;
}

}  // namespace

const std::vector<Setting>& settings() {
  static const std::vector<Setting> table = {
      {"GRISTMILL_WORKERS", "0", "worker threads; 0 = the cores this process may use"},
      {"GRISTMILL_MEMORY", "", "memory of the whole process, e.g. 4GB; empty = 60 % of what the machine or its cgroup allows"},
      {"GRISTMILL_SPILL_DIR", "", "directory for spilled data, not on a memory file system; empty = TMPDIR, else /var/tmp"},
      {"GRISTMILL_SPILL_ALLOW_TMPFS", "0", "1 = GRISTMILL_SPILL_DIR may lie on a memory file system"},
      {"GRISTMILL_SPILL_FAIL_AFTER", "", "for tests: a spill file fails like a full disk after so many bytes"},
      {"GRISTMILL_SIMD", "", "kernel level: baseline, avx2 or avx512; empty = the best of this machine"},
      {"GRISTMILL_MORSEL_ROWS", "0", "rows of a morsel; 0 = chosen by the source"},
      {"GRISTMILL_BATCH_ROWS", "0", "rows of a batch; 0 = chosen by the engine"},
      {"GRISTMILL_SPILL_EAGERLY", "0", "tests: 1 = spill wherever spilling is possible"},
      {"GRISTMILL_MODULES", "",
       "folder of the modules opened at run time (libgristmill_postgres.so); empty = beside the program or package"},
      {"GRISTMILL_CONSTANT_HASH", "0", "for tests: 1 = every key has the same hash"},
  };
  return table;
}

std::string setting_text(std::string_view name) {
  const Setting* setting = find_setting(name);
  if (setting == nullptr) return {};
  const char* value = std::getenv(setting->name);
  if (value == nullptr || trimmed(value).empty()) return setting->fallback;
  return std::string(trimmed(value));
}

arrow::Result<int64_t> setting_int(std::string_view name) {
  if (find_setting(name) == nullptr) return internal_error("no setting " + std::string(name));
  const std::string text = setting_text(name);
  if (text.empty()) return 0;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return plan_error(std::string(name) + " is \"" + text + "\", which is not a whole number");
  }
  return value;
}

arrow::Result<int64_t> setting_bytes(std::string_view name) {
  if (find_setting(name) == nullptr) return internal_error("no setting " + std::string(name));
  const std::string text = setting_text(name);
  if (text.empty()) return 0;
  const arrow::Result<int64_t> bytes = parse_bytes(text);
  if (bytes.ok()) return bytes;
  return plan_error(std::string(name) + ": " + bytes.status().message(), error_detail(bytes.status())->hint);
}

arrow::Result<int64_t> parse_bytes(std::string_view text) {
  const std::string_view whole = trimmed(text);
  // The number as digits and a power of ten, so that "1.1GB" is exact.
  __int128 digits = 0;
  __int128 scale = 1;
  bool point = false;
  int count = 0;
  size_t at = 0;
  for (; at < whole.size(); ++at) {
    const char c = whole[at];
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      if (++count > 18) return bad_size(text);
      digits = digits * 10 + (c - '0');
      if (point) scale *= 10;
    } else {
      break;
    }
  }
  if (count == 0) return bad_size(text);
  std::string unit(trimmed(whole.substr(at)));
  for (char& c : unit) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  for (const Unit& u : kUnits) {
    if (unit != u.name) continue;
    const __int128 bytes = digits * u.bytes / scale;
    if (bytes > std::numeric_limits<int64_t>::max()) return bad_size(text);
    return static_cast<int64_t>(bytes);
  }
  return bad_size(text);
}

arrow::Status check_settings() {
  for (const char* bytes : {"GRISTMILL_MEMORY", "GRISTMILL_SPILL_FAIL_AFTER"}) ARROW_RETURN_NOT_OK(setting_bytes(bytes).status());
  for (const char* number : {"GRISTMILL_WORKERS", "GRISTMILL_MORSEL_ROWS", "GRISTMILL_BATCH_ROWS"}) {
    ARROW_ASSIGN_OR_RAISE(const int64_t value, setting_int(number));
    if (value < 0) return plan_error(std::string(number) + " is " + std::to_string(value) + ", which is negative");
  }
  const std::string simd = setting_text("GRISTMILL_SIMD");
  const std::vector<std::string> levels = {"baseline", "avx2", "avx512"};
  if (simd.empty() || std::find(levels.begin(), levels.end(), simd) != levels.end()) return arrow::Status::OK();
  std::string message = "GRISTMILL_SIMD is \"";
  return plan_error(message.append(simd).append("\""), suggest_name(simd, levels));
}

}  // namespace gristmill::base
