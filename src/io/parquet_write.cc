// The Parquet sink: blocks of rows -> columns encoded by every worker -> file in order.
//
// deliver() cuts row groups and leaves them to be encoded; every worker that stages a morsel first encodes columns that wait, so
// encoding runs on all of them without a thread of its own; what waits when the last morsel was delivered is the tail of the run. Whoever
// finishes the column that is next in the file appends it and what follows. How the work was shared does not show in the bytes.

#include "io/parquet_write.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>

#include <arrow/array/array_base.h>
#include <arrow/array/util.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include "base/status.h"
#include "exec/tail_work.h"
#include "io/batch_file_sink.h"
#include "io/output_file.h"
#include "io/parquet_file.h"
#include "io/parquet_repeats.h"
#include "io/parquet_section.h"
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
    if (schema.GetFieldIndex(column) < 0)
      return base::plan_error("no column \"" + column + "\" for a Bloom filter", base::suggest_name(column, schema.field_names()));
    b.enable_bloom_filter(column, {});
  }
  return b.build();
}

// Text is encoded from views, whatever type the schema in the footer names: the values are the same, and none is copied.
std::shared_ptr<arrow::Field> encoded_field(const arrow::Field& f) {
  switch (f.type()->id()) {
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING: return f.WithType(arrow::utf8_view());
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY: return f.WithType(arrow::binary_view());
    default: return f.WithType(f.type());
  }
}

// Rows of one row group while its columns are encoded, each by whoever comes first.
struct Group {
  RowBlock block;
  std::vector<std::optional<EncodedColumn>> encoded;
  int taken = 0;     // columns that somebody encodes or has encoded
  int appended = 0;  // columns that are in the file
};

class ParquetSink final : public exec::OrderedSink, public exec::TailWork {
 public:
  ParquetSink(std::shared_ptr<arrow::Schema> schema, const ParquetWriteOptions& options, std::shared_ptr<base::QueryMemory> memory,
              std::shared_ptr<OutputFile> file)
      : schema_(std::move(schema)),
        memory_(std::move(memory)),
        file_(std::move(file)),
        blocks_(options.row_group_rows),
        row_bytes_(static_cast<size_t>(schema_->num_fields())) {}

  arrow::Status open(const ParquetWriteOptions& options) {
    ARROW_ASSIGN_OR_RAISE(properties_, make_properties(*schema_, options, memory_->pool()));
    ParquetWriteOptions plain = options;
    plain.dictionary = false;
    ARROW_ASSIGN_OR_RAISE(plain_properties_, make_properties(*schema_, plain, memory_->pool()));
    return guard_writing(file_->path(), [&]() -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(assembler_, ParquetAssembler::open(file_, *schema_, properties_));
      return arrow::Status::OK();
    });
  }

  std::string name() const override { return "write parquet " + file_->path(); }

  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    for (column::Batch& b : batches) {
      ARROW_ASSIGN_OR_RAISE(b, column::compact(std::move(b), context.pool()));
    }
    while (encode_one()) ARROW_RETURN_NOT_OK(context.cancel.check());
    return batches;
  }

  arrow::Result<Answer> deliver(uint64_t seq, std::vector<column::Batch>& batches) override {
    for (column::Batch& b : batches) {
      ARROW_ASSIGN_OR_RAISE(auto dense, column::compact(std::move(b), memory_->pool()));
      blocks_.add(std::move(dense));
    }
    batches.clear();
    while (blocks_.full()) ARROW_RETURN_NOT_OK(start_group());
    while (waiting_groups() > kMostGroups && encode_one()) {
    }
    ARROW_RETURN_NOT_OK(failure());
    return Answer{};
  }

  arrow::Status finalize() override {
    if (blocks_.rows() > 0) ARROW_RETURN_NOT_OK(start_group());
    return tail_ ? failure() : finish_tail();
  }

  // Columns side by side take more memory than one after the other.
  bool expect_tail() override { return tail_ = !memory_->limited(); }

  int64_t tail_pieces() override {
    std::lock_guard lock(mutex_);
    int64_t open = 0;
    for (const auto& group : groups_) open += schema_->num_fields() - group->taken;
    return open;
  }

  arrow::Status run_piece() override {
    encode_one();
    return failure();
  }

  arrow::Status finish_tail() override {
    while (encode_one()) {
    }
    ARROW_RETURN_NOT_OK(failure());
    ARROW_RETURN_NOT_OK(guard_writing(file_->path(), [&] { return assembler_->finish(); }));
    assembler_.reset();
    return file_->finish();
  }

  void abandon() override {
    file_->abandon();
    groups_.clear();
    blocks_ = RowBlocks(1);
  }

  ~ParquetSink() override { file_->abandon(); }

 private:
  static constexpr size_t kMostGroups = 2;  // that wait; then whoever delivers encodes too

  // In order of the rows, so what is wrong with them is found in that order.
  arrow::Status start_group() {
    auto group = std::make_shared<Group>();
    group->block = blocks_.take();
    for (int i = 0; i < schema_->num_fields(); ++i) {
      if (schema_->field(i)->nullable()) continue;
      for (const column::Batch& b : group->block.parts) {
        if (column::has_nulls(b.columns[i])) return null_refused(*schema_->field(i), file_->path());
      }
    }
    group->encoded.resize(static_cast<size_t>(schema_->num_fields()));
    std::lock_guard lock(mutex_);
    groups_.push_back(std::move(group));
    if (schema_->num_fields() == 0) failed_ = append_ready();
    return arrow::Status::OK();
  }

  size_t waiting_groups() {
    std::lock_guard lock(mutex_);
    return groups_.size();
  }

  arrow::Status failure() {
    std::lock_guard lock(mutex_);
    return failed_;
  }

  // Encodes the next column that nobody has taken; false when there is none. Any thread.
  bool encode_one() {
    std::shared_ptr<Group> group;
    int column = 0;
    double row_bytes = 0;
    {
      std::lock_guard lock(mutex_);
      if (!failed_.ok()) return false;
      const auto open = std::find_if(groups_.begin(), groups_.end(), [&](const auto& g) { return g->taken < schema_->num_fields(); });
      if (open == groups_.end()) return false;
      group = *open;
      column = group->taken++;
      row_bytes = row_bytes_[static_cast<size_t>(column)];
    }
    const auto rows = static_cast<double>(std::max<int64_t>(group->block.rows, 1));
    EncodedColumn encoded;
    const arrow::Status status = guard_writing(file_->path(), [&]() -> arrow::Status {
      const auto field = encoded_field(*schema_->field(column));
      ARROW_ASSIGN_OR_RAISE(const auto data, block_column(group->block, column, field->type(), memory_->pool()));
      const auto& properties = values_repeat(*data, properties_->dictionary_pagesize_limit()) ? properties_ : plain_properties_;
      ARROW_ASSIGN_OR_RAISE(encoded, encode_column(field, *arrow::MakeArray(data), properties, static_cast<int64_t>(row_bytes * rows), memory_->pool()));
      return arrow::Status::OK();
    });
    std::unique_lock lock(mutex_);
    if (failed_.ok()) failed_ = status;
    if (encoded.file != nullptr) row_bytes_[static_cast<size_t>(column)] = static_cast<double>(encoded.file->size()) / rows;
    group->encoded[column] = std::move(encoded);
    if (appending_ || !failed_.ok()) return true;
    appending_ = true;
    arrow::Status appended = append_ready(&lock);
    appending_ = false;
    if (failed_.ok()) failed_ = std::move(appended);
    return true;
  }

  // Appends what is next in order as far as it is there. The lock is let go while bytes are written; `appending_` keeps others out.
  arrow::Status append_ready(std::unique_lock<std::mutex>* lock = nullptr) {
    while (!groups_.empty()) {
      const std::shared_ptr<Group> group = groups_.front();
      const bool complete = group->appended == schema_->num_fields();
      if (!complete && !group->encoded[group->appended].has_value()) break;
      std::optional<EncodedColumn> column;
      if (!complete) column.swap(group->encoded[group->appended++]);
      if (complete) groups_.pop_front();
      if (lock != nullptr) lock->unlock();
      const arrow::Status status =
          guard_writing(file_->path(), [&] { return complete ? assembler_->end_group(group->block.rows) : assembler_->append(*column); });
      if (lock != nullptr) lock->lock();
      ARROW_RETURN_NOT_OK(status);
    }
    return arrow::Status::OK();
  }

  const std::shared_ptr<arrow::Schema> schema_;
  const std::shared_ptr<base::QueryMemory> memory_;
  const std::shared_ptr<OutputFile> file_;
  std::shared_ptr<parquet::WriterProperties> properties_, plain_properties_;  // plain: without dictionaries
  RowBlocks blocks_;                                                          // by whoever delivers
  std::unique_ptr<ParquetAssembler> assembler_;                               // by whoever has set appending_

  std::mutex mutex_;
  std::deque<std::shared_ptr<Group>> groups_;  // not wholly in the file yet, in order
  std::vector<double> row_bytes_;              // of each column as it was encoded last; only how much room is made depends on it
  bool appending_ = false;
  bool tail_ = false;  // the last row group is left to finish_tail()
  arrow::Status failed_;
};

}  // namespace

arrow::Result<std::shared_ptr<exec::OrderedSink>> write_parquet(const std::string& path, std::shared_ptr<arrow::Schema> schema,
                                                                const ParquetWriteOptions& options,
                                                                std::shared_ptr<base::QueryMemory> memory) {
  if (options.row_group_rows < 1) return base::plan_error("row_group_rows must be at least 1");
  ARROW_RETURN_NOT_OK(make_properties(*schema, options, memory->pool()));
  ARROW_ASSIGN_OR_RAISE(auto file, OutputFile::create(path, options.storage));
  auto sink = std::make_shared<ParquetSink>(schema->RemoveMetadata(), options, std::move(memory), std::move(file));
  ARROW_RETURN_NOT_OK(sink->open(options));
  return sink;
}

}  // namespace gristmill::io
