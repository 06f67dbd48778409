// Frames over files.

#include "io/files.h"
#include "gristmill/frame.h"
#include "io/csv_scan.h"
#include "io/evolved_source.h"
#include "io/hive_source.h"
#include "io/ipc_scan.h"
#include "io/ndjson_scan.h"
#include "io/parquet_scan.h"
#include "io/text_input.h"
#include "plan/logical.h"

namespace gristmill {
namespace {

Frame scan_of(arrow::Result<plan::TableSourcePtr> source) {
  if (!source.ok()) return Frame(source.status());
  return Frame(plan::make_scan(std::move(*source)));
}

// `make(paths, like, storage)` gives a source over these files.
template <typename Make>
Frame scan_folders(const std::vector<std::string>& patterns, const std::vector<std::string>& extensions, const FileOptions& files,
                   Make make) {
  const auto storage = io::storage_options(files.storage);
  if (!storage.ok()) return Frame(storage.status());
  const io::MakeSource source = [make, storage = *storage](const std::vector<std::string>& paths, const arrow::Schema* like) {
    return make(paths, like, storage);
  };
  const SchemaEvolution evolution = files.schema_evolution;
  if (evolution == SchemaEvolution::kStrict)
    return scan_of(io::scan_hive(patterns, extensions, *storage, {files.hive_partitioning, files.hive_schema}, source));
  // Patterns are taken apart before the files' schemas are looked at.
  return scan_of(io::scan_hive(
      patterns, extensions, *storage, {files.hive_partitioning, files.hive_schema, true},
      [=, storage = *storage](const std::vector<std::string>& some, const arrow::Schema* like) -> arrow::Result<plan::TableSourcePtr> {
        ARROW_ASSIGN_OR_RAISE(const auto paths, io::expand_files(some, extensions, storage));
        return io::scan_evolved(paths, evolution, like, source);
      }));
}

}  // namespace

Frame scan_parquet(const std::string& pattern, const FileOptions& files) { return scan_parquet(std::vector<std::string>{pattern}, files); }

Frame scan_parquet(const std::vector<std::string>& patterns, const FileOptions& files) {
  return scan_folders(patterns, {".parquet", ".parq", ".pq"}, files, [](const auto& paths, const auto*, const io::StoragePtr& storage) {
    return io::scan_parquet(paths, {.storage = storage});
  });
}

Frame scan_ipc(const std::string& pattern, const FileOptions& files) { return scan_ipc(std::vector<std::string>{pattern}, files); }

Frame scan_ipc(const std::vector<std::string>& patterns, const FileOptions& files) {
  return scan_folders(
      patterns, {".arrow", ".ipc", ".feather", ".arrows"}, files,
      [](const auto& paths, const auto*, const io::StoragePtr& storage) { return io::scan_ipc(paths, {.storage = storage}); });
}

Frame scan_csv(const std::string& pattern, CsvOptions options) { return scan_csv(std::vector<std::string>{pattern}, std::move(options)); }

Frame scan_csv(const std::vector<std::string>& patterns, CsvOptions options) {
  const FileOptions files = options.files;
  return scan_folders(patterns, io::with_codec_endings({".csv", ".tsv", ".txt"}), files,
                      [options](const auto& paths, const arrow::Schema* like, const io::StoragePtr&) {
                        CsvOptions same = options;
                        if (like != nullptr && same.schema.empty()) same.schema_overrides = io::types_of(*like);
                        return io::scan_csv(paths, std::move(same));
                      });
}

Frame scan_ndjson(const std::string& pattern, NdjsonOptions options) {
  return scan_ndjson(std::vector<std::string>{pattern}, std::move(options));
}

Frame scan_ndjson(const std::vector<std::string>& patterns, NdjsonOptions options) {
  const FileOptions files = options.files;
  return scan_folders(patterns, io::with_codec_endings({".ndjson", ".jsonl", ".json"}), files,
                      [options](const auto& paths, const arrow::Schema* like, const io::StoragePtr&) {
                        NdjsonOptions same = options;
                        if (like != nullptr) same.schema = io::types_of(*like);
                        return io::scan_ndjson(paths, std::move(same));
                      });
}

}  // namespace gristmill
