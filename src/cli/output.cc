// Table, CSV, JSON lines, Markdown.

#include "cli/output.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "frame/table_text.h"

namespace gristmill::cli {
namespace {

constexpr int kShownRows = 40;
constexpr int64_t kCountedRows = 10'000;  // a longer result is not run to its end only to show its beginning

arrow::Status write_table(const Table& t, int64_t rows) {
  ARROW_ASSIGN_OR_RAISE(const auto data, t.arrow());
  const int most = static_cast<int>(std::clamp<int64_t>(rows, 1, INT32_MAX));
  write_out(frame::table_text(*data, *data->schema(), most, terminal_columns(frame::kLineCells)));
  return arrow::Status::OK();
}

arrow::Status print_table(const Frame& frame, const Command& command) {
  if (command.limit >= 0) {
    ARROW_ASSIGN_OR_RAISE(const Table t, run_with_progress(frame, command));
    return write_table(t, command.limit);
  }
  ARROW_ASSIGN_OR_RAISE(const Table t, run_with_progress(frame.head(kCountedRows + 1), command));
  if (t.num_rows() <= kCountedRows) {
    return write_table(t, kShownRows);
  }
  ARROW_ASSIGN_OR_RAISE(const Table first, t.lazy().head(kShownRows).collect(command.options));
  ARROW_RETURN_NOT_OK(write_table(first, kShownRows));
  const char* more = command.in_shell ? ".limit N shows more, .mode csv all" : "--limit N shows more, --csv all";
  std::fprintf(stderr, "%sthese are the first of more than %lld rows; %s\n", command.in_shell ? "" : "gristmill: ",
               static_cast<long long>(kCountedRows), more);
  return arrow::Status::OK();
}

std::string begin_text(Output output, const arrow::Schema& schema) {
  if (output == Output::kCsv) return csv_header(schema);
  return output == Output::kMarkdown ? markdown_header(schema) : std::string{};
}

void append(Output output, const arrow::RecordBatch& batch, std::string& out) {
  if (output == Output::kCsv) append_csv(batch, out);
  if (output == Output::kJson) append_json(batch, out);
  if (output == Output::kMarkdown) append_markdown(batch, out);
}

}  // namespace

bool write_out(const std::string& text) {
  hide_progress();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

arrow::Result<std::string> one_column_text(const Frame& frame) {
  std::string out;
  const auto add = [&](std::shared_ptr<arrow::RecordBatch> batch) {
    for (int64_t i = 0; i < batch->num_rows(); ++i) out += value_text(*batch->column(0), i) + "\n";
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(frame.collect_batches(add));
  return out;
}

arrow::Status print_rows(const Frame& all, const Command& command) {
  const Frame frame = command.limit >= 0 ? all.head(command.limit) : all;
  if (command.output == Output::kTable) return print_table(frame, command);
  ARROW_ASSIGN_OR_RAISE(const auto schema, frame.schema());
  bool reader_gone = false;
  bool begun = false;
  const auto begin = [&] {  // not before the query gave something or ended well
    if (!begun) reader_gone = !write_out(begin_text(command.output, *schema));
    begun = true;
  };
  const auto print = [&](std::shared_ptr<arrow::RecordBatch> batch) {
    begin();
    std::string out;
    append(command.output, *batch, out);
    reader_gone = reader_gone || !write_out(out);
    return reader_gone ? base::cancelled_error("the reader went away") : arrow::Status::OK();
  };
  const arrow::Status status = run_with_progress(frame, command, print);
  if (status.ok()) begin();
  return reader_gone ? arrow::Status::OK() : status;
}

}  // namespace gristmill::cli
