// Which type fits all JSON values that were seen: scalars as they are, lists and structs of what is within; values of unlike kinds are
// text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "column/types.h"
#include "io/json_reader.h"

namespace gristmill::io {

class JsonGuess {
 public:
  // Takes one value. False: it is no JSON.
  bool add(JsonCursor& in, bool dates, int depth = 0);
  column::TypePtr type() const;
  struct Field;
  const std::vector<Field>& fields() const { return fields_; }  // by first appearance
  bool only_objects() const { return kinds_ == kObject; }

 private:
  enum Kind : uint8_t { kBool = 1, kInteger = 2, kFloat = 4, kText = 8, kList = 16, kObject = 32 };
  bool add_object(JsonCursor& in, bool dates, int depth);
  uint8_t kinds_ = 0;
  uint8_t moments_ = 0xff;  // kinds of TypeGuess that all texts have
  bool nanos_ = false;
  std::vector<Field> fields_;
  std::unique_ptr<JsonGuess> item_;
};

struct JsonGuess::Field {
  std::string name;
  std::unique_ptr<JsonGuess> guess;
};

}  // namespace gristmill::io
