// sql(): text and named frames to a lazy frame. Tables are the frames given by name, then files.

#include "gristmill/sql.h"

#include <functional>

#include "base/status.h"
#include "plan/logical.h"
#include "sql/lower_select.h"
#include "sql/parse.h"

namespace gristmill {
namespace {

struct Format {
  const char* ending;
  Frame (*scan)(const std::string&, const FileOptions&);
};
constexpr Format kFormats[] = {
    {".parquet", scan_parquet},
    {".arrow", scan_ipc},
    {".arrows", scan_ipc},
    {".ipc", scan_ipc},
    {".feather", scan_ipc},
    {".csv", [](const std::string& name, const FileOptions&) { return scan_csv(name); }},
    {".tsv", [](const std::string& name, const FileOptions&) { return scan_csv(name, {.separator = '\t'}); }},
    {".ndjson", [](const std::string& name, const FileOptions&) { return scan_ndjson(name); }},
    {".jsonl", [](const std::string& name, const FileOptions&) { return scan_ndjson(name); }},
};

// Text may be compressed as a whole: trips.csv.gz.
std::string without_codec(const std::string& name) {
  for (const char* ending : {".gz", ".zst", ".lz4", ".bz2", ".br", ".snappy", ".sz"}) {
    if (name.ends_with(ending)) return name.substr(0, name.size() - std::string_view(ending).size());
  }
  return name;
}

bool looks_like_file(const std::string& name) {
  return name.find('/') != std::string::npos || name.find('*') != std::string::npos || name.rfind('.') != std::string::npos;
}

arrow::Result<plan::PlanPtr> find_table(const std::string& name, const std::vector<std::pair<std::string, Frame>>& tables) {
  for (const bool exact : {true, false}) {
    const Frame* found = nullptr;
    for (const auto& [known, frame] : tables) {
      if (exact ? known != name : !sqltext::equal_ignoring_case(known, name)) continue;
      if (found) return base::plan_error("table \"" + name + "\" is ambiguous");
      found = &frame;
    }
    if (found) return found->plan();
  }
  for (const auto& f : kFormats) {
    if (without_codec(name).ends_with(f.ending)) return f.scan(name, {}).plan();
  }
  std::vector<std::string> known;
  for (const auto& t : tables) known.push_back(t.first);
  if (known.empty() && looks_like_file(name)) {
    return base::plan_error("cannot tell the format of \"" + name +
                            "\"; known endings: .parquet, .arrow, .ipc, .feather, .csv, .tsv, .ndjson");
  }
  return base::plan_error("no table \"" + name + "\"" + (known.empty() ? "" : base::suggest_name(name, known)));
}

arrow::Result<plan::PlanPtr> plan_of(const std::string& text, const std::vector<std::pair<std::string, Frame>>& tables) {
  ARROW_ASSIGN_OR_RAISE(sqltext::ParsedText parsed, sqltext::ParsedText::parse(text));
  return sqltext::lower_statement(parsed, [&](const std::string& name) { return find_table(name, tables); });
}

}  // namespace

Frame sql(const std::string& text, const std::vector<std::pair<std::string, Frame>>& tables) { return Frame(plan_of(text, tables)); }

}  // namespace gristmill
