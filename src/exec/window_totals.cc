// sum up -> merge -> write: slices of rows by any worker into whichever set of totals is free, sets merged task by task, and then
// slices again. There are never more sets than workers.

#include "exec/window_totals.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <optional>
#include <span>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/exact_groups.h"
#include "column/exact_integers.h"
#include "column/exact_moments.h"
#include "column/exact_number.h"
#include "column/kernels.h"

namespace gristmill::exec {
namespace {

using column::Physical;

constexpr int64_t kMostPartitions = int64_t{1} << 18;  // their totals stay in the caches
constexpr int64_t kTotalRows = 65536;
constexpr int64_t kTotalSample = 4096;

int64_t total_slices(int64_t rows) { return (rows + kTotalRows - 1) / kTotalRows; }

// Values of a task's rows in a slice, and which of them count.
struct TotalSlice {
  const uint32_t* number;
  int64_t n;
  std::shared_ptr<arrow::ArrayData> values;  // null: count()
  const uint8_t* bits = nullptr;             // null: all count
  int64_t offset = 0;
  std::vector<uint8_t> both;  // of validity and filter

  static arrow::Result<TotalSlice> make(const WindowTask& task, const column::Batch& rows, const uint32_t* number, int64_t begin,
                                        int64_t end, arrow::MemoryPool* pool) {
    TotalSlice s{number, end - begin, nullptr};
    const auto flat = [&](int c) {
      return column::flatten(column::slice(rows.columns[static_cast<size_t>(c)], begin, end - begin), end - begin, pool);
    };
    column::ValidityBits valid;
    if (!task.args.empty()) {
      ARROW_ASSIGN_OR_RAISE(column::Column x, flat(task.args[0]));
      s.values = x.values;
      valid = column::validity_of(*s.values);
    }
    if (task.filter < 0) {
      s.bits = valid.bits;
      s.offset = valid.offset;
      return s;
    }
    ARROW_ASSIGN_OR_RAISE(const column::Column f, flat(task.filter));
    const column::ValidityBits known = column::validity_of(*f.values);
    s.both.assign(static_cast<size_t>((s.n + 7) / 8), 0);
    for (int64_t i = 0; i < s.n; ++i) {
      if (valid.valid(i) && known.valid(i) && column::bit_at(f.values->buffers[1]->data(), f.values->offset + i)) {
        s.both[static_cast<size_t>(i >> 3)] |= static_cast<uint8_t>(1u << (i & 7));
      }
    }
    s.bits = s.both.data();
    return s;
  }

  template <typename F>  // f(i) for the rows that count
  void each(F&& f) const {
    if (!bits) {
      for (int64_t i = 0; i < n; ++i) f(i);
    } else {
      for (int64_t i = 0; i < n; ++i) {
        if (column::bit_at(bits, offset + i)) f(i);
      }
    }
  }
};

// What all totals have: how many rows of each partition count, and in the end a value or NULL for each.
template <typename Value>
class CountedTotals : public Totals {
 public:
  CountedTotals(const WindowTask& task, int64_t partitions) : task_(task), counts_(static_cast<size_t>(partitions), 0) {}

  arrow::Status add(const column::Batch& rows, const uint32_t* number, int64_t begin, int64_t end, arrow::MemoryPool* pool) override {
    ARROW_ASSIGN_OR_RAISE(const TotalSlice s, TotalSlice::make(task_, rows, number, begin, end, pool));
    s.each([&](int64_t i) { ++counts_[number[i]]; });
    all_count_ &= s.bits == nullptr;
    add_values(s);
    return arrow::Status::OK();
  }

  void merge(const Totals& other) override {
    const auto& o = static_cast<const CountedTotals&>(other);
    merge_values(o);
    all_count_ &= o.all_count_;
    for (size_t g = 0; g < counts_.size(); ++g) counts_[g] += o.counts_[g];
  }

  arrow::Status finish() override {
    values_.resize(counts_.size());
    for (size_t g = 0; g < counts_.size(); ++g) {
      if (counts_[g] == 0 && !zero_is_value()) continue;
      const std::optional<Value> v = value(static_cast<uint32_t>(g));
      if (v) {
        values_[g] = *v;
      } else if (const arrow::Status s = missing(); !s.ok()) {
        return s;
      } else {
        nulls_.resize(counts_.size(), false);
        nulls_[g] = true;
      }
    }
    return arrow::Status::OK();
  }

  void write(const uint32_t* number, int64_t begin, int64_t end, WindowResult& out) const override {
    for (int64_t i = begin; i < end; ++i) out.set<Value>(i, values_[number[i - begin]]);
    if ((all_count_ || zero_is_value()) && nulls_.empty()) return;
    for (int64_t i = begin; i < end; ++i) {
      const uint32_t g = number[i - begin];
      if ((counts_[g] == 0 && !zero_is_value()) || (!nulls_.empty() && nulls_[g])) out.set_null(i);
    }
  }

 protected:
  virtual void add_values(const TotalSlice& s) = 0;
  virtual void merge_values(const Totals& other) = 0;
  virtual std::optional<Value> value(uint32_t g) const = 0;             // of at least one row that counts
  virtual arrow::Status missing() const { return arrow::Status::OK(); }  // what it means when there is none: NULL, or an error
  virtual bool zero_is_value() const { return false; }
  int64_t count(uint32_t g) const { return counts_[g]; }

  const WindowTask& task_;

 private:
  std::vector<int64_t> counts_;
  bool all_count_ = true;
  std::vector<Value> values_;
  std::vector<bool> nulls_;  // empty: none but of partitions in which no row counts
};

class RowCount final : public CountedTotals<int64_t> {
 public:
  using CountedTotals::CountedTotals;

 private:
  void add_values(const TotalSlice&) override {}
  void merge_values(const Totals&) override {}
  std::optional<int64_t> value(uint32_t g) const override { return count(g); }
  bool zero_is_value() const override { return true; }
};

template <typename T, typename Value>
class IntegerTotal final : public CountedTotals<Value> {
 public:
  IntegerTotal(const WindowTask& task, int64_t partitions)
      : CountedTotals<Value>(task, partitions), sums_(static_cast<size_t>(partitions), 0) {}

 private:
  void add_values(const TotalSlice& s) override {
    column::add_grouped_integers(sums_.data(), s.number, column::values_of<T>(*s.values), s.bits, s.offset, s.n);
  }
  void merge_values(const Totals& other) override {
    const auto& o = static_cast<const IntegerTotal&>(other);
    for (size_t g = 0; g < sums_.size(); ++g) sums_[g] += o.sums_[g];
  }
  std::optional<Value> value(uint32_t g) const override {
    if constexpr (std::is_same_v<Value, double>) {
      return column::rounded_quotient(sums_[g], this->count(g));
    } else if constexpr (std::is_same_v<Value, uint64_t>) {
      return column::as_uint64(sums_[g]);
    } else {
      return column::as_int64(sums_[g]);
    }
  }
  arrow::Status missing() const override {
    return base::data_error("integer overflow in sum(" + this->task_.function.args[0]->label + ")");
  }

  std::vector<__int128> sums_;
};

template <typename Value>
class DecimalTotal final : public CountedTotals<Value> {
 public:
  DecimalTotal(const WindowTask& task, int64_t partitions, int scale)
      : CountedTotals<Value>(task, partitions), scale_(scale), sums_(static_cast<size_t>(partitions)) {}

 private:
  void add_values(const TotalSlice& s) override {
    const auto* const x = reinterpret_cast<const uint8_t*>(column::values_of<__int128>(*s.values));
    column::add_grouped_decimals(sums_.data(), s.number, x, s.bits, s.offset, s.n);
  }
  void merge_values(const Totals& other) override {
    const auto& o = static_cast<const DecimalTotal&>(other);
    for (size_t g = 0; g < sums_.size(); ++g) sums_[g].merge(o.sums_[g]);
  }
  std::optional<Value> value(uint32_t g) const override {
    if constexpr (std::is_same_v<Value, double>) {
      return sums_[g].value_over(this->count(g), scale_);
    } else {
      return sums_[g].value();
    }
  }
  arrow::Status missing() const override {
    return base::data_error("decimal overflow in sum(" + this->task_.function.args[0]->label + ")");
  }

  int scale_;
  std::vector<column::DecimalSum> sums_;
};

class FloatTotal final : public CountedTotals<double> {
 public:
  FloatTotal(const WindowTask& task, int64_t partitions, column::ExactUnit unit) : CountedTotals(task, partitions), sums_(unit) {
    sums_.resize(static_cast<size_t>(partitions));
  }

 private:
  void add_values(const TotalSlice& s) override { sums_.add(s.number, column::values_of<double>(*s.values), s.bits, s.offset, s.n); }
  void merge_values(const Totals& other) override {
    const auto& o = static_cast<const FloatTotal&>(other);
    for (uint32_t g = 0; g < sums_.size(); ++g) sums_.merge_group(g, o.sums_, g);
  }
  std::optional<double> value(uint32_t g) const override {
    return task_.function.function == "mean" ? sums_.value_over(g, count(g)) : sums_.value(g);
  }

  column::GroupSums sums_;
};

class VarianceTotal final : public CountedTotals<double> {
 public:
  VarianceTotal(const WindowTask& task, int64_t partitions, column::ExactUnit unit) : CountedTotals(task, partitions), moments_({unit}) {
    moments_.resize(static_cast<size_t>(partitions));
  }

 private:
  void add_values(const TotalSlice& s) override {
    moments_.add(s.number, {column::values_of<double>(*s.values)}, s.bits, s.offset, s.n);
  }
  void merge_values(const Totals& other) override {
    const auto& o = static_cast<const VarianceTotal&>(other);
    for (uint32_t g = 0; g < moments_.size(); ++g) moments_.merge_group(g, o.moments_, g);
  }
  std::optional<double> value(uint32_t g) const override {
    const int ddof = static_cast<int>(task_.function.ddof);
    return task_.function.function == "std" ? moments_.stddev(g, ddof) : moments_.variance(g, ddof);
  }

  column::GroupVariances moments_;
};

// The total order of floats: NaN is greatest.
template <typename T>
bool ranks_before(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return a < b || (std::isnan(b) && !std::isnan(a));
  } else {
    return a < b;
  }
}

template <typename T, bool kGreatest>
class Extreme final : public CountedTotals<T> {
 public:
  Extreme(const WindowTask& task, int64_t partitions)
      : CountedTotals<T>(task, partitions), best_(static_cast<size_t>(partitions), worst()) {}

 private:
  // What any value is at least as good as.
  static T worst() {
    if constexpr (std::is_floating_point_v<T>) {
      return kGreatest ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::quiet_NaN();
    } else if constexpr (sizeof(T) == 16) {
      constexpr auto kMost = static_cast<T>(~static_cast<unsigned __int128>(0) >> 1);
      return kGreatest ? -kMost - 1 : kMost;
    } else {
      return kGreatest ? std::numeric_limits<T>::lowest() : std::numeric_limits<T>::max();
    }
  }
  void offer(size_t g, T v) {
    if (kGreatest ? ranks_before(best_[g], v) : ranks_before(v, best_[g])) best_[g] = v;
  }
  void add_values(const TotalSlice& s) override {
    const T* const v = column::values_of<T>(*s.values);
    s.each([&](int64_t i) { offer(s.number[i], v[i]); });
  }
  void merge_values(const Totals& other) override {
    const auto& o = static_cast<const Extreme&>(other);
    for (size_t g = 0; g < best_.size(); ++g) offer(g, o.best_[g]);
  }
  std::optional<T> value(uint32_t g) const override {
    if constexpr (std::is_floating_point_v<T>) {
      return std::isnan(best_[g]) ? std::numeric_limits<T>::quiet_NaN() : best_[g] + T{0};
    } else {
      return best_[g];
    }
  }

  std::vector<T> best_;
};

arrow::Result<column::ExactUnit> unit_of(const WindowTask& task, const column::Batch& rows, arrow::MemoryPool* pool) {
  const int64_t n = std::min(rows.rows, kTotalSample);
  const column::Column head = column::slice(rows.columns[static_cast<size_t>(task.args[0])], 0, n);
  ARROW_ASSIGN_OR_RAISE(const column::Column flat, column::flatten(head, n, pool));
  return column::ExactUnit::choose({column::values_of<double>(*flat.values), static_cast<size_t>(n)});
}

template <typename T>
std::unique_ptr<Totals> integer_total(const WindowTask& task, int64_t partitions) {
  if (task.function.function == "mean") return std::make_unique<IntegerTotal<T, double>>(task, partitions);
  if (task.function.type->id() == arrow::Type::UINT64) return std::make_unique<IntegerTotal<T, uint64_t>>(task, partitions);
  return std::make_unique<IntegerTotal<T, int64_t>>(task, partitions);
}

// What the phases of one ordering share.
struct TotalWork {
  std::shared_ptr<OrderingState> o;
  std::vector<size_t> tasks;
  std::mutex mutex;  // free
  using Set = std::vector<std::unique_ptr<Totals>>;  // by place in `tasks`
  std::vector<Set> free;

  const NumberedPartitions* partitions() const { return o->numbered.get(); }
  const column::Batch& rows() const { return o->window->rows(); }

  arrow::Result<Set> take(arrow::MemoryPool* pool) {
    {
      const std::lock_guard lock(mutex);
      if (!free.empty()) {
        Set s = std::move(free.back());
        free.pop_back();
        return s;
      }
    }
    Set s;
    for (const size_t t : tasks) {
      ARROW_ASSIGN_OR_RAISE(auto totals, Totals::make(o->window->layout.tasks[t], rows(), partitions()->count, pool));
      s.push_back(std::move(totals));
    }
    return s;
  }
  void give_back(Set s) {
    const std::lock_guard lock(mutex);
    free.push_back(std::move(s));
  }
};

class SumUp final : public Phase {
 public:
  explicit SumUp(std::shared_ptr<TotalWork> w) : w_(std::move(w)) {}
  std::string name() const override { return "sum up partitions"; }
  arrow::Result<int64_t> start(const QueryContext& context) override {
    pool_ = context.pool();
    if (!w_->partitions()) return 0;
    const auto& tasks = w_->o->window->layout.tasks;
    for (size_t t = 0; t < tasks.size(); ++t) {
      if (tasks[t].ordering == w_->o->number) w_->tasks.push_back(t);
    }
    return total_slices(w_->rows().rows);
  }
  arrow::Status run(int64_t piece) override {
    const int64_t begin = piece * kTotalRows, end = std::min(begin + kTotalRows, w_->rows().rows);
    std::vector<uint32_t> number;
    ARROW_RETURN_NOT_OK(w_->partitions()->number(begin, end, &number));
    ARROW_ASSIGN_OR_RAISE(TotalWork::Set set, w_->take(pool_));
    for (auto& totals : set) ARROW_RETURN_NOT_OK(totals->add(w_->rows(), number.data(), begin, end, pool_));
    w_->give_back(std::move(set));
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<TotalWork> w_;
  arrow::MemoryPool* pool_ = nullptr;
};

class MergeTotals final : public Phase {
 public:
  explicit MergeTotals(std::shared_ptr<TotalWork> w) : w_(std::move(w)) {}
  std::string name() const override { return "merge totals"; }
  arrow::Result<int64_t> start(const QueryContext&) override { return w_->free.empty() ? 0 : static_cast<int64_t>(w_->tasks.size()); }
  arrow::Status run(int64_t piece) override {
    const auto k = static_cast<size_t>(piece);
    Totals& all = *w_->free[0][k];
    for (size_t s = 1; s < w_->free.size(); ++s) {
      all.merge(*w_->free[s][k]);
      w_->free[s][k].reset();
    }
    arrow::Status status = all.finish();
    return status.ok() ? status : w_->o->window->note(w_->tasks[k], std::move(status));
  }
  arrow::Status finish() override {
    return w_->free.empty() ? arrow::Status::OK() : w_->o->window->first_failure(w_->o->number);
  }

 private:
  std::shared_ptr<TotalWork> w_;
};

class WriteTotals final : public Phase {
 public:
  explicit WriteTotals(std::shared_ptr<TotalWork> w) : w_(std::move(w)) {}
  std::string name() const override { return "write totals"; }
  arrow::Result<int64_t> start(const QueryContext& context) override {
    if (w_->free.empty()) return 0;
    WindowState& w = *w_->o->window;
    for (const size_t t : w_->tasks) {  // values even where rows in order would be picked from
      ARROW_ASSIGN_OR_RAISE(w.results[t], WindowResult::make(w.layout.tasks[t], w_->rows().rows, false, context.pool()));
    }
    return total_slices(w_->rows().rows);
  }
  arrow::Status run(int64_t piece) override {
    const int64_t begin = piece * kTotalRows, end = std::min(begin + kTotalRows, w_->rows().rows);
    std::vector<uint32_t> number;
    ARROW_RETURN_NOT_OK(w_->partitions()->number(begin, end, &number));
    for (size_t k = 0; k < w_->tasks.size(); ++k) {
      w_->free[0][k]->write(number.data(), begin, end, w_->o->window->results[w_->tasks[k]]);
    }
    return arrow::Status::OK();
  }
  arrow::Status finish() override {
    w_->free.clear();
    w_->o->numbered.reset();
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<TotalWork> w_;
};

}  // namespace

bool is_total(const WindowTask& task, const std::vector<column::TypePtr>& types) {
  const expr::BoundWindow& f = task.function;
  if (!is_blind(task) || f.min_periods > 1 || f.exclude != expr::FrameExclude::kNothing) return false;
  if (task.args.empty()) return true;
  const Physical p = column::physical_unchecked(*types[static_cast<size_t>(task.args[0])]);
  if (f.function == "count") return p != Physical::kNull;
  return column::byte_width(p) > 0 && p != Physical::kView;
}

arrow::Result<std::unique_ptr<Totals>> Totals::make(const WindowTask& task, const column::Batch& rows, int64_t partitions,
                                                    arrow::MemoryPool* pool) {
  const std::string& f = task.function.function;
  if (f == "count") return std::make_unique<RowCount>(task, partitions);
  const column::TypePtr& type = rows.columns[static_cast<size_t>(task.args[0])].type();
  const Physical p = column::physical_unchecked(*type);
  if (f == "min" || f == "max") {
    return column::visit_number(p, [&]<typename T>() -> std::unique_ptr<Totals> {
      if (f == "max") return std::make_unique<Extreme<T, true>>(task, partitions);
      return std::make_unique<Extreme<T, false>>(task, partitions);
    });
  }
  if (f == "var" || f == "std" || p == Physical::kFloat64) {
    ARROW_ASSIGN_OR_RAISE(const column::ExactUnit unit, unit_of(task, rows, pool));
    if (f == "var" || f == "std") return std::make_unique<VarianceTotal>(task, partitions, unit);
    return std::make_unique<FloatTotal>(task, partitions, unit);
  }
  if (p == Physical::kInt128) {
    const int scale = static_cast<const arrow::DecimalType&>(*type).scale();
    if (f == "mean") return std::make_unique<DecimalTotal<double>>(task, partitions, scale);
    return std::make_unique<DecimalTotal<__int128>>(task, partitions, scale);
  }
  if (p == Physical::kUInt64) return integer_total<uint64_t>(task, partitions);
  return integer_total<int64_t>(task, partitions);
}

arrow::Status NumberedPartitions::number(int64_t begin, int64_t end, std::vector<uint32_t>* out) const {
  const auto n = static_cast<size_t>(end - begin);
  out->resize(n);
  if (count == 1) {
    std::fill(out->begin(), out->end(), 0u);
    return arrow::Status::OK();
  }
  std::vector<uint64_t> prefixes(n);
  ARROW_RETURN_NOT_OK(keys->pack(begin, end, prefixes.data()));
  for (size_t i = 0; i < n; ++i) (*out)[i] = static_cast<uint32_t>(prefixes[i] >> shift);
  return arrow::Status::OK();
}

std::unique_ptr<NumberedPartitions> number_partitions(const OrderingState& state, std::unique_ptr<KeyPacking>& keys) {
  const WindowState& w = *state.window;
  if (!state.ordering().order.empty()) return nullptr;
  const bool totals = std::all_of(w.layout.tasks.begin(), w.layout.tasks.end(), [&](const WindowTask& t) {
    return t.ordering != state.number || is_total(t, w.layout.types);
  });
  if (!totals) return nullptr;
  auto out = std::make_unique<NumberedPartitions>();
  out->shift = keys ? keys->bits_below(state.ordering().partition.size()) : 64;
  if (out->shift < 0 || 64 - out->shift >= 62) return nullptr;
  out->count = int64_t{1} << (64 - out->shift);
  if (out->count > kMostPartitions || out->count / 2 > w.rows().rows) return nullptr;
  out->keys = std::move(keys);
  return out;
}

std::vector<std::shared_ptr<Phase>> make_total_phases(const std::shared_ptr<OrderingState>& state) {
  auto work = std::make_shared<TotalWork>();
  work->o = state;
  return {std::make_shared<SumUp>(work), std::make_shared<MergeTotals>(work), std::make_shared<WriteTotals>(work)};
}

}  // namespace gristmill::exec
