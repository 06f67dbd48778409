// Hashes of normalised keys: hash_rows over the words, so that SIMD levels and the tests' constant hash apply here too.
#pragma once

#include <cstdint>

#include "exec/group_row.h"

namespace gristmill::exec {

// `words[w]` holds word w of n keys.
void hash_words(const uint64_t* const* words, int count, int64_t n, uint64_t* out);
// The hashes under which rows were, or would be, found. Not for rows of null keys.
void row_hashes(const RowLayout& layout, const uint8_t* const* rows, int64_t n, uint64_t* out);

// The top bits choose the partition, the next ones salt the slot, the low ones its place.
inline constexpr int kPartitionBits = 6;
inline constexpr int kPartitions = 1 << kPartitionBits;
inline constexpr int kPartitionShift = 64 - kPartitionBits;
inline int partition_of(uint64_t hash) { return static_cast<int>(hash >> kPartitionShift); }

}  // namespace gristmill::exec
