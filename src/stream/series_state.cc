// Rolling sums are exact: what enters is taken back to the last bit when it leaves, so they never drift, and a snapshot needs only the
// values that are still inside.

#include "stream/series_state.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <utility>

#include "column/exact_number.h"
#include "column/exact_sum.h"
#include "stream/event_time.h"

namespace gristmill::stream {
namespace {

uint64_t bits_of(double x) {
  uint64_t b;
  std::memcpy(&b, &x, 8);
  return b;
}
double double_of(uint64_t b) {
  double x;
  std::memcpy(&x, &b, 8);
  return x;
}
// NaN is the greatest.
bool less(double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; }

SeriesResult with_value(SeriesRow row, bool valid, double x) {
  SeriesResult out;
  out.row = std::move(row.row);
  out.valid = valid;
  out.x = x;
  return out;
}

class Rolling final : public SeriesState {
 public:
  Rolling(RollingKind kind, int64_t rows, int64_t length, int64_t periods, int ddof)
      : kind_(kind), rows_(rows), length_(length), periods_(periods), ddof_(ddof) {}

  arrow::Status take(SeriesRow row, const SeriesEmit& emit) override {
    add({row.t, row.valid, row.x});
    const bool enough = valid_ >= periods_ || kind_ == RollingKind::kCount;
    double x = 0;
    const bool there = enough && value(&x);
    return emit(with_value(std::move(row), there, x));
  }
  void save(std::vector<uint64_t>* words) const override {
    for (const Entry& e : entries_) {
      words->push_back(static_cast<uint64_t>(e.t));
      words->push_back(e.valid);
      words->push_back(bits_of(e.x));
    }
  }
  bool load(std::span<const uint64_t> words) override {
    if (words.size() % 3 != 0) return false;
    for (size_t i = 0; i < words.size(); i += 3) add({static_cast<int64_t>(words[i]), words[i + 1] != 0, double_of(words[i + 2])});
    return true;
  }
  int64_t bytes() const override { return 160 + static_cast<int64_t>(entries_.size()) * 24 + sum_.heap_bytes() + squares_.heap_bytes(); }

 private:
  struct Entry {
    int64_t t;
    bool valid;
    double x;
  };

  bool moments() const { return kind_ == RollingKind::kVar || kind_ == RollingKind::kStd; }
  bool sums() const { return kind_ == RollingKind::kSum || kind_ == RollingKind::kMean || moments(); }

  void add(Entry e) {
    entries_.push_back(e);
    ++last_;
    if (e.valid) {
      ++valid_;
      if (sums()) sum_.add(e.x);
      if (moments()) squares_.add_product(e.x, e.x);
      if (kind_ == RollingKind::kMin || kind_ == RollingKind::kMax) {
        const auto beaten = [&](double y) { return kind_ == RollingKind::kMin ? !less(y, e.x) : !less(e.x, y); };
        while (!best_.empty() && beaten(best_.back().second)) best_.pop_back();
        best_.emplace_back(last_, e.x);
      }
    }
    while (rows_ > 0 ? static_cast<int64_t>(entries_.size()) > rows_ : entries_.front().t <= time_less(e.t, length_)) drop();
  }
  void drop() {
    const Entry e = entries_.front();
    entries_.pop_front();
    ++first_;
    if (!e.valid) return;
    --valid_;
    if (sums()) sum_.subtract(e.x);
    if (moments()) squares_.subtract_product(e.x, e.x);
    if (!best_.empty() && best_.front().first <= first_) best_.pop_front();
  }
  bool value(double* x) const {
    switch (kind_) {
      case RollingKind::kCount: *x = static_cast<double>(valid_); return true;
      case RollingKind::kSum: *x = sum_.value(); return valid_ > 0;
      case RollingKind::kMean:
        if (valid_ > 0) *x = sum_.value_over(valid_);
        return valid_ > 0;
      case RollingKind::kMin:
      case RollingKind::kMax:
        if (!best_.empty()) *x = best_.front().second;
        return !best_.empty();
      default: return deviation(x);
    }
  }
  bool deviation(double* x) const {
    if (valid_ <= ddof_) return false;
    if (!sum_.is_finite()) {
      *x = std::nan("");
      return true;
    }
    const auto n = column::exact_number(valid_, 0);
    const auto top =
        column::exact_subtract(column::exact_multiply(n, squares_.number()), column::exact_multiply(sum_.number(), sum_.number()));
    const auto bottom = column::exact_multiply(n, column::exact_number(valid_ - ddof_, 0));
    *x = kind_ == RollingKind::kVar ? column::rounded_quotient(top, bottom) : column::rounded_root(top, bottom);
    return true;
  }

  const RollingKind kind_;
  const int64_t rows_;
  const int64_t length_;
  const int64_t periods_;
  const int ddof_;
  std::deque<Entry> entries_;
  int64_t first_ = 0, last_ = 0;  // numbers: entries_ are first_ + 1 .. last_
  int64_t valid_ = 0;
  column::WideSum sum_, squares_;
  std::deque<std::pair<int64_t, double>> best_;  // candidates, the best first
};

class Ewma final : public SeriesState {
 public:
  Ewma(double alpha, bool adjust) : alpha_(alpha), adjust_(adjust) {}
  arrow::Status take(SeriesRow row, const SeriesEmit& emit) override {
    const bool valid = row.valid;
    if (valid) {
      const double keep = 1 - alpha_;
      const double share = adjust_ || weight_ == 0 ? 1 : alpha_;
      sum_ = row.x * share + keep * sum_;
      weight_ = adjust_ ? 1 + keep * weight_ : 1;
    }
    return emit(with_value(std::move(row), valid, sum_ / weight_));
  }
  void save(std::vector<uint64_t>* words) const override { *words = {bits_of(sum_), bits_of(weight_)}; }
  bool load(std::span<const uint64_t> words) override {
    if (words.size() != 2) return false;
    sum_ = double_of(words[0]);
    weight_ = double_of(words[1]);
    return true;
  }

 private:
  const double alpha_;
  const bool adjust_;
  double sum_ = 0, weight_ = 0;
};

// x over the value before; the logarithm is taken of whole columns.
class LogReturn final : public SeriesState {
 public:
  arrow::Status take(SeriesRow row, const SeriesEmit& emit) override {
    const bool valid = row.valid && there_;
    const double ratio = valid ? row.x / before_ : 0;
    if (row.valid) {
      before_ = row.x;
      there_ = true;
    }
    return emit(with_value(std::move(row), valid, ratio));
  }
  void save(std::vector<uint64_t>* words) const override { *words = {bits_of(before_), there_}; }
  bool load(std::span<const uint64_t> words) override {
    if (words.size() != 2) return false;
    before_ = double_of(words[0]);
    there_ = words[1] != 0;
    return true;
  }

 private:
  double before_ = 0;
  bool there_ = false;
};

class TimeDifference final : public SeriesState {
 public:
  arrow::Status take(SeriesRow row, const SeriesEmit& emit) override {
    const int64_t t = row.t;
    SeriesResult out = with_value(std::move(row), before_ != kNoTime, 0);
    out.ticks = before_ == kNoTime ? 0 : time_less(t, before_);
    before_ = t;
    return emit(std::move(out));
  }
  void save(std::vector<uint64_t>* words) const override { *words = {static_cast<uint64_t>(before_)}; }
  bool load(std::span<const uint64_t> words) override {
    if (words.size() != 1) return false;
    before_ = static_cast<int64_t>(words[0]);
    return true;
  }

 private:
  int64_t before_ = kNoTime;
};

class FillForward final : public SeriesState {
 public:
  arrow::Status take(SeriesRow row, const SeriesEmit& emit) override {
    if (row.valid) last_ = row;
    SeriesResult out;
    out.from = last_.row;
    out.row = std::move(row.row);
    return emit(std::move(out));
  }
  void save(std::vector<uint64_t>* words) const override { words->clear(); }
  bool load(std::span<const uint64_t>) override { return true; }
  void each_row(const std::function<void(const SeriesRow&)>& visit) const override {
    if (last_.row.batch) visit(last_);
  }
  void take_back(SeriesRow row) override { last_ = std::move(row); }

 private:
  SeriesRow last_;
};

// Rows without a value wait for the next one of their key.
class FillBackward final : public SeriesState {
 public:
  arrow::Status take(SeriesRow row, const SeriesEmit& emit) override {
    waiting_.push_back(std::move(row));
    if (!waiting_.back().valid) return arrow::Status::OK();
    const KeptRow value = waiting_.back().row;
    for (SeriesRow& w : waiting_) {
      SeriesResult out;
      out.row = std::move(w.row);
      out.from = value;
      ARROW_RETURN_NOT_OK(emit(std::move(out)));
    }
    waiting_.clear();
    return arrow::Status::OK();
  }
  arrow::Status end(const SeriesEmit& emit) override {
    for (SeriesRow& w : waiting_) {
      SeriesResult out;
      out.row = std::move(w.row);
      ARROW_RETURN_NOT_OK(emit(std::move(out)));
    }
    waiting_.clear();
    return arrow::Status::OK();
  }
  void save(std::vector<uint64_t>* words) const override { words->clear(); }
  bool load(std::span<const uint64_t>) override { return true; }
  void each_row(const std::function<void(const SeriesRow&)>& visit) const override {
    for (const SeriesRow& w : waiting_) visit(w);
  }
  void take_back(SeriesRow row) override { waiting_.push_back(std::move(row)); }
  int64_t bytes() const override { return 64 + static_cast<int64_t>(waiting_.size() * sizeof(SeriesRow)); }

 private:
  std::vector<SeriesRow> waiting_;
};

// Between two values along the line of time; before the first and behind the last there is none.
class FillLinear final : public SeriesState {
 public:
  arrow::Status take(SeriesRow row, const SeriesEmit& emit) override {
    if (!row.valid) {
      if (there_) {
        waiting_.push_back(std::move(row));
        return arrow::Status::OK();
      }
      return emit(with_value(std::move(row), false, 0));
    }
    const int64_t t = row.t;
    const double x = row.x;
    const double span = static_cast<double>(time_less(t, t_));
    for (SeriesRow& w : waiting_) {
      const double share = span > 0 ? static_cast<double>(time_less(w.t, t_)) / span : 1;
      ARROW_RETURN_NOT_OK(emit(with_value(std::move(w), true, x_ + (x - x_) * share)));
    }
    waiting_.clear();
    there_ = true;
    t_ = t;
    x_ = x;
    return emit(with_value(std::move(row), true, x));
  }
  arrow::Status end(const SeriesEmit& emit) override {
    for (SeriesRow& w : waiting_) ARROW_RETURN_NOT_OK(emit(with_value(std::move(w), false, 0)));
    waiting_.clear();
    return arrow::Status::OK();
  }
  void save(std::vector<uint64_t>* words) const override { *words = {there_, static_cast<uint64_t>(t_), bits_of(x_)}; }
  bool load(std::span<const uint64_t> words) override {
    if (words.size() != 3) return false;
    there_ = words[0] != 0;
    t_ = static_cast<int64_t>(words[1]);
    x_ = double_of(words[2]);
    return true;
  }
  void each_row(const std::function<void(const SeriesRow&)>& visit) const override {
    for (const SeriesRow& w : waiting_) visit(w);
  }
  void take_back(SeriesRow row) override { waiting_.push_back(std::move(row)); }
  int64_t bytes() const override { return 96 + static_cast<int64_t>(waiting_.size() * sizeof(SeriesRow)); }

 private:
  bool there_ = false;
  int64_t t_ = 0;
  double x_ = 0;
  std::vector<SeriesRow> waiting_;
};

// With the mean of the key's values so far.
class FillMean final : public SeriesState {
 public:
  arrow::Status take(SeriesRow row, const SeriesEmit& emit) override {
    if (row.valid) {
      sum_.add(row.x);
      ++n_;
      const double x = row.x;
      return emit(with_value(std::move(row), true, x));
    }
    return emit(with_value(std::move(row), n_ > 0, n_ > 0 ? sum_.value_over(n_) : 0));
  }
  void save(std::vector<uint64_t>* words) const override {
    const std::vector<uint8_t> bytes = sum_.bytes();
    *words = {static_cast<uint64_t>(n_), bytes.size()};
    words->resize(2 + (bytes.size() + 7) / 8);
    if (!bytes.empty()) std::memcpy(words->data() + 2, bytes.data(), bytes.size());
  }
  bool load(std::span<const uint64_t> words) override {
    if (words.size() < 2 || words[1] > (words.size() - 2) * 8) return false;
    n_ = static_cast<int64_t>(words[0]);
    sum_ = column::WideSum::from_bytes({reinterpret_cast<const uint8_t*>(words.data() + 2), static_cast<size_t>(words[1])});
    return true;
  }
  int64_t bytes() const override { return 96 + sum_.heap_bytes(); }

 private:
  column::WideSum sum_;
  int64_t n_ = 0;
};

// Rows for the steps between two rows of the key.
class Gaps final : public SeriesState {
 public:
  explicit Gaps(int64_t every) : every_(every) {}
  arrow::Status take(SeriesRow row, const SeriesEmit& emit) override {
    if (last_.row.batch) {
      const double span = static_cast<double>(time_less(row.t, last_.t));
      for (int64_t t = time_add(last_.t, every_); t < row.t; t = time_add(t, every_)) {
        SeriesResult out;
        out.row = last_.row;
        out.next = row.row;
        out.made = true;
        out.ticks = t;
        out.share = static_cast<double>(t - last_.t) / span;
        ARROW_RETURN_NOT_OK(emit(std::move(out)));
      }
    }
    SeriesResult out;
    out.row = row.row;
    out.ticks = row.t;
    last_ = std::move(row);
    return emit(std::move(out));
  }
  void save(std::vector<uint64_t>* words) const override { words->clear(); }
  bool load(std::span<const uint64_t>) override { return true; }
  void each_row(const std::function<void(const SeriesRow&)>& visit) const override {
    if (last_.row.batch) visit(last_);
  }
  void take_back(SeriesRow row) override { last_ = std::move(row); }

 private:
  const int64_t every_;
  SeriesRow last_;
};

}  // namespace

std::unique_ptr<SeriesState> make_series_state(const SeriesSpec& spec, const SeriesLengths& lengths) {
  switch (spec.kind) {
    case SeriesKind::kRolling: {
      const int64_t periods = spec.min_periods > 0 ? spec.min_periods : spec.rows > 0 ? spec.rows : 1;
      return std::make_unique<Rolling>(spec.rolling, spec.rows, lengths.length, periods, spec.ddof);
    }
    case SeriesKind::kEwma: return std::make_unique<Ewma>(spec.alpha, spec.adjust);
    case SeriesKind::kLogReturn: return std::make_unique<LogReturn>();
    case SeriesKind::kTimeDifference: return std::make_unique<TimeDifference>();
    case SeriesKind::kGaps: return std::make_unique<Gaps>(lengths.every);
    case SeriesKind::kFill: break;
  }
  switch (spec.fill) {
    case FillKind::kBackward: return std::make_unique<FillBackward>();
    case FillKind::kLinear: return std::make_unique<FillLinear>();
    case FillKind::kMean: return std::make_unique<FillMean>();
    default: return std::make_unique<FillForward>();
  }
}

}  // namespace gristmill::stream
