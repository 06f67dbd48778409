// Whether a column of a row group is worth a dictionary.
//
// The library collects every value in a hash table and gives up only past a megabyte of entries, so a column of distinct numbers is
// written as itself and as indices into itself. A sample of the rows tells beforehand; it is a function of the rows alone, as the file must
// be.
#pragma once

#include <cstdint>

#include <arrow/type_fwd.h>

namespace gristmill::io {

// False only where the sample says that values come less than about twice (texts) or four times (numbers), or that the texts, shared by
// neighbours only, outgrow a dictionary of `dictionary_bytes`. True for nested columns and short ones.
bool values_repeat(const arrow::ArrayData& values, int64_t dictionary_bytes);

}  // namespace gristmill::io
