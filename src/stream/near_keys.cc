#include "stream/near_keys.h"

#include <algorithm>
#include <type_traits>

#include "column/types.h"
#include "expr/level.h"

namespace gristmill::stream {
namespace {

constexpr uint64_t kWidest = 4096;

template <typename T>
bool places_of(const T* values, int64_t n, int32_t* places, int64_t* range) {
  T least = values[0], most = values[0];
  expr::at_best_level([values, n, &least, &most]() GRISTMILL_INLINE {
    T low = values[0], high = values[0];
    for (int64_t j = 0; j < n; ++j) {
      low = values[j] < low ? values[j] : low;
      high = values[j] > high ? values[j] : high;
    }
    least = low;
    most = high;
  });
  const uint64_t wide = static_cast<uint64_t>(most) - static_cast<uint64_t>(least);
  if (wide >= kWidest) return false;
  *range = static_cast<int64_t>(wide) + 1;
  expr::at_best_level([values, n, least, places]() GRISTMILL_INLINE {
    for (int64_t j = 0; j < n; ++j) places[j] = static_cast<int32_t>(values[j] - least);
  });
  return true;
}

}  // namespace

bool NearKeys::see(const column::Column& key, int64_t n) {
  if (n == 0 || !key.is_flat() || column::has_nulls(key)) return false;
  const auto physical = column::physical_of(*key.type());
  if (!physical.ok()) return false;
  switch (*physical) {
    case column::Physical::kInt8:
    case column::Physical::kInt16:
    case column::Physical::kInt32:
    case column::Physical::kInt64:
    case column::Physical::kUInt8:
    case column::Physical::kUInt16:
    case column::Physical::kUInt32:
    case column::Physical::kUInt64: break;
    default: return false;
  }
  places_.resize(static_cast<size_t>(n));
  return column::visit_number(*physical, [&]<typename T>() {
    if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) {
      return places_of(column::values_of<T>(*key.values), n, places_.data(), &range_);
    } else {
      return false;
    }
  });
}

}  // namespace gristmill::stream
