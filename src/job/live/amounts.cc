// Three significant digits everywhere: what changes several times a second is read by its size, not by its digits.

#include "job/live/amounts.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>

namespace gristmill::job {
namespace {

template <typename... Args>
std::string format(const char* pattern, Args... args) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, args...);
  return text;
}

// `v` in 0..999.5 with three significant digits.
std::string three_digits(double v) { return format(v < 9.995 ? "%.2f" : v < 99.95 ? "%.1f" : "%.0f", v); }

std::string scaled(double v, const char* const (&units)[6], const char* space) {
  size_t u = 0;
  for (v = std::max(v, 0.0); v >= 999.5 && u + 1 < std::size(units); ++u) v /= 1000;
  const bool whole = u == 0 && (v == std::floor(v) || v >= 9.995);
  const std::string digits = whole ? format("%.0f", v) : three_digits(v);
  return digits + (*units[u] ? space : "") + units[u];
}

}  // namespace

std::string short_count(double n) {
  static constexpr const char* kUnits[] = {"", "k", "M", "G", "T", "P"};
  return scaled(n, kUnits, "");
}

std::string short_bytes(double bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  return scaled(std::round(bytes), kUnits, " ");
}

std::string short_seconds(double s) {
  s = std::max(s, 0.0);
  if (s == 0) return "0 s";
  if (s < 999.5e-6) return three_digits(s * 1e6) + " us";
  if (s < 999.5e-3) return three_digits(s * 1e3) + " ms";
  if (s < 59.95) return format(s < 9.95 ? "%.1f s" : "%.0f s", s);
  const auto whole = static_cast<long long>(s + 0.5);
  if (whole < 3600) return format("%lld:%02lld", whole / 60, whole % 60);
  return format("%lld h %02lld min", whole / 3600, whole % 3600 / 60);
}

std::string clock_seconds(double s) {
  const auto whole = static_cast<long long>(std::max(s, 0.0));
  if (whole < 3600) return format("%lld:%02lld", whole / 60, whole % 60);
  return format("%lld:%02lld:%02lld", whole / 3600, whole % 3600 / 60, whole % 60);
}

std::string whole_percent(double part) { return format("%d%%", static_cast<int>(std::clamp(part, 0.0, 1.0) * 100)); }

}  // namespace gristmill::job
