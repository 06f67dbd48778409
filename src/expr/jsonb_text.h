// JSON values as PostgreSQL's jsonb prints them: numbers without exponent and with their written digits, objects with
// keys by length then bytes and the last of a repeated key, one blank behind ':' and ','.
#pragma once

#include <string>
#include <vector>

#include <simdjson.h>

namespace gristmill::expr {

// One entry of an object whose values were made text: strings as they are, null stays null, others as jsonb prints them.
struct TextEntry {
  std::string key;
  std::string value;
  bool is_null = false;
};

// The entries of the object that `document` is, in the order written. SUCCESS, or why it is none; text with \u0000 is no
// jsonb (NUMBER_OUT_OF_RANGE for a number beyond its digits).
simdjson::error_code read_text_entries(simdjson::ondemand::document& document, std::vector<TextEntry>& entries);

// Sorted by key; of equal keys the last one stays.
void sort_entries(std::vector<TextEntry>& entries);

// {"a":"x","b":null}: without blanks.
void append_object(const std::vector<TextEntry>& entries, std::string& out);

}  // namespace gristmill::expr
