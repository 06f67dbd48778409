// How many bytes the values of rows are, whatever holds them: where files are cut by size.
//
// A number is as wide as its type, a bool one byte, a text or a list its contents and four bytes, a null as wide as an empty value. So the
// size of a row is a function of its values alone.
#pragma once

#include <cstdint>
#include <vector>

#include "column/batch.h"

namespace gristmill::io {

// Of each row of a dense batch of flat columns.
std::vector<int64_t> value_bytes(const column::Batch& batch);

}  // namespace gristmill::io
