// Interval join: rows of two streams with equal keys whose times lie within bounds of each other.
//
// Rows are taken in the order of time, so each meets exactly the rows of the other side that came before it in that order: a pair is made
// once, by its later row. Pairs leave by their later row, and then by the order of the earlier one. With `left` or `right`, a row of that
// side that met nobody leaves alone, before the first row that is too late to meet it: where that is depends on times only, not on when
// watermarks moved.

#include <algorithm>
#include <deque>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/status.h"
#include "stream/two_streams.h"

namespace gristmill::stream {
namespace {

// Rows of one side in the order in which they go: those that were taken one after the other, and those that came back from disk.
class Departures {
 public:
  struct Turn {
    int64_t t = 0;
    uint64_t place = 0;
    std::string key;
    bool operator<(const Turn& other) const { return std::tie(t, place) < std::tie(other.t, other.place); }
  };

  bool empty() const { return taken_.empty() && woken_.empty(); }
  const Turn& front() const { return woken_first() ? *woken_.begin() : taken_.front(); }
  void pop_front() {
    if (woken_first()) {
      woken_.erase(woken_.begin());
    } else {
      taken_.pop_front();
    }
  }
  void push_back(Turn turn) { taken_.push_back(std::move(turn)); }
  void insert(Turn turn) { woken_.insert(std::move(turn)); }
  void sort() { std::sort(taken_.begin(), taken_.end()); }
  void clear() { *this = {}; }
  template <typename F>
  void each(F&& f) const {
    auto woken = woken_.begin();
    for (const Turn& turn : taken_) {
      for (; woken != woken_.end() && *woken < turn; ++woken) f(*woken);
      f(turn);
    }
    for (; woken != woken_.end(); ++woken) f(*woken);
  }

 private:
  bool woken_first() const { return !woken_.empty() && (taken_.empty() || *woken_.begin() < taken_.front()); }
  std::deque<Turn> taken_;
  std::set<Turn> woken_;
};

class IntervalJoin final : public TwoStreams {
 public:
  IntervalJoin(BoundStreamJoin join, int64_t lower, int64_t upper, bool left, bool right)
      : TwoStreams(std::move(join), "interval join"), lower_(lower), upper_(upper), alone_{left, right} {}
  ~IntervalJoin() override { no_more_spills(); }

 protected:
  arrow::Status take(int side, Row row, Emitter& out) override {
    if (outer()) ARROW_RETURN_NOT_OK(forget(row.t, out));
    if (row.null_key) return alone_[side] ? alone(side, row.row, out) : arrow::Status::OK();  // meets nobody
    const size_t other = 1 - static_cast<size_t>(side);
    // right - left in [lower, upper]
    const int64_t from = side == 0 ? time_add(row.t, lower_) : time_less(row.t, upper_);
    const int64_t to = side == 0 ? time_add(row.t, upper_) : time_less(row.t, lower_);
    if (const auto found = held_[other].find(row.key); found != held_[other].end()) {
      for (Row& partner : found->second) {
        if (partner.t < from) continue;
        if (partner.t > to) break;
        row.met = partner.met = outer();
        ARROW_RETURN_NOT_OK(side == 0 ? pair(row.row, partner.row, out) : pair(partner.row, row.row, out));
      }
    }
    hold_again(side, std::move(row));
    return arrow::Status::OK();
  }

  // The one that could meet nobody first goes first, of both sides, so that it does not matter how far one call of this comes.
  arrow::Status forget(int64_t to, Emitter& out) override {
    for (int64_t here = kNoTime; here < to;) {
      here = to;
      for (int side = 0; side < 2; ++side) {
        ARROW_ASSIGN_OR_RAISE(const int64_t known, wake_due(side, to));
        here = std::min(here, known);
      }
      while (true) {
        const bool some[2] = {goes(0, here), goes(1, here)};
        if (!some[0] && !some[1]) break;
        const int side = some[0] && (!some[1] || last(0, departures_[0].front().t) <= last(1, departures_[1].front().t)) ? 0 : 1;
        ARROW_RETURN_NOT_OK(let_first_go(side, out));
      }
    }
    return arrow::Status::OK();
  }

  void each_held(const std::function<void(int, const Row&)>& visit) const override {
    for (size_t side = 0; side < 2; ++side) {
      std::unordered_map<std::string_view, size_t> next;
      departures_[side].each([&](const Departures::Turn& turn) {
        const auto found = held_[side].find(turn.key);
        visit(static_cast<int>(side), found->second[next[turn.key]++]);
      });
    }
  }

  void hold_again(int side, Row row) override {
    departures_[static_cast<size_t>(side)].push_back({row.t, row.place, row.key});
    auto& rows = held_[static_cast<size_t>(side)][row.key];
    rows.push_back(std::move(row));
    count_held(1);
  }

  // A snapshot gives rows back part by part and key group by key group.
  void restored() override {
    for (auto& order : departures_) order.sort();
    for (auto& held : held_) {
      for (auto& [key, rows] : held) std::sort(rows.begin(), rows.end(), earlier);
    }
  }

  arrow::Status each_held_key(const VisitKey& visit) const override {
    std::vector<const Row*> all;
    for (int side = 0; side < 2; ++side) {
      for (const auto& [key, rows] : held_[side]) {
        all.clear();
        for (const Row& row : rows) all.push_back(&row);
        ARROW_RETURN_NOT_OK(visit(side, key, all));
      }
    }
    return arrow::Status::OK();
  }
  void let_go() override {
    for (auto& order : departures_) order.clear();
    for (auto& held : held_) held = std::remove_reference_t<decltype(held)>();
  }
  void wake(int side, Row row) override {
    departures_[side].insert({row.t, row.place, row.key});
    auto& rows = held_[side][row.key];
    rows.insert(std::upper_bound(rows.begin(), rows.end(), row, earlier), std::move(row));
    count_held(1);
  }
  // Rows that leave alone are wanted when the first of them can meet nobody any more; others when all of them cannot.
  int64_t due(int side, const std::vector<const Row*>& rows) const override {
    const auto [first, newest] = std::minmax_element(rows.begin(), rows.end(), [](const Row* a, const Row* b) { return a->t < b->t; });
    return last(side, alone_[side] ? (*first)->t : (*newest)->t);
  }
  bool comes_back(int side) const override { return alone_[side]; }

  // The time of a pair is the left row's, which may lie before its later row; of a right join it is the right one's.
  int64_t behind() const override {
    return std::max<int64_t>({alone_[1] ? time_less(0, lower_) : 0, alone_[1] && !alone_[0] ? 0 : upper_, 0});
  }

 private:
  bool outer() const { return alone_[0] || alone_[1]; }
  // A left row meets right rows up to its time plus `upper`, a right row left ones up to its time less `lower`.
  int64_t last(int side, int64_t t) const { return side == 0 ? time_add(t, upper_) : time_less(t, lower_); }
  bool goes(int side, int64_t to) const { return !departures_[side].empty() && last(side, departures_[side].front().t) < to; }
  arrow::Status let_first_go(int side, Emitter& out) {
    const auto found = held_[side].find(departures_[side].front().key);
    const Row& oldest = found->second.front();
    if (alone_[side] && !oldest.met) ARROW_RETURN_NOT_OK(alone(side, oldest.row, out));
    found->second.pop_front();
    if (found->second.empty()) held_[side].erase(found);
    departures_[side].pop_front();
    count_held(-1);
    return arrow::Status::OK();
  }
  static bool earlier(const Row& a, const Row& b) { return std::tie(a.t, a.place) < std::tie(b.t, b.place); }

  const int64_t lower_;
  const int64_t upper_;
  const bool alone_[2];  // rows of that side that meet nobody leave too
  std::unordered_map<std::string, std::deque<Row>, KeyHash, std::equal_to<>> held_[2];
  Departures departures_[2];
};

arrow::Result<int64_t> signed_ticks(const std::string& text, const arrow::DataType& time, std::string_view what) {
  if (!text.starts_with("-")) return ticks_of(text, time, what);
  ARROW_ASSIGN_OR_RAISE(const int64_t n, ticks_of(text.substr(1), time, what));
  return -n;
}

}  // namespace

arrow::Result<StatefulOperatorPtr> make_interval_join(const IntervalJoinSpec& spec, const std::shared_ptr<arrow::Schema>& left,
                                                      const std::shared_ptr<arrow::Schema>& right) {
  ARROW_ASSIGN_OR_RAISE(BoundStreamJoin join, bind_stream_join(spec, left, right, spec.right));
  const arrow::DataType& time = *join.sides[0].watermark.time->type;
  ARROW_ASSIGN_OR_RAISE(const int64_t lower, signed_ticks(spec.lower, time, "the lower end of the interval"));
  ARROW_ASSIGN_OR_RAISE(const int64_t upper, signed_ticks(spec.upper, time, "the upper end of the interval"));
  if (lower > upper) return base::plan_error("the interval [" + spec.lower + ", " + spec.upper + "] is empty");
  const char* const kind = spec.left && spec.right ? "full " : spec.left ? "left " : spec.right ? "right " : "";
  join.text = std::string(kind) + "interval join [" + spec.lower + ", " + spec.upper + "]";
  return std::make_shared<IntervalJoin>(std::move(join), lower, upper, spec.left, spec.right);
}

}  // namespace gristmill::stream
