// Columns that grow by JSON values: one object a type, nested like the type.
//
// append() takes exactly one value and adds exactly one row, or leaves the column as it was with a problem noted; nested columns undo what
// they had added. Fields of an object may come in any order; those that do not come are null.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/types.h"
#include "io/json_reader.h"

namespace gristmill::io {

struct JsonProblem {
  bool malformed = false;  // the line is no JSON; else a value does not fit its column
  std::string path;        // "a.b[2].c", from the inside out while it is built
  std::string value;
  std::string why;
};

struct JsonRules {
  bool extra_fields = true;  // of objects: those the type has not are left out; else a problem
  bool bad_is_null = false;
};

class JsonColumn {
 public:
  virtual ~JsonColumn() = default;
  virtual bool append(JsonCursor& in, int depth, JsonProblem& problem) = 0;
  virtual void append_null() = 0;
  virtual void truncate(int64_t rows) = 0;
  virtual arrow::Result<std::shared_ptr<arrow::ArrayData>> finish() = 0;  // and begin anew
  int64_t rows() const { return rows_; }
  int64_t nulled() const { return nulled_; }  // bad values that became null

 protected:
  int64_t rows_ = 0;
  int64_t nulled_ = 0;
};

struct JsonColumnContext {
  std::shared_ptr<arrow::Buffer> block;  // the text that values point into; changed between blocks
  JsonRules rules;
  arrow::MemoryPool* pool = nullptr;
};

// Null for a type that JSON values cannot become. The context outlives the column.
std::unique_ptr<JsonColumn> make_json_column(const column::TypePtr& type, const JsonColumnContext& context);

// Fields by name, expecting each where the object before had it.
class JsonFields {
 public:
  static constexpr int kUnknown = -1;
  static constexpr int kOther = -2;
  explicit JsonFields(std::vector<std::string> names) : names_(std::move(names)) {}
  // The field that the key `raw` names, the `place`-th key of its object.
  int find(std::string_view raw, bool escaped, size_t place);
  // Takes the key that was the `place`-th of the object before, with its colon and nothing between; kOther: another stands here.
  int take_expected(JsonCursor& in, size_t place) {
    if (place >= order_.size() || !in.take_bytes(order_[place].bytes)) return kOther;
    return order_[place].field;
  }
  const std::string& raw_at(size_t place) const { return order_[place].raw; }  // after take_expected() took it
  const std::vector<std::string>& names() const { return names_; }

 private:
  const std::vector<std::string> names_;
  struct Seen {
    std::string raw;
    std::string bytes;  // "raw":
    int field;
  };
  std::vector<Seen> order_;
  std::string room_;
};

}  // namespace gristmill::io
