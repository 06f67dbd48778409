// bit_and, bit_or and bit_xor of integers, and the product of integers: one word that any order of rows leads to.

#include <type_traits>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "exec/aggregate_functions.h"
#include "exec/group_values.h"

namespace gristmill::exec {
namespace {

using column::Physical;
using ArrayResult = arrow::Result<std::shared_ptr<arrow::ArrayData>>;

enum class Bits : uint8_t { kAnd, kOr, kXor };

// State: the value 8, one flag byte: there is one.
template <typename T, Bits kHow>
class BitFold final : public AggregateFunction {
 public:
  int state_bytes() const override { return 8; }
  bool has_flag() const override { return true; }

  arrow::Status update(const UpdateSpan& span) const override {
    const T* const v = column::values_of<T>(*span.values);
    for_valid(span, [&](int64_t k, int64_t i) { fold(span.rows[k], v[i]); });
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      if (span.from[k][flag_]) fold(span.into[k], load<T>(span.from[k] + state_));
    }
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    return fixed_values<T>(rows, type, pool, state_, flag_);
  }

 private:
  void fold(uint8_t* row, T x) const {
    const T have = load<T>(row + state_);
    const T both = !row[flag_] ? x : kHow == Bits::kAnd ? have & x : kHow == Bits::kOr ? have | x : have ^ x;
    store<T>(row + state_, both);
    row[flag_] = 1;
  }
};

// State: the magnitude 16, at 2^64 and above "too large". Flag: there is a value, it is negative, a zero was among them. A zero makes
// any product zero, so what was too large before it does not matter.
class IntegerProduct final : public AggregateFunction {
 public:
  IntegerProduct(std::string label, bool is_unsigned) : label_(std::move(label)), unsigned_(is_unsigned) {}
  int state_bytes() const override { return 16; }
  bool has_flag() const override { return true; }

  arrow::Status update(const UpdateSpan& span) const override {
    const int64_t* const v = column::values_of<int64_t>(*span.values);
    for_valid(span, [&](int64_t k, int64_t i) {
      const bool negative = !unsigned_ && v[i] < 0;
      const uint64_t magnitude = negative ? -static_cast<uint64_t>(v[i]) : static_cast<uint64_t>(v[i]);
      times(span.rows[k], magnitude, negative, magnitude == 0);
    });
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      const uint8_t flags = span.from[k][flag_];
      if (flags & kSeen) times(span.into[k], load<unsigned __int128>(span.from[k] + state_), flags & kNegative, flags & kZero);
    }
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
    ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_zeroed(n * 8, pool));
    for (int64_t i = 0; i < n; ++i) {
      const uint8_t* const row = rows[static_cast<size_t>(i)];
      if (!(row[flag_] & kSeen)) validity.set_null(i);
      if (!(row[flag_] & kSeen) || (row[flag_] & kZero)) continue;
      const bool negative = row[flag_] & kNegative;
      const auto magnitude = load<unsigned __int128>(row + state_);
      if (magnitude > static_cast<unsigned __int128>(INT64_MAX) + negative)
        return base::data_error("integer overflow in product(" + label_ + ")");
      const auto low = static_cast<uint64_t>(magnitude);
      store<uint64_t>(data->mutable_data() + i * 8, negative ? -low : low);
    }
    const int64_t nulls = validity.nulls();
    return column::make_array(type, n, std::move(validity).take(), nulls, std::move(data));
  }

 private:
  static constexpr uint8_t kSeen = 1, kNegative = 2, kZero = 4;
  static constexpr unsigned __int128 kTooLarge = static_cast<unsigned __int128>(1) << 64;

  void times(uint8_t* row, unsigned __int128 magnitude, bool negative, bool zero) const {
    uint8_t& flags = row[flag_];
    auto have = flags & kSeen ? load<unsigned __int128>(row + state_) : 1;
    if (!zero) have = have >= kTooLarge || magnitude >= kTooLarge || have * magnitude >= kTooLarge ? kTooLarge : have * magnitude;
    store(row + state_, have);
    flags = static_cast<uint8_t>((flags | kSeen | (zero ? kZero : 0)) ^ (negative ? kNegative : 0));
  }

  std::string label_;
  bool unsigned_;
};

template <typename T>
AggregateFunctionPtr make_fold(const std::string& name) {
  if (name == "bit_and") return std::make_unique<BitFold<T, Bits::kAnd>>();
  if (name == "bit_or") return std::make_unique<BitFold<T, Bits::kOr>>();
  return std::make_unique<BitFold<T, Bits::kXor>>();
}

}  // namespace

arrow::Result<AggregateFunctionPtr> make_bits(const expr::BoundAggregate& a) {
  ARROW_ASSIGN_OR_RAISE(const Physical p, column::physical_of(*a.args[0]->type));
  AggregateFunctionPtr made = column::visit_number(p, [&]<typename T>() -> AggregateFunctionPtr {
    if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) return make_fold<T>(a.function);
    return nullptr;
  });
  if (!column::is_integer(*a.args[0]->type) || !made) return base::plan_error(a.function + " takes integers");
  return made;
}

AggregateFunctionPtr make_integer_product(const expr::BoundAggregate& a) {
  return std::make_unique<IntegerProduct>(a.args[0]->label, a.args[0]->type->id() == arrow::Type::UINT64);
}

}  // namespace gristmill::exec
