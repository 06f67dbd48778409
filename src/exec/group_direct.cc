// Ranges and values are taken from the first batch; a batch that goes beyond widens them a few times, then the map gives up.

#include "exec/group_direct.h"

#include <algorithm>
#include <limits>
#include <type_traits>

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using column::Physical;

constexpr int64_t kFewCodes = int64_t{1} << 16;
constexpr int64_t kCodesPerRow = 8;  // of a batch: an array of places is cleared for them
constexpr int kMostSetUps = 32;
constexpr int kMostMisses = 3;

bool countable(Physical p) {
  switch (p) {
    case Physical::kBool:
    case Physical::kInt8:
    case Physical::kInt16:
    case Physical::kInt32:
    case Physical::kInt64:
    case Physical::kUInt8:
    case Physical::kUInt16:
    case Physical::kUInt32: return true;
    default: return false;
  }
}

// f(i, value) for valid rows of an integer or bool array; g(i) for nulls.
template <typename F, typename G>
void for_integers(const ArrayData& d, Physical p, int64_t n, F&& f, G&& g) {
  const column::ValidityBits valid = column::validity_of(d);
  if (p == Physical::kBool) {
    for (int64_t i = 0; i < n; ++i) {
      if (valid.valid(i)) {
        f(i, static_cast<int64_t>(column::bit_at(d.buffers[1]->data(), d.offset + i)));
      } else {
        g(i);
      }
    }
    return;
  }
  column::visit_number(p, [&]<typename T>() {
    if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) {
      const T* v = column::values_of<T>(d);
      if (!valid.bits) {
        for (int64_t i = 0; i < n; ++i) f(i, static_cast<int64_t>(v[i]));
      } else {
        for (int64_t i = 0; i < n; ++i) {
          if (valid.valid(i)) {
            f(i, static_cast<int64_t>(v[i]));
          } else {
            g(i);
          }
        }
      }
    }
  });
}

}  // namespace

int64_t DirectMap::bytes() const {
  auto bytes = static_cast<int64_t>(rows_.capacity() * sizeof(uint8_t*) + codes_.capacity() * sizeof(int32_t));
  for (const Part& part : parts_) bytes += part.values ? part.values->bytes() : 0;
  return bytes;
}

bool DirectMap::matches(std::span<const column::Column> keys) const {
  if (parts_.size() != keys.size()) return false;
  for (size_t c = 0; c < keys.size(); ++c) {
    const Part& part = parts_[c];
    const bool fits = part.values       ? !keys[c].is_dictionary() || keys[c].dictionary->length <= ValueCodes::kMost
                      : part.dictionary ? part.dictionary == keys[c].dictionary
                                        : keys[c].is_flat();
    if (!fits) return false;
  }
  return true;
}

// Some column has more values than it had room for.
bool DirectMap::outgrown() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const Part& p) { return p.values && p.values->count() >= p.size; });
}

bool DirectMap::set_up_values(const KeyPlan& plan, size_t c, const column::Column& key, int64_t n, int32_t room, Part* part) {
  const Physical p = plan.parts[c].physical;
  if (!ValueCodes::takes(p) || (key.is_dictionary() && key.dictionary->length > ValueCodes::kMost)) return false;
  // Numbers given stay given.
  part->values = parts_.size() == plan.parts.size() && parts_[c].values ? std::move(parts_[c].values) : std::make_unique<ValueCodes>();
  std::vector<int32_t> ignored(static_cast<size_t>(n), 0);
  part->values->append(key, p, n, 1, ignored.data());
  const int32_t count = part->values->count();
  part->size = count + 1 + std::max(count / 4, room);
  return count < ValueCodes::kMost;
}

// Ranges up to `widest`; what is wider is numbered value by value, unless it is alone: then hashing it is as quick.
bool DirectMap::set_up_part(const KeyPlan& plan, size_t c, const column::Column& key, int64_t n, int64_t widest, int32_t room,
                            Part* part) {
  const Physical p = plan.parts[c].physical;
  if (key.is_dictionary() && (key.dictionary->length > ValueCodes::kMost || !ValueCodes::takes(p))) {
    part->dictionary = key.dictionary;
    part->size = part->dictionary->length + 1;
    return true;
  }
  if (!key.is_flat() || !countable(p)) {
    return (p == Physical::kView || plan.parts.size() > 1) && set_up_values(plan, c, key, n, room, part);
  }
  int64_t least = std::numeric_limits<int64_t>::max(), greatest = std::numeric_limits<int64_t>::min();
  for_integers(
      *key.values, p, n,
      [&](int64_t, int64_t v) {
        least = std::min(least, v);
        greatest = std::max(greatest, v);
      },
      [](int64_t) {});
  // What was known before stays known.
  if (parts_.size() == plan.parts.size() && !parts_[c].dictionary && !parts_[c].values && parts_[c].size > 1) {
    least = std::min(least, parts_[c].base);
    greatest = std::max(greatest, parts_[c].base + (parts_[c].size - 2));
  }
  if (least > greatest) least = greatest = 0;
  const uint64_t range = static_cast<uint64_t>(greatest) - static_cast<uint64_t>(least);
  if (range >= static_cast<uint64_t>(widest)) return plan.parts.size() > 1 && set_up_values(plan, c, key, n, room, part);
  part->base = least;
  part->size = static_cast<int64_t>(range) + 2;
  return true;
}

bool DirectMap::set_up(const KeyPlan& plan, std::span<const column::Column> keys, int64_t n, int64_t widest, int64_t most, int32_t room) {
  std::vector<Part> parts(keys.size());
  int64_t codes = 1;
  bool fits = true;
  for (size_t c = 0; c < keys.size() && fits; ++c) {
    fits = set_up_part(plan, c, keys[c], n, widest, room, &parts[c]);
    codes *= parts[c].size;
    fits = fits && codes <= most;
  }
  if (fits) {
    parts_ = std::move(parts);
    rows_.assign(static_cast<size_t>(codes), nullptr);
    return true;
  }
  // The numbers given are still good.
  for (size_t c = 0; c < parts_.size(); ++c) {
    if (parts[c].values && !parts_[c].values) parts_[c].values = std::move(parts[c].values);
  }
  return false;
}

void DirectMap::encode(const KeyPlan& plan, std::span<const column::Column> keys, int64_t n) {
  codes_.assign(static_cast<size_t>(n), 0);
  for (size_t c = 0; c < keys.size(); ++c) {
    const Part& part = parts_[c];
    const auto size = static_cast<int32_t>(part.size);
    if (part.values) {
      part.values->append(keys[c], plan.parts[c].physical, n, size, codes_.data());
      continue;
    }
    if (part.dictionary) {
      const int32_t* entry = column::values_of<int32_t>(*keys[c].values);
      const column::ValidityBits valid = column::validity_of(*keys[c].values);
      for (int64_t i = 0; i < n; ++i) {
        int32_t& code = codes_[static_cast<size_t>(i)];
        code = code < 0 ? code : code * size + (valid.valid(i) ? entry[i] + 1 : 0);
      }
      continue;
    }
    for_integers(
        *keys[c].values, plan.parts[c].physical, n,
        [&](int64_t i, int64_t v) {
          int32_t& code = codes_[static_cast<size_t>(i)];
          const uint64_t place = static_cast<uint64_t>(v) - static_cast<uint64_t>(part.base);
          const bool inside = place < static_cast<uint64_t>(size - 1);
          code = code < 0 || !inside ? -1 : code * size + static_cast<int32_t>(place) + 1;
        },
        [&](int64_t i) {
          int32_t& code = codes_[static_cast<size_t>(i)];
          code = code < 0 ? -1 : code * size;
        });
  }
}

// How many of the batch are outside; the rows of the others.
int64_t DirectMap::look_up(int64_t n, uint8_t** rows, std::vector<int32_t>* unknown) const {
  unknown->resize(static_cast<size_t>(n));
  int64_t lost = 0, outside = 0;
  for (int64_t j = 0; j < n; ++j) {
    const int32_t code = codes_[static_cast<size_t>(j)];
    rows[j] = code < 0 ? nullptr : rows_[static_cast<size_t>(code)];
    (*unknown)[static_cast<size_t>(lost)] = static_cast<int32_t>(j);
    lost += rows[j] == nullptr;
    outside += code < 0;
  }
  unknown->resize(static_cast<size_t>(lost));
  return outside;
}

bool DirectMap::give_up() {
  off_ = true;
  parts_.clear();
  rows_.clear();
  return false;
}

bool DirectMap::find(const KeyPlan& plan, std::span<const column::Column> keys, int64_t n, uint8_t** rows, std::vector<int32_t>* unknown) {
  unknown->clear();
  if (off_ || keys.empty()) return false;
  constexpr int64_t kNarrow = 256;
  constexpr int32_t kRoom = 64;
  const int64_t most = std::min(most_, std::max(kFewCodes, n * kCodesPerRow));
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (attempt > 0 || !matches(keys)) {
      if (++set_ups_ > kMostSetUps) return give_up();
      // Each batch of rows in the order of their time has windows of its own: without room each would set up anew.
      const bool fits = set_up(plan, keys, n, most, most, kRoom) || (keys.size() > 1 && set_up(plan, keys, n, kNarrow, most, kRoom)) ||
                        set_up(plan, keys, n, most, most, 0) || (keys.size() > 1 && set_up(plan, keys, n, kNarrow, most, 0));
      if (!fits) {
        return give_up();
      }
    }
    encode(plan, keys, n);
    const int64_t outside = look_up(n, rows, unknown);
    if (attempt == 0 && (outside * 8 > n || outgrown())) continue;
    break;
  }
  return true;
}

void DirectMap::judge(int64_t n, int64_t hashed) {
  misses_ = hashed * 2 > n ? misses_ + 1 : 0;
  if (misses_ > kMostMisses) off_ = true;
}

void DirectMap::forget() { std::fill(rows_.begin(), rows_.end(), nullptr); }

}  // namespace gristmill::exec
