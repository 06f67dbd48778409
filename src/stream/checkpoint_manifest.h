// The manifest of a checkpoint as JSON: what it is, what it holds, and the version of its form.
#pragma once

#include <string>

#include <arrow/result.h>

#include "stream/checkpoint_store.h"

namespace gristmill::stream {

std::string write_manifest(const Checkpoint& checkpoint);
// `path` for errors: no manifest, another version, or one that says what cannot be.
arrow::Result<Checkpoint> read_manifest(const std::string& text, const std::string& path);

}  // namespace gristmill::stream
