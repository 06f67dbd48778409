// Fields of a block to a column of values.
//
// The usual forms are read by text_values.h; whatever those refuse (quotes, blanks, nulls, exponents, ...) by convert_field, which decides.
// Long texts without quotes stay where they are: views into the block, unless so few of its bytes are wanted that a copy is cheaper to
// keep.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/column.h"
#include "io/csv_fields.h"
#include "io/csv_text.h"

namespace gristmill::io {

// How fields are read, besides the dialect.
struct CsvValues {
  std::vector<std::string> nulls;       // beside the empty field
  std::array<bool, 256> null_begins{};  // first bytes of these
  bool empty_is_null = true;
  std::vector<std::string> trues, falses;
  bool decimal_comma = false;
  bool trim = false;

  void set_nulls(std::vector<std::string> texts);
  bool is_null(std::string_view text) const;
};

struct FieldProblem {
  int64_t row = -1;  // of the block; -1: none
  std::string value;
  bool bad_text = false;  // not UTF-8, rather than not of the type
};

struct ConvertCall {
  const CsvDialect* dialect = nullptr;
  const CsvValues* values = nullptr;
  column::TypePtr type;  // canonical
  ColumnFields fields;
  const uint32_t* rows = nullptr;  // which rows, ascending; null: from first_row on
  int64_t first_row = 0;
  int64_t count = 0;
  const TextBlock* block = nullptr;
  bool utf8_known = true;                    // the block is valid UTF-8
  bool bad_is_null = false;                  // else the first bad field ends it
  std::vector<int64_t>* bad_rows = nullptr;  // with bad_is_null: rows whose field is bad
  arrow::MemoryPool* pool = nullptr;
};

struct Converted {
  column::Column column;  // complete unless there is a problem
  FieldProblem problem;
  int64_t nulled = 0;  // bad fields that became null
};

arrow::Result<Converted> convert_fields(const ConvertCall& call);
bool is_csv_type(const arrow::DataType& canonical);  // one that fields can be read as

}  // namespace gristmill::io
