// Normalised sort keys: bytes whose memcmp order is the requested order.
//
// Per key column: a null byte (only if the column may hold nulls: SortKey::nullable, the same for all batches of one
// sort; a value 0 and a null 1, or 1 and 0 with nulls first), then fixed-width
// big-endian values (sign flipped, floats mapped to their total order with -0.0 = 0.0 and one NaN greatest), or, for strings, the
// bytes escaped (0x00 -> 0x00 0xFF) and ended by 0x00 0x00. Descending columns are
// inverted byte by byte. The ladder of radix sort wants 8 bytes as a native
// integer: key_prefixes(). Nested values: structs field by field, lists and maps (entries by key) element by element,
// each announced by 0x01 and the end by 0x00, each with a null byte.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "column/batch.h"

namespace gristmill::column {

struct SortKey {
  bool descending = false;
  bool nulls_first = false;
  bool nullable = true;  // false: no null byte; promise that no batch has a null in this column
};

// Rows of variable-length encoded keys: row i is bytes[offsets[i] .. offsets[i+1]).
struct EncodedKeys {
  std::vector<uint8_t> bytes;
  std::vector<uint64_t> offsets;
  std::span<const uint8_t> row(int64_t i) const { return {bytes.data() + offsets[i], bytes.data() + offsets[i + 1]}; }
};

arrow::Result<EncodedKeys> encode_keys(std::span<const Column> keys, std::span<const SortKey> order, int64_t rows);
// Eight bytes per row as a number that orders like the keys, never contradicting encode_keys (equal numbers may hide a difference).
// The layout depends on types and order only, never on the data, so numbers of different batches compare: the null byte is left out
// and a null gets the extreme of its column's bytes (all 0x00 or all 0xFF, by placement) instead. Returns whether equal
// numbers mean equal keys in this batch (no nulls, everything fits), and in any other exact one.
// `shared_bytes`: so many bytes at the front of the first key, texts without nulls, are the same everywhere and left out.
arrow::Result<bool> key_prefixes(std::span<const Column> keys, std::span<const SortKey> order, int64_t rows, uint64_t* out,
                                 size_t shared_bytes = 0);

}  // namespace gristmill::column
