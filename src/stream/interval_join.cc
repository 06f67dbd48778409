// Interval join: rows of two streams with equal keys whose times lie within bounds of each other.
//
// Rows are taken in the order of time, so each meets exactly the rows of the other side that came before it in that order: a pair is made
// once, by its later row. Pairs leave by their later row, and then by the order of the earlier one.

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <utility>

#include "base/status.h"
#include "stream/two_streams.h"

namespace gristmill::stream {
namespace {

class IntervalJoin final : public TwoStreams {
 public:
  IntervalJoin(BoundStreamJoin join, int64_t lower, int64_t upper)
      : TwoStreams(std::move(join), "interval join"), lower_(lower), upper_(upper) {}

 protected:
  arrow::Status take(int side, Row row, Emitter& out) override {
    if (row.null_key) return arrow::Status::OK();  // meets nobody
    const size_t other = 1 - static_cast<size_t>(side);
    // right - left in [lower, upper]
    const int64_t from = side == 0 ? time_add(row.t, lower_) : time_less(row.t, upper_);
    const int64_t to = side == 0 ? time_add(row.t, upper_) : time_less(row.t, lower_);
    if (const auto found = held_[other].find(row.key); found != held_[other].end()) {
      for (const Row& partner : found->second) {
        if (partner.t < from) continue;
        if (partner.t > to) break;
        ARROW_RETURN_NOT_OK(side == 0 ? pair(row.row, partner.row, out) : pair(partner.row, row.row, out));
      }
    }
    hold_again(side, std::move(row));
    return arrow::Status::OK();
  }

  // A left row meets right rows up to its time plus `upper`, a right row left ones up to its time less `lower`.
  void forget(int64_t to) override {
    for (size_t side = 0; side < 2; ++side) {
      const auto last = [&](int64_t t) { return side == 0 ? time_add(t, upper_) : time_less(t, lower_); };
      auto& order = order_[side];
      while (!order.empty() && last(order.front().first) < to) {
        const auto found = held_[side].find(order.front().second);
        found->second.pop_front();
        if (found->second.empty()) held_[side].erase(found);
        order.pop_front();
        count_held(-1);
      }
    }
  }

  void each_held(const std::function<void(int, const Row&)>& visit) const override {
    for (size_t side = 0; side < 2; ++side) {
      std::unordered_map<std::string_view, size_t> next;
      for (const auto& [t, key] : order_[side]) {
        const auto found = held_[side].find(key);
        visit(static_cast<int>(side), found->second[next[key]++]);
      }
    }
  }

  void hold_again(int side, Row row) override {
    order_[static_cast<size_t>(side)].emplace_back(row.t, row.key);
    auto& rows = held_[static_cast<size_t>(side)][row.key];
    rows.push_back(std::move(row));
    count_held(1);
  }

  // A snapshot gives rows back key group by key group, each in its order.
  void restored() override {
    for (auto& order : order_) {
      std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    }
  }

  // The left row of a pair may lie before its later row.
  int64_t behind() const override { return std::max<int64_t>(upper_, 0); }

 private:
  const int64_t lower_;
  const int64_t upper_;
  std::unordered_map<std::string, std::deque<Row>, KeyHash, std::equal_to<>> held_[2];
  std::deque<std::pair<int64_t, std::string>> order_[2];  // as rows go
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
  join.text = "interval join [" + spec.lower + ", " + spec.upper + "]";
  return std::make_shared<IntervalJoin>(std::move(join), lower, upper);
}

}  // namespace gristmill::stream
