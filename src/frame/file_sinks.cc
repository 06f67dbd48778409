// Frames into files: one file, or a folder of them cut by partition and size.

#include <algorithm>

#include <arrow/type.h>
#include <arrow/type_traits.h>

#include "base/status.h"
#include "column/types.h"
#include "exec/collect.h"
#include "frame/file_sinks.h"
#include "frame/query_runner.h"
#include "frame/steps.h"
#include "gristmill/frame.h"
#include "io/csv_write.h"
#include "io/ipc_write.h"
#include "io/output_file.h"
#include "io/output_folder.h"
#include "io/parquet_write.h"
#include "io/partition_sink.h"
#include "io/text_input.h"
#include "plan/logical.h"

namespace gristmill {
namespace {

using SchemaPtr = std::shared_ptr<arrow::Schema>;
// The sink of one file.
using MakeSink = std::function<arrow::Result<std::shared_ptr<exec::OrderedSink>>(
    const std::string& path, SchemaPtr schema, io::StoragePtr storage, std::shared_ptr<base::QueryMemory> memory)>;

bool wants_folder(const SinkOptions& files) {
  return !files.partition_by.empty() || files.max_rows_per_file != 0 || files.max_bytes_per_file != 0;
}

arrow::Status check_key(const arrow::Schema& schema, const std::string& name) {
  const auto field = schema.GetFieldByName(name);
  if (field == nullptr)
    return base::plan_error("no column \"" + name + "\" to partition by", base::suggest_name(name, schema.field_names()));
  const column::TypePtr type = column::canonical_type(field->type());
  const bool bytes = column::is_viewed(*type) && !column::is_text(*type);
  if (!bytes && !arrow::is_nested(type->id())) return arrow::Status::OK();
  return base::plan_error("cannot partition by column \"" + name + "\" of type " + field->type()->ToString(),
                          "a folder's name is text: cast it");
}

// Rows sorted by the texts of their keys, which stand behind the columns to be written.
arrow::Result<Frame> by_partition(const Frame& frame, const arrow::Schema& schema, const std::vector<std::string>& keys) {
  std::vector<Expr> texts, order, written;
  for (const std::string& k : keys) {
    ARROW_RETURN_NOT_OK(check_key(schema, k));
    if (std::count(keys.begin(), keys.end(), k) > 1) return base::plan_error("column \"" + k + "\" is named twice in partition_by");
    const bool is_float = column::is_float(*column::canonical_type(schema.GetFieldByName(k)->type()));
    const Expr value = is_float ? col(k) + lit(0.0) : col(k);  // one folder for both zeros
    const std::string name = frame::unused_name(schema, "folder " + k);
    texts.push_back(value.cast(arrow::utf8()).alias(name));
    order.push_back(col(name));
  }
  for (const auto& f : schema.fields()) {
    if (std::find(keys.begin(), keys.end(), f->name()) == keys.end()) written.push_back(col(f->name()));
  }
  if (written.empty()) return base::plan_error("nothing is left to write: every column is in partition_by");
  written.insert(written.end(), order.begin(), order.end());
  return frame.with_columns(std::move(texts)).sort({order.begin(), order.end()}).select(std::move(written));
}

arrow::Result<frame::FileWriter> into_folder(const Frame& frame, const std::string& path, const std::string& ending,
                                             const SinkOptions& files, const MakeSink& make) {
  if (files.max_rows_per_file < 0 || files.max_bytes_per_file < 0)
    return base::plan_error("max_rows_per_file and max_bytes_per_file are at least 1");
  const Overwrite overwrite = files.overwrite.value_or(Overwrite::kError);
  if (overwrite == Overwrite::kReplacePartitions && files.partition_by.empty())
    return base::plan_error("overwrite=\"replace_partitions\" needs partition_by", "\"replace\" replaces the whole folder");
  ARROW_ASSIGN_OR_RAISE(const io::StoragePtr storage, io::storage_options(files.storage));
  plan::PlanPtr plan = *frame.plan();
  const auto keys = static_cast<int>(files.partition_by.size());
  if (keys > 0) {
    ARROW_ASSIGN_OR_RAISE(const Frame sorted, by_partition(frame, *plan->schema, files.partition_by));
    ARROW_RETURN_NOT_OK(sorted.plan().status());
    plan = *sorted.plan();
  }
  const auto& fields = plan->schema->fields();
  const SchemaPtr written = arrow::schema({fields.begin(), fields.end() - keys});
  const auto open = [=](std::shared_ptr<base::QueryMemory> memory) -> arrow::Result<std::shared_ptr<exec::OrderedSink>> {
    ARROW_ASSIGN_OR_RAISE(auto folder, io::OutputFolder::create(path, overwrite, ending, storage));
    const auto one = [make, written, memory](const std::string& file) { return make(file, written, nullptr, memory); };
    return io::partition_sink(std::move(folder), {files.partition_by, files.max_rows_per_file, files.max_bytes_per_file}, one, memory);
  };
  return frame::FileWriter{std::move(plan), open};
}

// `ending`: of files in a folder.
arrow::Result<frame::FileWriter> writer_into(const Frame& frame, const std::string& path, const arrow::Result<std::string>& ending,
                                             const SinkOptions& files, const MakeSink& make) {
  ARROW_RETURN_NOT_OK(frame.plan().status());
  if (wants_folder(files)) {
    ARROW_RETURN_NOT_OK(ending.status());
    return into_folder(frame, path, *ending, files, make);
  }
  ARROW_ASSIGN_OR_RAISE(const io::StoragePtr storage, io::storage_options(files.storage));
  if (files.overwrite == Overwrite::kAppend || files.overwrite == Overwrite::kReplacePartitions) {
    return base::plan_error("rows cannot be added to a file",
                            "a folder of files takes more: set partition_by, max_rows_per_file or max_bytes_per_file");
  }
  if (files.overwrite == Overwrite::kError) ARROW_RETURN_NOT_OK(io::must_be_new(path, storage));
  const plan::PlanPtr plan = *frame.plan();
  return frame::FileWriter{plan,
                           [=](std::shared_ptr<base::QueryMemory> memory) { return make(path, plan->schema, storage, std::move(memory)); }};
}

// Moments in the forms that the user named become text before they are written.
Frame with_formats(const Frame& frame, const arrow::Schema& schema, const CsvWriteOptions& text) {
  std::vector<Expr> formatted;
  for (const auto& f : schema.fields()) {
    const auto id = f->type()->id();
    std::string pattern;
    if (id == arrow::Type::DATE32) pattern = text.date_format;
    if (id == arrow::Type::TIMESTAMP) pattern = text.datetime_format;
    if (id == arrow::Type::TIME32 || id == arrow::Type::TIME64) pattern = text.time_format;
    if (!pattern.empty()) formatted.push_back(col(f->name()).dt().strftime(pattern).alias(f->name()));
  }
  return formatted.empty() ? frame : frame.with_columns(std::move(formatted));
}

arrow::Result<std::string> text_ending(const char* format, const std::string& compression) {
  ARROW_ASSIGN_OR_RAISE(const std::string codec, io::codec_ending(compression));
  return format + codec;
}

arrow::Result<int64_t> run(const arrow::Result<frame::FileWriter>& writer, const ParallelOptions& options, const Cancellation& cancel) {
  ARROW_RETURN_NOT_OK(writer.status());
  ARROW_ASSIGN_OR_RAISE(QueryRunner runner, QueryRunner::make(writer->plan, options, cancel));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<exec::OrderedSink> sink, writer->open(runner.memory()));
  auto counted = exec::make_counting_sink(std::move(sink));
  ARROW_RETURN_NOT_OK(runner.run(counted));
  return counted->rows();
}

}  // namespace

namespace frame {

arrow::Result<FileWriter> parquet_writer(const Frame& frame, const std::string& path, const SinkOptions& files,
                                         const ParquetSinkOptions& parquet) {
  io::ParquetWriteOptions write{.row_group_rows = parquet.row_group_rows,
                                .compression = parquet.compression,
                                .level = parquet.compression_level.value_or(1),
                                .dictionary = parquet.dictionary,
                                .statistics = parquet.statistics,
                                .bloom_columns = parquet.bloom_filters};
  return writer_into(frame, path, std::string(".parquet"), files,
                     [write](const std::string& file, SchemaPtr schema, io::StoragePtr storage, std::shared_ptr<base::QueryMemory> memory) {
                       io::ParquetWriteOptions one = write;
                       one.storage = std::move(storage);
                       return io::write_parquet(file, std::move(schema), one, std::move(memory));
                     });
}

arrow::Result<FileWriter> ipc_writer(const Frame& frame, const std::string& path, const SinkOptions& files, const IpcSinkOptions& ipc) {
  io::IpcWriteOptions write{.batch_rows = ipc.batch_rows, .compression = ipc.compression};
  write.stream = ipc.stream.value_or(path.ends_with(".arrows"));
  return writer_into(frame, path, std::string(write.stream ? ".arrows" : ".arrow"), files,
                     [write](const std::string& file, SchemaPtr schema, io::StoragePtr storage, std::shared_ptr<base::QueryMemory> memory) {
                       io::IpcWriteOptions one = write;
                       one.storage = std::move(storage);
                       return io::write_ipc(file, std::move(schema), one, std::move(memory));
                     });
}

arrow::Result<FileWriter> csv_writer(const Frame& frame, const std::string& path, const SinkOptions& files, const CsvWriteOptions& text) {
  ARROW_RETURN_NOT_OK(frame.plan().status());
  return writer_into(with_formats(frame, *(*frame.plan())->schema, text), path, text_ending(".csv", text.compression), files,
                     [text](const std::string& file, SchemaPtr schema, io::StoragePtr storage, std::shared_ptr<base::QueryMemory> memory) {
                       return io::write_csv(file, std::move(schema), text, std::move(memory), storage);
                     });
}

arrow::Result<FileWriter> ndjson_writer(const Frame& frame, const std::string& path, const SinkOptions& files,
                                        const NdjsonWriteOptions& text) {
  return writer_into(frame, path, text_ending(".ndjson", text.compression), files,
                     [text](const std::string& file, SchemaPtr schema, io::StoragePtr storage, std::shared_ptr<base::QueryMemory> memory) {
                       return io::write_ndjson(file, std::move(schema), text, std::move(memory), storage);
                     });
}

}  // namespace frame

arrow::Result<int64_t> Frame::sink_parquet(const std::string& path, ParallelOptions options, Cancellation cancel, const SinkOptions& files,
                                           const ParquetSinkOptions& parquet) const {
  return run(frame::parquet_writer(*this, path, files, parquet), options, cancel);
}

arrow::Result<int64_t> Frame::sink_ipc(const std::string& path, ParallelOptions options, Cancellation cancel, const SinkOptions& files,
                                       const IpcSinkOptions& ipc) const {
  return run(frame::ipc_writer(*this, path, files, ipc), options, cancel);
}

arrow::Result<int64_t> Frame::sink_csv(const std::string& path, ParallelOptions options, Cancellation cancel, const SinkOptions& files,
                                       const CsvWriteOptions& text) const {
  return run(frame::csv_writer(*this, path, files, text), options, cancel);
}

arrow::Result<int64_t> Frame::sink_ndjson(const std::string& path, ParallelOptions options, Cancellation cancel, const SinkOptions& files,
                                          const NdjsonWriteOptions& text) const {
  return run(frame::ndjson_writer(*this, path, files, text), options, cancel);
}

}  // namespace gristmill
