// sum and mean: integers and short decimals in 128 bits, long decimals in 192, floats as exact sums.
//
// Overflow is tested once, on the final sum, so it does not depend on the order of rows: what leaves the range on the
// way and comes back is no error. A mean is the exact sum divided by the count, rounded once.

#include <algorithm>
#include <cmath>
#include <type_traits>

#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/exact_number.h"
#include "exec/aggregate_functions.h"
#include "exec/group_values.h"
#include "exec/portable_rows.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using column::Physical;
using ArrayResult = arrow::Result<std::shared_ptr<ArrayData>>;

constexpr int kMaxPrecision = 38;
constexpr int kDigitsOf64Bits = 18;

__int128 power_of_ten(int n) {
  __int128 v = 1;
  for (int i = 0; i < n; ++i) v *= 10;
  return v;
}

ArrayResult doubles(int64_t n, const column::TypePtr& type, arrow::MemoryPool* pool, auto&& value) {
  ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
  ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_buffer(n * 8, pool));
  auto* out = reinterpret_cast<double*>(data->mutable_data());
  for (int64_t i = 0; i < n; ++i) {
    out[i] = 0;
    if (!value(i, &out[i])) validity.set_null(i);
  }
  const int64_t nulls = validity.nulls();
  return column::make_array(type, n, std::move(validity).take(), nulls, std::move(data));
}

// State: sum 16 [| count 8], one flag byte: a value was there.
template <typename T>
class IntegerSum final : public AggregateFunction {
 public:
  IntegerSum(std::string label, bool mean) : label_(std::move(label)), mean_(mean) {}
  int state_bytes() const override { return mean_ ? 24 : 16; }
  bool has_flag() const override { return true; }

  arrow::Status update(const UpdateSpan& span) const override {
    const T* v = column::values_of<T>(*span.values);
    for_valid(span, [&](int64_t k, int64_t i) {
      uint8_t* const row = span.rows[k];
      store<__int128>(row + state_, load<__int128>(row + state_) + v[i]);
      row[flag_] = 1;
      if (mean_) add_count(row, 1);
    });
    return arrow::Status::OK();
  }

  arrow::Status update_one(uint8_t* row, const UpdateSpan& span) const override {
    const T* v = column::values_of<T>(*span.values);
    __int128 sum = load<__int128>(row + state_);
    int64_t n = 0;
    for_valid(span, [&](int64_t, int64_t i) {
      sum += v[i];
      ++n;
    });
    if (n == 0) return arrow::Status::OK();
    store<__int128>(row + state_, sum);
    row[flag_] = 1;
    if (mean_) add_count(row, n);
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      uint8_t* const into = span.into[k];
      const uint8_t* const from = span.from[k];
      store<__int128>(into + state_, load<__int128>(into + state_) + load<__int128>(from + state_));
      into[flag_] |= from[flag_];
      if (mean_) add_count(into, load<int64_t>(from + state_ + 16));
    }
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome outcome, const column::TypePtr& type,
                     arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    const auto sum = [&](int64_t i) { return load<__int128>(rows[static_cast<size_t>(i)] + state_); };
    const auto seen = [&](int64_t i) { return rows[static_cast<size_t>(i)][flag_] != 0; };
    const Physical p = column::physical_unchecked(*type);
    if (outcome == Outcome::kMean || p == Physical::kFloat64) {
      return doubles(n, type, pool, [&](int64_t i, double* out) {
        if (!seen(i)) return false;
        *out = outcome == Outcome::kMean ? column::rounded_quotient(sum(i), load<int64_t>(rows[static_cast<size_t>(i)] + state_ + 16))
                                         : static_cast<double>(sum(i));
        return true;
      });
    }
    ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
    ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_zeroed(n * column::byte_width(p), pool));
    const auto fill = [&]<typename Out>(__int128 least, __int128 greatest) {
      for (int64_t i = 0; i < n; ++i) {
        if (!seen(i)) {
          validity.set_null(i);
          continue;
        }
        if (sum(i) < least || sum(i) > greatest) return base::data_error("integer overflow in sum(" + label_ + ")");
        store<Out>(data->mutable_data() + i * static_cast<int64_t>(sizeof(Out)), static_cast<Out>(sum(i)));
      }
      return arrow::Status::OK();
    };
    if (p == Physical::kInt128) {
      ARROW_RETURN_NOT_OK(fill.template operator()<__int128>(1 - power_of_ten(kMaxPrecision), power_of_ten(kMaxPrecision) - 1));
    } else if (p == Physical::kUInt64) {
      ARROW_RETURN_NOT_OK(fill.template operator()<uint64_t>(0, UINT64_MAX));
    } else {
      ARROW_RETURN_NOT_OK(fill.template operator()<int64_t>(INT64_MIN, INT64_MAX));
    }
    const int64_t nulls = validity.nulls();
    return column::make_array(type, n, std::move(validity).take(), nulls, std::move(data));
  }

 private:
  void add_count(uint8_t* row, int64_t n) const { store<int64_t>(row + state_ + 16, load<int64_t>(row + state_ + 16) + n); }

  std::string label_;
  bool mean_;
};

// Decimals. Those of few digits are summed in 128 bits: q18 of TPC-H at SF 10 keeps 15 million such sums, in 40 bytes a group, not 56.
// State, few digits: sum 16 [| count 8], one flag byte: a value was there.
// State, many digits: low 128 bits 16 | the bits above 8 | count 8. Count 0: no value.
template <bool kFewDigits>
class DecimalSum final : public AggregateFunction {
 public:
  DecimalSum(std::string label, const arrow::DecimalType& type, bool mean)
      : label_(std::move(label)), type_(column::type_text(type)), scale_(type.scale()), counts_(mean || !kFewDigits) {}
  int state_bytes() const override { return kFewDigits ? (counts_ ? 24 : 16) : 32; }
  bool has_flag() const override { return kFewDigits; }

  arrow::Status update(const UpdateSpan& span) const override {
    const auto* v = reinterpret_cast<const uint8_t*>(column::values_of<__int128>(*span.values));
    bool fits = true;
    for_valid(span, [&](int64_t k, int64_t i) {
      const auto x = load<__int128>(v + i * 16);
      if constexpr (kFewDigits) fits &= x == static_cast<int64_t>(x);
      add(span.rows[k], static_cast<unsigned __int128>(x), x < 0 ? -1 : 0, 1);
    });
    return fits ? arrow::Status::OK() : too_many_digits(span);
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      const uint8_t* const from = span.from[k];
      add(span.into[k], load<unsigned __int128>(from + state_), high(from), count(from));
    }
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome outcome, const column::TypePtr& type,
                     arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    const __int128 limit = power_of_ten(kMaxPrecision);
    const auto row = [&](int64_t i) { return rows[static_cast<size_t>(i)]; };
    // False: more than 128 bits.
    const auto sum = [&](int64_t i, __int128* out) {
      *out = load<__int128>(row(i) + state_);
      return high(row(i)) == (*out < 0 ? -1 : 0);
    };
    if (outcome == Outcome::kMean || column::physical_unchecked(*type) == Physical::kFloat64) {
      return doubles(n, type, pool, [&](int64_t i, double* out) {
        if (count(row(i)) == 0) return false;
        *out = ratio(row(i), outcome == Outcome::kMean ? count(row(i)) : 1);
        return true;
      });
    }
    ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
    ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_zeroed(n * 16, pool));
    for (int64_t i = 0; i < n; ++i) {
      if (count(row(i)) == 0) {
        validity.set_null(i);
        continue;
      }
      __int128 v;
      if (!sum(i, &v) || v <= -limit || v >= limit) return base::data_error("decimal overflow in sum(" + label_ + ")");
      store<__int128>(data->mutable_data() + i * 16, v);
    }
    const int64_t nulls = validity.nulls();
    return column::make_array(type, n, std::move(validity).take(), nulls, std::move(data));
  }

 private:
  // Values seen; where they are not counted, whether there was one.
  int64_t count(const uint8_t* row) const {
    if (!counts_) return row[flag_];
    return load<int64_t>(row + state_ + (kFewDigits ? 16 : 24));
  }

  int64_t high(const uint8_t* row) const {
    if constexpr (kFewDigits) return load<__int128>(row + state_) < 0 ? -1 : 0;
    return load<int64_t>(row + state_ + 16);
  }

  void add(uint8_t* row, unsigned __int128 low, int64_t high, int64_t n) const {
    uint8_t* const p = row + state_;
    const auto before = load<unsigned __int128>(p);
    const unsigned __int128 after = before + low;
    store(p, after);
    if constexpr (!kFewDigits) {
      store<int64_t>(p + 16, load<int64_t>(p + 16) + high + (after < before));
      store<int64_t>(p + 24, load<int64_t>(p + 24) + n);
    } else if (counts_) {
      store<int64_t>(p + 16, load<int64_t>(p + 16) + n);
    } else {
      row[flag_] |= n != 0;
    }
  }

  // Arrow leaves it to the maker of an array that values have the digits of their type.
  arrow::Status too_many_digits(const UpdateSpan& span) const {
    const auto* v = reinterpret_cast<const uint8_t*>(column::values_of<__int128>(*span.values));
    std::string value;
    for_valid(span, [&](int64_t, int64_t i) {
      const auto x = load<__int128>(v + i * 16);
      if (value.empty() && x != static_cast<int64_t>(x)) value = arrow::Decimal128(v + i * 16).ToString(scale_);
    });
    return base::data_error("sum(" + label_ + "): " + value + " is no " + type_);
  }

  // sum / (n * 10^scale), rounded once.
  double ratio(const uint8_t* row, int64_t n) const {
    uint64_t limbs[3];
    std::memcpy(limbs, row + state_, 2 * sizeof(uint64_t));
    limbs[2] = static_cast<uint64_t>(high(row));
    const auto low = load<__int128>(row + state_);
    constexpr int kPlainScale = 15;
    if (scale_ <= kPlainScale && n < (int64_t{1} << 53) / static_cast<int64_t>(power_of_ten(scale_)) &&
        static_cast<int64_t>(limbs[2]) == (low < 0 ? -1 : 0)) {
      return column::rounded_quotient(low, power_of_ten(scale_ < 0 ? 0 : scale_) * n);
    }
    const column::ExactNumber sum = column::exact_number(limbs, 3, 0);
    const column::ExactNumber scale = column::exact_number(power_of_ten(std::abs(scale_)), 0);
    const column::ExactNumber count = column::exact_number(n, 0);
    return scale_ < 0 ? column::rounded_quotient(column::exact_multiply(sum, scale), count)
                      : column::rounded_quotient(sum, column::exact_multiply(scale, count));
  }

  std::string label_, type_;
  int scale_;
  bool counts_;
};

// State: units 16 | wide 8 [| count 8]. wide: address of a WideSum, its lowest bit says that a value was there.
template <typename T>
class ExactFloatSum final : public AggregateFunction, public BoundState {
 public:
  explicit ExactFloatSum(bool mean) : mean_(mean) {}
  int state_bytes() const override { return mean_ ? 32 : 24; }

  arrow::Status update(const UpdateSpan& span) const override {
    const column::ExactUnit unit = unit_.get<T>(*span.values);
    const T* const v = column::values_of<T>(*span.values) + span.begin;
    const column::ValidityBits valid = column::validity_of(*span.values);
    for (int64_t at = 0; at < span.n; at += column::PreparedUnits::kMostRows) {
      const auto n = static_cast<int>(std::min<int64_t>(column::PreparedUnits::kMostRows, span.n - at));
      column::PreparedUnits units;
      units.prepare(unit, v + at, valid.bits, valid.offset + span.begin + at, n);
      if (!valid.bits) {
        add_units<true>(units, unit, v + at, span.rows + at, n, *span.tables);
        continue;
      }
      add_units<false>(units, unit, v + at, span.rows + at, n, *span.tables);
      for (int k = 0; k < n; ++k) {
        if (valid.valid(span.begin + at + k)) count(span.rows[at + k]);
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status update_one(uint8_t* row, const UpdateSpan& span) const override {
    const column::ExactUnit unit = unit_.get<T>(*span.values);
    const column::ValidityBits valid = column::validity_of(*span.values);
    int64_t counted = span.n;
    if (valid.bits) {
      counted = 0;
      for (int64_t i = span.begin; i < span.begin + span.n; ++i) counted += valid.valid(i);
    }
    if (counted == 0) return arrow::Status::OK();
    uint8_t* const p = row + state_;
    column::ExactSum s{load<__int128>(p)};
    column::WideSum outside;
    (void)column::exact_add_all(unit, s, outside, column::values_of<T>(*span.values) + span.begin, valid.bits, valid.offset + span.begin,
                                span.n);
    store(p, s.units);
    if (!outside.is_zero()) wide(row, span.tables->owner(row)).merge(outside);
    store<uint64_t>(p + 16, load<uint64_t>(p + 16) | kSeen);
    if (mean_) store<int64_t>(p + 24, load<int64_t>(p + 24) + counted);
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override {
    const column::ExactUnit unit = unit_.get();
    for (int64_t k = 0; k < span.n; ++k) {
      uint8_t* const into = span.into[k] + state_;
      const uint8_t* const from = span.from[k] + state_;
      __int128 sum;
      if (__builtin_add_overflow(load<__int128>(into), load<__int128>(from), &sum)) {
        wide(span.into[k], span.into_table).add_scaled(load<__int128>(from), unit.exponent());
      } else {
        store(into, sum);
      }
      const auto other = load<uint64_t>(from + 16);
      if (other & ~kSeen) wide(span.into[k], span.into_table).merge(*address(other));
      store<uint64_t>(into + 16, load<uint64_t>(into + 16) | (other & kSeen));
      if (mean_) store<int64_t>(into + 24, load<int64_t>(into + 24) + load<int64_t>(from + 24));
    }
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome outcome, const column::TypePtr& type,
                     arrow::MemoryPool* pool) const override {
    constexpr size_t kAhead = 16;  // rows lie apart, and all functions of a batch's take more than a cache
    const column::ExactUnit unit = unit_.get();
    return doubles(static_cast<int64_t>(rows.size()), type, pool, [&](int64_t i, double* out) {
      const auto row = static_cast<size_t>(i);
      if (row + kAhead < rows.size()) __builtin_prefetch(rows[row + kAhead] + state_);
      const uint8_t* const p = rows[row] + state_;
      const auto link = load<uint64_t>(p + 16);
      if (!(link & kSeen)) return false;
      const column::ExactSum s{load<__int128>(p)};
      *out = outcome == Outcome::kMean ? column::exact_value_over(unit, s, address(link), load<int64_t>(p + 24))
                                       : column::exact_value(unit, s, address(link));
      return true;
    });
  }

  // The unit is this function's own.
  void make_portable(uint8_t* row, GroupTable& table) const override {
    const auto units = load<__int128>(row + state_);
    if (units == 0) return;
    wide(row, table).add_scaled(units, unit_.get().exponent());
    store<__int128>(row + state_, 0);
  }

 private:
  static constexpr uint64_t kSeen = 1;
  static column::WideSum* address(uint64_t link) { return reinterpret_cast<column::WideSum*>(link & ~uint64_t{7}); }

  void refer(RowLayout* layout) const override { layout->references.push_back({RowReference::kWide, state_ + 16, number_}); }

  column::WideSum& wide(uint8_t* row, GroupTable& table) const {
    uint8_t* const p = row + state_ + 16;
    const auto link = load<uint64_t>(p);
    if (link & ~kSeen) return *address(link);
    column::WideSum* const made = table.make_wide();
    store<uint64_t>(p, reinterpret_cast<uint64_t>(made) | link);
    return *made;
  }

  void count(uint8_t* row) const {
    uint8_t* const p = row + state_ + 16;
    store<uint64_t>(p, load<uint64_t>(p) | kSeen);
    if (mean_) store<int64_t>(p + 8, load<int64_t>(p + 8) + 1);
  }

  template <bool kAllValid>
  void add_units(const column::PreparedUnits& units, const column::ExactUnit& unit, const T* v, uint8_t* const* rows, int n,
                 TableSet& tables) const {
    for (int k = 0; k < n; ++k) {
      uint8_t* const p = rows[k] + state_;
      column::ExactSum s{load<__int128>(p)};
      if (__builtin_expect(units.add(k, &s), 1)) {
        store(p, s.units);
      } else {
        add_outside(unit, v[k], rows[k], tables);
      }
      if constexpr (kAllValid) count(rows[k]);
    }
    for (const uint16_t k : units.outside()) add_outside(unit, v[k], rows[k], tables);
  }

  __attribute__((noinline)) void add_outside(const column::ExactUnit& unit, double x, uint8_t* row, TableSet& tables) const {
    uint8_t* const p = row + state_;
    column::ExactSum s{load<__int128>(p)};
    if (!unit.add_unusual(s, x)) unit.add_outside(s, wide(row, tables.owner(row)), x);
    store(p, s.units);
  }

  SharedUnit unit_;
  bool mean_;
};

// Plain addition, in whatever order rows come: what the user asked for with float_sum="fast".
// State: sum 8 | count 8.
template <typename T>
class FastFloatSum final : public AggregateFunction {
 public:
  int state_bytes() const override { return 16; }

  arrow::Status update(const UpdateSpan& span) const override {
    const T* v = column::values_of<T>(*span.values);
    for_valid(span, [&](int64_t k, int64_t i) { add(span.rows[k], v[i], 1); });
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      const uint8_t* const from = span.from[k] + state_;
      add(span.into[k], load<double>(from), load<int64_t>(from + 8));
    }
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome outcome, const column::TypePtr& type,
                     arrow::MemoryPool* pool) const override {
    return doubles(static_cast<int64_t>(rows.size()), type, pool, [&](int64_t i, double* out) {
      const uint8_t* const p = rows[static_cast<size_t>(i)] + state_;
      const auto n = load<int64_t>(p + 8);
      *out = outcome == Outcome::kMean && n > 0 ? load<double>(p) / static_cast<double>(n) : load<double>(p);
      return n > 0;
    });
  }

 private:
  void add(uint8_t* row, double x, int64_t n) const {
    uint8_t* const p = row + state_;
    store<double>(p, load<double>(p) + x);
    store<int64_t>(p + 8, load<int64_t>(p + 8) + n);
  }
};

}  // namespace

arrow::Result<AggregateFunctionPtr> make_sum(const expr::BoundAggregate& a, bool mean, bool exact_floats) {
  const expr::Bound& x = *a.args[0];
  ARROW_ASSIGN_OR_RAISE(const Physical p, column::physical_of(*x.type));
  switch (p) {
    case Physical::kFloat64:
      if (!exact_floats) return std::make_unique<FastFloatSum<double>>();
      return std::make_unique<ExactFloatSum<double>>(mean);
    case Physical::kFloat32:
      if (!exact_floats) return std::make_unique<FastFloatSum<float>>();
      return std::make_unique<ExactFloatSum<float>>(mean);
    case Physical::kInt128: {
      const auto& type = static_cast<const arrow::DecimalType&>(*x.type);
      if (type.precision() <= kDigitsOf64Bits) return std::make_unique<DecimalSum<true>>(x.label, type, mean);
      return std::make_unique<DecimalSum<false>>(x.label, type, mean);
    }
    case Physical::kNull:
    case Physical::kBool:
    case Physical::kView:
    case Physical::kNested:
      return base::plan_error(a.function + "(" + x.label + ") of type " + column::type_text(*x.type) + " is not possible");
    default:
      return column::visit_number(p, [&]<typename T>() -> AggregateFunctionPtr {
        if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) {
          return std::make_unique<IntegerSum<T>>(x.label, mean);
        } else {
          return nullptr;
        }
      });
  }
}

}  // namespace gristmill::exec
