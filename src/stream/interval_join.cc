// Interval join: rows of two streams with equal keys whose times lie within bounds of each other.
//
// Rows are taken in the order of time, so each meets exactly the rows of the other side that came before it in that order: a pair is made
// once, by its later row. Pairs leave by their later row, and then by the order of the earlier one. With `left`, a left row that met nobody
// leaves alone, before the first row that is too late to meet it: where that is depends on times only, not on when watermarks moved.

#include <algorithm>
#include <deque>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/status.h"
#include "stream/two_streams.h"

namespace gristmill::stream {
namespace {

class IntervalJoin final : public TwoStreams {
 public:
  IntervalJoin(BoundStreamJoin join, int64_t lower, int64_t upper, bool left)
      : TwoStreams(std::move(join), "interval join"), lower_(lower), upper_(upper), left_(left) {}

 protected:
  arrow::Status take(int side, Row row, Emitter& out) override {
    if (left_) ARROW_RETURN_NOT_OK(forget(row.t, out));
    if (row.null_key) return left_ && side == 0 ? pair(row.row, {}, out) : arrow::Status::OK();  // meets nobody
    const size_t other = 1 - static_cast<size_t>(side);
    // right - left in [lower, upper]
    const int64_t from = side == 0 ? time_add(row.t, lower_) : time_less(row.t, upper_);
    const int64_t to = side == 0 ? time_add(row.t, upper_) : time_less(row.t, lower_);
    if (const auto found = held_[other].find(row.key); found != held_[other].end()) {
      for (Row& partner : found->second) {
        if (partner.t < from) continue;
        if (partner.t > to) break;
        row.met = partner.met = left_;
        ARROW_RETURN_NOT_OK(side == 0 ? pair(row.row, partner.row, out) : pair(partner.row, row.row, out));
      }
    }
    hold_again(side, std::move(row));
    return arrow::Status::OK();
  }

  // A left row meets right rows up to its time plus `upper`, a right row left ones up to its time less `lower`.
  arrow::Status forget(int64_t to, Emitter& out) override {
    for (size_t side = 0; side < 2; ++side) {
      const auto last = [&](int64_t t) { return side == 0 ? time_add(t, upper_) : time_less(t, lower_); };
      auto& order = order_[side];
      while (!order.empty() && last(order.front().t) < to) {
        const auto found = held_[side].find(order.front().key);
        const Row& oldest = found->second.front();
        if (left_ && side == 0 && !oldest.met) ARROW_RETURN_NOT_OK(pair(oldest.row, {}, out));
        found->second.pop_front();
        if (found->second.empty()) held_[side].erase(found);
        order.pop_front();
        count_held(-1);
      }
    }
    return arrow::Status::OK();
  }

  void each_held(const std::function<void(int, const Row&)>& visit) const override {
    for (size_t side = 0; side < 2; ++side) {
      std::unordered_map<std::string_view, size_t> next;
      for (const Turn& turn : order_[side]) {
        const auto found = held_[side].find(turn.key);
        visit(static_cast<int>(side), found->second[next[turn.key]++]);
      }
    }
  }

  void hold_again(int side, Row row) override {
    order_[static_cast<size_t>(side)].push_back({row.t, row.place, row.key});
    auto& rows = held_[static_cast<size_t>(side)][row.key];
    rows.push_back(std::move(row));
    count_held(1);
  }

  // A snapshot gives rows back part by part and key group by key group.
  void restored() override {
    for (auto& order : order_) std::sort(order.begin(), order.end(), earlier<Turn>);
    for (auto& held : held_) {
      for (auto& [key, rows] : held) std::sort(rows.begin(), rows.end(), earlier<Row>);
    }
  }

  // The left row of a pair may lie before its later row.
  int64_t behind() const override { return std::max<int64_t>(upper_, 0); }

 private:
  struct Turn {
    int64_t t = 0;
    uint64_t place = 0;
    std::string key;
  };
  template <typename T>
  static bool earlier(const T& a, const T& b) {
    return std::tie(a.t, a.place) < std::tie(b.t, b.place);
  }

  const int64_t lower_;
  const int64_t upper_;
  const bool left_;
  std::unordered_map<std::string, std::deque<Row>, KeyHash, std::equal_to<>> held_[2];
  std::deque<Turn> order_[2];  // as rows go
};

arrow::Result<int64_t> signed_ticks(const std::string& text, const arrow::DataType& time, std::string_view what) {
  if (!text.starts_with("-")) return ticks_of(text, time, what);
  ARROW_ASSIGN_OR_RAISE(const int64_t n, ticks_of(text.substr(1), time, what));
  return -n;
}

}  // namespace

arrow::Result<StatefulOperatorPtr> make_interval_join(const IntervalJoinSpec& spec, const std::shared_ptr<arrow::Schema>& left,
                                                      const std::shared_ptr<arrow::Schema>& right) {
  ARROW_ASSIGN_OR_RAISE(BoundStreamJoin join, bind_stream_join(spec, left, right));
  const arrow::DataType& time = *join.sides[0].watermark.time->type;
  ARROW_ASSIGN_OR_RAISE(const int64_t lower, signed_ticks(spec.lower, time, "the lower end of the interval"));
  ARROW_ASSIGN_OR_RAISE(const int64_t upper, signed_ticks(spec.upper, time, "the upper end of the interval"));
  if (lower > upper) return base::plan_error("the interval [" + spec.lower + ", " + spec.upper + "] is empty");
  join.text = std::string(spec.left ? "left " : "") + "interval join [" + spec.lower + ", " + spec.upper + "]";
  return std::make_shared<IntervalJoin>(std::move(join), lower, upper, spec.left);
}

}  // namespace gristmill::stream
