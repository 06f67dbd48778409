// One table of formats, by kind and by file name ending.

#include "io/resolve.h"

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "io/connect/postgres_scan.h"
#include "io/csv_scan.h"
#include "io/evolved_source.h"
#include "io/files.h"
#include "io/hive_source.h"
#include "io/ipc_scan.h"
#include "io/json.h"
#include "io/ndjson_scan.h"
#include "io/parquet_scan.h"
#include "io/range_source.h"
#include "io/text_input.h"

namespace gristmill::io {
namespace {

arrow::Result<plan::TableSourcePtr> make_parquet(const JsonReader& json) {
  ParquetReadOptions options;
  ARROW_ASSIGN_OR_RAISE(options.prune, json.flag("prune", true));
  ARROW_ASSIGN_OR_RAISE(options.own_decoder, json.flag("own_decoder", true));
  ARROW_ASSIGN_OR_RAISE(const auto paths, json.texts("paths"));
  return scan_parquet(paths, options);
}

arrow::Result<plan::TableSourcePtr> make_ipc(const JsonReader& json) {
  ARROW_ASSIGN_OR_RAISE(const auto paths, json.texts("paths"));
  return scan_ipc(paths);
}

arrow::Result<plan::TableSourcePtr> make_postgres(const JsonReader& json) {
  PostgresScanOptions options;
  ARROW_ASSIGN_OR_RAISE(options.partition_on, json.text("partition_on"));
  ARROW_ASSIGN_OR_RAISE(const int64_t partitions, json.number("partitions", options.partitions));
  options.partitions = static_cast<int>(partitions);
  ARROW_ASSIGN_OR_RAISE(options.unbounded_numeric, json.text("unbounded_numeric", options.unbounded_numeric));
  ARROW_ASSIGN_OR_RAISE(const auto address, json.text("address"));
  ARROW_ASSIGN_OR_RAISE(auto query, json.text("query"));
  return scan_postgres(address, std::move(query), std::move(options));
}

arrow::Result<plan::TableSourcePtr> open_csv_files(const std::vector<std::string>& patterns, const arrow::Schema* like) {
  CsvOptions options;
  if (like != nullptr) options.schema_overrides = types_of(*like);
  if (without_codec_ending(patterns[0]).ends_with(".tsv")) options.separator = '\t';
  return scan_csv(patterns, std::move(options));
}

arrow::Result<plan::TableSourcePtr> open_ndjson_files(const std::vector<std::string>& patterns, const arrow::Schema* like) {
  NdjsonOptions options;
  if (like != nullptr) options.schema = types_of(*like);
  return scan_ndjson(patterns, std::move(options));
}

struct Format {
  const char* kind;
  std::vector<std::string> endings;
  arrow::Result<plan::TableSourcePtr> (*make)(const JsonReader& json);
  arrow::Result<plan::TableSourcePtr> (*scan)(const std::vector<std::string>& patterns, const arrow::Schema* like);
  bool text = false;  // may be compressed as a whole

  std::vector<std::string> all_endings() const { return text ? with_codec_endings(endings) : endings; }
  bool has_ending_of(const std::string& name) const {
    const auto all = all_endings();
    return std::any_of(all.begin(), all.end(), [&](const std::string& e) { return name.ends_with(e); });
  }
  arrow::Result<plan::TableSourcePtr> open(const std::vector<std::string>& patterns) const {
    return scan_hive(patterns, all_endings(), nullptr, {}, scan);
  }
};

const std::vector<Format>& formats() {
  static const std::vector<Format> kFormats = {
      {"parquet",
       {".parquet", ".parq", ".pq"},
       make_parquet,
       [](const std::vector<std::string>& p, const arrow::Schema*) { return scan_parquet(p); }},
      {"csv", {".csv", ".tsv", ".txt"}, make_csv, open_csv_files, true},
      {"evolved", {}, [](const JsonReader& json) { return make_evolved(json, make_source); }, nullptr},
      {"hive", {}, [](const JsonReader& json) { return make_hive(json, make_source); }, nullptr},
      {"ndjson", {".ndjson", ".jsonl"}, make_ndjson, open_ndjson_files, true},
      {"postgres", {}, make_postgres, nullptr},  // no ending leads to it
      {"range", {}, make_range, nullptr},
      {"ipc",
       {".arrow", ".ipc", ".feather", ".arrows"},
       make_ipc,
       [](const std::vector<std::string>& p, const arrow::Schema*) { return scan_ipc(p); }},
  };
  return kFormats;
}

}  // namespace

arrow::Result<plan::TableSourcePtr> make_source(const std::string& kind, const std::string& text) {
  std::vector<std::string> kinds;
  for (const Format& f : formats()) {
    kinds.emplace_back(f.kind);
    if (kind != f.kind) continue;
    ARROW_ASSIGN_OR_RAISE(const JsonReader json, JsonReader::parse(text));
    return f.make(json);
  }
  if (kind == "memory" || kind == "stream" || kind == "held")
    return base::plan_error("a plan over a " + kind + " source cannot leave its process", "write the data to a file and scan that");
  return base::plan_error("unknown kind of source \"" + kind + "\"", base::suggest_name(kind, kinds));
}

arrow::Result<plan::TableSourcePtr> scan_files_as(const std::string& kind, const std::vector<std::string>& patterns) {
  if (patterns.empty()) return base::io_error("no file name was given");
  std::vector<std::string> known;
  for (const Format& f : formats()) {
    if (f.scan == nullptr) continue;
    if (kind == f.kind) return f.open(patterns);
    known.emplace_back(f.kind);
  }
  return base::plan_error("the format \"" + kind + "\" cannot be read", base::suggest_name(kind, known));
}

arrow::Result<plan::TableSourcePtr> scan_files(const std::vector<std::string>& patterns) {
  if (patterns.empty()) return base::io_error("no file name was given");
  std::string known;
  std::vector<std::string> all;
  for (const Format& f : formats()) {
    if (f.scan == nullptr) continue;
    if (f.has_ending_of(patterns[0])) return f.open(patterns);
    for (const std::string& ending : f.endings) known += (known.empty() ? "" : ", ") + ending;
    for (const std::string& ending : f.all_endings()) all.push_back(ending);
  }
  // The first file of a folder tells what the folder holds.
  const auto files = expand_files(patterns[0], all);
  if (files.ok() && files->front() != patterns[0]) {
    for (const Format& f : formats()) {
      if (f.scan != nullptr && f.has_ending_of(files->front())) return f.open(patterns);
    }
  }
  return base::io_error("cannot tell the format of \"" + patterns[0] + "\" from its name", patterns[0], "known endings: " + known);
}

}  // namespace gristmill::io
