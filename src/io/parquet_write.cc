// The Parquet sink: blocks of rows -> row groups -> file.

#include "io/parquet_write.h"

#include <arrow/array/array_base.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/properties.h>

#include "base/status.h"
#include "io/batch_file_sink.h"
#include "io/output_file.h"
#include "io/parquet_file.h"
#include "io/row_blocks.h"

namespace gristmill::io {
namespace {

constexpr const char* kCreatedBy = "gristmill version 0.1.0";

template <typename F>
arrow::Status guard_writing(const std::string& path, F&& f) {
  try {
    return writing_error(path, f());
  } catch (...) {
    return writing_error(path, exception_status());
  }
}

arrow::Result<std::shared_ptr<parquet::WriterProperties>> make_properties(const arrow::Schema& schema, const ParquetWriteOptions& options,
                                                                          arrow::MemoryPool* pool) {
  parquet::WriterProperties::Builder b;
  b.memory_pool(pool)->created_by(kCreatedBy)->version(parquet::ParquetVersion::PARQUET_2_6);
  b.max_row_group_length(options.row_group_rows);
  const std::string name = options.compression == "none" ? "uncompressed" : options.compression;
  const auto codec = arrow::util::Codec::GetCompressionType(name);
  if (!codec.ok() || !arrow::util::Codec::IsAvailable(*codec)) {
    return base::plan_error("unknown compression \"" + options.compression + "\"",
                            base::suggest_name(options.compression, {"none", "snappy", "gzip", "brotli", "zstd", "lz4"}));
  }
  b.compression(*codec);
  if (arrow::util::Codec::SupportsCompressionLevel(*codec)) b.compression_level(options.level);
  if (!options.dictionary) b.disable_dictionary();
  if (!options.statistics) b.disable_statistics();
  for (const std::string& column : options.bloom_columns) {
    if (schema.GetFieldIndex(column) < 0) return base::plan_error("no column \"" + column + "\" for a Bloom filter", base::suggest_name(column, schema.field_names()));
    b.enable_bloom_filter(column, {});
  }
  return b.build();
}

class ParquetSink final : public exec::OrderedSink {
 public:
  ParquetSink(std::shared_ptr<arrow::Schema> schema, const ParquetWriteOptions& options, std::shared_ptr<base::QueryMemory> memory,
              std::shared_ptr<OutputFile> file)
      : schema_(std::move(schema)), memory_(std::move(memory)), file_(std::move(file)), blocks_(options.row_group_rows) {}

  arrow::Status open(const ParquetWriteOptions& options) {
    ARROW_ASSIGN_OR_RAISE(auto properties, make_properties(*schema_, options, memory_->pool()));
    parquet::ArrowWriterProperties::Builder b;
    b.store_schema()->set_use_threads(false);
    return guard_writing(file_->path(), [&]() -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(writer_, parquet::arrow::FileWriter::Open(*schema_, memory_->pool(), file_, std::move(properties), b.build()));
      return arrow::Status::OK();
    });
  }

  std::string name() const override { return "write parquet " + file_->path(); }

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
    while (blocks_.full()) ARROW_RETURN_NOT_OK(write_group());
    return Answer{};
  }

  arrow::Status finalize() override {
    if (blocks_.rows() > 0) ARROW_RETURN_NOT_OK(write_group());
    ARROW_RETURN_NOT_OK(guard_writing(file_->path(), [&] { return writer_->Close(); }));
    writer_.reset();
    return file_->finish();
  }

  void abandon() override {
    file_->abandon();
    blocks_ = RowBlocks(1);
  }

  ~ParquetSink() override {
    file_->abandon();
    try {
      writer_.reset();  // closes itself, into a file that is no more
    } catch (...) {
    }
  }

 private:
  // Column by column, so that only one is there as views and as an array.
  arrow::Status write_group() {
    RowBlock block = blocks_.take();
    return guard_writing(file_->path(), [&]() -> arrow::Status {
      ARROW_RETURN_NOT_OK(writer_->NewRowGroup());
      for (int i = 0; i < schema_->num_fields(); ++i) {
        const arrow::Field& field = *schema_->field(i);
        ARROW_ASSIGN_OR_RAISE(const auto array, block_column(block, i, field, memory_->pool()));
        ARROW_RETURN_NOT_OK(check_not_null(field, *array, file_->path()));
        ARROW_RETURN_NOT_OK(writer_->WriteColumnChunk(*array));
      }
      return arrow::Status::OK();
    });
  }

  const std::shared_ptr<arrow::Schema> schema_;
  const std::shared_ptr<base::QueryMemory> memory_;
  const std::shared_ptr<OutputFile> file_;
  RowBlocks blocks_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
};

}  // namespace

arrow::Result<std::shared_ptr<exec::OrderedSink>> write_parquet(const std::string& path, std::shared_ptr<arrow::Schema> schema,
                                                                const ParquetWriteOptions& options, std::shared_ptr<base::QueryMemory> memory) {
  if (options.row_group_rows < 1) return base::plan_error("row_group_rows must be at least 1");
  ARROW_RETURN_NOT_OK(make_properties(*schema, options, memory->pool()));
  ARROW_ASSIGN_OR_RAISE(auto file, OutputFile::create(path));
  auto sink = std::make_shared<ParquetSink>(schema->RemoveMetadata(), options, std::move(memory), std::move(file));
  ARROW_RETURN_NOT_OK(sink->open(options));
  return sink;
}

}  // namespace gristmill::io
