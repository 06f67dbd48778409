// Keyed state is cut into 128 groups by the hash of its key, always: a snapshot is written group by group, so that it can be read back
// by any number of workers, each taking some of the groups. The hash is the engine's of normalised keys, the same in every process.
#pragma once

#include <cstdint>
#include <string>

namespace gristmill::stream {

inline constexpr int kKeyGroupBits = 7;
inline constexpr int kKeyGroups = 1 << kKeyGroupBits;
inline constexpr int kNoKeyGroup = -1;  // state that belongs to no key

inline int key_group(uint64_t hash) { return static_cast<int>(hash >> (64 - kKeyGroupBits)); }

}  // namespace gristmill::stream
