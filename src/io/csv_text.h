// The grammar of delimited text, one character at a time: what decides when quotes are not where they should be, and what the fast
// scan (column/simd/text-inl.h) must agree with.
//
// A quote at the beginning of a field opens; inside, a doubled quote is one; a quote elsewhere is a letter, and so is what follows a
// closing quote up to the end of the field. The escape character takes what follows literally. A record ends with \n or \r\n. Empty lines
// are no records (unless there is one column); neither are lines that begin with the comment prefix.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gristmill::io {

struct CsvDialect {
  char separator = ',';
  int quote = '"';  // -1: none
  int escape = -1;  // -1: none
  std::string comment;
  bool skip_blank = true;

  bool needs_machine() const { return escape >= 0 || !comment.empty(); }
  bool is_comment(const uint8_t* text, int64_t from, int64_t n) const {
    return !comment.empty() && n - from >= static_cast<int64_t>(comment.size()) &&
           std::string_view(reinterpret_cast<const char*>(text) + from, comment.size()) == comment;
  }
};

enum class RecordEnd : uint8_t { kLine, kText, kOpenQuote };  // a line end; the end of the text; that, within quotes

struct RecordWalk {
  int64_t next = 0;  // behind the record
  RecordEnd end = RecordEnd::kLine;
  bool record = true;  // false: an empty line or a comment
};
// The record that begins at `from` (< n). Its fields' ends (positions of separators, of the line end or n) go to `ends`, if given.
RecordWalk walk_record(const uint8_t* text, int64_t n, int64_t from, const CsvDialect& dialect, std::vector<uint32_t>* ends);

struct LineWalk {
  int64_t next = 0;  // behind the last record or other line that ended
  int64_t records = 0;
};
// At most `most` records from `from`, and the comments and empty lines between them.
LineWalk walk_records(const uint8_t* text, int64_t n, int64_t from, const CsvDialect& dialect, int64_t most);

struct FieldValue {
  std::string_view text;
  bool quoted = false;
};
// What the raw field says; `room` holds the text when it is not a part of the field.
FieldValue field_value(std::string_view raw, const CsvDialect& dialect, std::string& room);

}  // namespace gristmill::io
