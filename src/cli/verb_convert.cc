// gristmill convert IN... OUT.

#include <cstdio>

#include <arrow/record_batch.h>

#include "base/status.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "io/output_file.h"

namespace gristmill::cli {
namespace {

std::string format_of(const std::string& name) {
  constexpr std::pair<const char*, const char*> kEndings[] = {{".parquet", "parquet"}, {".parq", "parquet"},  {".pq", "parquet"},
                                                              {".csv", "csv"},         {".arrow", "ipc"},     {".ipc", "ipc"},
                                                              {".feather", "ipc"},     {".ndjson", "ndjson"}, {".jsonl", "ndjson"}};
  for (const auto& [ending, format] : kEndings) {
    if (name.ends_with(ending)) return format;
  }
  return {};
}

// Text formats, batch by batch, into a file that is whole or not there.
arrow::Result<int64_t> write_text(const Frame& frame, const Command& command, const std::string& path, bool csv) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, frame.schema());
  ARROW_ASSIGN_OR_RAISE(const auto file, io::OutputFile::create(path));
  int64_t rows = 0;
  std::string text = csv ? csv_header(*schema) : std::string{};
  const auto write = [&]() {
    const arrow::Status status = file->Write(text.data(), static_cast<int64_t>(text.size()));
    text.clear();
    return status;
  };
  const auto each = [&](std::shared_ptr<arrow::RecordBatch> batch) {
    rows += batch->num_rows();
    if (csv)
      append_csv(*batch, text);
    else
      append_json(*batch, text);
    return write();
  };
  ARROW_RETURN_NOT_OK(run_with_progress(frame, command, each));
  ARROW_RETURN_NOT_OK(write());
  ARROW_RETURN_NOT_OK(file->finish());
  return rows;
}

arrow::Result<int64_t> write_binary(const Frame& frame, const Command& command, const std::string& path, bool parquet) {
  int64_t rows = 0;
  ARROW_RETURN_NOT_OK(run_with_progress(frame, command, [&](const Frame& f) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(rows, parquet ? f.sink_parquet(path, command.options) : f.sink_ipc(path, command.options));
    return arrow::Status::OK();
  }));
  return rows;
}

arrow::Status print_instead(const Frame& frame, const Command& command, const std::string& format) {
  if (format != "csv" && format != "ndjson") {
    return base::plan_error("the standard output takes csv or ndjson", "say --to csv, or name a file");
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
  if (out == "-") return print_instead(all, command, format);
  const Frame frame = command.limit >= 0 ? all.head(command.limit) : all;
  const bool text = format == "csv" || format == "ndjson";
  ARROW_ASSIGN_OR_RAISE(const int64_t rows,
                        text ? write_text(frame, command, out, format == "csv") : write_binary(frame, command, out, format == "parquet"));
  hide_progress();
  std::fprintf(stderr, "%lld rows to %s\n", static_cast<long long>(rows), out.c_str());
  return arrow::Status::OK();
}

}  // namespace gristmill::cli
