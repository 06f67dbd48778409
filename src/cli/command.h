// What a command line asked for, and the tables it is understood by: verbs and flags. Parsing, help, completions and the man page all come
// from these two tables, so none of them can say what the others do not.
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>

#include "gristmill/files.h"
#include "gristmill/options.h"

namespace gristmill::cli {

enum class Output { kTable, kCsv, kJson, kMarkdown };

enum class VerbId : unsigned {
  kQuery,
  kHead,
  kSchema,
  kCount,
  kDescribe,
  kConvert,
  kExplain,
  kRun,
  kRetry,
  kValidate,
  kInit,
  kTest,
  kCheckpoint,
  kHelp,
  kCompletions,
  kMan
};
constexpr unsigned bit(VerbId v) { return 1U << static_cast<unsigned>(v); }

struct Verb;

struct Command {
  const Verb* verb = nullptr;
  std::vector<std::string> operands;  // without the verb's name
  std::string query_file;
  std::string format;  // of the input; empty: by its name
  std::string to;      // of the output of convert; empty: by its name
  int64_t limit = -1;
  SinkOptions files;  // of the output of convert
  Output output = Output::kTable;
  bool explain = false;
  bool analyze = false;
  bool help = false;
  bool version = false;
  bool progress = true;
  bool in_shell = false;  // hints name the shell's commands, not flags
  bool live = true;       // the view of a job while it runs
  std::string listen;     // of a job: HOST:PORT
  std::string report;     // of a job, as JSON
  std::string job_file;   // of retry; empty: the one the records name
  bool schema = false;    // of init: the JSON Schema
  ParallelOptions options;
};

struct Verb {
  VerbId id;
  const char* name;      // "" for a query
  const char* operands;  // "FILE..."
  const char* summary;   // one line
  const char* text;      // what one wants to know before using it
  const char* example;
  arrow::Status (*run)(const Command& command);
};

struct Flag {
  const char* letter;   // "-w" or ""
  const char* name;     // "--workers"
  const char* value;    // "N", or null for a switch; "FILE" completes to files
  const char* choices;  // "csv json", or null
  const char* help;
  unsigned verbs;  // bits
  arrow::Status (*apply)(Command& c, const std::string& value);
};

const std::vector<Verb>& verbs();  // the query first
const std::vector<Flag>& flags();
const Verb* find_verb(const std::string& name);

// The failure of a verification (exit code 3).
arrow::Status differs(std::string message);
bool is_difference(const arrow::Status& status);

// A plan error for what cannot be understood (exit code 2).
arrow::Result<Command> parse(const std::vector<std::string>& arguments);

// Verbs, one a file.
arrow::Status run_query(const Command& command);
arrow::Status run_head(const Command& command);
arrow::Status run_schema(const Command& command);
arrow::Status run_count(const Command& command);
arrow::Status run_describe(const Command& command);
arrow::Status run_convert(const Command& command);
arrow::Status run_explain(const Command& command);
arrow::Status run_run(const Command& command);
arrow::Status run_retry(const Command& command);
arrow::Status run_validate(const Command& command);
arrow::Status run_init(const Command& command);
arrow::Status run_test(const Command& command);
arrow::Status run_checkpoint(const Command& command);
arrow::Status run_help(const Command& command);
arrow::Status run_completions(const Command& command);
arrow::Status run_man(const Command& command);

}  // namespace gristmill::cli
