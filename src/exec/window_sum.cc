// count, sum, mean, var and std of frames: what enters a frame is added, what leaves it taken away.
//
// Every sum is exact and rounded once when a row's value is read, so taking away leaves no trace: the value depends on the rows of
// the frame alone. A sum that leaves its type in some frame is an error.

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <arrow/type.h>

#include "base/status.h"
#include "column/exact_groups.h"
#include "column/exact_integers.h"
#include "column/exact_moments.h"
#include "column/exact_number.h"
#include "exec/window_frame.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kSampleRows = 4096;

struct Counts {
  const Gathered* values = nullptr;  // null: count()
  const Gathered* filter = nullptr;

  bool operator()(int64_t p) const {
    if (values && !values->is_valid(p)) return false;
    if (!filter) return true;
    const arrow::ArrayData& d = *filter->column.values;
    return filter->is_valid(p) && column::bit_at(d.buffers[1]->data(), d.offset + p - filter->base);
  }
};

double quotient(__int128 sum, __int128 divisor) {
  constexpr __int128 kExact = __int128{1} << 53;
  if (sum > -kExact && sum < kExact && divisor < kExact) return static_cast<double>(sum) / static_cast<double>(divisor);
  return column::rounded_quotient(column::exact_number(sum, 0), column::exact_number(divisor, 0));
}

// An accumulator has reset(), add(position), remove(position) and write(row, out): the value now.
struct CountRows {
  int64_t n = 0;
  void reset() { n = 0; }
  void add(int64_t) { ++n; }
  void remove(int64_t) { --n; }
  arrow::Status write(int64_t row, WindowResult& out) const {
    out.set<int64_t>(row, n);
    return arrow::Status::OK();
  }
};

template <typename T>
struct IntegerSum {
  const T* values;
  bool mean, wide;  // wide: uint64
  int64_t least;
  std::string label;
  __int128 sum = 0;
  int64_t n = 0;
  void reset() { sum = n = 0; }
  void add(int64_t p) {
    sum += values[p];
    ++n;
  }
  void remove(int64_t p) {
    sum -= values[p];
    --n;
  }
  arrow::Status write(int64_t row, WindowResult& out) const {
    if (n < least) {
      out.set<int64_t>(row, 0);
      out.set_null(row);
    } else if (mean) {
      out.set<double>(row, quotient(sum, n));
    } else if (wide ? sum < 0 || sum > static_cast<__int128>(UINT64_MAX) : sum < INT64_MIN || sum > INT64_MAX) {
      return base::data_error("integer overflow in sum(" + label + ")");
    } else {
      out.set<int64_t>(row, static_cast<int64_t>(sum));
    }
    return arrow::Status::OK();
  }
};

struct DecimalSums {
  const __int128* values;
  bool mean;
  int64_t least;
  int scale;
  std::string label;
  column::DecimalSum sum;
  int64_t n = 0;
  void reset() {
    sum = {};
    n = 0;
  }
  void add(int64_t p) {
    sum.add(values[p]);
    ++n;
  }
  void remove(int64_t p) {
    sum.subtract(values[p]);
    --n;
  }
  arrow::Status write(int64_t row, WindowResult& out) const {
    if (n < least) {
      if (mean) {
        out.set<double>(row, 0);
      } else {
        out.set<__int128>(row, 0);
      }
      out.set_null(row);
      return arrow::Status::OK();
    }
    if (mean) {
      out.set<double>(row, sum.value_over(n, scale));
      return arrow::Status::OK();
    }
    const std::optional<__int128> v = sum.value();
    if (!v) return base::data_error("decimal overflow in sum(" + label + ")");
    out.set<__int128>(row, *v);
    return arrow::Status::OK();
  }
};

struct FloatSum {
  const double* values;
  bool mean;
  int64_t least;
  column::GroupSums sums;
  int64_t n = 0;
  double value = 0;  // rounding costs more than adding: once for rows of equal frames
  bool known = false;
  void reset() {
    sums.clear_group(0);
    n = 0;
    known = false;
  }
  void add(int64_t p) {
    sums.add_one(0, values[p]);
    ++n;
    known = false;
  }
  void remove(int64_t p) {
    sums.subtract_one(0, values[p]);
    --n;
    known = false;
  }
  arrow::Status write(int64_t row, WindowResult& out) {
    if (!known) value = n < least ? 0 : mean ? sums.value_over(0, n) : sums.value(0);
    known = true;
    out.set<double>(row, value);
    if (n < least) out.set_null(row);
    return arrow::Status::OK();
  }
};

struct Variance {
  const double* values;
  bool root;
  int64_t least;
  int ddof;
  column::GroupVariances moments;
  std::optional<double> value;
  bool known = false;
  void reset() {
    moments.clear_group(0);
    known = false;
  }
  void add(int64_t p) {
    moments.add_one(0, {values[p]});
    known = false;
  }
  void remove(int64_t p) {
    moments.subtract_one(0, {values[p]});
    known = false;
  }
  arrow::Status write(int64_t row, WindowResult& out) {
    if (!known) value = moments.count(0) < least ? std::nullopt : root ? moments.stddev(0, ddof) : moments.variance(0, ddof);
    known = true;
    out.set<double>(row, value.value_or(0));
    if (!value) out.set_null(row);
    return arrow::Status::OK();
  }
};

// The sums of the rows of this partition that have left already go on with the values at hand.
template <typename Sum>
Sum* carried(const WindowTask& task, const WindowUnit& unit, Sum& fresh) {
  if (!unit.carry || task.function.start.edge != expr::FrameEdge::kUnboundedPreceding) return &fresh;
  std::shared_ptr<void>& kept = unit.carry->sums[unit.task];
  if (!kept) {
    kept = std::make_shared<Sum>(std::move(fresh));
  } else if constexpr (requires { fresh.values; }) {
    static_cast<Sum*>(kept.get())->values = fresh.values;
  }
  return static_cast<Sum*>(kept.get());
}

template <typename Sum>
arrow::Status follow(const WindowTask& task, const WindowUnit& unit, const FrameKeys& keys, const Counts& counts, Sum fresh,
                     WindowResult& out) {
  const bool all = !counts.filter && (!counts.values || !counts.values->valid.bits);
  const OrderedRows& o = *unit.ordered;
  Sum& sum = *carried(task, unit, fresh);
  const bool goes_on = &sum != &fresh;
  int64_t added = goes_on ? unit.carry->added : 0;
  return for_partitions(unit, [&](const Partition& p) {
    if (!goes_on) sum.reset();
    Frames frames(task, keys, o, p);
    arrow::Status status;
    const auto add = [&](int, int64_t i) {
      if (all || counts(i)) sum.add(i);
    };
    const auto remove = [&](int, int64_t i) {
      if (all || counts(i)) sum.remove(i);
    };
    follow_frames(frames, p, goes_on ? &added : nullptr, add, remove, [&](const FrameRow& r) {
      if (!status.ok()) return;
      if (r.self) add(0, r.position);
      status = sum.write(o.row(r.position), out);
      if (r.self) remove(0, r.position);
    });
    return status;
  });
}

}  // namespace

arrow::Status compute_sums(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out) {
  const expr::BoundWindow& f = task.function;
  ARROW_ASSIGN_OR_RAISE(const FrameKeys keys, FrameKeys::make(task, unit, pool));
  Gathered values, filter;
  Counts counts;
  const auto [from, to] = touched(task, unit);
  if (!task.args.empty()) {
    ARROW_ASSIGN_OR_RAISE(values, gather(*unit.ordered, task.args[0], from, to, pool));
    counts.values = &values;
  }
  if (task.filter >= 0) {
    ARROW_ASSIGN_OR_RAISE(filter, gather(*unit.ordered, task.filter, from, to, pool));
    counts.filter = &filter;
  }
  if (f.function == "count") {
    const bool none = counts.values && values.column.type()->id() == arrow::Type::NA;
    if (!none) return follow(task, unit, keys, counts, CountRows{}, out);
    for (int64_t i = unit.begin; i < unit.end; ++i) out.set<int64_t>(unit.ordered->row(i), 0);
    return arrow::Status::OK();
  }
  const bool mean = f.function == "mean";
  const std::string& label = f.args[0]->label;
  const column::Physical p = column::physical_unchecked(*values.column.type());
  std::span<const double> sample;  // of what the sums will be over
  if (p == column::Physical::kFloat64) sample = {values.values<double>() + from, static_cast<size_t>(std::min(to - from, kSampleRows))};
  if (f.function == "var" || f.function == "std") {
    column::GroupVariances moments({column::ExactUnit::choose(sample)});
    moments.resize(1);
    return follow(task, unit, keys, counts,
                  Variance{values.values<double>(), f.function == "std", f.min_periods, static_cast<int>(f.ddof), std::move(moments)}, out);
  }
  if (p == column::Physical::kFloat64) {
    column::GroupSums sums(column::ExactUnit::choose(sample));
    sums.resize(1);
    return follow(task, unit, keys, counts, FloatSum{values.values<double>(), mean, f.min_periods, std::move(sums)}, out);
  }
  if (p == column::Physical::kInt128) {
    const int scale = static_cast<const arrow::DecimalType&>(*values.column.type()).scale();
    return follow(task, unit, keys, counts, DecimalSums{values.values<__int128>(), mean, f.min_periods, scale, label, {}}, out);
  }
  if (p == column::Physical::kUInt64) {
    return follow(task, unit, keys, counts,
                  IntegerSum<uint64_t>{values.values<uint64_t>(), mean, f.type->id() == arrow::Type::UINT64, f.min_periods, label}, out);
  }
  return follow(task, unit, keys, counts, IntegerSum<int64_t>{values.values<int64_t>(), mean, false, f.min_periods, label}, out);
}

}  // namespace gristmill::exec
