// Exact median and quantiles. Values of fixed width are kept as they are, without their order (equal ones are the same bits:
// canonical floats), and become the one value when the last merge is done, so that only it goes further. Text and bools are kept
// as rows and chosen among when groups leave.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/kernels.h"
#include "column/simd/hash_mix.h"
#include "exec/aggregate_functions.h"
#include "exec/group_values.h"
#include "exec/kept_rows.h"
#include "exec/quantile_rank.h"
#include "exec/value_chain.h"
#include "expr/aggregates.h"

namespace gristmill::exec {
namespace {

using column::Physical;
using ArrayResult = arrow::Result<std::shared_ptr<arrow::ArrayData>>;

template <typename T>
T canonical(T v) {
  if constexpr (std::is_floating_point_v<T>) {
    const auto bits = column::canonical_bits(v);
    std::memcpy(&v, &bits, sizeof(T));
  }
  return v;
}

// NaN is greatest.
template <typename T>
bool less(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a < b || (b != b && a == a);
  return a < b;
}

template <typename T>
T interpolated(T a, T b, double weight) {
  if constexpr (std::is_same_v<T, double>) {
    return canonical(between(a, b, weight));
  } else if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, int32_t>) {
    return static_cast<T>(a + std::llround(static_cast<double>(static_cast<__int128>(b) - a) * weight));
  } else {
    return a;  // not reached: only numbers as float64 and moments have something between them
  }
}

// State: a ValueChain of values; after seal() the quantile. Flag after seal(): there is one.
template <typename T>
class FixedQuantile final : public AggregateFunction {
 public:
  explicit FixedQuantile(Quantile quantile) : quantile_(quantile) {}
  int state_bytes() const override { return sizeof(ValueChain); }
  bool has_flag() const override { return true; }

  arrow::Status update(const UpdateSpan& span) const override {
    const T* const v = column::values_of<T>(*span.values);
    const column::ValidityBits valid = column::validity_of(*span.values);
    for (int64_t k = 0; k < span.n; ++k) {
      if (!valid.valid(span.begin + k)) continue;
      uint8_t* const row = span.rows[k];
      GroupTable& table = span.tables->owner(row);
      auto chain = load<ValueChain>(row + state_);
      const arrow::Result<uint8_t*> record = chain.append(sizeof(T), table.arena(), table.pool());
      if (!record.ok()) {
        if (span.done) *span.done = k;
        return record.status();
      }
      store(*record, canonical(v[span.begin + k]));
      store(row + state_, chain);
    }
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override { return merge_chains(span, state_); }

  arrow::Status seal(uint8_t* const* rows, int64_t n, GroupTable&, arrow::MemoryPool* pool) const override {
    PoolBytes scratch;
    for (int64_t k = 0; k < n; ++k) {
      const auto chain = load<ValueChain>(rows[k] + state_);
      const int64_t count = static_cast<int64_t>(chain.bytes / sizeof(T));
      std::memset(rows[k] + state_, 0, sizeof(ValueChain));
      rows[k][flag_] = count > 0;
      if (count == 0) continue;
      if (scratch.size() < static_cast<int64_t>(chain.bytes)) {
        scratch = PoolBytes();
        ARROW_ASSIGN_OR_RAISE(scratch, PoolBytes::allocate(static_cast<int64_t>(chain.bytes), pool));
      }
      uint8_t* to = scratch.data();
      ARROW_RETURN_NOT_OK(chain.each_block([&](const uint8_t* values, int64_t bytes) {
        std::memcpy(to, values, static_cast<size_t>(bytes));
        to += bytes;
        return arrow::Status::OK();
      }));
      store(rows[k] + state_, choose(reinterpret_cast<T*>(scratch.data()), count));
    }
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    return fixed_values<T>(rows, type, pool, state_, flag_);
  }

 private:
  void refer(RowLayout* layout) const override { layout->references.push_back({RowReference::kChain, state_, number_, true}); }

  T choose(T* v, int64_t n) const {
    const QuantileRank rank = quantile_rank(quantile_, n);
    std::nth_element(v, v + rank.a, v + n, less<T>);
    const T a = v[rank.a];
    if (rank.weight == 0) return a;
    // The neighbour: the least of those behind, or the greatest of those before.
    const T b = rank.b > rank.a ? *std::min_element(v + rank.a + 1, v + n, less<T>) : *std::max_element(v, v + rank.a, less<T>);
    return interpolated(a, b, rank.weight);
  }

  Quantile quantile_;
};

// Of any type with an order; no interpolation.
class QuantileFinisher final : public GroupFinisher {
 public:
  explicit QuantileFinisher(Quantile quantile) : quantile_(quantile) {}

  ArrayResult finish(const GroupRows& rows, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const column::Column values = column::Column::flat(rows.arguments[0]);
    if (type->id() == arrow::Type::NA) return column::make_null_array(type, rows.groups(), pool);
    std::vector<int64_t> chosen, sorted;
    for (int64_t g = 0; g < rows.groups(); ++g) {
      const int64_t n = rows.size(g);
      if (n == 0) {
        chosen.push_back(column::kNullIndex);
        continue;
      }
      sorted.resize(static_cast<size_t>(n));
      std::iota(sorted.begin(), sorted.end(), rows.offsets[static_cast<size_t>(g)]);
      const auto place = sorted.begin() + quantile_rank(quantile_, n).a;
      std::nth_element(sorted.begin(), place, sorted.end(),
                       [&](int64_t a, int64_t b) { return column::compare_rows(values, a, values, b) < 0; });
      chosen.push_back(*place);
    }
    ARROW_ASSIGN_OR_RAISE(column::Column taken, column::take(values, std::span<const int64_t>(chosen), pool));
    ARROW_ASSIGN_OR_RAISE(taken, column::flatten(taken, rows.groups(), pool));
    return taken.values;
  }

 private:
  Quantile quantile_;
};

}  // namespace

arrow::Result<AggregateFunctionPtr> make_quantile(const expr::BoundAggregate& a) {
  const Quantile quantile{a.function == "median" ? 0.5 : expr::float_option(a.options, "q").value_or(0.5),
                          Quantile::way_of(expr::text_option(a.options, "interpolation")), expr::flag_option(a.options, "reverse")};
  ARROW_ASSIGN_OR_RAISE(const Physical p, column::physical_of(*a.args[0]->type));
  if (p == Physical::kNested) return base::plan_error(a.function + " takes values that have an order");
  if (p == Physical::kNull || p == Physical::kBool || p == Physical::kView) {
    return make_kept_rows(a, true, std::make_unique<QuantileFinisher>(quantile));
  }
  return column::visit_number(p, [&]<typename T>() -> AggregateFunctionPtr { return std::make_unique<FixedQuantile<T>>(quantile); });
}

}  // namespace gristmill::exec
