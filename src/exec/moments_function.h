// What aggregates over exact moments share: the moments of a group lie in its table and its row holds their number + 1 (4 of 8
// bytes, 0: no value yet), until seal() writes the result, a double, in their place. Flag byte after seal(): there is a result.
//
// Merging adds exact sums, so the result does not depend on which worker saw which row.
#pragma once

#include <span>

#include "exec/aggregate_functions.h"
#include "exec/group_values.h"

namespace gristmill::exec {

// How a table keeps the moments of one aggregate.
struct VarianceMoments {
  using Groups = column::GroupVariances;
  static constexpr RowReference::Kind kReference = RowReference::kMoments;
  static Groups* find(const GroupTable& table, int number) { return table.find_moments(number); }
  static Groups& own(GroupTable& table, int number, const Groups::Units& units) { return table.moments(number, units); }
};
struct PairMoments {
  using Groups = column::GroupPairs;
  static constexpr RowReference::Kind kReference = RowReference::kPairs;
  static Groups* find(const GroupTable& table, int number) { return table.find_pairs(number); }
  static Groups& own(GroupTable& table, int number, const Groups::Units& units) { return table.pairs(number, units); }
};

struct PowerMoments {
  using Groups = column::GroupPowers;
  static constexpr RowReference::Kind kReference = RowReference::kPowers;
  static Groups* find(const GroupTable& table, int number) { return table.find_powers(number); }
  static Groups& own(GroupTable& table, int number, const Groups::Units& units) { return table.powers(number, units); }
};

template <typename Moments>
class MomentsFunction : public AggregateFunction {
 public:
  using Groups = typename Moments::Groups;
  int state_bytes() const override { return 8; }
  bool has_flag() const override { return true; }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      const auto from = load<uint32_t>(span.from[k] + state_);
      if (from == 0) continue;
      const Groups& other = *Moments::find(span.from_table, number_);
      Groups& moments = Moments::own(span.into_table, number_, other.units());
      moments.merge_group(group(span.into[k], moments), other, from - 1);
    }
    return arrow::Status::OK();
  }

  arrow::Status seal(uint8_t* const* rows, int64_t n, GroupTable& table, arrow::MemoryPool*) const override {
    const Groups* moments = Moments::find(table, number_);
    for (int64_t k = 0; k < n; ++k) {
      const auto g = load<uint32_t>(rows[k] + state_);
      const std::optional<double> value = g == 0 ? std::nullopt : value_of(*moments, g - 1);
      rows[k][flag_] = value.has_value();
      store<double>(rows[k] + state_, value.value_or(0));
    }
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::ArrayData>> finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type,
                                                          arrow::MemoryPool* pool) const override {
    return fixed_values<double>(rows, type, pool, state_, flag_);
  }

 protected:
  virtual std::optional<double> value_of(const Groups& moments, uint32_t g) const = 0;

  // The number of the row's moments, made when it has none.
  uint32_t group(uint8_t* row, Groups& moments) const {
    const auto g = load<uint32_t>(row + state_);
    if (g != 0) return g - 1;
    const auto made = static_cast<uint32_t>(moments.size());
    moments.resize(made + 1);
    store<uint32_t>(row + state_, made + 1);
    return made;
  }

 private:
  void refer(RowLayout* layout) const override { layout->references.push_back({Moments::kReference, state_, number_}); }
};

}  // namespace gristmill::exec
