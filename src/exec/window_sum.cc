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
#include "exec/window_running.h"

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

// An accumulator has reset(), add(position), remove(position), merge(other) and write(row, out): the value now.
struct CountRows {
  int64_t n = 0;
  void merge(const CountRows& o) { n += o.n; }
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
  void merge(const IntegerSum& o) {
    sum += o.sum;
    n += o.n;
  }
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
      out.set<double>(row, column::rounded_quotient(sum, n));
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
  void merge(const DecimalSums& o) {
    sum.merge(o.sum);
    n += o.n;
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
  const double* values;  // by position
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
  // add() of all positions whose value is there.
  void add_all(const Gathered& x, int64_t from, int64_t to) {
    sums.add_run(0, values + from, x.valid.bits, x.valid.offset + from - x.base, to - from);
    n += to - from;
    for (int64_t i = from; i < to && x.valid.bits; ++i) n -= !x.is_valid(i);
    known = false;
  }
  void merge(const FloatSum& o) {
    sums.merge_group(0, o.sums, 0);
    n += o.n;
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
  void merge(const Variance& o) {
    moments.merge_group(0, o.moments, 0);
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

// A task's columns at the positions that its frames reach.
struct SumColumns {
  Gathered values, filter;
  Counts counts;
  column::ExactUnit unit_of_sums;

  arrow::Status gather_all(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool) {
    const auto [from, to] = touched(task, unit);
    if (!task.args.empty()) {
      ARROW_ASSIGN_OR_RAISE(values, gather(*unit.ordered, task.args[0], from, to, pool));
      counts.values = &values;
    }
    if (task.filter >= 0) {
      ARROW_ASSIGN_OR_RAISE(filter, gather(*unit.ordered, task.filter, from, to, pool));
      counts.filter = &filter;
    }
    // Of what the sums will be over.
    if (values.column.values && values.column.type()->id() == arrow::Type::DOUBLE) {
      const double* const x = column::values_of<double>(*values.column.values);
      unit_of_sums = column::ExactUnit::choose({x, static_cast<size_t>(std::min(to - from, kSampleRows))});
    }
    return arrow::Status::OK();
  }

  template <typename T>
  const T* values_as() const {
    return values.column.values ? values.values<T>() : nullptr;
  }
  bool counts_nothing() const { return counts.values && values.column.type()->id() == arrow::Type::NA; }
};

// f(the accumulator of this task's function over these values, empty)
template <typename F>
auto with_sum(const WindowTask& task, const SumColumns& c, F&& f) {
  const expr::BoundWindow& w = task.function;
  if (w.function == "count") return f(CountRows{});
  const bool mean = w.function == "mean";
  const std::string& label = w.args[0]->label;
  const arrow::DataType& type = *w.args[0]->type;
  const column::Physical p = column::physical_unchecked(type);
  if (w.function == "var" || w.function == "std") {
    column::GroupVariances moments({c.unit_of_sums});
    moments.resize(1);
    return f(Variance{c.values_as<double>(), w.function == "std", w.min_periods, static_cast<int>(w.ddof), std::move(moments)});
  }
  if (p == column::Physical::kFloat64) {
    column::GroupSums sums(c.unit_of_sums);
    sums.resize(1);
    return f(FloatSum{c.values_as<double>(), mean, w.min_periods, std::move(sums)});
  }
  if (p == column::Physical::kInt128) {
    const int scale = static_cast<const arrow::DecimalType&>(type).scale();
    return f(DecimalSums{c.values_as<__int128>(), mean, w.min_periods, scale, label, {}});
  }
  if (p == column::Physical::kUInt64) {
    return f(IntegerSum<uint64_t>{c.values_as<uint64_t>(), mean, w.type->id() == arrow::Type::UINT64, w.min_periods, label});
  }
  return f(IntegerSum<int64_t>{c.values_as<int64_t>(), mean, false, w.min_periods, label});
}

// What has left before a stretch whose sums nobody goes on with; nothing where it needs more than 128 bits.
arrow::Result<bool> run_sums(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out) {
  const bool from_start = task.function.start.edge == expr::FrameEdge::kUnboundedPreceding;
  if (!unit.carry || !from_start || !unit.carry->sums[unit.task]) return compute_running_sums(task, unit, nullptr, pool, out);
  const auto& kept = *static_cast<const FloatSum*>(unit.carry->sums[unit.task].get());
  const std::optional<column::ExactSum> sum = kept.sums.plain(0);
  if (!sum) return false;
  const RunBefore before{kept.sums.unit(), *sum, kept.n};
  return compute_running_sums(task, unit, &before, pool, out);
}

}  // namespace

arrow::Result<std::shared_ptr<void>> sum_of_rows(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool) {
  const std::string& f = task.function.function;
  if (f != "count" && f != "sum" && f != "mean" && f != "var" && f != "std") return nullptr;
  SumColumns c;
  ARROW_RETURN_NOT_OK(c.gather_all(task, unit, pool));
  return with_sum(task, c, [&]<typename Sum>(Sum sum) -> std::shared_ptr<void> {
    if constexpr (requires { sum.add_all(c.values, unit.begin, unit.end); }) {
      if (!c.counts.filter) {
        sum.add_all(c.values, unit.begin, unit.end);
        return std::make_shared<Sum>(std::move(sum));
      }
    }
    for (int64_t i = unit.begin; i < unit.end && !c.counts_nothing(); ++i) {
      if (c.counts(i)) sum.add(i);
    }
    return std::make_shared<Sum>(std::move(sum));
  });
}

std::shared_ptr<void> joined_sums(const WindowTask& task, const std::shared_ptr<void>& before, const std::shared_ptr<void>& own) {
  if (!own) return nullptr;
  return with_sum(task, SumColumns(), [&]<typename Sum>(const Sum&) -> std::shared_ptr<void> {
    auto both = std::make_shared<Sum>(*static_cast<const Sum*>(own.get()));
    if (before) both->merge(*static_cast<const Sum*>(before.get()));
    return both;
  });
}

arrow::Status compute_sums(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out) {
  if (!task.args.empty() && sums_run(task, *task.function.args[0]->type) && (!unit.carry || unit.carry->ends_here)) {
    ARROW_ASSIGN_OR_RAISE(const bool done, run_sums(task, unit, pool, out));
    if (done) return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const FrameKeys keys, FrameKeys::make(task, unit, pool));
  SumColumns c;
  ARROW_RETURN_NOT_OK(c.gather_all(task, unit, pool));
  if (task.function.function == "count" && c.counts_nothing()) {
    for (int64_t i = unit.begin; i < unit.end; ++i) out.set<int64_t>(unit.ordered->row(i), 0);
    return arrow::Status::OK();
  }
  return with_sum(task, c, [&](auto sum) { return follow(task, unit, keys, c.counts, std::move(sum), out); });
}

}  // namespace gristmill::exec
