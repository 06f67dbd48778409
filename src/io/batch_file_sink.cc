// Blocks of rows -> record batches -> a format's writer -> file.

#include "io/batch_file_sink.h"

#include <arrow/array/array_base.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "io/row_blocks.h"

namespace gristmill::io {
namespace {

class BatchFileSink final : public exec::OrderedSink {
 public:
  BatchFileSink(std::string format, std::shared_ptr<arrow::Schema> schema, int64_t block_rows, std::shared_ptr<base::QueryMemory> memory,
                std::shared_ptr<OutputFile> file)
      : format_(std::move(format)), schema_(std::move(schema)), memory_(std::move(memory)), file_(std::move(file)), blocks_(block_rows) {}

  arrow::Status open(const MakeBatchWriter& make) {
    auto made = make(file_, schema_);
    ARROW_RETURN_NOT_OK(writing_error(file_->path(), made.status()));
    writer_ = std::move(*made);
    return arrow::Status::OK();
  }

  std::string name() const override { return "write " + format_ + " " + file_->path(); }

  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    for (column::Batch& b : batches) {
      ARROW_ASSIGN_OR_RAISE(b, column::compact(std::move(b), context.pool()));
    }
    return batches;
  }

  arrow::Result<Answer> deliver(uint64_t seq, std::vector<column::Batch>& batches) override {
    for (column::Batch& b : batches) {
      ARROW_ASSIGN_OR_RAISE(auto dense, column::compact(std::move(b), memory_->pool()));
      blocks_.add(std::move(dense));
    }
    batches.clear();
    while (blocks_.full()) ARROW_RETURN_NOT_OK(write_block());
    return Answer{};
  }

  arrow::Status finalize() override {
    if (blocks_.rows() > 0) ARROW_RETURN_NOT_OK(write_block());
    ARROW_RETURN_NOT_OK(writing_error(file_->path(), writer_->Close()));
    writer_.reset();
    return file_->finish();
  }

  void abandon() override { file_->abandon(); }
  ~BatchFileSink() override { file_->abandon(); }

 private:
  arrow::Status write_block() {
    RowBlock block = blocks_.take();
    ARROW_ASSIGN_OR_RAISE(const auto batch, block_batch(block, schema_, memory_->pool()));
    for (int i = 0; i < schema_->num_fields(); ++i) {
      const arrow::Field& field = *schema_->field(i);
      if (!field.nullable() && batch->column(i)->null_count() > 0) return null_refused(field, file_->path());
    }
    return writing_error(file_->path(), writer_->WriteRecordBatch(*batch));
  }

  const std::string format_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::shared_ptr<base::QueryMemory> memory_;
  const std::shared_ptr<OutputFile> file_;
  RowBlocks blocks_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

}  // namespace

arrow::Status writing_error(const std::string& path, const arrow::Status& status) {
  if (status.ok() || status.IsOutOfMemory() || status.IsCancelled() || base::error_detail(status) != nullptr) return status;
  return base::io_error("cannot write " + path + ": " + status.message(), path);
}

arrow::Status null_refused(const arrow::Field& field, const std::string& path) {
  base::ErrorDetail d;
  d.kind = base::ErrorKind::kData;
  d.column = field.name();
  return base::with_detail(base::data_error("a null for " + path + " in a column that is declared not null"), d);
}

arrow::Result<std::shared_ptr<exec::OrderedSink>> batch_file_sink(std::string format, std::shared_ptr<OutputFile> file,
                                                                  std::shared_ptr<arrow::Schema> schema, int64_t block_rows,
                                                                  std::shared_ptr<base::QueryMemory> memory, const MakeBatchWriter& make) {
  auto sink = std::make_shared<BatchFileSink>(std::move(format), std::move(schema), block_rows, std::move(memory), std::move(file));
  ARROW_RETURN_NOT_OK(sink->open(make));
  return sink;
}

}  // namespace gristmill::io
