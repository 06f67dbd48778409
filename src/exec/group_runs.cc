// Column by column: a byte for each row says whether it is still like the one before.

#include "exec/group_runs.h"

#include <algorithm>
#include <cstring>

namespace gristmill::exec {
namespace {

using column::Physical;

constexpr int64_t kSample = 256;
constexpr int64_t kLeastRun = 4;  // rows, on average

template <typename Equal>
void keep_alike(column::ValidityBits valid, int64_t n, uint8_t* alike, Equal&& equal) {
  if (!valid.bits) {
    for (int64_t j = 1; j < n; ++j) alike[j] &= static_cast<uint8_t>(equal(j));
    return;
  }
  for (int64_t j = 1; j < n; ++j) {
    const bool there = valid.valid(j);
    alike[j] &= static_cast<uint8_t>(there == valid.valid(j - 1) && (!there || equal(j)));
  }
}

template <typename T>
void keep_alike_values(const arrow::ArrayData& d, int64_t n, uint8_t* alike) {
  const T* const v = column::values_of<T>(d);
  keep_alike(column::validity_of(d), n, alike, [v](int64_t j) { return std::memcmp(v + j, v + j - 1, sizeof(T)) == 0; });
}

void keep_alike_texts(const arrow::ArrayData& d, int64_t n, uint8_t* alike) {
  const auto* const v = column::values_of<column::View16>(d);
  keep_alike(column::validity_of(d), n, alike, [&](int64_t j) {
    if (std::memcmp(v + j, v + j - 1, sizeof(column::View16)) == 0) return true;
    if (!alike[j] || std::memcmp(v + j, v + j - 1, sizeof(uint64_t)) != 0) return false;  // length and first bytes
    return column::view_at(d, j) == column::view_at(d, j - 1);
  });
}

// False: not compared here.
bool keep_alike_keys(const column::Column& key, int64_t n, uint8_t* alike) {
  if (key.is_constant()) return true;
  if (key.is_dictionary()) {
    keep_alike_values<int32_t>(*key.values, n, alike);
    return true;
  }
  const Physical p = column::physical_unchecked(*key.values->type);
  if (p == Physical::kNull) return true;
  if (p == Physical::kNested || p == Physical::kBool) return false;
  if (p == Physical::kView) {
    keep_alike_texts(*key.values, n, alike);
  } else {
    column::visit_number(p, [&]<typename T>() { keep_alike_values<T>(*key.values, n, alike); });
  }
  return true;
}

}  // namespace

bool find_key_runs(std::span<const column::Column> keys, int64_t n, std::vector<int32_t>* starts) {
  if (n < kSample || keys.empty()) return false;
  std::vector<uint8_t> alike(static_cast<size_t>(n));
  for (const int64_t rows : {kSample, n}) {
    std::fill_n(alike.begin(), rows, uint8_t{1});
    alike[0] = 0;
    for (const column::Column& key : keys) {
      if (!keep_alike_keys(key, rows, alike.data())) return false;
    }
    if (std::count(alike.begin(), alike.begin() + rows, uint8_t{0}) * kLeastRun > rows) return false;
  }
  starts->clear();
  for (int64_t j = 0; j < n; ++j) {
    if (!alike[static_cast<size_t>(j)]) starts->push_back(static_cast<int32_t>(j));
  }
  return true;
}

}  // namespace gristmill::exec
