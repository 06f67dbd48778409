// min_by and max_by: the first argument's value, or null, in the row where the second is least or greatest; of several such rows the
// first one. The order travels with the row kept, so batches may come in any sequence.

#include <type_traits>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/simd/hash_mix.h"
#include "exec/aggregate_functions.h"
#include "exec/group_codec.h"
#include "exec/group_values.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using column::Physical;
using ArrayResult = arrow::Result<std::shared_ptr<ArrayData>>;

// Numbers compare as integers of the same order; text by bytes.
struct Measure {
  __int128 number = 0;
  std::string_view text;
};

// State: order + 1, 8 (0: no row yet) | what is measured, 16: a number or a Blob | the value, 16: fixed width or a Blob; one flag byte:
// the value is not null.
class ExtremeBy final : public AggregateFunction {
 public:
  ExtremeBy(bool greatest, Physical value, Physical by)
      : greatest_(greatest), value_(value), by_(by), value_blob_(value == Physical::kView || value == Physical::kNested) {}
  int state_bytes() const override { return 40; }
  bool has_flag() const override { return true; }

  arrow::Status update(const UpdateSpan& span) const override {
    const ArrayData& values = *span.values->child_data[0];
    const ArrayData& by = *span.values->child_data[1];
    if (by_ == Physical::kNull) return arrow::Status::OK();
    const column::ValidityBits by_valid = column::validity_of(by), valid = column::validity_of(values);
    for (int64_t k = 0; k < span.n; ++k) {
      const int64_t i = span.begin + k;
      if (!by_valid.valid(i)) continue;
      uint8_t* const row = span.rows[k];
      const uint64_t order = span.orders.at(i) + 1;
      const Measure m = measure_at(by, i);
      if (!wanted(row, m, order)) continue;
      // The value first: what fails for want of memory leaves a row that the next attempt replaces.
      GroupTable& table = span.tables->owner(row);
      const bool there = value_ != Physical::kNull && valid.valid(i);
      if (there) ARROW_RETURN_NOT_OK(keep(row, values, i, table));
      if (by_ == Physical::kView) {
        ARROW_RETURN_NOT_OK(table.arena().assign(blob(row + state_ + 8), m.text, table.pool()));
      } else {
        store(row + state_ + 8, m.number);
      }
      row[flag_] = there;
      store(row + state_, order);
    }
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      const uint8_t* const from = span.from[k] + state_;
      uint8_t* const into = span.into[k] + state_;
      const auto order = load<uint64_t>(from);
      if (order == 0 || !wanted(span.into[k], measure_of(span.from[k]), order)) continue;
      ARROW_RETURN_NOT_OK(take_over(into + 8, from + 8, by_ == Physical::kView, span));
      ARROW_RETURN_NOT_OK(take_over(into + 24, from + 24, value_blob_, span));
      span.into[k][flag_] = span.from[k][flag_];
      store(into, order);
    }
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    if (value_ == Physical::kNull) return column::make_null_array(type, n, pool);
    const auto value = [&](int64_t i) { return rows[static_cast<size_t>(i)] + state_ + 24; };
    if (value_ == Physical::kNested) {
      static constexpr uint8_t kNullValue = 0;
      std::vector<const uint8_t*> cursors(rows.size());
      for (int64_t i = 0; i < n; ++i) {
        cursors[static_cast<size_t>(i)] =
            rows[static_cast<size_t>(i)][flag_] ? reinterpret_cast<const Blob*>(value(i))->data() : &kNullValue;
      }
      return decode_values(type, cursors, pool);
    }
    if (value_ != Physical::kView && value_ != Physical::kBool) {
      return column::visit_number(value_, [&]<typename T>() { return fixed_values<T>(rows, type, pool, state_ + 24, flag_); });
    }
    ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
    for (int64_t i = 0; i < n; ++i) {
      if (!rows[static_cast<size_t>(i)][flag_]) validity.set_null(i);
    }
    if (value_ == Physical::kView) {
      return make_views(type, n, [&](int64_t i) { return reinterpret_cast<const Blob*>(value(i))->bytes(); }, std::move(validity), pool);
    }
    ARROW_ASSIGN_OR_RAISE(auto bits, column::allocate_bits(n, pool));
    for (int64_t i = 0; i < n; ++i) {
      if (validity.valid(i) && *value(i)) bits->mutable_data()[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
    }
    const int64_t nulls = validity.nulls();
    return column::make_array(type, n, std::move(validity).take(), nulls, std::move(bits));
  }

 private:
  static Blob* blob(uint8_t* at) { return reinterpret_cast<Blob*>(at); }

  void refer(RowLayout* layout) const override {
    if (by_ == Physical::kView) layout->references.push_back({RowReference::kBlob, state_ + 8, number_});
    if (value_blob_) layout->references.push_back({RowReference::kBlob, state_ + 24, number_});
  }

  Measure measure_of(const uint8_t* row) const {
    const uint8_t* const at = row + state_ + 8;
    if (by_ == Physical::kView) return {0, reinterpret_cast<const Blob*>(at)->bytes()};
    return {load<__int128>(at), {}};
  }

  Measure measure_at(const ArrayData& by, int64_t i) const {
    if (by_ == Physical::kView) return {0, column::view_at(by, i)};
    if (by_ == Physical::kBool) return {column::bit_at(by.buffers[1]->data(), by.offset + i), {}};
    return column::visit_number(by_, [&]<typename T>() -> Measure {
      const T v = column::values_of<T>(by)[i];
      if constexpr (std::is_floating_point_v<T>) {
        // NaN is greatest, zeros are equal.
        const auto bits = column::canonical_bits(static_cast<double>(v));
        const auto word = static_cast<int64_t>(bits);
        return {word < 0 ? -static_cast<__int128>(word & INT64_MAX) : static_cast<__int128>(word), {}};
      } else {
        return {static_cast<__int128>(v), {}};
      }
    });
  }

  bool wanted(const uint8_t* row, const Measure& m, uint64_t order) const {
    const auto have = load<uint64_t>(row + state_);
    if (have == 0) return true;
    const Measure best = measure_of(row);
    const bool less = by_ == Physical::kView ? m.text < best.text : m.number < best.number;
    const bool more = by_ == Physical::kView ? m.text > best.text : m.number > best.number;
    if (less || more) return greatest_ ? more : less;
    return order < have;
  }

  arrow::Status keep(uint8_t* row, const ArrayData& values, int64_t i, GroupTable& table) const {
    uint8_t* const at = row + state_ + 24;
    if (value_ == Physical::kView) return table.arena().assign(blob(at), column::view_at(values, i), table.pool());
    if (value_ == Physical::kNested) {
      std::vector<uint8_t> bytes;
      encode_value(values, i, &bytes);
      return table.arena().assign(blob(at), {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, table.pool());
    }
    if (value_ == Physical::kBool) {
      *at = column::bit_at(values.buffers[1]->data(), values.offset + i);
    } else {
      const int width = column::byte_width(value_);
      std::memcpy(at, values.buffers[1]->data() + (values.offset + i) * width, static_cast<size_t>(width));
    }
    return arrow::Status::OK();
  }

  static arrow::Status take_over(uint8_t* into, const uint8_t* from, bool is_blob, const MergeSpan& span) {
    if (is_blob && !span.adopt) {
      return span.into_table.arena().assign(blob(into), reinterpret_cast<const Blob*>(from)->bytes(), span.into_table.pool());
    }
    std::memcpy(into, from, 16);
    return arrow::Status::OK();
  }

  bool greatest_;
  Physical value_, by_;
  bool value_blob_;
};

}  // namespace

arrow::Result<AggregateFunctionPtr> make_extreme_by(const expr::BoundAggregate& a, bool greatest) {
  ARROW_ASSIGN_OR_RAISE(const Physical value, column::physical_of(*a.args[0]->type));
  ARROW_ASSIGN_OR_RAISE(const Physical by, column::physical_of(*a.args[1]->type));
  return std::make_unique<ExtremeBy>(greatest, value, by);
}

}  // namespace gristmill::exec
