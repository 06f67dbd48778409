// The table of flags, and the parsing of a command line by it. An unknown flag or verb names the nearest known one.

#include <algorithm>
#include <charconv>

#include "base/settings.h"
#include "base/status.h"
#include "cli/command.h"
#include "cli/shell.h"

namespace gristmill::cli {
namespace {

constexpr unsigned kRuns =
    bit(VerbId::kQuery) | bit(VerbId::kHead) | bit(VerbId::kCount) | bit(VerbId::kDescribe) | bit(VerbId::kConvert) | bit(VerbId::kExplain);
constexpr unsigned kPrints = bit(VerbId::kQuery) | bit(VerbId::kHead) | bit(VerbId::kSchema) | bit(VerbId::kCount) |
                             bit(VerbId::kDescribe) | bit(VerbId::kCheckpoint);
constexpr unsigned kReads = kRuns | bit(VerbId::kSchema);
constexpr unsigned kEvery = ~0U;

arrow::Status set_number(const char* flag, const std::string& text, int64_t least, int64_t most, int64_t* out) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), *out);
  if (failed == std::errc() && end == text.data() + text.size() && *out >= least && *out <= most && !text.empty())
    return arrow::Status::OK();
  return base::plan_error(std::string(flag) + " takes a number from " + std::to_string(least) + " to " + std::to_string(most) + ", got \"" +
                          text + "\"");
}

arrow::Status set_workers(Command& c, const std::string& v) {
  int64_t n = 0;
  ARROW_RETURN_NOT_OK(set_number("--workers", v, 0, 4096, &n));
  c.options.num_workers = static_cast<int>(n);
  return arrow::Status::OK();
}

arrow::Status set_memory(Command& c, const std::string& v) {
  ARROW_ASSIGN_OR_RAISE(c.options.memory_limit, base::parse_bytes(v));
  return arrow::Status::OK();
}

arrow::Status set_limit(Command& c, const std::string& v) { return set_number("--limit", v, 0, INT64_MAX, &c.limit); }

arrow::Status set_timeout(Command& c, const std::string& v) {
  int64_t seconds = 0;
  ARROW_RETURN_NOT_OK(set_number("--timeout", v, 1, 1'000'000'000, &seconds));
  c.options.timeout = std::chrono::seconds(seconds);
  return arrow::Status::OK();
}

arrow::Status set_choice(const char* flag, const char* choices, const std::string& v, std::string* out) {
  std::vector<std::string> known;
  for (const char* p = choices; *p;) {
    const char* end = p;
    while (*end && *end != ' ') ++end;
    known.emplace_back(p, end);
    if (known.back() == v) {
      *out = v;
      return arrow::Status::OK();
    }
    p = *end ? end + 1 : end;
  }
  return base::plan_error(std::string(flag) + " knows no \"" + v + "\"", base::suggest_name(v, known));
}

constexpr const char* kInputFormats = "parquet csv ndjson ipc";
constexpr const char* kOutputFormats = "parquet csv ipc ndjson";

constexpr const char* kOverwrites = "error replace append replace_partitions";

arrow::Status set_partition_by(Command& c, const std::string& v) {
  for (size_t begin = 0; begin <= v.size();) {
    const size_t comma = std::min(v.find(',', begin), v.size());
    if (comma == begin) return base::plan_error("--partition-by takes names of columns, comma-separated");
    c.files.partition_by.push_back(v.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return arrow::Status::OK();
}

arrow::Status set_file_rows(Command& c, const std::string& v) {
  return set_number("--max-rows-per-file", v, 1, INT64_MAX, &c.files.max_rows_per_file);
}

arrow::Status set_file_bytes(Command& c, const std::string& v) {
  ARROW_ASSIGN_OR_RAISE(c.files.max_bytes_per_file, base::parse_bytes(v));
  return c.files.max_bytes_per_file > 0 ? arrow::Status::OK() : base::plan_error("--max-bytes-per-file takes a size of at least one byte");
}

arrow::Status set_overwrite(Command& c, const std::string& v) {
  std::string name;
  ARROW_RETURN_NOT_OK(set_choice("--overwrite", kOverwrites, v, &name));
  c.files.overwrite = name == "error"     ? Overwrite::kError
                      : name == "replace" ? Overwrite::kReplace
                      : name == "append"  ? Overwrite::kAppend
                                          : Overwrite::kReplacePartitions;
  return arrow::Status::OK();
}

template <Output kOutput>
arrow::Status set_output(Command& c, const std::string&) {
  if (c.output != Output::kTable && c.output != kOutput) return base::plan_error("--csv, --json and --markdown exclude each other");
  c.output = kOutput;
  return arrow::Status::OK();
}

template <bool Command::* kSwitch, bool kValue = true>
arrow::Status set_switch(Command& c, const std::string&) {
  c.*kSwitch = kValue;
  return arrow::Status::OK();
}

}  // namespace

const std::vector<Flag>& flags() {
  static const std::vector<Flag> kFlags = {
      {"-f", "--file", "FILE", nullptr, "run the query in FILE", bit(VerbId::kQuery) | bit(VerbId::kExplain),
       [](Command& c, const std::string& v) {
         c.query_file = v;
         return arrow::Status::OK();
       }},
      {"", "--format", "FORMAT", kInputFormats, "format of the input where its name does not tell, as of -", kReads,
       [](Command& c, const std::string& v) { return set_choice("--format", kInputFormats, v, &c.format); }},
      {"", "--to", "FORMAT", kOutputFormats, "format of the output where its name does not tell", bit(VerbId::kConvert),
       [](Command& c, const std::string& v) { return set_choice("--to", kOutputFormats, v, &c.to); }},
      {"", "--partition-by", "COLUMNS", nullptr, "OUT is a folder of folders COLUMN=VALUE", bit(VerbId::kConvert), set_partition_by},
      {"", "--max-rows-per-file", "N", nullptr, "OUT is a folder of files of at most N rows", bit(VerbId::kConvert), set_file_rows},
      {"", "--max-bytes-per-file", "SIZE", nullptr, "OUT is a folder of files of about SIZE, before encoding", bit(VerbId::kConvert),
       set_file_bytes},
      {"", "--overwrite", "MODE", kOverwrites, "what becomes of what is at OUT", bit(VerbId::kConvert), set_overwrite},
      {"-n", "--limit", "N", nullptr, "no more than N rows", bit(VerbId::kQuery) | bit(VerbId::kHead) | bit(VerbId::kConvert), set_limit},
      {"", "--csv", nullptr, nullptr, "print CSV", kPrints, set_output<Output::kCsv>},
      {"", "--json", nullptr, nullptr, "print one JSON object a row", kPrints, set_output<Output::kJson>},
      {"", "--markdown", nullptr, nullptr, "print a Markdown table", kPrints, set_output<Output::kMarkdown>},
      {"", "--explain", nullptr, nullptr, "print the optimised plan, run nothing", bit(VerbId::kQuery), set_switch<&Command::explain>},
      {"", "--analyze", nullptr, nullptr, "run the query, print the plan with rows and times", bit(VerbId::kQuery) | bit(VerbId::kExplain),
       set_switch<&Command::analyze>},
      {"-w", "--workers", "N", nullptr, "worker threads (default: the cores this process may use)", kRuns | bit(VerbId::kRun), set_workers},
      {"-m", "--memory", "SIZE", nullptr, "spill, then fail, beyond SIZE, e.g. 4GB", kRuns | bit(VerbId::kRun), set_memory},
      {"", "--timeout", "SECONDS", nullptr, "fail when it takes longer", kRuns, set_timeout},
      {"", "--no-progress", nullptr, nullptr, "no progress line (there is none outside a terminal)", kRuns,
       set_switch<&Command::progress, false>},
      {"", "--report", "FILE", nullptr, "write the accounting as JSON to FILE", bit(VerbId::kRun),
       [](Command& c, const std::string& v) {
         c.report = v;
         return arrow::Status::OK();
       }},
      {"", "--live", nullptr, nullptr, "show the job while it runs (the default)", bit(VerbId::kRun), set_switch<&Command::live>},
      {"", "--no-live", nullptr, nullptr, "show nothing while it runs", bit(VerbId::kRun), set_switch<&Command::live, false>},
      {"", "--listen", "HOST:PORT", nullptr,
       "serve metrics, health and a page with live graphs; beyond this machine GRISTMILL_LISTEN_TOKEN is needed", bit(VerbId::kRun),
       [](Command& c, const std::string& v) {
         c.listen = v;
         return arrow::Status::OK();
       }},
      {"", "--job", "FILE", nullptr, "the job to feed the records to, if not the one they name", bit(VerbId::kRetry),
       [](Command& c, const std::string& v) {
         c.job_file = v;
         return arrow::Status::OK();
       }},
      {"", "--schema", nullptr, nullptr, "print the JSON Schema of job files instead", bit(VerbId::kInit), set_switch<&Command::schema>},
      {"-h", "--help", nullptr, nullptr, "what a verb does, or this text", kEvery, set_switch<&Command::help>},
      {"-V", "--version", nullptr, nullptr, "version, build and CPU features", kEvery, set_switch<&Command::version>},
  };
  return kFlags;
}

namespace {

struct Given {
  const Flag* flag;
  std::string value;
};

const Flag* find_flag(const std::string& word) {
  for (const Flag& f : flags()) {
    if (word == f.name || (*f.letter && word == f.letter)) return &f;
  }
  return nullptr;
}

// Words to flags and operands. After "--" all are operands; "-" is one.
arrow::Status split(const std::vector<std::string>& arguments, std::vector<Given>& given, std::vector<std::string>& operands) {
  bool only_operands = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string word = arguments[i], value;
    if (only_operands || word.empty() || word[0] != '-' || word == "-") {
      operands.push_back(word);
      continue;
    }
    if (word == "--") {
      only_operands = true;
      continue;
    }
    bool attached = false;
    if (const size_t eq = word.find('='); word.starts_with("--") && eq != std::string::npos) {
      value = word.substr(eq + 1);
      word.resize(eq);
      attached = true;
    } else if (!word.starts_with("--") && word.size() > 2) {  // -n5
      value = word.substr(2);
      word.resize(2);
      attached = true;
    }
    const Flag* flag = find_flag(word);
    if (!flag) {
      std::vector<std::string> known;
      for (const Flag& f : flags()) known.emplace_back(f.name);
      return base::plan_error("no flag \"" + word + "\"" + base::suggest_name(word, known));
    }
    if (flag->value && !attached) {
      if (++i == arguments.size()) return base::plan_error(word + " needs a value: " + word + " " + flag->value);
      value = arguments[i];
    }
    if (!flag->value && attached) return base::plan_error(word + " takes no value");
    given.push_back({flag, value});
  }
  return arrow::Status::OK();
}

bool is_query(const std::string& text) { return text.find_first_of(" \t\n(*") != std::string::npos; }

arrow::Status unknown_word(const std::string& word) {
  std::vector<std::string> known;
  for (const Verb& v : verbs()) {
    if (*v.name) known.emplace_back(v.name);
  }
  const std::string near = base::suggest_name(word, known);
  if (word.find_first_of("./-") != std::string::npos) {
    return base::plan_error("\"" + word + "\" is no verb", "gristmill head " + word + " prints its first rows; a query stands in quotes");
  }
  return base::plan_error("no verb \"" + word + "\"" + near);
}

arrow::Status choose_verb(Command& c, std::vector<std::string>& operands) {
  c.verb = &verbs()[0];
  if (operands.empty()) return arrow::Status::OK();
  if (const Verb* v = find_verb(operands[0])) {
    c.verb = v;
    operands.erase(operands.begin());
    return arrow::Status::OK();
  }
  return is_query(operands[0]) ? arrow::Status::OK() : unknown_word(operands[0]);
}

arrow::Status check_operands(const Command& c) {
  const size_t n = c.operands.size();
  const std::string usage = std::string("gristmill ") + c.verb->name + (*c.verb->name ? " " : "") + c.verb->operands;
  const auto wrong = [&](const char* what) {
    return base::plan_error(what, "usage: " + usage + "; gristmill help " + c.verb->name + " says more");
  };
  switch (c.verb->id) {
    case VerbId::kQuery:
    case VerbId::kExplain:
      if (n + (c.query_file.empty() ? 0 : 1) == 1) break;
      if (n == 0 && c.verb->id == VerbId::kQuery && c.query_file.empty() && at_terminal()) break;  // the shell
      if (n > 1) return base::plan_error("one query at a time; quote it: gristmill \"select ...\"");
      return n == 0 ? base::plan_error("nothing to do; try: gristmill \"select count(*) from 'data.parquet'\"")
                    : base::plan_error("a query and -f exclude each other");
    case VerbId::kHead:
    case VerbId::kSchema:
    case VerbId::kCount:
    case VerbId::kDescribe:
      if (n == 0) return wrong("no file was named");
      break;
    case VerbId::kConvert:
      if (n < 2) return wrong("convert needs an input and an output");
      break;
    case VerbId::kRun:
    case VerbId::kValidate:
    case VerbId::kTest:
      if (n != 1) return wrong("name one job file");
      break;
    case VerbId::kRetry:
      if (n != 1) return wrong("name one file of rejected records");
      break;
    case VerbId::kInit:
      if (n > 1) return wrong("one job file at a time");
      break;
    case VerbId::kCheckpoint:
      if (n < 2 || n > 3) return wrong("say what to do, and with which folder");
      if (c.operands[0] != "list" && c.operands[0] != "inspect" && c.operands[0] != "restore") {
        return wrong("checkpoint knows list, inspect and restore");
      }
      if ((c.operands[0] == "list") == (n == 3) && c.operands[0] != "inspect") {
        return wrong(n == 3 ? "list takes no epoch" : "restore needs the epoch to go on from");
      }
      break;
    case VerbId::kHelp:
      if (n > 1) return wrong("one verb at a time");
      break;
    case VerbId::kCompletions:
      if (n != 1) return wrong("name the shell: bash, zsh or fish");
      break;
    case VerbId::kMan:
      if (n != 0) return wrong("man takes no operand");
      break;
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<Command> parse(const std::vector<std::string>& arguments) {
  Command out;
  std::vector<Given> given;
  ARROW_RETURN_NOT_OK(split(arguments, given, out.operands));
  ARROW_RETURN_NOT_OK(choose_verb(out, out.operands));
  for (const Given& g : given) {
    if ((g.flag->verbs & bit(out.verb->id)) == 0) {
      return base::plan_error(std::string(*out.verb->name ? out.verb->name : "a query") + " takes no " + g.flag->name,
                              std::string("gristmill help ") + out.verb->name + " lists what it takes");
    }
    ARROW_RETURN_NOT_OK(g.flag->apply(out, g.value));
  }
  if (out.help || out.version) return out;
  ARROW_RETURN_NOT_OK(check_operands(out));
  return out;
}

}  // namespace gristmill::cli
