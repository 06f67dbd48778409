// Where files lie and how many of them make a table: what all formats have in common.
//
//   scan_parquet("s3://lake/trips/", {.storage = {{"endpoint", "http://127.0.0.1:9000"}}})
//
// A name is a path, a pattern, a directory or a URL (s3://bucket/key, http://, https://). "-" is the standard input or output.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gristmill {

// endpoint, region, access_key, secret_key, session_token, bearer_token, path_style, anonymous, ca_file, timeout_ms, connect_timeout_ms,
// retries. What is not named comes from the environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...). Secrets are never printed or
// serialised.
using StorageOptions = std::map<std::string, std::string>;

using ColumnTypes = std::vector<std::pair<std::string, std::string>>;  // name, type as a schema string ("int64", "date")

// What to do with files whose columns differ, where the format says which columns it has (Parquet, IPC).
enum class SchemaEvolution {
  kStrict,  // an error naming file and column
  kFirst,   // the first file's columns: what another has not is null, what it has beyond is left out, narrower types are widened
  kUnion,   // the columns of all, in order of first appearance; types are widened to what fits all
};

struct FileOptions {
  StorageOptions storage = {};
  // Folders named key=value become columns. Nothing: when all files have the same keys and were not named one by one.
  std::optional<bool> hive_partitioning = {};
  ColumnTypes hive_schema = {};  // types of some keys; else int64, date or string, whatever fits all values
  SchemaEvolution schema_evolution = SchemaEvolution::kStrict;
};

// What becomes of what is there. Whatever it is, a run that fails leaves it as it was.
enum class Overwrite {
  kError,              // nothing may be there (a folder may be empty)
  kReplace,            // it goes when the new rows are complete; of a folder only files of this format and folders key=value may go
  kAppend,             // files are added to the folder
  kReplacePartitions,  // folders of the partitions written are replaced, the others stay
};

// With one of the first three the path is a folder of files part-000000.parquet, part-000001.parquet, ...; else one file.
struct SinkOptions {
  StorageOptions storage = {};
  std::vector<std::string> partition_by = {};  // columns that become folders key=value and are not written
  int64_t max_rows_per_file = 0;               // 0: any number
  int64_t max_bytes_per_file = 0;              // of the values as they are, before encoding and compression
  std::optional<Overwrite> overwrite = {};     // nothing: a file is replaced, a folder must be empty or absent
};

struct ParquetSinkOptions {
  std::string compression = "zstd";  // none, snappy, gzip, brotli, zstd, lz4
  std::optional<int> compression_level = {};
  int64_t row_group_rows = 122880;
  bool statistics = true;
  bool dictionary = true;
  std::vector<std::string> bloom_filters = {};  // columns that get one
};

struct IpcSinkOptions {
  std::string compression = "lz4";  // none, lz4, zstd
  std::optional<bool> stream = {};  // the streaming format; nothing: when the path ends with .arrows
  int64_t batch_rows = 65536;
};

}  // namespace gristmill
