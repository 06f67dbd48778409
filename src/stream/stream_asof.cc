// As-of join of two streams: each left row with the last right row of its key at or before it.
//
// Both sides are taken in the order of time, so the right row wanted is the last one taken: one row a key is all that is kept.

#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/status.h"
#include "stream/two_streams.h"

namespace gristmill::stream {
namespace {

class StreamAsof final : public TwoStreams {
 public:
  StreamAsof(BoundStreamJoin join, bool allow_exact, int64_t tolerance)
      : TwoStreams(std::move(join), "as-of join"), allow_exact_(allow_exact), tolerance_(tolerance) {}
  ~StreamAsof() override { no_more_spills(); }

 protected:
  // Of equal times the right row goes first where it may be the answer.
  int rank(int side) const override { return allow_exact_ ? 1 - side : side; }

  arrow::Status take(int side, Row row, Emitter& out) override {
    if (side == 1) {
      if (!row.null_key) hold_again(1, std::move(row));
      return arrow::Status::OK();
    }
    KeptRow partner;
    if (!row.null_key) {
      const auto found = last_.find(row.key);
      if (found != last_.end() && time_less(row.t, tolerance_) <= found->second.t) partner = found->second.row;
    }
    return pair(row.row, partner, out);
  }

  // With a tolerance, what is too old for every row to come.
  arrow::Status forget(int64_t to, Emitter&) override {
    if (tolerance_ == kAllTime) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(wake_due(1, to).status());  // those on disk that are too old go
    if (swept_ != kNoTime && to < time_add(swept_, tolerance_)) return arrow::Status::OK();
    swept_ = to;
    count_held(-static_cast<int64_t>(std::erase_if(last_, [&](const auto& held) { return held.second.t < time_less(to, tolerance_); })));
    return arrow::Status::OK();
  }

  void each_held(const std::function<void(int, const Row&)>& visit) const override {
    std::map<std::pair<int64_t, uint64_t>, const Row*> ordered;
    for (const auto& [key, row] : last_) ordered.emplace(std::make_pair(row.t, row.place), &row);
    for (const auto& [at, row] : ordered) visit(1, *row);
  }

  void hold_again(int side, Row row) override { wake(side, std::move(row)); }

  arrow::Status each_held_key(const VisitKey& visit) const override {
    for (const auto& [key, row] : last_) ARROW_RETURN_NOT_OK(visit(1, key, {&row}));
    return arrow::Status::OK();
  }
  void let_go() override { last_ = decltype(last_)(); }
  // The later one stays.
  void wake(int, Row row) override {
    const auto [at, fresh] = last_.try_emplace(row.key);
    if (!fresh && std::tie(at->second.t, at->second.place) > std::tie(row.t, row.place)) return;
    at->second = std::move(row);
    if (fresh) count_held(1);
  }
  int64_t due(int, const std::vector<const Row*>& rows) const override {
    return tolerance_ == kAllTime ? kAllTime : time_add(rows[0]->t, tolerance_);
  }

 private:
  const bool allow_exact_;
  const int64_t tolerance_;
  std::unordered_map<std::string, Row, KeyHash, std::equal_to<>> last_;
  int64_t swept_ = kNoTime;
};

}  // namespace

arrow::Result<StatefulOperatorPtr> make_stream_asof(const StreamAsofSpec& spec, const std::shared_ptr<arrow::Schema>& left,
                                                    const std::shared_ptr<arrow::Schema>& right) {
  ARROW_ASSIGN_OR_RAISE(BoundStreamJoin join, bind_stream_join(spec, left, right));
  int64_t tolerance = kAllTime;
  if (!spec.tolerance.empty()) {
    ARROW_ASSIGN_OR_RAISE(tolerance, ticks_of(spec.tolerance, *join.sides[0].watermark.time->type, "the tolerance"));
  }
  join.text = spec.tolerance.empty() ? "as-of join" : "as-of join within " + spec.tolerance;
  return std::make_shared<StreamAsof>(std::move(join), spec.allow_exact, tolerance);
}

}  // namespace gristmill::stream
