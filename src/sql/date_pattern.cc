// Longest word first, any case; text in double quotes and what is no letter stays as it is.

#include "sql/date_pattern.h"

#include <algorithm>

namespace gristmill::sqltext {
namespace {

struct Word {
  std::string_view sql, c;
};
constexpr Word kWords[] = {{"HH24", "%H"}, {"HH12", "%I"}, {"IYYY", "%G"}, {"YYYY", "%Y"}, {"MON", "%b"}, {"DAY", "%A"}, {"DDD", "%j"},
                           {"FF3", "%L"},  {"FF6", "%f"},  {"HH", "%I"},   {"MI", "%M"},   {"SS", "%S"},  {"MS", "%L"},  {"US", "%f"},
                           {"AM", "%p"},   {"PM", "%p"},   {"YY", "%y"},   {"MM", "%m"},   {"DD", "%d"},  {"DY", "%a"},  {"ID", "%u"},
                           {"IW", "%V"},   {"TZ", "%Z"},   {"OF", "%z"},   {"CC", "%C"},   {"Q", "%q"}};

bool is_letter(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

bool begins(std::string_view s, std::string_view word) {
  return s.size() >= word.size() && std::equal(word.begin(), word.end(), s.begin(), [](char w, char c) { return is_letter(c) ? (c & ~32) == w : c == w; });
}

}  // namespace

std::optional<std::string> c_time_pattern(std::string_view pattern) {
  std::string out;
  while (!pattern.empty()) {
    if (pattern[0] == '"') {
      const size_t end = std::min(pattern.find('"', 1), pattern.size());
      out += pattern.substr(1, end - 1);
      pattern.remove_prefix(std::min(end + 1, pattern.size()));
      continue;
    }
    if (begins(pattern, "FM")) {  // no padding: only names are padded, and never here
      pattern.remove_prefix(2);
      if (!begins(pattern, "MONTH") && !begins(pattern, "DAY")) return std::nullopt;
      continue;
    }
    if (begins(pattern, "MONTH")) {
      out += "%B";
      pattern.remove_prefix(5);
      continue;
    }
    const auto* word = std::find_if(std::begin(kWords), std::end(kWords), [&](const Word& w) { return begins(pattern, w.sql); });
    if (word != std::end(kWords)) {
      out += word->c;
      pattern.remove_prefix(word->sql.size());
      continue;
    }
    if (is_letter(pattern[0])) return std::nullopt;
    if (pattern[0] == '%') out += '%';
    out += pattern[0];
    pattern.remove_prefix(1);
  }
  return out;
}

}  // namespace gristmill::sqltext
