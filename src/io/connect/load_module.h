// Opens a module of the engine: a shared library of ours that brings libraries which must not meet Arrow's.
//
// Looked for in GRISTMILL_MODULES (a folder), beside the file this code is in (the program or the Python extension), in
// ../lib/gristmill from there, and wherever the program's run path leads. A module once opened stays.
#pragma once

#include <string>

#include <arrow/result.h>

namespace gristmill::io {

// The address of `entry` in the library `file`.
arrow::Result<void*> load_module(const std::string& file, const char* entry);

}  // namespace gristmill::io
