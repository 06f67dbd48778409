// gristmill convert IN... OUT.

#include <unistd.h>

#include <cstdio>

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include "base/status.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "io/output_file.h"
#include "io/text_input.h"

namespace gristmill::cli {
namespace {

std::string format_of(const std::string& name) {
  constexpr std::pair<const char*, const char*> kEndings[] = {
      {".parquet", "parquet"}, {".parq", "parquet"}, {".pq", "parquet"}, {".csv", "csv"},       {".arrow", "ipc"},
      {".ipc", "ipc"},         {".feather", "ipc"},  {".arrows", "ipc"}, {".ndjson", "ndjson"}, {".jsonl", "ndjson"}};
  for (const auto& [ending, format] : kEndings) {
    if (name.ends_with(ending)) return format;
    const std::string_view text = io::without_codec_ending(name);
    if ((format == std::string("csv") || format == std::string("ndjson")) && text.ends_with(ending)) return format;
  }
  return {};
}

bool wants_folder(const Command& command) {
  return !command.files.partition_by.empty() || command.files.max_rows_per_file > 0 || command.files.max_bytes_per_file > 0;
}

// CSV with nested values as JSON, batch by batch, into a file that is whole or not there.
arrow::Result<int64_t> write_nested_csv(const Frame& frame, const Command& command, const std::string& path) {
  if (wants_folder(command)) {
    return base::plan_error("lists and structs cannot go into several CSV files", "write ndjson or parquet, or one file");
  }
  if (command.files.overwrite == Overwrite::kError) ARROW_RETURN_NOT_OK(io::must_be_new(path));
  ARROW_ASSIGN_OR_RAISE(const auto schema, frame.schema());
  ARROW_ASSIGN_OR_RAISE(const auto file, io::OutputFile::create(path));
  int64_t rows = 0;
  std::string text = csv_header(*schema);
  const auto write = [&]() {
    const arrow::Status status = file->Write(text.data(), static_cast<int64_t>(text.size()));
    text.clear();
    return status;
  };
  const auto each = [&](std::shared_ptr<arrow::RecordBatch> batch) {
    rows += batch->num_rows();
    append_csv(*batch, text);
    return write();
  };
  ARROW_RETURN_NOT_OK(run_with_progress(frame, command, each));
  ARROW_RETURN_NOT_OK(write());
  ARROW_RETURN_NOT_OK(file->finish());
  return rows;
}

// By the sinks of the engine, which encode on every worker.
arrow::Result<int64_t> write_sink(const Frame& frame, const Command& command, const std::string& path, const std::string& format) {
  int64_t rows = 0;
  ARROW_RETURN_NOT_OK(run_with_progress(frame, command, [&](const Frame& f) -> arrow::Status {
    const auto written = format == "parquet"  ? f.sink_parquet(path, command.options, {}, command.files)
                         : format == "csv"    ? f.sink_csv(path, command.options, {}, command.files)
                         : format == "ndjson" ? f.sink_ndjson(path, command.options, {}, command.files)
                                              : f.sink_ipc(path, command.options, {}, command.files);
    ARROW_ASSIGN_OR_RAISE(rows, written);
    return arrow::Status::OK();
  }));
  return rows;
}

bool has_nested(const arrow::Schema& schema) {
  for (const auto& f : schema.fields()) {
    if (arrow::is_nested(f->type()->id())) return true;
  }
  return false;
}

arrow::Result<int64_t> write_rows(const Frame& frame, const Command& command, const std::string& path, const std::string& format) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, frame.schema());
  if (format == "csv" && has_nested(*schema)) return write_nested_csv(frame, command, path);
  return write_sink(frame, command, path, format);
}

arrow::Status print_instead(const Frame& frame, const Command& command, const std::string& format) {
  if (format.empty())
    return base::plan_error("the standard output has no name that tells its format", "say --to csv, ndjson, parquet or ipc");
  if (format == "parquet" || format == "ipc") {
    if (isatty(STDOUT_FILENO)) return base::plan_error(format + " is not for a terminal", "name a file, or redirect the output");
    const Frame limited = command.limit >= 0 ? frame.head(command.limit) : frame;
    return write_sink(limited, command, "-", format).status();
  }
  Command printing = command;
  printing.output = format == "csv" ? Output::kCsv : Output::kJson;
  return print_rows(frame, printing);
}

}  // namespace

arrow::Status run_convert(const Command& command) {
  const std::string out = command.operands.back();
  const std::string format = command.to.empty() ? format_of(out) : command.to;
  if (format.empty() && out != "-") {
    return base::plan_error("cannot tell the format of \"" + out + "\" from its name",
                            "known endings: .parquet, .csv, .arrow, .ndjson; or say --to");
  }
  ARROW_ASSIGN_OR_RAISE(const Frame all, open_inputs({command.operands.begin(), command.operands.end() - 1}, command.format));
  if (out == "-" && wants_folder(command)) return base::plan_error("several files cannot go to the standard output", "name a folder");
  if (out == "-") return print_instead(all, command, format);
  const Frame frame = command.limit >= 0 ? all.head(command.limit) : all;
  ARROW_ASSIGN_OR_RAISE(const int64_t rows, write_rows(frame, command, out, format));
  hide_progress();
  std::fprintf(stderr, "%lld rows to %s\n", static_cast<long long>(rows), out.c_str());
  return arrow::Status::OK();
}

}  // namespace gristmill::cli
