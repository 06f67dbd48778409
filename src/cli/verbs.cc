// The table of verbs. A word is a verb only when it stands here; anything with a blank in it is a query.

#include "cli/command.h"

namespace gristmill::cli {

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> kVerbs = {
      {VerbId::kQuery, "", "\"select ...\"", "run a query over files",
       "Runs one SQL query (PostgreSQL's grammar) and prints what it gives. A table is a file, a pattern or an address in quotes: from "
       "'trips/*.parquet'. With "
       "--format, the table stdin is what comes in by the standard input.",
       "gristmill \"select zone, sum(fare) from 'trips/*.parquet' group by zone order by 2 desc limit 5\"", run_query},
      {VerbId::kHead, "head", "FILE...", "print the first rows",
       "Prints the first 10 rows of the files, or as many as --limit says. Reads no more than it must.",
       "gristmill head trips.parquet -n 3", run_head},
      {VerbId::kSchema, "schema", "FILE...", "print the columns and their types",
       "Prints name, type and nullability of every column, without reading rows.", "gristmill schema 'trips/*.parquet'", run_schema},
      {VerbId::kCount, "count", "FILE...", "print the number of rows", "Prints how many rows the files have together.",
       "gristmill count 'trips/*.csv'", run_count},
      {VerbId::kDescribe, "describe", "FILE...", "print statistics of every column",
       "Prints for every column its type, how many values and nulls it has, the least and the greatest value, and of numbers the mean and "
       "the "
       "standard deviation, in one pass.",
       "gristmill describe trips.parquet", run_describe},
      {VerbId::kConvert, "convert", "IN... OUT", "write the rows into another format",
       "Writes the rows of the inputs, in order, to OUT, whose format is told by its name (.parquet, .csv, .arrow, .ndjson) or by --to. "
       "OUT appears when it is "
       "complete, or not at all. \"-\" as OUT is the standard output. With --partition-by, --max-rows-per-file or --max-bytes-per-file OUT "
       "is a "
       "folder of files.",
       "gristmill convert 'logs/*.csv' logs.parquet", run_convert},
      {VerbId::kExplain, "explain", "\"select ...\"", "print the plan of a query",
       "Prints the optimised plan; nothing runs. With --analyze the query is run, and rows and times stand beside each operator.",
       "gristmill explain \"select count(*) from 'trips.parquet' where fare > 10\"", run_explain},
      {VerbId::kRun, "run", "JOB.yaml", "run a record job and account for every row",
       "Runs the job: its source through its steps into its sinks. Every row is accounted for; a run that cannot fails. The first Ctrl-C "
       "finishes what was accepted, the second stops at once.",
       "gristmill run orders.yaml --report report.json", run_run},
      {VerbId::kRetry, "retry", "REJECTED.ndjson", "feed rejected records back into their job",
       "Reads a file of dead letters, runs its records through their job again and adds what comes out to what the sinks have. What is "
       "rejected again stays in the file.",
       "gristmill retry rejected.ndjson", run_retry},
      {VerbId::kValidate, "validate", "JOB.yaml", "check a job without running it",
       "Reads the job strictly, looks at its source's columns, and prints the columns behind each step. Nothing is read or written.",
       "gristmill validate orders.yaml", run_validate},
      {VerbId::kInit, "init", "[JOB.yaml]", "write a commented job to start from",
       "Writes job.yaml, or the file named, with everything that may stand in a job as comments. With --schema it prints the JSON Schema "
       "that editors complete by.",
       "gristmill init orders.yaml", run_init},
      {VerbId::kTest, "test", "JOB.yaml", "run the cases that lie beside a job",
       "Runs every NAME.input.EXT in the folder JOB.tests through the job and compares what comes out with NAME.expected.ndjson (or .csv), "
       "and what is rejected with NAME.rejected.ndjson.",
       "gristmill test orders.yaml", run_test},
      {VerbId::kCheckpoint, "checkpoint", "list|inspect|restore FOLDER [EPOCH]", "look at a stream's checkpoints, or go back to one",
       "list prints the checkpoints in the folder (or s3://bucket/prefix). inspect prints what one holds, the newest where no epoch is "
       "named, and whether its bytes are whole. restore makes the next run go on from the epoch named: newer checkpoints are removed. "
       "Sinks "
       "that have newer epochs skip those when they come again.",
       "gristmill checkpoint list state/orders", run_checkpoint},
      {VerbId::kHelp, "help", "[VERB]", "print help, of one verb or of all", "Prints what a verb does, its flags and an example.",
       "gristmill help convert", run_help},
      {VerbId::kCompletions, "completions", "SHELL", "print a completion script for bash, zsh or fish",
       "Prints the script that completes verbs, flags and files. bash: source it from ~/.bashrc; zsh: save it as _gristmill in a folder of "
       "fpath; fish: save it as "
       "~/.config/fish/completions/gristmill.fish.",
       "gristmill completions bash > ~/.local/share/bash-completion/completions/gristmill", run_completions},
      {VerbId::kMan, "man", "", "print the manual page", "Prints the manual page in roff.", "gristmill man | man -l -", run_man},
  };
  return kVerbs;
}

const Verb* find_verb(const std::string& name) {
  if (name.empty()) return nullptr;
  for (const Verb& v : verbs()) {
    if (name == v.name) return &v;
  }
  return nullptr;
}

}  // namespace gristmill::cli
