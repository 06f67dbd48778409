// Candidates begin with the word before the cursor, whatever its case; after "table." only that table's columns do, behind FROM and its
// like only tables, functions that are tables, and files where there is no such table.

#include "cli/completion.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include <arrow/type.h>

#include "cli/shell_commands.h"
#include "sql/aggregate_names.h"
#include "sql/function_names.h"
#include "sql/scope.h"

namespace gristmill::cli {
namespace {

constexpr const char* kKeywords[] = {"select",
                                     "from",
                                     "where",
                                     "group by",
                                     "having",
                                     "order by",
                                     "limit",
                                     "offset",
                                     "distinct",
                                     "distinct on",
                                     "as",
                                     "on",
                                     "using",
                                     "join",
                                     "left join",
                                     "right join",
                                     "full join",
                                     "inner join",
                                     "cross join",
                                     "natural join",
                                     "union",
                                     "union all",
                                     "intersect",
                                     "except",
                                     "with",
                                     "with recursive",
                                     "values",
                                     "case",
                                     "when",
                                     "then",
                                     "else",
                                     "end",
                                     "and",
                                     "or",
                                     "not",
                                     "in",
                                     "between",
                                     "like",
                                     "ilike",
                                     "is null",
                                     "is not null",
                                     "is distinct from",
                                     "cast",
                                     "exists",
                                     "over",
                                     "partition by",
                                     "rows between",
                                     "range between",
                                     "unbounded preceding",
                                     "current row",
                                     "filter",
                                     "within group",
                                     "window",
                                     "qualify",
                                     "rollup",
                                     "cube",
                                     "grouping sets",
                                     "asc",
                                     "desc",
                                     "nulls first",
                                     "nulls last",
                                     "create table",
                                     "create or replace table",
                                     "create view",
                                     "drop table",
                                     "drop view",
                                     "insert into",
                                     "copy",
                                     "to",
                                     "format",
                                     "explain",
                                     "explain analyze",
                                     "describe",
                                     "summarize",
                                     "show tables",
                                     "show all",
                                     "set",
                                     "reset",
                                     "prepare",
                                     "execute",
                                     "deallocate",
                                     "exclude",
                                     "replace",
                                     "rename",
                                     "interval",
                                     "extract",
                                     "date",
                                     "timestamp",
                                     "true",
                                     "false",
                                     "null",
                                     "unnest",
                                     "generate_series",
                                     "range",
                                     "read_csv",
                                     "read_parquet",
                                     "read_json",
                                     "read_ipc",
                                     "recursive",
                                     "lateral",
                                     "any",
                                     "all",
                                     "fetch first",
                                     "with ties",
                                     "truncate"};

bool name_part(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80); }

bool begins(const std::string& candidate, const std::string& word) {
  return candidate.size() >= word.size() && sqltext::equal_ignoring_case(candidate.substr(0, word.size()), word);
}

// Names that are no plain words need quotes.
std::string as_written(const std::string& name) {
  const bool plain =
      !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
      std::all_of(name.begin(), name.end(), [](char c) { return name_part(c) && !std::isupper(static_cast<unsigned char>(c)); });
  return plain ? name : "\"" + name + "\"";
}

void add_files(const std::string& word, std::vector<std::string>& out) {
  const size_t slash = word.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : word.substr(0, slash + 1), rest = word.substr(folder.size());
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder.empty() ? "." : folder, failed)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(rest) || (name[0] == '.' && rest.empty())) continue;
    out.push_back(folder + name + (entry.is_directory(failed) ? "/" : ""));
  }
  std::sort(out.begin(), out.end());
}

constexpr const char* kBeforeTables[] = {"from", "join", "into", "table", "view", "describe", "summarize", "truncate"};
constexpr const char* kTables[] = {"generate_series", "lateral", "range", "read_csv", "read_ipc", "read_json", "read_parquet", "unnest"};
constexpr const char* kFileEndings[] = {".parquet", ".arrow", ".ipc", ".feather", ".csv", ".tsv", ".ndjson"};

// Whether a table is meant at `begin`.
bool table_follows(const std::string& text, size_t begin) {
  while (begin > 0 && std::isspace(static_cast<unsigned char>(text[begin - 1]))) --begin;
  size_t from = begin;
  while (from > 0 && name_part(text[from - 1])) --from;
  const std::string before = text.substr(from, begin - from);
  return std::any_of(std::begin(kBeforeTables), std::end(kBeforeTables),
                     [&](const char* k) { return sqltext::equal_ignoring_case(before, k); });
}

void add_quoted_files(const std::string& word, std::vector<std::string>& out) {
  std::vector<std::string> files;
  add_files(word, files);
  for (const std::string& f : files) {
    const bool known = std::any_of(std::begin(kFileEndings), std::end(kFileEndings), [&](const char* e) { return f.ends_with(e); });
    if (known) out.push_back("'" + f + "'");
  }
}

// Where the text literal that is open at the cursor begins; npos when none is.
size_t open_quote(const std::string& text, size_t cursor) {
  size_t open = std::string::npos;
  for (size_t i = 0; i < cursor; ++i) {
    if (text[i] == '\'') open = open == std::string::npos ? i : std::string::npos;
  }
  return open;
}

}  // namespace

Completion complete_statement(const Session& session, const std::string& text, size_t cursor) {
  Completion out;
  if (text.starts_with('.')) return complete_command(session, text, cursor);
  if (const size_t open = open_quote(text, cursor); open != std::string::npos) {
    out.begin = open + 1;
    add_files(text.substr(open + 1, cursor - open - 1), out.candidates);
    return out;
  }
  size_t begin = cursor;
  while (begin > 0 && name_part(text[begin - 1])) --begin;
  const std::string word = text.substr(begin, cursor - begin);
  out.begin = begin;
  std::string table;
  if (begin > 1 && text[begin - 1] == '.') {
    size_t from = begin - 1;
    while (from > 0 && name_part(text[from - 1])) --from;
    table = text.substr(from, begin - 1 - from);
  }
  if (word.empty() && table.empty()) return out;
  const bool only_tables = table.empty() && table_follows(text, begin);
  std::set<std::string> names;
  const auto relations = session.relations();
  if (relations.ok()) {
    for (const auto& r : *relations) {
      if (table.empty() && begins(r.name, word)) names.insert(as_written(r.name));
      if (only_tables || (!table.empty() && !sqltext::equal_ignoring_case(r.name, table))) continue;
      for (const auto& f : r.schema->fields()) {
        if (begins(f->name(), word)) names.insert(as_written(f->name()));
      }
    }
  }
  out.candidates.assign(names.begin(), names.end());
  if (!table.empty()) return out;
  if (only_tables) {
    for (const char* t : kTables) {
      if (begins(t, word)) out.candidates.emplace_back(t);
    }
    if (out.candidates.empty()) add_quoted_files(word, out.candidates);
    return out;
  }
  std::set<std::string> words;
  for (const char* k : kKeywords) {
    if (begins(k, word)) words.insert(k);
  }
  for (const auto& list : {sqltext::sql_function_names(), sqltext::sql_aggregate_names()}) {
    for (const std::string& f : list) {
      if (begins(f, word)) words.insert(f);
    }
  }
  for (const std::string& w : words) {
    if (!names.contains(w)) out.candidates.push_back(w);
  }
  return out;
}

}  // namespace gristmill::cli
