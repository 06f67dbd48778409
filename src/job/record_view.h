// A Record over one row of a batch after the other: reads its columns, collects what is written to others.
//
// A column that is written keeps the value it has where the function does not set it; a new one is null there.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <arrow/array/builder_base.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>

#include "gristmill/job.h"

namespace gristmill::job {

class RecordView final : public Record {
 public:
  // `written`: places in `output` of the columns that may be set.
  static arrow::Result<std::unique_ptr<RecordView>> make(const arrow::RecordBatch& rows, const arrow::Schema& output,
                                                         const std::vector<int>& written);
  void move_to(int64_t row);
  const std::string* failure() const { return failure_ ? &*failure_ : nullptr; }
  arrow::Status keep();  // the row as it is now is one of the result
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> finish(const std::shared_ptr<arrow::Schema>& output,
                                                            const std::vector<int64_t>& places);

  bool is_null(std::string_view column) override;
  int64_t int64(std::string_view column) override;
  double float64(std::string_view column) override;
  bool boolean(std::string_view column) override;
  std::string_view text(std::string_view column) override;
  using Record::set;
  void set(std::string_view column, int64_t value) override { put(column, value); }
  void set(std::string_view column, double value) override { put(column, value); }
  void set(std::string_view column, bool value) override { put(column, value); }
  void set(std::string_view column, std::string_view value) override { put(column, std::string(value)); }
  void set_null(std::string_view column) override { put(column, std::monostate()); }
  void fail(std::string message) override;

 private:
  using Value = std::variant<std::monostate, int64_t, double, bool, std::string>;
  struct Written {
    int place = 0;
    std::string name;
    std::shared_ptr<arrow::DataType> type;
    std::shared_ptr<arrow::Array> before;  // null: a new column
    std::unique_ptr<arrow::ArrayBuilder> builder;
    std::optional<Value> value;  // of the row at hand
  };

  explicit RecordView(const arrow::RecordBatch& rows) : rows_(rows) {}
  Written* written(std::string_view column);
  const arrow::Array* column(std::string_view column);
  template <typename T>
  const T* set_value(std::string_view column);
  void put(std::string_view column, Value value);
  arrow::Status append(Written& w);
  template <typename T>
  T wrong(std::string_view column, const char* wanted, const arrow::DataType& type);

  const arrow::RecordBatch& rows_;
  std::vector<Written> written_;
  int64_t row_ = 0;
  std::optional<std::string> failure_;
};

}  // namespace gristmill::job
