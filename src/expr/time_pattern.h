// strftime's patterns as in C, in English: moments written by them and read by them.
//
// Beyond C: %f is the fraction of a second (six digits when written, one to nine when read), %L its milliseconds, %q the quarter.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>

namespace gristmill::expr {

struct WallTime {
  int64_t days = 0;
  int64_t nanoseconds = 0;  // within the day
  int64_t offset = 0;       // seconds east of UTC
};

class TimePattern {
 public:
  // A plan error names a code that there is not; `reading` patterns know fewer.
  static arrow::Result<TimePattern> make(std::string_view pattern, bool reading);

  // `zone`: its name, empty without one (%z and %Z are then empty).
  void write(const WallTime& t, std::string_view zone, std::string& out) const;
  // False where the text is not what the pattern says, to its end.
  bool read(std::string_view s, WallTime& out) const;
  bool reads_offset() const;  // the pattern says which instant is meant

  const std::string& text() const { return text_; }

 private:
  struct Piece {
    char code = 0;  // 0: `literal` as it is
    std::string literal;
  };
  std::string text_;
  std::vector<Piece> pieces_;
};

}  // namespace gristmill::expr
