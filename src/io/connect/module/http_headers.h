// Lines of an answer's head.
#pragma once

#include <strings.h>

#include <string_view>

inline std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\r' || s.back() == '\n')) s.remove_suffix(1);
  return s;
}

// Whether the line is the header `name`, in any case; then its value.
inline bool named(std::string_view line, std::string_view name, std::string_view& value) {
  if (line.size() <= name.size() || line[name.size()] != ':' || strncasecmp(line.data(), name.data(), name.size()) != 0) return false;
  value = trimmed(line.substr(name.size() + 1));
  return true;
}
