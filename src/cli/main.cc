// The `gristmill` command. Data goes to stdout, everything else to stderr; a reader that went away is success.

#include <arrow/compute/initialize.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/settings.h"
#include "base/status.h"
#include "cli/flags.h"
#include "cli/print.h"
#include "frame/query_runner.h"
#include "gristmill/sql.h"

namespace {

using namespace gristmill;

constexpr int kFailed = 1, kUsage = 2, kInterrupted = 130;

volatile std::sig_atomic_t interrupted = 0;

void on_interrupt(int) { interrupted = 1; }

int fail(const arrow::Status& s, int code) {
  std::fprintf(stderr, "gristmill: %s\n", base::describe_error(s).c_str());
  return interrupted ? kInterrupted : code;
}

bool write_out(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

arrow::Status print_rows(const Frame& frame, const cli::Command& command) {
  if (command.output == cli::Output::kTable) {
    ARROW_ASSIGN_OR_RAISE(Table t, frame.collect(command.options));
    write_out(t.to_string(40));
    return arrow::Status::OK();
  }
  bool reader_gone = false;
  if (command.output == cli::Output::kCsv) {
    ARROW_ASSIGN_OR_RAISE(auto schema, frame.schema());
    reader_gone = !write_out(cli::csv_header(*schema));
  }
  auto print = [&](std::shared_ptr<arrow::RecordBatch> batch) {
    std::string out;
    if (command.output == cli::Output::kCsv)
      cli::append_csv(*batch, out);
    else
      cli::append_json(*batch, out);
    reader_gone = reader_gone || !write_out(out);
    return reader_gone ? base::cancelled_error("the reader went away") : arrow::Status::OK();
  };
  arrow::Status s = frame.collect_batches(print, command.options);
  return reader_gone ? arrow::Status::OK() : s;
}

arrow::Status execute(const cli::Command& command) {
  Frame frame = sql(command.query);
  if (command.explain) {
    ARROW_ASSIGN_OR_RAISE(std::string text, frame.explain());
    write_out(text);
    return arrow::Status::OK();
  }
  if (command.analyze) {
    ARROW_ASSIGN_OR_RAISE(std::string text, frame.explain_analyze(command.options));
    write_out(text);
    return arrow::Status::OK();
  }
  return print_rows(frame, command);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGINT, on_interrupt);
  auto command = cli::parse(std::vector<std::string>(argv + 1, argv + argc));
  if (!command.ok()) return fail(command.status(), kUsage);
  if (command->help) return write_out(cli::help_text()) ? 0 : kFailed;
  if (command->version) {
    const std::string_view level = base::simd_level_name(base::active_simd_level());
    std::printf("gristmill 0.1.0 (%s, kernels %.*s)\n", __VERSION__, static_cast<int>(level.size()), level.data());
    return 0;
  }
  if (auto s = base::check_settings(); !s.ok()) return fail(s, kUsage);
  if (auto s = arrow::compute::Initialize(); !s.ok()) return fail(s, kFailed);
  QueryRunner::set_interrupt([] { return interrupted ? base::cancelled_error("interrupted") : arrow::Status::OK(); });
  if (auto s = execute(*command); !s.ok()) return fail(s, kFailed);
  return 0;
}
