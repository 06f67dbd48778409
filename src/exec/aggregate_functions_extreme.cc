// min and max. Floats in the engine's total order: NaN is greatest, and what comes out is +0.0 and the one NaN, so
// equal values leave equal bits whichever row they came from. Strings by bytes.

#include <type_traits>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/simd/hash_mix.h"
#include "exec/aggregate_functions.h"
#include "exec/group_values.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using column::Physical;
using ArrayResult = arrow::Result<std::shared_ptr<ArrayData>>;

template <typename T>
T canonical(T v) {
  if constexpr (std::is_floating_point_v<T>) {
    const auto bits = column::canonical_bits(v);
    std::memcpy(&v, &bits, sizeof(T));
  }
  return v;
}

template <typename T>
bool less(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a < b || (b != b && a == a);
  return a < b;
}

// State: the value 8 or 16, one flag byte: there is one.
template <typename T, bool kGreatest>
class FixedExtreme final : public AggregateFunction {
 public:
  int state_bytes() const override { return sizeof(T) > 8 ? 16 : 8; }
  bool has_flag() const override { return true; }

  arrow::Status update(const UpdateSpan& span) const override {
    const auto* v = reinterpret_cast<const uint8_t*>(column::values_of<T>(*span.values));
    for_valid(span, [&](int64_t k, int64_t i) { offer(span.rows[k], canonical(load<T>(v + i * static_cast<int64_t>(sizeof(T))))); });
    return arrow::Status::OK();
  }

  arrow::Status update_one(uint8_t* row, const UpdateSpan& span) const override {
    const auto* v = reinterpret_cast<const uint8_t*>(column::values_of<T>(*span.values));
    T best = load<T>(row + state_);
    bool seen = row[flag_] != 0;
    for_valid(span, [&](int64_t, int64_t i) {
      const T x = canonical(load<T>(v + i * static_cast<int64_t>(sizeof(T))));
      if (!seen || better(x, best)) best = x;
      seen = true;
    });
    store(row + state_, best);
    row[flag_] = seen;
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      if (span.from[k][flag_]) offer(span.into[k], load<T>(span.from[k] + state_));
    }
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
    ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_buffer(n * static_cast<int64_t>(sizeof(T)), pool));
    for (int64_t i = 0; i < n; ++i) {
      const uint8_t* const row = rows[static_cast<size_t>(i)];
      store(data->mutable_data() + i * static_cast<int64_t>(sizeof(T)), load<T>(row + state_));
      if (!row[flag_]) validity.set_null(i);
    }
    const int64_t nulls = validity.nulls();
    return column::make_array(type, n, std::move(validity).take(), nulls, std::move(data));
  }

 private:
  static bool better(T a, T b) { return kGreatest ? less(b, a) : less(a, b); }
  void offer(uint8_t* row, T x) const {
    if (row[flag_] && !better(x, load<T>(row + state_))) return;
    store(row + state_, x);
    row[flag_] = 1;
  }
};

// State: one flag byte of bits: seen, and false or true was among them.
class BoolExtreme final : public AggregateFunction {
 public:
  explicit BoolExtreme(bool greatest) : greatest_(greatest) {}
  int state_bytes() const override { return 0; }
  bool has_flag() const override { return true; }

  arrow::Status update(const UpdateSpan& span) const override {
    const uint8_t* bits = span.values->buffers[1]->data();
    for_valid(span, [&](int64_t k, int64_t i) { span.rows[k][flag_] |= column::bit_at(bits, span.values->offset + i) ? kTrue : kFalse; });
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) span.into[k][flag_] |= span.from[k][flag_];
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
    ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_bits(n, pool));
    for (int64_t i = 0; i < n; ++i) {
      const uint8_t seen = rows[static_cast<size_t>(i)][flag_];
      if (seen == 0) validity.set_null(i);
      if (greatest_ ? (seen & kTrue) : seen == kTrue) data->mutable_data()[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
    }
    const int64_t nulls = validity.nulls();
    return column::make_array(type, n, std::move(validity).take(), nulls, std::move(data));
  }

 private:
  static constexpr uint8_t kFalse = 1, kTrue = 2;
  bool greatest_;
};

// State: a Blob 16, one flag byte: there is one.
class TextExtreme final : public AggregateFunction {
 public:
  explicit TextExtreme(bool greatest) : greatest_(greatest) {}
  int state_bytes() const override { return sizeof(Blob); }
  bool has_flag() const override { return true; }

  arrow::Status update(const UpdateSpan& span) const override {
    arrow::Status status;
    // Long ones lie apart from their rows, where no cache reaches.
    for (int64_t k = 0; k < span.n; ++k) __builtin_prefetch(blob(span.rows[k]).data());
    for_valid(span, [&](int64_t k, int64_t i) {
      const std::string_view x = column::view_at(*span.values, i);
      uint8_t* const row = span.rows[k];
      if (is_kept(row, x) || !wanted(row, x) || !status.ok()) return;
      GroupTable& table = span.tables->owner(row);
      status = keep(row, x, table);
    });
    return status;
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      if (!span.from[k][flag_]) continue;
      const Blob& x = blob(span.from[k]);
      if (!wanted(span.into[k], x.bytes())) continue;
      if (span.adopt) {
        blob(span.into[k]) = x;
        span.into[k][flag_] = 1;
      } else {
        ARROW_RETURN_NOT_OK(keep(span.into[k], x.bytes(), span.into_table));
      }
    }
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
    for (int64_t i = 0; i < n; ++i) {
      if (!rows[static_cast<size_t>(i)][flag_]) validity.set_null(i);
    }
    return make_views(
        type, n, [&](int64_t i) { return reinterpret_cast<const Blob*>(rows[static_cast<size_t>(i)] + state_)->bytes(); },
        std::move(validity), pool);
  }

 private:
  Blob& blob(uint8_t* row) const { return *reinterpret_cast<Blob*>(row + state_); }
  void refer(RowLayout* layout) const override { layout->references.push_back({RowReference::kBlob, state_, number_}); }

  // Most often the text that is there comes again.
  bool is_kept(uint8_t* row, std::string_view x) const {
    const Blob& have = blob(row);
    return row[flag_] && have.size == x.size() && same_bytes(have.data(), reinterpret_cast<const uint8_t*>(x.data()), x.size());
  }

  bool wanted(uint8_t* row, std::string_view x) const {
    if (!row[flag_]) return true;
    const std::string_view have = blob(row).bytes();
    return greatest_ ? have < x : x < have;
  }
  arrow::Status keep(uint8_t* row, std::string_view x, GroupTable& table) const {
    ARROW_RETURN_NOT_OK(table.arena().assign(&blob(row), x, table.pool()));
    row[flag_] = 1;
    return arrow::Status::OK();
  }

  bool greatest_;
};

// Of a column without type: nothing.
class NoExtreme final : public AggregateFunction {
 public:
  int state_bytes() const override { return 0; }
  bool needs_values() const override { return false; }
  arrow::Status update(const UpdateSpan&) const override { return arrow::Status::OK(); }
  arrow::Status update_one(uint8_t*, const UpdateSpan&) const override { return arrow::Status::OK(); }
  arrow::Status merge(const MergeSpan&) const override { return arrow::Status::OK(); }
  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    return column::make_null_array(type, static_cast<int64_t>(rows.size()), pool);
  }
};

}  // namespace

arrow::Result<AggregateFunctionPtr> make_extreme(const expr::BoundAggregate& a, bool greatest) {
  const expr::Bound& x = *a.args[0];
  ARROW_ASSIGN_OR_RAISE(const Physical p, column::physical_of(*x.type));
  switch (p) {
    case Physical::kNull: return std::make_unique<NoExtreme>();
    case Physical::kBool: return std::make_unique<BoolExtreme>(greatest);
    case Physical::kView: return std::make_unique<TextExtreme>(greatest);
    case Physical::kNested:
      return base::plan_error(a.function + "(" + x.label + ") of type " + column::type_text(*x.type) + " is not possible");
    default:
      return column::visit_number(p, [&]<typename T>() -> AggregateFunctionPtr {
        if (greatest) return std::make_unique<FixedExtreme<T, true>>();
        return std::make_unique<FixedExtreme<T, false>>();
      });
  }
}

}  // namespace gristmill::exec
