// Files whose columns differ as one table, where the user asked for it.
//
// A wrapper around sources of any format: neighbouring files of one schema are read by one source, columns that a file has not are null,
// and values are converted to the table's type, to which they fit without loss of range (semantics of a union). What is converted or
// missing is not pushed into the files' own scans.
//
// Invariant: rows come in the order of the files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "gristmill/files.h"
#include "io/hive_source.h"
#include "io/json.h"
#include "plan/table_source.h"

namespace gristmill::io {

// `like`, if any, is the table's schema. kStrict is `make` itself.
arrow::Result<plan::TableSourcePtr> scan_evolved(const std::vector<std::string>& paths, SchemaEvolution evolution,
                                                 const arrow::Schema* like, MakeSource make);

// From what the source's to_json() gave; `make` makes the sources inside.
arrow::Result<plan::TableSourcePtr> make_evolved(const JsonReader& json, MakeKind make);

}  // namespace gristmill::io
