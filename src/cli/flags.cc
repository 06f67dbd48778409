// Parsing has no side effects but reading the file of -f. An unknown flag names the nearest known one.

#include "cli/flags.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/settings.h"
#include "base/status.h"

namespace gristmill::cli {
namespace {

struct Flag {
  const char* letter;  // "-w" or ""
  const char* name;    // "--workers"
  const char* value;   // "N", or null for a switch
  const char* help;
  arrow::Status (*apply)(Command& c, const std::string& value);
};

arrow::Status read_file(Command& c, const std::string& path) {
  std::ifstream in(path);
  if (!in) return base::io_error("cannot read the query file", path, "check the path given to -f");
  std::ostringstream text;
  text << in.rdbuf();
  c.query = text.str();
  return arrow::Status::OK();
}

arrow::Status set_workers(Command& c, const std::string& v) {
  char* end = nullptr;
  const long n = std::strtol(v.c_str(), &end, 10);
  if (v.empty() || *end != '\0' || n < 0 || n > 4096)
    return base::plan_error("--workers takes a number from 0 (all cores) to 4096, got \"" + v + "\"");
  c.options.num_workers = static_cast<int>(n);
  return arrow::Status::OK();
}

arrow::Status set_memory(Command& c, const std::string& v) {
  ARROW_ASSIGN_OR_RAISE(c.options.memory_limit, base::parse_bytes(v));
  return arrow::Status::OK();
}

const Flag kFlags[] = {
    {"-f", "--file", "FILE", "run the query in FILE", read_file},
    {"-w", "--workers", "N", "worker threads (default: the cores this process may use)", set_workers},
    {"-m", "--memory", "SIZE", "spill, then fail, beyond SIZE, e.g. 4GB", set_memory},
    {"", "--csv", nullptr, "print CSV",
     [](Command& c, const std::string&) {
       c.output = Output::kCsv;
       return arrow::Status::OK();
     }},
    {"", "--json", nullptr, "print one JSON object a row",
     [](Command& c, const std::string&) {
       c.output = Output::kJson;
       return arrow::Status::OK();
     }},
    {"", "--explain", nullptr, "print the optimised plan, run nothing",
     [](Command& c, const std::string&) {
       c.explain = true;
       return arrow::Status::OK();
     }},
    {"", "--analyze", nullptr, "run the query, print the plan with rows and times",
     [](Command& c, const std::string&) {
       c.analyze = true;
       return arrow::Status::OK();
     }},
    {"-h", "--help", nullptr, "this text",
     [](Command& c, const std::string&) {
       c.help = true;
       return arrow::Status::OK();
     }},
    {"-V", "--version", nullptr, "version, build and CPU features",
     [](Command& c, const std::string&) {
       c.version = true;
       return arrow::Status::OK();
     }},
};

const Flag* find_flag(const std::string& word) {
  for (const Flag& f : kFlags) {
    if (word == f.name || (*f.letter && word == f.letter)) return &f;
  }
  return nullptr;
}

}  // namespace

arrow::Result<Command> parse(const std::vector<std::string>& arguments) {
  Command out;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string word = arguments[i], value;
    if (word.empty() || word[0] != '-' || word == "-") {
      if (!out.query.empty()) return base::plan_error("one query at a time; quote it: gristmill \"select ...\"");
      out.query = word;
      continue;
    }
    bool attached = false;
    if (const size_t eq = word.find('='); word.starts_with("--") && eq != std::string::npos) {
      value = word.substr(eq + 1);
      word.resize(eq);
      attached = true;
    }
    const Flag* flag = find_flag(word);
    if (!flag) {
      std::vector<std::string> known;
      for (const Flag& f : kFlags) known.push_back(f.name);
      return base::plan_error("no flag \"" + word + "\"" + base::suggest_name(word, known));
    }
    if (flag->value && !attached) {
      if (++i == arguments.size()) return base::plan_error(word + " needs a value: " + word + " " + flag->value);
      value = arguments[i];
    }
    if (!flag->value && attached) return base::plan_error(word + " takes no value");
    ARROW_RETURN_NOT_OK(flag->apply(out, value));
  }
  if (out.query.empty() && !out.help && !out.version)
    return base::plan_error("nothing to do; try: gristmill \"select count(*) from 'data.parquet'\"");
  return out;
}

std::string help_text() {
  std::string out = "gristmill \"select ...\": run a query over files\n\n";
  for (const Flag& f : kFlags) {
    std::string left =
        std::string("  ") + (*f.letter ? std::string(f.letter) + ", " : "    ") + f.name + (f.value ? std::string(" ") + f.value : "");
    left.resize(std::max<size_t>(left.size() + 2, 26), ' ');
    out += left + f.help + "\n";
  }
  return out +
         "\nExit: 0 done, 1 the query failed, 2 wrong usage, 130 interrupted.\n"
         "Example: gristmill \"select zone, sum(fare) from 'trips/*.parquet' group by zone order by 2 desc limit 5\"\n";
}

}  // namespace gristmill::cli
