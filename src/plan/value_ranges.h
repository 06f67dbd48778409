// What some table sources know of their values beforehand.
#pragma once

#include <optional>
#include <utility>

namespace gristmill::plan {

// A TableSource may be one of these as well.
class ValueRanges {
 public:
  virtual ~ValueRanges() = default;
  // Bounds of a field's values, nulls apart, known without reading: numbers, days of dates, units of timestamps.
  virtual std::optional<std::pair<double, double>> value_range(int field) const = 0;
};

}  // namespace gristmill::plan
