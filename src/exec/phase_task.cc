// A phase between two pipelines as a task of the scheduler: its pieces are handed out by a counter, and of several errors that of
// the smallest piece is kept.

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <optional>

#include "exec/breaker.h"
#include "exec/morsel_status.h"
#include "exec/pipeline.h"
#include "exec/steady_clock.h"
#include "sched/claim.h"

namespace gristmill::exec {
namespace {

class PhaseTask final : public sched::Task {
 public:
  PhaseTask(std::shared_ptr<Phase> phase, std::function<bool()> enabled, std::shared_ptr<const QueryContext> context,
            std::shared_ptr<RunReport> report, int plan_node)
      : phase_(std::move(phase)),
        enabled_(std::move(enabled)),
        context_(std::move(context)),
        report_(std::move(report)),
        plan_node_(plan_node) {}

  std::string name() const override { return phase_->name(); }
  int max_slots() const override { return static_cast<int>(std::clamp<int64_t>(pieces_, 1, 1 << 16)); }

  arrow::Status prepare(int) override {
    if (enabled_ && !enabled_()) return arrow::Status::OK();
    active_ = true;
    ARROW_ASSIGN_OR_RAISE(pieces_, phase_->start(*context_));
    claims_ = sched::counter_claims(static_cast<uint64_t>(pieces_));
    return arrow::Status::OK();
  }

  arrow::Result<sched::Step> step(int slot) override {
    if (!active_) return sched::Step::done();
    std::optional<uint64_t> piece = claims_->next(slot);
    if (!piece) return sched::Step::done();
    const int64_t before = now_ns();
    arrow::Status status = phase_->run(static_cast<int64_t>(*piece));
    nanoseconds_.fetch_add(now_ns() - before);
    if (status.ok()) return sched::Step::progress();
    if (ends_at_once(status)) return status;
    claims_->close_from(*piece);
    std::lock_guard lock(mutex_);
    if (*piece < error_piece_) {
      error_piece_ = *piece;
      error_ = std::move(status);
    }
    return sched::Step::progress();
  }

  arrow::Status finish() override {
    if (context_->progress) context_->progress->tasks_done++;
    if (!active_) return arrow::Status::OK();
    RowCounts c;
    c.nanoseconds = nanoseconds_.load();
    {
      std::lock_guard lock(report_->mutex);
      report_->nodes.push_back({plan_node_, phase_->name(), c, {}});
    }
    ARROW_RETURN_NOT_OK(error_);
    return phase_->finish();
  }

 private:
  std::shared_ptr<Phase> phase_;
  std::function<bool()> enabled_;
  std::shared_ptr<const QueryContext> context_;
  std::shared_ptr<RunReport> report_;
  int plan_node_;
  bool active_ = false;
  int64_t pieces_ = 0;
  std::unique_ptr<sched::Claims> claims_;
  std::atomic<int64_t> nanoseconds_{0};
  std::mutex mutex_;
  uint64_t error_piece_ = std::numeric_limits<uint64_t>::max();
  arrow::Status error_;
};

}  // namespace

std::shared_ptr<sched::Task> make_phase_task(std::shared_ptr<Phase> phase, std::function<bool()> enabled,
                                             std::shared_ptr<const QueryContext> context, std::shared_ptr<RunReport> report,
                                             int plan_node) {
  return std::make_shared<PhaseTask>(std::move(phase), std::move(enabled), std::move(context), std::move(report), plan_node);
}

}  // namespace gristmill::exec
