// A file's format is told by its ending; text may be compressed as a whole: trips.csv.gz.

#include "sql/files.h"

#include <filesystem>

#include "base/status.h"
#include "gristmill/frame.h"
#include "io/resolve.h"

namespace gristmill::sqltext {
namespace {

struct Format {
  const char* ending;
  const char* name;
  Frame (*scan)(const std::string&, const FileOptions&);
};
constexpr Format kFormats[] = {
    {".parquet", "parquet", scan_parquet},
    {".arrow", "ipc", scan_ipc},
    {".arrows", "ipc", scan_ipc},
    {".ipc", "ipc", scan_ipc},
    {".feather", "ipc", scan_ipc},
    {".csv", "csv", [](const std::string& name, const FileOptions&) { return scan_csv(name); }},
    {".tsv", "csv", [](const std::string& name, const FileOptions&) { return scan_csv(name, {.separator = '\t'}); }},
    {".ndjson", "ndjson", [](const std::string& name, const FileOptions&) { return scan_ndjson(name); }},
    {".jsonl", "ndjson", [](const std::string& name, const FileOptions&) { return scan_ndjson(name); }},
};

std::string without_codec(const std::string& name) {
  for (const char* ending : {".gz", ".zst", ".lz4", ".bz2", ".br", ".snappy", ".sz"}) {
    if (name.ends_with(ending)) return name.substr(0, name.size() - std::string_view(ending).size());
  }
  return name;
}

bool looks_like_file(const std::string& name) {
  return name.find('/') != std::string::npos || name.find('*') != std::string::npos || name.rfind('.') != std::string::npos;
}

}  // namespace

std::string format_of(const std::string& name) {
  for (const Format& f : kFormats) {
    if (without_codec(name).ends_with(f.ending)) return f.name;
  }
  return without_codec(name).ends_with(".json") ? "ndjson" : "";
}

arrow::Result<plan::PlanPtr> scan_file(const std::string& name, const std::vector<std::string>& known) {
  for (const Format& f : kFormats) {
    if (without_codec(name).ends_with(f.ending)) return f.scan(name, {}).plan();
  }
  if (known.empty() && looks_like_file(name)) {
    return base::plan_error("cannot tell the format of \"" + name +
                            "\"; known endings: .parquet, .arrow, .ipc, .feather, .csv, .tsv, .ndjson");
  }
  return base::plan_error("no table \"" + name + "\"" + (known.empty() ? "" : base::suggest_name(name, known)));
}

arrow::Result<plan::PlanPtr> scan_folder(const std::string& name) {
  std::error_code none;
  const bool in_store = name.starts_with("s3://") && name.ends_with('/');
  if (!in_store && !std::filesystem::is_directory(name, none)) return nullptr;
  ARROW_ASSIGN_OR_RAISE(auto source, io::scan_files({name}));
  return plan::make_scan(std::move(source));
}

}  // namespace gristmill::sqltext
