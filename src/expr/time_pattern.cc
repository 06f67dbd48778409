#include "expr/time_pattern.h"

#include <algorithm>
#include <cstdio>

#include "base/status.h"
#include "expr/calendar.h"
#include "expr/moment.h"

namespace gristmill::expr {
namespace {

constexpr const char* kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                   "July",    "August",   "September", "October", "November", "December"};
constexpr const char* kDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr std::string_view kWritten = "aAbBCdefgGhHIjklLmMnpPqsStuUVwWyYzZ%";
constexpr std::string_view kRead = "aAbBdefhHIjklLmMnpPsStyYzZ%";
constexpr int64_t kSecond = 1000000000;

std::string_view composite(char code) {
  switch (code) {
    case 'c': return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x': return "%m/%d/%y";
    case 'F': return "%Y-%m-%d";
    case 'r': return "%I:%M:%S %p";
    case 'R': return "%H:%M";
    case 'T':
    case 'X': return "%H:%M:%S";
    default: return {};
  }
}

void put(std::string& out, int64_t value, int width, char fill = '0') {
  char digits[24];
  const int n = std::snprintf(digits, sizeof digits, "%lld", static_cast<long long>(value < 0 ? -value : value));
  if (value < 0) out += '-';
  out.append(static_cast<size_t>(std::max(width - n, 0)), fill);
  out.append(digits, static_cast<size_t>(n));
}

// The fields of a moment, computed once.
struct Fields {
  explicit Fields(const WallTime& t)
      : civil(civil_of_days(t.days)),
        hour(t.nanoseconds / (3600 * kSecond)),
        minute(t.nanoseconds / (60 * kSecond) % 60),
        second(t.nanoseconds / kSecond % 60),
        fraction(t.nanoseconds % kSecond),
        year_day(t.days - days_of_civil(civil.year, 1, 1)),
        weekday(iso_weekday(t.days)) {}
  Civil civil;
  int64_t hour, minute, second, fraction, year_day;
  int32_t weekday;  // Monday = 1
  int64_t hour12() const { return hour % 12 == 0 ? 12 : hour % 12; }
};

void put_date(char code, const Fields& f, int64_t days, std::string& out) {
  const Civil& c = f.civil;
  switch (code) {
    case 'a': return static_cast<void>(out.append(kDays[f.weekday % 7], 3));
    case 'A': return static_cast<void>(out.append(kDays[f.weekday % 7]));
    case 'b':
    case 'h': return static_cast<void>(out.append(kMonths[c.month - 1], 3));
    case 'B': return static_cast<void>(out.append(kMonths[c.month - 1]));
    case 'C': return put(out, floor_divide(c.year, 100), 2);
    case 'd': return put(out, c.day, 2);
    case 'e': return put(out, c.day, 2, ' ');
    case 'g': return put(out, iso_week(days).year - floor_divide(iso_week(days).year, 100) * 100, 2);
    case 'G': return put(out, iso_week(days).year, 4);
    case 'j': return put(out, f.year_day + 1, 3);
    case 'm': return put(out, c.month, 2);
    case 'q': return put(out, (c.month + 2) / 3, 1);
    case 'u': return put(out, f.weekday, 1);
    case 'U': return put(out, (f.year_day + 7 - f.weekday % 7) / 7, 2);
    case 'V': return put(out, iso_week(days).week, 2);
    case 'w': return put(out, f.weekday % 7, 1);
    case 'W': return put(out, (f.year_day + 7 - (f.weekday + 6) % 7) / 7, 2);
    case 'y': return put(out, c.year - floor_divide(c.year, 100) * 100, 2);
    default: return put(out, c.year, 4);  // Y
  }
}

void put_time(char code, const Fields& f, const WallTime& t, std::string_view zone, std::string& out) {
  const int64_t minutes = (t.offset < 0 ? -t.offset : t.offset) / 60;
  switch (code) {
    case 'f': return put(out, f.fraction / 1000, 6);
    case 'H': return put(out, f.hour, 2);
    case 'I': return put(out, f.hour12(), 2);
    case 'k': return put(out, f.hour, 2, ' ');
    case 'l': return put(out, f.hour12(), 2, ' ');
    case 'L': return put(out, f.fraction / 1000000, 3);
    case 'M': return put(out, f.minute, 2);
    case 'n': return static_cast<void>(out += '\n');
    case 'p': return static_cast<void>(out += f.hour < 12 ? "AM" : "PM");
    case 'P': return static_cast<void>(out += f.hour < 12 ? "am" : "pm");
    case 's': return put(out, t.days * kDaySeconds + t.nanoseconds / kSecond - t.offset, 1);
    case 'S': return put(out, f.second, 2);
    case 't': return static_cast<void>(out += '\t');
    case 'z':
      if (zone.empty()) return;
      out += t.offset < 0 ? '-' : '+';
      put(out, minutes / 60, 2);
      return put(out, minutes % 60, 2);
    case 'Z': return static_cast<void>(out += zone);
    default: out += '%';
  }
}

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Takes up to `most` digits off s.
bool take_number(std::string_view& s, size_t most, int64_t& out, size_t* digits = nullptr) {
  size_t n = 0;
  out = 0;
  for (; n < s.size() && n < most && s[n] >= '0' && s[n] <= '9'; ++n) out = out * 10 + (s[n] - '0');
  s.remove_prefix(n);
  if (digits) *digits = n;
  return n > 0;
}

// Takes a name, or its first three letters, off s in any case.
template <size_t N>
bool take_name(std::string_view& s, const char* const (&names)[N], int64_t& index) {
  const auto begins = [&s](std::string_view name) {
    return s.size() >= name.size() && std::equal(name.begin(), name.end(), s.begin(), [](char a, char b) { return (a | 32) == (b | 32); });
  };
  for (size_t k = 0; k < N; ++k) {
    const std::string_view name = names[k];
    for (std::string_view part : {name, name.substr(0, 3)}) {
      if (!begins(part)) continue;
      s.remove_prefix(part.size());
      index = static_cast<int64_t>(k);
      return true;
    }
  }
  return false;
}

bool take_offset(std::string_view& s, int64_t& offset) {
  if (!s.empty() && (s[0] == 'Z' || s[0] == 'z')) {
    s.remove_prefix(1);
    offset = 0;
    return true;
  }
  if (s.empty() || (s[0] != '+' && s[0] != '-')) return false;
  const bool west = s[0] == '-';
  s.remove_prefix(1);
  int64_t hours = 0, minutes = 0;
  size_t digits = 0;
  if (!take_number(s, 2, hours, &digits) || digits != 2) return false;
  const bool colon = !s.empty() && s[0] == ':';
  if (colon) s.remove_prefix(1);
  const bool more = take_number(s, 2, minutes, &digits);
  if ((more && digits != 2) || (colon && !more) || hours > 24 || minutes > 59) return false;
  offset = (west ? -1 : 1) * (hours * 60 + minutes) * 60;
  return true;
}

// What has been read so far; 1900-01-01 00:00:00 before anything is.
struct Reading {
  int64_t year = 1900, month = 1, day = 1, year_day = 0, hour = 0, minute = 0, second = 0, fraction = 0, offset = 0, epoch = 0;
  bool hour12 = false, afternoon = false, is_epoch = false;

  bool take(char code, std::string_view& s) {
    int64_t any = 0;
    size_t digits = 0;
    switch (code) {
      case 'a':
      case 'A': return take_name(s, kDays, any);
      case 'b':
      case 'B':
      case 'h': return take_name(s, kMonths, month) && (++month, true);
      case 'Y': return take_year(s);
      case 'y': return take_number(s, 2, year) && (year += year < 69 ? 2000 : 1900, true);
      case 'm': return take_number(s, 2, month) && month >= 1 && month <= 12;
      case 'e':
        if (!s.empty() && s[0] == ' ') s.remove_prefix(1);
        [[fallthrough]];
      case 'd': return take_number(s, 2, day) && day >= 1 && day <= 31;
      case 'j': return take_number(s, 3, year_day) && year_day >= 1 && year_day <= 366;
      case 'k':
      case 'l':
        if (!s.empty() && s[0] == ' ') s.remove_prefix(1);
        [[fallthrough]];
      case 'H':
      case 'I':
        hour12 = code == 'I' || code == 'l';
        return take_number(s, 2, hour) && (hour12 ? hour >= 1 && hour <= 12 : hour <= 23);
      case 'M': return take_number(s, 2, minute) && minute <= 59;
      case 'S': return take_number(s, 2, second) && second <= 59;
      case 'f':
      case 'L':
        if (!take_number(s, code == 'L' ? 3 : 9, fraction, &digits)) return false;
        for (; digits < 9; ++digits) fraction *= 10;
        return true;
      case 'p':
      case 'P': {
        if (s.size() < 2 || (s[1] | 32) != 'm' || ((s[0] | 32) != 'a' && (s[0] | 32) != 'p')) return false;
        afternoon = (s[0] | 32) == 'p';
        s.remove_prefix(2);
        return true;
      }
      case 's': return take_epoch(s);
      case 'z': return take_offset(s, offset);
      case 'Z': return take_utc(s);
      default: return take_blank(code, s);
    }
  }

  bool take_year(std::string_view& s) {
    const bool negative = !s.empty() && s[0] == '-';
    if (negative) s.remove_prefix(1);
    if (!take_number(s, 4, year)) return false;
    if (negative) year = -year;
    return true;
  }

  bool take_epoch(std::string_view& s) {
    const bool negative = !s.empty() && s[0] == '-';
    if (negative) s.remove_prefix(1);
    is_epoch = true;
    if (!take_number(s, 18, epoch)) return false;
    if (negative) epoch = -epoch;
    return true;
  }

  static bool take_utc(std::string_view& s) {
    for (std::string_view name : {"UTC", "GMT", "Z"}) {
      if (!s.starts_with(name)) continue;
      s.remove_prefix(name.size());
      return true;
    }
    return false;
  }

  static bool take_blank(char code, std::string_view& s) {
    if (code == '%') {
      if (s.empty() || s[0] != '%') return false;
      s.remove_prefix(1);
      return true;
    }
    while (!s.empty() && is_blank(s[0])) s.remove_prefix(1);  // n, t
    return true;
  }

  bool finish(WallTime& out) const {
    out = {};
    out.offset = offset;
    if (is_epoch) {
      out.days = floor_divide(epoch, kDaySeconds);
      out.nanoseconds = (epoch - out.days * kDaySeconds) * kSecond + fraction;
      out.offset = 0;
      return true;
    }
    if (year_day > 0) {
      if (year_day == 366 && !is_leap(year)) return false;
      out.days = days_of_civil(year, 1, 1) + year_day - 1;
    } else {
      if (day > days_in_month(year, static_cast<int32_t>(month))) return false;
      out.days = days_of_civil(year, static_cast<int32_t>(month), static_cast<int32_t>(day));
    }
    const int64_t h = hour12 ? hour % 12 + (afternoon ? 12 : 0) : hour;
    out.nanoseconds = ((h * 60 + minute) * 60 + second) * kSecond + fraction;
    return true;
  }
};

}  // namespace

arrow::Result<TimePattern> TimePattern::make(std::string_view pattern, bool reading) {
  TimePattern out;
  out.text_ = pattern;
  std::string expanded;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const bool code = pattern[i] == '%' && i + 1 < pattern.size();
    const std::string_view parts = code ? composite(pattern[i + 1]) : std::string_view();
    if (!parts.empty()) {
      expanded += parts;
      ++i;
    } else {
      expanded += pattern[i];
      if (code) expanded += pattern[++i];
    }
  }
  for (size_t i = 0; i < expanded.size(); ++i) {
    if (expanded[i] != '%') {
      if (out.pieces_.empty() || out.pieces_.back().code != 0) out.pieces_.emplace_back();
      out.pieces_.back().literal += expanded[i];
      continue;
    }
    const char code = i + 1 < expanded.size() ? expanded[++i] : '\0';
    if (code == '\0' || (reading ? kRead : kWritten).find(code) == std::string_view::npos)
      return base::plan_error("the time pattern \"" + out.text_ + "\" holds %" + (code ? std::string(1, code) : std::string("at its end")) +
                              ", which cannot be " + (reading ? "read" : "written"));
    out.pieces_.push_back({code, {}});
  }
  return out;
}

bool TimePattern::reads_offset() const {
  return std::any_of(pieces_.begin(), pieces_.end(), [](const Piece& p) { return p.code == 'z'; });
}

void TimePattern::write(const WallTime& t, std::string_view zone, std::string& out) const {
  static constexpr std::string_view kDateCodes = "aAbBhCdegGjmquUVwWyY";
  const Fields fields(t);
  for (const Piece& p : pieces_) {
    if (p.code == 0)
      out += p.literal;
    else if (kDateCodes.find(p.code) != std::string_view::npos)
      put_date(p.code, fields, t.days, out);
    else
      put_time(p.code, fields, t, zone, out);
  }
}

bool TimePattern::read(std::string_view s, WallTime& out) const {
  Reading reading;
  for (const Piece& p : pieces_) {
    if (p.code != 0) {
      if (!reading.take(p.code, s)) return false;
      continue;
    }
    for (char c : p.literal) {
      if (is_blank(c)) {
        while (!s.empty() && is_blank(s[0])) s.remove_prefix(1);
        continue;
      }
      if (s.empty() || s[0] != c) return false;
      s.remove_prefix(1);
    }
  }
  return s.empty() && reading.finish(out);
}

}  // namespace gristmill::expr
