// What folders named key=value say about a file.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

namespace gristmill::io {

using HiveValue = std::optional<std::string>;                     // nothing: null
using HiveKeys = std::vector<std::pair<std::string, HiveValue>>;  // in order of the folders

HiveKeys hive_keys(const std::string& path);

// One array of one value, of `type` (border type), or a data error naming file, key and value.
arrow::Result<std::shared_ptr<arrow::Array>> hive_array(const std::string& path, const std::string& key, const HiveValue& value,
                                                        const std::shared_ptr<arrow::DataType>& type);
// int64 or date32 when every value is one, else utf8.
std::shared_ptr<arrow::DataType> hive_type(const std::vector<const HiveValue*>& values);

// "zone=North%20East": what a writer calls the folder.
std::string hive_folder(const std::string& key, const HiveValue& value);

}  // namespace gristmill::io
