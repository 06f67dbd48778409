// The quick way through JSON objects as labels nearly always are: texts of printable ASCII without escapes, or null.
//
// Invariant: what is taken here reads the same as by the parser, entry for entry; anything else is refused, not judged. The entries
// refer to the text they were read from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gristmill::expr {

struct PlainEntry {
  std::string_view key;
  std::string_view value;
  bool is_null = false;
};

// Appends the entries of the one object that `text` is, in the order written. False: not by this way; `entries` is then as it was.
bool read_plain_object(std::string_view text, std::vector<PlainEntry>& entries);

// Sorted by key; of equal keys the last one stays.
void sort_plain_entries(std::vector<PlainEntry>& entries);

// As append_object() (jsonb_text.h).
void append_plain_object(const std::vector<PlainEntry>& entries, std::string& out);

}  // namespace gristmill::expr
