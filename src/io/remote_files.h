// Patterns and directories in stores: the counterpart of files.h for names with a scheme.
//
// The same patterns mean the same; keys come in byte order. What is listed is the longest part of the name without a wildcard.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>

#include "io/storage_options.h"

namespace gristmill::io {

bool has_wildcard(std::string_view text);

arrow::Result<std::vector<std::string>> expand_remote(const std::string& url, const std::vector<std::string>& extensions,
                                                      const StoragePtr& storage);

}  // namespace gristmill::io
