// Tables whose folders say something about their rows: lake/year=2024/zone=A/part.parquet.
//
// A wrapper around a source of any format: the folders' values become columns behind the files' own (and instead of one of the same
// name). Names and values are percent-decoded; __HIVE_DEFAULT_PARTITION__ and an empty value are null. Types are given, or found from
// all values of a key: int64, date, else text. A predicate over these columns alone decides which files are opened at all.
//
// Invariant: rows come in the order of the files' names, whatever was pruned.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "io/json.h"
#include "io/storage_options.h"
#include "plan/table_source.h"

namespace gristmill::io {

struct HiveOptions {
  std::optional<bool> enabled;                             // nothing: when every file has the same keys, and no file was named alone
  std::vector<std::pair<std::string, std::string>> types;  // key, schema string
  bool look_at_all = false;                                // when the scan is made, however many files there are
};

// A source over these files; `like`, if any, has the types that the columns shall have.
using MakeSource = std::function<arrow::Result<plan::TableSourcePtr>(const std::vector<std::string>& paths, const arrow::Schema* like)>;

arrow::Result<plan::TableSourcePtr> scan_hive(const std::vector<std::string>& patterns, const std::vector<std::string>& extensions,
                                              const StoragePtr& storage, const HiveOptions& options, MakeSource make);

// The columns' types as schema strings.
std::vector<std::pair<std::string, std::string>> types_of(const arrow::Schema& schema);

using MakeKind = arrow::Result<plan::TableSourcePtr> (*)(const std::string& kind, const std::string& json);
// From what the source's to_json() gave; `make` makes the source inside.
arrow::Result<plan::TableSourcePtr> make_hive(const JsonReader& json, MakeKind make);

}  // namespace gristmill::io
