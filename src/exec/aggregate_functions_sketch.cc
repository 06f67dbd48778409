// Approximate aggregates. Both sketches are functions of the set (or bag) of values alone, so no order of merging shows.
//
// approx_n_unique is a HyperLogLog of 4096 registers (standard error 1.6 %), estimated by Ertl's improved estimator, which needs no
// tables. Few registers are a sorted list of (register, rank), so a group of few values takes few bytes.
//
// approx_quantile counts values by their sign, exponent and first 8 bits of mantissa: what comes out is the end nearest to zero of the
// bucket of the value asked for, at most 1/256 of it away (0.4 %); whole numbers up to 512 come out as they are.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/kernels.h"
#include "column/simd/hash_mix.h"
#include "exec/aggregate_functions.h"
#include "exec/group_values.h"
#include "exec/value_map.h"
#include "expr/aggregates.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using ArrayResult = arrow::Result<std::shared_ptr<ArrayData>>;

constexpr int kIndexBits = 12;
constexpr int64_t kRegisters = 1 << kIndexBits;
constexpr int kMostRank = 64 - kIndexBits + 1;
constexpr int64_t kMostListed = 512;

double sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double y = 1, z = x, before = 0;
  do {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  } while (z != before);
  return z;
}

double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double y = 1, z = 1 - x, before = 0;
  do {
    x = std::sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  } while (z != before);
  return z / 3;
}

// State: a Blob 16: nothing, a list of (register << 8 | rank) of 4 bytes each, or a byte for every register.
class ApproxDistinct final : public AggregateFunction {
 public:
  int state_bytes() const override { return sizeof(Blob); }

  arrow::Status update(const UpdateSpan& span) const override {
    if (span.values->type->id() == arrow::Type::NA) return arrow::Status::OK();
    const auto here = std::make_shared<ArrayData>(*span.values)->Slice(span.begin, span.n);
    std::vector<uint64_t> hashes(static_cast<size_t>(span.n));
    const column::Column values = column::Column::flat(here);
    column::hash_rows({&values, 1}, span.n, column::Selection(), hashes.data());
    arrow::Status status;
    for_valid(span, [&](int64_t k, int64_t) {
      if (!status.ok()) return;
      const uint64_t h = column::mix64(hashes[static_cast<size_t>(k)]);
      const auto rank = std::countl_zero(h << kIndexBits | uint64_t{1} << (kIndexBits - 1)) + 1;
      status =
          raise(span.rows[k], static_cast<uint32_t>(h >> (64 - kIndexBits)), static_cast<uint32_t>(rank), span.tables->owner(span.rows[k]));
    });
    return status;
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      const std::string_view from = blob(span.from[k]).bytes();
      const auto raise_in = [&](uint32_t index, uint32_t rank) { return raise(span.into[k], index, rank, span.into_table); };
      if (from.size() == kRegisters) {
        ARROW_RETURN_NOT_OK(make_dense(span.into[k], span.into_table));
        for (uint32_t r = 0; r < kRegisters; ++r) ARROW_RETURN_NOT_OK(raise_in(r, static_cast<uint8_t>(from[r])));
      } else {
        for (size_t at = 0; at < from.size(); at += 4) {
          const auto entry = load<uint32_t>(reinterpret_cast<const uint8_t*>(from.data()) + at);
          ARROW_RETURN_NOT_OK(raise_in(entry >> 8, entry & 255));
        }
      }
    }
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_buffer(n * 8, pool));
    for (int64_t i = 0; i < n; ++i) {
      const Blob* const b = reinterpret_cast<const Blob*>(rows[static_cast<size_t>(i)] + state_);
      store<int64_t>(data->mutable_data() + i * 8, estimate(b->bytes()));
    }
    return column::make_array(type, n, nullptr, 0, std::move(data));
  }

 private:
  Blob& blob(uint8_t* row) const { return *reinterpret_cast<Blob*>(row + state_); }
  void refer(RowLayout* layout) const override { layout->references.push_back({RowReference::kBlob, state_, number_}); }

  arrow::Status raise(uint8_t* row, uint32_t index, uint32_t rank, GroupTable& table) const {
    Blob& b = blob(row);
    if (b.size == kRegisters) {
      uint8_t& r = reinterpret_cast<uint8_t*>(b.tail)[index];
      r = std::max(r, static_cast<uint8_t>(rank));
      return arrow::Status::OK();
    }
    // The list ascends; a register stands in it once.
    uint32_t list[kMostListed + 1];
    const size_t n = b.size / 4;
    std::memcpy(list, b.data(), b.size);
    uint32_t* const at = std::lower_bound(list, list + n, index << 8);
    if (at < list + n && *at >> 8 == index) {
      if ((*at & 255) >= rank) return arrow::Status::OK();
      *at = index << 8 | rank;
      return assign(b, list, n, table);
    }
    if (n == kMostListed) {
      ARROW_RETURN_NOT_OK(make_dense(row, table));
      return raise(row, index, rank, table);
    }
    std::copy_backward(at, list + n, list + n + 1);
    *at = index << 8 | rank;
    return assign(b, list, n + 1, table);
  }

  static arrow::Status assign(Blob& b, const uint32_t* list, size_t n, GroupTable& table) {
    return table.arena().assign(&b, {reinterpret_cast<const char*>(list), n * 4}, table.pool());
  }

  arrow::Status make_dense(uint8_t* row, GroupTable& table) const {
    Blob& b = blob(row);
    if (b.size == kRegisters) return arrow::Status::OK();
    char registers[kRegisters] = {};
    for (uint32_t at = 0; at < b.size; at += 4) {
      const auto entry = load<uint32_t>(b.data() + at);
      registers[entry >> 8] = static_cast<char>(entry & 255);
    }
    return table.arena().assign(&b, {registers, kRegisters}, table.pool());
  }

  static int64_t estimate(std::string_view state) {
    int64_t ranks[kMostRank + 1] = {};
    if (state.size() == kRegisters) {
      for (const char r : state) ++ranks[static_cast<uint8_t>(r)];
    } else {
      for (size_t at = 0; at < state.size(); at += 4) ++ranks[load<uint32_t>(reinterpret_cast<const uint8_t*>(state.data()) + at) & 255];
      ranks[0] = kRegisters - static_cast<int64_t>(state.size() / 4);
    }
    if (ranks[0] == kRegisters) return 0;
    constexpr double m = kRegisters;
    double z = m * tau(1 - static_cast<double>(ranks[kMostRank]) / m);
    for (int k = kMostRank - 1; k >= 1; --k) z = 0.5 * (z + static_cast<double>(ranks[k]));
    z += m * sigma(static_cast<double>(ranks[0]) / m);
    constexpr double kAlpha = 0.72134752044448170368;  // 1 / (2 ln 2)
    return std::llround(kAlpha * m * m / z);
  }
};

// State: the address of a ValueMap of buckets, 8; after seal() the quantile. Flag after seal(): there is one.
class ApproxQuantile final : public AggregateFunction {
 public:
  explicit ApproxQuantile(double q) : q_(q) {}
  int state_bytes() const override { return 8; }
  bool has_flag() const override { return true; }

  arrow::Status update(const UpdateSpan& span) const override {
    const double* const v = column::values_of<double>(*span.values);
    const column::ValidityBits valid = column::validity_of(*span.values);
    for (int64_t k = 0; k < span.n; ++k) {
      if (!valid.valid(span.begin + k)) continue;
      const uint64_t bucket = bucket_of(v[span.begin + k]);
      const arrow::Status status = add(span.rows[k], {reinterpret_cast<const uint8_t*>(&bucket), 0, 1}, span.tables->owner(span.rows[k]));
      if (status.ok()) continue;
      if (span.done) *span.done = k;
      return status;
    }
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      ARROW_RETURN_NOT_OK(
          ValueMap::each(kShape, map(span.from[k]), [&](const MapEntry& e) { return add(span.into[k], e, span.into_table); }));
    }
    return arrow::Status::OK();
  }

  arrow::Status seal(uint8_t* const* rows, int64_t n, GroupTable&, arrow::MemoryPool*) const override {
    std::vector<std::pair<double, uint64_t>> buckets;
    for (int64_t k = 0; k < n; ++k) {
      buckets.clear();
      uint64_t values = 0;
      ARROW_RETURN_NOT_OK(ValueMap::each(kShape, map(rows[k]), [&](const MapEntry& e) {
        buckets.emplace_back(value_of(load<uint64_t>(e.key)), e.count);
        values += e.count;
        return arrow::Status::OK();
      }));
      rows[k][flag_] = values > 0;
      store<double>(rows[k] + state_, values > 0 ? quantile(buckets, values) : 0);
    }
    return arrow::Status::OK();
  }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    return fixed_values<double>(rows, type, pool, state_, flag_);
  }

 private:
  static constexpr MapShape kShape{8, false, false, true};
  static constexpr int kDropped = 52 - 8;  // bits of the mantissa
  static constexpr uint64_t kSign = uint64_t{1} << 63;

  void refer(RowLayout* layout) const override { layout->references.push_back({RowReference::kMap, state_, number_, true, kShape}); }
  const uint8_t* map(const uint8_t* row) const { return reinterpret_cast<const uint8_t*>(load<uint64_t>(row + state_)); }

  // Values of almost nothing have no bits left and are 0.
  static uint64_t bucket_of(double v) {
    const uint64_t bits = column::canonical_bits(v);
    const uint64_t magnitude = (bits & ~kSign) >> kDropped;
    return magnitude == 0 ? 0 : magnitude << kDropped | (bits & kSign);
  }
  static double value_of(uint64_t bucket) { return std::bit_cast<double>(bucket); }

  double quantile(std::vector<std::pair<double, uint64_t>>& buckets, uint64_t values) const {
    std::sort(buckets.begin(), buckets.end(), [](const auto& a, const auto& b) {
      return a.first < b.first || (b.first != b.first && a.first == a.first);  // NaN is greatest
    });
    auto before = static_cast<uint64_t>(q_ * static_cast<double>(values - 1) + 0.5);
    for (const auto& [value, count] : buckets) {
      if (before < count) return value;
      before -= count;
    }
    return buckets.back().first;
  }

  arrow::Status add(uint8_t* row, const MapEntry& e, GroupTable& table) const {
    auto map = load<uint64_t>(row + state_);
    ARROW_RETURN_NOT_OK(ValueMap::add(kShape, &map, e, true, table.arena(), table.pool()));
    store(row + state_, map);
    return arrow::Status::OK();
  }

  double q_;
};

}  // namespace

AggregateFunctionPtr make_approx_n_unique() { return std::make_unique<ApproxDistinct>(); }

AggregateFunctionPtr make_approx_quantile(const expr::BoundAggregate& a) {
  return std::make_unique<ApproxQuantile>(a.function == "approx_median" ? 0.5 : expr::float_option(a.options, "q").value_or(0.5));
}

}  // namespace gristmill::exec
