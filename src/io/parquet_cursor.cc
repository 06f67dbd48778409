// The cursor over Arrow's reader: every type, nested ones too; skipping costs as much as reading.

#include "io/parquet_cursor.h"

#include <algorithm>

#include <arrow/array/array_base.h>
#include <arrow/record_batch.h>
#include <parquet/arrow/reader.h>

#include "base/status.h"
#include "column/kernels.h"

namespace gristmill::io {
namespace {

class ArrowCursor final : public ParquetCursor {
 public:
  ArrowCursor(const ParquetFile& file, int column, int group, parquet::arrow::FileReader& reader, arrow::MemoryPool* pool)
      : file_(file), column_(file.columns[column]), group_(group), reader_(reader), pool_(pool) {}

  void skip(int64_t rows) override { to_skip_ += rows; }

  arrow::Result<column::Column> read(int64_t rows, const column::Mask*) override {
    while (to_skip_ > 0) {
      ARROW_RETURN_NOT_OK(refill());
      const int64_t n = std::min(to_skip_, length_ - at_);
      at_ += n;
      to_skip_ -= n;
    }
    std::vector<column::Column> parts;
    std::vector<int64_t> part_rows;
    for (int64_t wanted = rows; wanted > 0;) {
      ARROW_RETURN_NOT_OK(refill());
      const int64_t n = std::min(wanted, length_ - at_);
      parts.push_back(at_ == 0 && n == length_ ? values_ : column::slice(values_, at_, n));
      part_rows.push_back(n);
      at_ += n;
      wanted -= n;
    }
    if (parts.size() == 1) return std::move(parts[0]);
    return column::concat(parts, part_rows, pool_);
  }

 private:
  // Makes sure that there is at least one row at `at_`.
  arrow::Status refill() {
    while (at_ >= length_) {
      ARROW_RETURN_NOT_OK(guard_parquet(file_.path, column_.field->name(), [&]() -> arrow::Status { return next(); }));
    }
    return arrow::Status::OK();
  }

  arrow::Status next() {
    const std::string& name = column_.field->name();
    if (batches_ == nullptr) {
      auto made = reader_.GetRecordBatchReader({group_}, column_.leaves);
      if (!made.ok()) return damaged(file_.path, made.status(), name);
      batches_ = std::move(*made);
    }
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(damaged(file_.path, batches_->ReadNext(&batch), name));
    if (batch == nullptr) return damaged(file_.path, arrow::Status::IOError("fewer rows than the footer says"), name);
    ARROW_RETURN_NOT_OK(damaged(file_.path, batch->column(0)->ValidateFull(), name));  // UTF-8, and what types promise
    ARROW_ASSIGN_OR_RAISE(values_, column::import_array(batch->column_data(0), pool_));
    if (!values_.type()->Equals(*column_.inside)) {
      return base::internal_error("column \"" + name + "\" of " + file_.path + " came as " + values_.type()->ToString());
    }
    length_ = batch->num_rows();
    at_ = 0;
    return arrow::Status::OK();
  }

  const ParquetFile& file_;
  const ParquetColumn& column_;
  const int group_;
  parquet::arrow::FileReader& reader_;
  arrow::MemoryPool* const pool_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  column::Column values_;
  int64_t length_ = 0;
  int64_t at_ = 0;
  int64_t to_skip_ = 0;
};

}  // namespace

std::unique_ptr<ParquetCursor> arrow_cursor(const ParquetFile& file, int column, int group, parquet::arrow::FileReader& reader,
                                            arrow::MemoryPool* pool) {
  return std::make_unique<ArrowCursor>(file, column, group, reader, pool);
}

}  // namespace gristmill::io
