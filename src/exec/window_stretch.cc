// Each stretch is summed up by itself, by any worker; then, in order, what lies before a stretch is what lies before the last one and
// that one's own. Sums are exact, so it does not show where the cuts are.

#include "exec/window_stretch.h"

#include <algorithm>

#include "exec/window_columns.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kStretchRows = 65536, kLeastStretchRows = 16384;

class SumStretches final : public Phase {
 public:
  explicit SumStretches(std::shared_ptr<OrderingState> o) : o_(std::move(o)) {}
  std::string name() const override { return "sum up stretches"; }

  arrow::Result<int64_t> start(const QueryContext& context) override {
    pool_ = context.pool();
    const auto& tasks = o_->window->layout.tasks;
    for (size_t t = 0; t < tasks.size(); ++t) {
      if (tasks[t].ordering == o_->number && takes_stretches(tasks[t])) tasks_.push_back(t);
    }
    if (tasks_.empty() || o_->whole.empty()) return 0;
    const bool peers = std::any_of(tasks_.begin(), tasks_.end(), [&](size_t t) { return reach_of(tasks[t]).whole_peers; });
    cut_stretches(o_->whole, peers, o_->stretches, o_->unstretched);
    own_.resize(o_->stretches.size());
    return static_cast<int64_t>(own_.size());
  }

  arrow::Status run(int64_t piece) override {
    const WindowUnit& unit = o_->stretches[static_cast<size_t>(piece)].unit;
    WindowCarry& own = own_[static_cast<size_t>(piece)];
    own.rows = unit.end - unit.begin;
    for (int64_t i = unit.begin; i < unit.end && o_->ordered.marks; ++i) own.groups += o_->ordered.starts(i, kPeerStart);
    own.sums.resize(o_->window->layout.tasks.size());
    for (const size_t t : tasks_) {
      ARROW_ASSIGN_OR_RAISE(own.sums[t], sum_of_rows(o_->window->layout.tasks[t], unit, pool_));
    }
    return arrow::Status::OK();
  }

  arrow::Status finish() override {
    for (size_t i = 0; i < o_->stretches.size(); ++i) {
      WindowStretch& s = o_->stretches[i];
      s.carry.ends_here = true;
      s.carry.added = s.unit.begin;
      s.carry.sums.resize(o_->window->layout.tasks.size());
      if (s.unit.begin == s.first) continue;
      const WindowCarry &before = o_->stretches[i - 1].carry, &own = own_[i - 1];
      s.carry.rows = before.rows + own.rows;
      s.carry.groups = before.groups + own.groups;
      for (const size_t t : tasks_) s.carry.sums[t] = joined_sums(o_->window->layout.tasks[t], before.sums[t], own.sums[t]);
    }
    own_.clear();
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<OrderingState> o_;
  std::vector<size_t> tasks_;
  std::vector<WindowCarry> own_;  // of each stretch's rows alone
  arrow::MemoryPool* pool_ = nullptr;
};

}  // namespace

bool takes_stretches(const WindowTask& task) { return !is_local(task) && reach_of(task).streams; }

void cut_stretches(const std::vector<WindowUnit>& whole, bool whole_peers, std::vector<WindowStretch>& stretches,
                   std::vector<WindowUnit>& others) {
  for (const WindowUnit& unit : whole) {
    if (unit.end - unit.begin < 2 * kStretchRows) {  // more than one partition, or one that is not worth it
      others.push_back(unit);
      continue;
    }
    for (int64_t at = unit.begin; at < unit.end;) {
      int64_t stop = std::min(at + kStretchRows, unit.end);
      if (const WindowColumns* c = unit.ordered->columns; c && !unit.ordered->rows) {
        stop = std::min(stop, c->piece_end(std::min(at + kLeastStretchRows, stop) - 1));  // pieces as they are
      }
      while (whole_peers && stop < unit.end && !unit.ordered->starts(stop, kPeerStart)) ++stop;
      stretches.push_back({{unit.ordered, at, stop, at, stop}, unit.begin, {}});
      at = stop;
    }
  }
}

std::shared_ptr<Phase> make_stretch_phase(const std::shared_ptr<OrderingState>& state) { return std::make_shared<SumStretches>(state); }

}  // namespace gristmill::exec
