// Paths into JSON ($.a[0]."b c", negative positions from the end) and the text of what they lead to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>
#include <simdjson.h>

namespace gristmill::expr {

class JsonPath {
 public:
  // Without `$` it begins with a key. A plan error shows where it cannot be read.
  static arrow::Result<JsonPath> make(std::string_view path);
  // False where there is nothing.
  bool find(simdjson::dom::element root, simdjson::dom::element& out) const;

 private:
  struct Step {
    std::string key;
    int64_t index = 0;
    bool is_index = false;
  };
  std::vector<Step> steps_;
};

// A JSON string with its quotes and the short escapes.
void append_json_string(std::string_view s, std::string& out);
// JSON without blanks; floats in their shortest form.
void append_json(simdjson::dom::element e, std::string& out);
// A string as it is, anything else as JSON.
void append_json_text(simdjson::dom::element e, std::string& out);

}  // namespace gristmill::expr
