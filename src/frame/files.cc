// Frames over files, and frames into files.

#include <arrow/type.h>

#include "column/types.h"
#include "exec/collect.h"
#include "frame/query_runner.h"
#include "gristmill/frame.h"
#include "io/csv_scan.h"
#include "io/csv_write.h"
#include "io/hive_source.h"
#include "io/ipc_scan.h"
#include "io/ipc_write.h"
#include "io/ndjson_scan.h"
#include "io/parquet_scan.h"
#include "io/parquet_write.h"
#include "io/text_input.h"
#include "plan/logical.h"

#include <arrow/type.h>

namespace gristmill {
namespace {

Frame scan_of(arrow::Result<plan::TableSourcePtr> source) {
  if (!source.ok()) return Frame(source.status());
  return Frame(plan::make_scan(std::move(*source)));
}

// `make(paths, like, storage)` gives a source over these files.
template <typename Make>
Frame scan_folders(const std::vector<std::string>& patterns, const std::vector<std::string>& extensions, const FileOptions& files,
                   Make make) {
  const auto storage = io::storage_options(files.storage);
  if (!storage.ok()) return Frame(storage.status());
  return scan_of(io::scan_hive(
      patterns, extensions, *storage, {files.hive_partitioning, files.hive_schema},
      [make, storage = *storage](const std::vector<std::string>& paths, const arrow::Schema* like) { return make(paths, like, storage); }));
}

ColumnTypes types_of(const arrow::Schema& schema) {
  ColumnTypes out;
  for (const auto& f : schema.fields()) out.emplace_back(f->name(), column::type_text(*column::canonical_type(f->type())));
  return out;
}

// `make(schema, storage, memory)` gives the sink.
template <typename Make>
arrow::Result<int64_t> run_into(const Frame& frame, const ParallelOptions& options, const Cancellation& cancel, const SinkOptions& files,
                                const Make& make) {
  ARROW_RETURN_NOT_OK(frame.plan().status());
  const plan::PlanPtr plan = *frame.plan();
  ARROW_ASSIGN_OR_RAISE(const io::StoragePtr storage, io::storage_options(files.storage));
  ARROW_ASSIGN_OR_RAISE(QueryRunner runner, QueryRunner::make(plan, options, cancel));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<exec::OrderedSink> writer, make(plan->schema, storage, runner.memory()));
  auto counted = exec::make_counting_sink(std::move(writer));
  ARROW_RETURN_NOT_OK(runner.run(counted));
  return counted->rows();
}

}  // namespace

arrow::Result<int64_t> Frame::sink_parquet(const std::string& path, ParallelOptions options, Cancellation cancel,
                                           const SinkOptions& files) const {
  return run_into(*this, options, cancel, files, [&](auto schema, auto storage, auto memory) {
    return io::write_parquet(path, std::move(schema), {.storage = std::move(storage)}, std::move(memory));
  });
}

arrow::Result<int64_t> Frame::sink_ipc(const std::string& path, ParallelOptions options, Cancellation cancel,
                                       const SinkOptions& files) const {
  return run_into(*this, options, cancel, files, [&](auto schema, auto storage, auto memory) {
    return io::write_ipc(path, std::move(schema), {.storage = std::move(storage)}, std::move(memory));
  });
}

namespace {

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

}  // namespace

arrow::Result<int64_t> Frame::sink_csv(const std::string& path, ParallelOptions options, Cancellation cancel, const SinkOptions& files,
                                       const CsvWriteOptions& text) const {
  ARROW_RETURN_NOT_OK(plan_->status());
  return run_into(with_formats(*this, *(**plan_)->schema, text), options, cancel, files, [&](auto schema, auto storage, auto memory) {
    return io::write_csv(path, std::move(schema), text, std::move(memory), storage);
  });
}

arrow::Result<int64_t> Frame::sink_ndjson(const std::string& path, ParallelOptions options, Cancellation cancel, const SinkOptions& files,
                                          const NdjsonWriteOptions& text) const {
  return run_into(*this, options, cancel, files, [&](auto schema, auto storage, auto memory) {
    return io::write_ndjson(path, std::move(schema), text, std::move(memory), storage);
  });
}

Frame scan_parquet(const std::string& pattern, const FileOptions& files) {
  return scan_folders({pattern}, {".parquet", ".parq", ".pq"}, files, [](const auto& paths, const auto*, const io::StoragePtr& storage) {
    return io::scan_parquet(paths, {.storage = storage});
  });
}

Frame scan_ipc(const std::string& pattern, const FileOptions& files) {
  return scan_folders(
      {pattern}, {".arrow", ".ipc", ".feather", ".arrows"}, files,
      [](const auto& paths, const auto*, const io::StoragePtr& storage) { return io::scan_ipc(paths, {.storage = storage}); });
}

Frame scan_csv(const std::string& pattern, CsvOptions options) { return scan_csv(std::vector<std::string>{pattern}, std::move(options)); }

Frame scan_csv(const std::vector<std::string>& patterns, CsvOptions options) {
  const FileOptions files = options.files;
  return scan_folders(patterns, io::with_codec_endings({".csv", ".tsv", ".txt"}), files,
                      [options](const auto& paths, const arrow::Schema* like, const io::StoragePtr&) {
                        CsvOptions same = options;
                        if (like != nullptr && same.schema.empty()) same.schema_overrides = types_of(*like);
                        return io::scan_csv(paths, std::move(same));
                      });
}

Frame scan_ndjson(const std::string& pattern, NdjsonOptions options) { return scan_of(io::scan_ndjson({pattern}, std::move(options))); }
Frame scan_ndjson(const std::vector<std::string>& patterns, NdjsonOptions options) {
  return scan_of(io::scan_ndjson(patterns, std::move(options)));
}

}  // namespace gristmill
