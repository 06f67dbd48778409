#include "job/waiting_morsels.h"

#include <algorithm>
#include <utility>

#include "base/waiting.h"

namespace gristmill::job {

using MorselPtr = std::shared_ptr<WaitingMorsel>;

struct WaitingMorsels::Shared {
  Shared(size_t phases, int most_fresh, std::function<bool()> takes_more)
      : takes_more(std::move(takes_more)), most_fresh(most_fresh), queues(phases) {}

  // Something may be done that could not be done before.
  void wake() {
    base::WaitHandlePtr woken;
    {
      std::lock_guard lock(mutex);
      woken = std::move(changed);
    }
    if (woken != nullptr) woken->fire();
  }

  // The morsel that may go on, of several the one nearest its end; under the lock.
  MorselPtr next_answered() {
    for (size_t phase = queues.size() - 1; phase > 0; --phase) {
      auto& queue = queues[phase];
      if (queue.empty() || queue.front()->waits_for_ > 0) continue;
      const MorselPtr m = std::move(queue.front());
      queue.pop_front();
      m->waits_for_ = 1;
      return m;
    }
    return nullptr;
  }

  const std::function<bool()> takes_more;
  const int most_fresh;
  std::mutex mutex;
  base::WaitHandlePtr changed;                // of who waits, or null
  std::vector<std::deque<MorselPtr>> queues;  // by phase to come, in order; that of the first is empty
  std::unordered_map<uint64_t, MorselPtr> handed_out;
  uint64_t begun = 0;  // morsels of the source
  int64_t fresh = 0;   // in their first phase
  int64_t inside = 0;  // begun, and their last phase is not over
  bool ended = false;
};

WaitingMorsels::WaitingMorsels(size_t phases, int most_fresh, std::function<bool()> takes_more)
    : shared_(std::make_shared<Shared>(phases, most_fresh, std::move(takes_more))) {}
WaitingMorsels::~WaitingMorsels() = default;

arrow::Result<plan::Scan::Next> WaitingMorsels::next(uint64_t seq, const NextOfSource& next_of_source) {
  Shared& s = *shared_;
  const auto hand_out = [&](const MorselPtr& m, size_t phase) {
    m->phase = phase;
    m->last = phase + 1 == s.queues.size();
    if (!m->last) s.queues[phase + 1].push_back(m);
    s.handed_out.emplace(seq, m);
    return plan::Scan::Next{};
  };
  std::unique_lock lock(s.mutex);
  if (const MorselPtr m = s.next_answered()) return hand_out(m, m->phase + 1);
  base::WaitHandlePtr of_source;
  if (!s.ended && (s.inside == 0 || (s.fresh < s.most_fresh && s.takes_more()))) {
    lock.unlock();  // answers go on meanwhile; nobody else begins a morsel
    ARROW_ASSIGN_OR_RAISE(plan::Scan::Next found, next_of_source(s.begun));
    lock.lock();
    if (found.wait == nullptr && !found.end) {
      const auto m = std::make_shared<WaitingMorsel>(shared_, s.begun++);
      s.fresh += 1;
      s.inside += 1;
      return hand_out(m, 0);
    }
    s.ended |= found.end;
    of_source = std::move(found.wait);
    // What came while the source was asked has woken nobody.
    if (const MorselPtr m = s.next_answered()) return hand_out(m, m->phase + 1);
  }
  if (s.ended && std::all_of(s.queues.begin(), s.queues.end(), [](const auto& q) { return q.empty(); }))
    return plan::Scan::Next{true, nullptr};
  if (s.changed == nullptr) s.changed = std::make_shared<base::WaitHandle>();
  const base::WaitHandlePtr changed = s.changed;
  lock.unlock();
  if (of_source != nullptr) of_source->on_ready([shared = shared_] { shared->wake(); });
  return plan::Scan::Next{false, changed};
}

MorselPtr WaitingMorsels::take(uint64_t seq) {
  std::lock_guard lock(shared_->mutex);
  auto node = shared_->handed_out.extract(seq);
  return node.empty() ? nullptr : std::move(node.mapped());
}

void WaitingMorsels::over(WaitingMorsel& morsel) {
  {
    std::lock_guard lock(shared_->mutex);
    if (morsel.phase == 0) shared_->fresh -= 1;
    if (morsel.last) shared_->inside -= 1;
    if (!morsel.error.ok()) shared_->ended = true;  // no row behind it matters
  }
  morsel.done_waiting();
}

size_t WaitingMorsel::expect() {
  waits_for_ += 1;
  std::lock_guard lock(mutex_);
  return expected_++;
}

void WaitingMorsel::add(SuspendedBatch batch) {
  const std::shared_ptr<PendingRows> pending = batch.pending;
  bool wanted = true;
  {
    std::lock_guard lock(mutex_);
    batches_.push_back(std::move(batch));
    wanted = batches_.size() - 1 <= first_failed_;
  }
  if (!wanted) pending->give_up();
}

std::vector<SuspendedBatch> WaitingMorsel::take_batches() {
  std::lock_guard lock(mutex_);
  expected_ = 0;
  first_failed_ = SIZE_MAX;
  return std::exchange(batches_, {});
}

void WaitingMorsel::answered(size_t number, bool failed) {
  std::vector<std::shared_ptr<PendingRows>> unwanted;
  if (failed) {
    {
      std::lock_guard lock(mutex_);
      if (number < first_failed_) {
        for (size_t i = number + 1; i < std::min(batches_.size(), first_failed_); ++i) unwanted.push_back(batches_[i].pending);
        first_failed_ = number;
      }
    }
    std::lock_guard lock(shared_->mutex);
    shared_->ended = true;
  }
  for (const auto& pending : unwanted) pending->give_up();
  done_waiting();
}

void WaitingMorsel::done_waiting() {
  if (--waits_for_ == 0) shared_->wake();
}

void WaitingMorsel::takes_more() { shared_->wake(); }

}  // namespace gristmill::job
