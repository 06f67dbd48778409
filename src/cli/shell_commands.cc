// One table says which there are, so .help cannot forget one.

#include "cli/shell_commands.h"

#include <fstream>
#include <sstream>

#include <arrow/type.h>

#include "base/status.h"
#include "cli/output.h"
#include "column/types.h"
#include "sql/scope.h"

namespace gristmill::cli {
namespace {

struct ShellCommand {
  const char* name;
  const char* operand;
  const char* help;
  arrow::Status (*run)(ShellState& shell, const std::string& operand);
};

arrow::Status help(ShellState& shell, const std::string& operand);

arrow::Status tables(ShellState& shell, const std::string&) {
  ARROW_ASSIGN_OR_RAISE(const auto relations, shell.session.relations());
  std::string out;
  for (const auto& r : relations) out += r.name + (r.view ? "  (view)" : "") + "\n";
  if (out.empty()) out = "no tables yet; try: create table t as select * from 'data.parquet';\n";
  write_out(out);
  return arrow::Status::OK();
}

arrow::Status schema(ShellState& shell, const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(const auto relations, shell.session.relations());
  std::string out;
  std::vector<std::string> known;
  for (const auto& r : relations) {
    known.push_back(r.name);
    if (!name.empty() && !sqltext::equal_ignoring_case(r.name, name)) continue;
    out += std::string(r.view ? "view " : "table ") + r.name + " (";
    for (int i = 0; i < r.schema->num_fields(); ++i) {
      const auto& f = r.schema->field(i);
      out += (i > 0 ? ", " : "") + f->name() + " " + column::type_text(*column::canonical_type(f->type()));
    }
    out += ")\n";
  }
  if (out.empty() && !name.empty())
    return base::plan_error("no table \"" + name + "\"" + (known.empty() ? "" : base::suggest_name(name, known)));
  write_out(out);
  return arrow::Status::OK();
}

arrow::Status mode(ShellState& shell, const std::string& name) {
  const std::pair<const char*, Output> modes[] = {
      {"table", Output::kTable}, {"csv", Output::kCsv}, {"json", Output::kJson}, {"markdown", Output::kMarkdown}};
  std::vector<std::string> known;
  for (const auto& [n, output] : modes) {
    known.emplace_back(n);
    if (name == n) {
      shell.command.output = output;
      return arrow::Status::OK();
    }
    if (name.empty() && shell.command.output == output) write_out(std::string(n) + "\n");
  }
  return name.empty() ? arrow::Status::OK() : base::plan_error("no mode \"" + name + "\"" + base::suggest_name(name, known));
}

arrow::Status limit(ShellState& shell, const std::string& n) {
  if (n == "off" || n.empty()) {
    shell.command.limit = -1;
    return arrow::Status::OK();
  }
  if (n.size() > 9 || n.find_first_not_of("0123456789") != std::string::npos) return base::plan_error(".limit takes a number, or off");
  shell.command.limit = std::stoll(n);
  return arrow::Status::OK();
}

arrow::Status timer(ShellState& shell, const std::string& on) {
  if (on != "on" && on != "off") return base::plan_error(".timer takes on or off");
  shell.timer = on == "on";
  return arrow::Status::OK();
}

arrow::Status read(ShellState& shell, const std::string& file) {
  std::ifstream in(file);
  if (!in) return base::io_error("cannot read the file", file);
  std::ostringstream all;
  all << in.rdbuf();
  return run_statements(shell, all.str());
}

arrow::Status quit(ShellState& shell, const std::string&) {
  shell.leave = true;
  return arrow::Status::OK();
}

constexpr ShellCommand kCommands[] = {
    {".help", "", "this list", help},
    {".tables", "", "tables and views of the session", tables},
    {".schema", "[TABLE]", "columns and types", schema},
    {".mode", "table|csv|json|markdown", "how rows are printed", mode},
    {".limit", "N|off", "no more than N rows of a result", limit},
    {".timer", "on|off", "whether the time of a statement is printed", timer},
    {".read", "FILE", "run the statements in FILE", read},
    {".quit", "", "leave; so does Ctrl-D", quit},
    {".exit", "", "the same", quit},
};

arrow::Status help(ShellState&, const std::string&) {
  std::string out =
      "A statement ends with a semicolon and may have many lines.\n"
      "Tables are files in quotes: select * from 'trips/*.parquet';\n\n";
  for (const ShellCommand& c : kCommands) {
    const std::string usage = std::string(c.name) + (*c.operand ? " " : "") + c.operand;
    out += "  " + usage + std::string(usage.size() < 34 ? 34 - usage.size() : 1, ' ') + c.help + "\n";
  }
  out +=
      "\n  Tab completes, Up and Down go through what was entered, Ctrl-R searches it,\n"
      "  Alt-Enter begins a line, Ctrl-C stops a query.\n";
  write_out(out);
  return arrow::Status::OK();
}

}  // namespace

arrow::Status run_shell_command(ShellState& shell, const std::string& line) {
  std::istringstream words(line);
  std::string name, operand, more;
  words >> name;
  std::getline(words >> std::ws, operand);
  while (!operand.empty() && (std::isspace(static_cast<unsigned char>(operand.back())) || operand.back() == ';')) operand.pop_back();
  std::vector<std::string> known;
  for (const ShellCommand& c : kCommands) {
    known.emplace_back(c.name);
    if (name == c.name) return c.run(shell, operand);
  }
  return base::plan_error("no command \"" + name + "\"" + base::suggest_name(name, known), ".help lists what there is");
}

Completion complete_command(const Session& session, const std::string& text, size_t cursor) {
  Completion out;
  const size_t blank = text.find(' ');
  if (blank == std::string::npos || cursor <= blank) {
    for (const ShellCommand& c : kCommands) {
      if (std::string_view(c.name).starts_with(text.substr(0, cursor))) out.candidates.emplace_back(c.name);
    }
    return out;
  }
  out.begin = blank + 1;
  const std::string word = text.substr(blank + 1, cursor - blank - 1);
  if (!text.starts_with(".schema")) return out;
  const auto relations = session.relations();
  if (!relations.ok()) return out;
  for (const auto& r : *relations) {
    if (r.name.starts_with(word)) out.candidates.push_back(r.name);
  }
  return out;
}

}  // namespace gristmill::cli
