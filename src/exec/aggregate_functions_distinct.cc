// Aggregates over a group's distinct values: n_unique counts them, mode takes the most frequent one (of several the one that came first),
// and a distinct sum, list or any other gives them, in the order of their first rows, to a finisher (kept_rows.h).

#include <algorithm>
#include <limits>
#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/kernels.h"
#include "exec/aggregate_functions.h"
#include "exec/group_values.h"
#include "exec/kept_rows.h"
#include "exec/value_map.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using ArrayResult = arrow::Result<std::shared_ptr<ArrayData>>;

// State: the address of a ValueMap, 8.
class OfDistinct : public AggregateFunction {
 public:
  OfDistinct(const column::TypePtr& type, bool order, bool count, bool nulls = false)
      : type_(type), shape_(MapKeys::shape_of(*type, order, count)), nulls_(nulls) {}
  int state_bytes() const override { return 8; }

  arrow::Status update(const UpdateSpan& span) const override {
    const bool typeless = type_->id() == arrow::Type::NA;
    if (typeless && !nulls_) return arrow::Status::OK();
    const column::ValidityBits valid = column::validity_of(*span.values);
    MapKeys keys;
    keys.prepare(*span.values, span.begin, span.n);
    for (int64_t k = 0; k < span.n; ++k) {
      const bool null = typeless || !valid.valid(span.begin + k);
      if (null && !nulls_) continue;
      GroupTable& table = span.tables->owner(span.rows[k]);
      const arrow::Status status =
          add(span.rows[k], {keys.key(k), span.orders.at(span.begin + k), 1, null}, false, table.arena(), table.pool());
      if (status.ok()) continue;
      if (span.done) *span.done = k;
      return status;
    }
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override {
    Arena& arena = span.into_table.arena();
    for (int64_t k = 0; k < span.n; ++k) {
      const auto from = load<uint64_t>(span.from[k] + state_);
      if (from == 0) continue;
      uint8_t* const into = span.into[k];
      // The smaller one into the larger one.
      uint64_t less = from;
      const auto have = load<uint64_t>(into + state_);
      if (span.adopt && ValueMap::size(address(have)) < ValueMap::size(address(from))) {
        store(into + state_, from);
        less = have;
      }
      ARROW_RETURN_NOT_OK(ValueMap::each(shape_, address(less),
                                         [&](const MapEntry& e) { return add(into, e, span.adopt, arena, span.into_table.pool()); }));
    }
    return arrow::Status::OK();
  }

 protected:
  static const uint8_t* address(uint64_t map) { return reinterpret_cast<const uint8_t*>(map); }
  const uint8_t* map(const uint8_t* row) const { return address(load<uint64_t>(row + state_)); }

  column::TypePtr type_;
  MapShape shape_;
  bool nulls_;  // NULL is a value too

 private:
  arrow::Status add(uint8_t* row, const MapEntry& e, bool adopt, Arena& arena, arrow::MemoryPool* pool) const {
    auto map = load<uint64_t>(row + state_);
    ARROW_RETURN_NOT_OK(ValueMap::add(shape_, &map, e, adopt, arena, pool));
    store(row + state_, map);
    return arrow::Status::OK();
  }
};

// After seal() the state is the number.
class CountDistinct final : public OfDistinct {
 public:
  explicit CountDistinct(const column::TypePtr& type) : OfDistinct(type, false, false) {}

  arrow::Status seal(uint8_t* const* rows, int64_t n, GroupTable&, arrow::MemoryPool*) const override {
    for (int64_t k = 0; k < n; ++k) store<uint64_t>(rows[k] + state_, ValueMap::size(map(rows[k])));
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_buffer(n * 8, pool));
    for (int64_t i = 0; i < n; ++i) store(data->mutable_data() + i * 8, load<uint64_t>(rows[static_cast<size_t>(i)] + state_));
    return column::make_array(type, n, nullptr, 0, std::move(data));
  }

 private:
  void refer(RowLayout* layout) const override { layout->references.push_back({RowReference::kMap, state_, number_, true, shape_}); }
};

class Mode final : public OfDistinct {
 public:
  explicit Mode(const column::TypePtr& type) : OfDistinct(type, true, true) {}

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    if (type->id() == arrow::Type::NA) return column::make_null_array(type, n, pool);
    std::vector<const uint8_t*> keys;
    std::vector<int64_t> places;
    for (const uint8_t* const row : rows) {
      MapEntry best{nullptr, 0, 0};
      ARROW_RETURN_NOT_OK(ValueMap::each(shape_, map(row), [&](const MapEntry& e) {
        if (e.count > best.count || (e.count == best.count && e.order < best.order)) best = e;
        return arrow::Status::OK();
      }));
      places.push_back(best.key == nullptr ? column::kNullIndex : static_cast<int64_t>(keys.size()));
      if (best.key != nullptr) keys.push_back(best.key);
    }
    ARROW_ASSIGN_OR_RAISE(auto values, MapKeys::values(type, keys, pool));
    ARROW_ASSIGN_OR_RAISE(column::Column taken,
                          column::take(column::Column::flat(std::move(values)), std::span<const int64_t>(places), pool));
    ARROW_ASSIGN_OR_RAISE(taken, column::flatten(taken, n, pool));
    return taken.values;
  }

 private:
  void refer(RowLayout* layout) const override { layout->references.push_back({RowReference::kMap, state_, number_, false, shape_}); }
};

class DistinctValues final : public OfDistinct {
 public:
  DistinctValues(const column::TypePtr& type, std::vector<expr::AggregateOrder> order, bool nulls, std::unique_ptr<GroupFinisher> finisher)
      : OfDistinct(type, true, false, nulls), order_(std::move(order)), finisher_(std::move(finisher)) {}

  arrow::Status update(const UpdateSpan& span) const override {
    if (order_.empty()) return OfDistinct::update(span);
    UpdateSpan first = span;  // the keys are the argument once more
    first.values = span.values->child_data[0].get();
    return OfDistinct::update(first);
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    int64_t n = 0;
    for (const uint8_t* const row : rows) n += static_cast<int64_t>(ValueMap::size(map(row)));
    if (n > std::numeric_limits<int32_t>::max())
      return base::data_error("a group has more than 2147483647 distinct values, which no list holds");
    ARROW_ASSIGN_OR_RAISE(const PoolBytes memory, PoolBytes::allocate((n + 1) * static_cast<int64_t>(sizeof(Entry)), pool));
    auto* const entries = reinterpret_cast<Entry*>(memory.data());
    GroupRows all;
    all.offsets.push_back(0);
    int64_t at = 0;
    for (const uint8_t* const row : rows) {
      ARROW_RETURN_NOT_OK(ValueMap::each(shape_, map(row), [&](const MapEntry& e) {
        entries[at++] = {e.order, e.null ? nullptr : e.key};
        return arrow::Status::OK();
      }));
      std::sort(entries + all.offsets.back(), entries + at, [](const Entry& a, const Entry& b) { return a.order < b.order; });
      all.offsets.push_back(at);
    }
    ARROW_ASSIGN_OR_RAISE(auto values, values_of({entries, static_cast<size_t>(n)}, pool));
    all.arguments.assign(order_.size() + 1, values);
    ARROW_RETURN_NOT_OK(sort_group_rows(order_, &all, pool));
    return finisher_->finish(all, type, pool);
  }

 private:
  struct Entry {
    uint64_t order;
    const uint8_t* key;  // null: NULL
  };

  ArrayResult values_of(std::span<const Entry> entries, arrow::MemoryPool* pool) const {
    std::vector<const uint8_t*> keys;
    std::vector<int64_t> places;
    for (const Entry& e : entries) {
      places.push_back(e.key == nullptr ? column::kNullIndex : static_cast<int64_t>(keys.size()));
      if (e.key != nullptr) keys.push_back(e.key);
    }
    ARROW_ASSIGN_OR_RAISE(auto values, MapKeys::values(type_, keys, pool));
    if (keys.size() == entries.size()) return values;
    ARROW_ASSIGN_OR_RAISE(column::Column taken,
                          column::take(column::Column::flat(std::move(values)), std::span<const int64_t>(places), pool));
    ARROW_ASSIGN_OR_RAISE(taken, column::flatten(taken, static_cast<int64_t>(entries.size()), pool));
    return taken.values;
  }

  void refer(RowLayout* layout) const override { layout->references.push_back({RowReference::kMap, state_, number_, false, shape_}); }

  std::vector<expr::AggregateOrder> order_;
  std::unique_ptr<GroupFinisher> finisher_;
};

}  // namespace

arrow::Result<AggregateFunctionPtr> make_distinct_values(const expr::BoundAggregate& a, bool nulls,
                                                         std::unique_ptr<GroupFinisher> finisher) {
  ARROW_RETURN_NOT_OK(column::physical_of(*a.args[0]->type).status());
  return std::make_unique<DistinctValues>(a.args[0]->type, a.order, nulls, std::move(finisher));
}

arrow::Result<AggregateFunctionPtr> make_n_unique(const expr::BoundAggregate& a) {
  ARROW_RETURN_NOT_OK(column::physical_of(*a.args[0]->type).status());
  return std::make_unique<CountDistinct>(a.args[0]->type);
}

arrow::Result<AggregateFunctionPtr> make_mode(const expr::BoundAggregate& a) {
  ARROW_RETURN_NOT_OK(column::physical_of(*a.args[0]->type).status());
  return std::make_unique<Mode>(a.args[0]->type);
}

}  // namespace gristmill::exec
