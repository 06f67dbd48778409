// One thread at a time goes on; an answer that comes meanwhile, perhaps from within a request, is seen by that one.

#include "job/http/asked_rows.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace gristmill::job {
namespace {

constexpr int64_t kReserveStep = int64_t{1} << 20;

}  // namespace

AskedRows::AskedRows(size_t rows, size_t window, bool all, Ask ask, base::Reservation held, Wakes wakes,
                     std::shared_ptr<AskingBacklog> backlog)
    : rows_(rows),
      window_(window),
      all_(all),
      backlog_(std::move(backlog)),
      ask_(std::move(ask)),
      wakes_(std::move(wakes)),
      held_(std::move(held)),
      answers_(rows) {
  backlog_->rows += static_cast<int64_t>(rows_);
}

void AskedRows::begin() { go_on(); }

void AskedRows::arrived(size_t i, AnsweredPtr answer) {
  std::function<void()> more;
  {
    std::lock_guard lock(mutex_);
    bytes_ += static_cast<int64_t>(answer->body.size());
    if (!answer->status.ok()) first_failed_ = std::min(first_failed_, i);
    hopeless_ |= answer->hopeless;
    answers_[i] = std::move(answer);
    under_way_ -= 1;
    while (prefix_ < rows_ && answers_[prefix_] != nullptr) ++prefix_;
    if (backlog_->rows.fetch_sub(1) == backlog_->enough) more = wakes_.takes_more;
  }
  if (more) more();
  go_on();
}

bool AskedRows::is_over() const {
  const size_t end = all_ ? rows_ : std::min(rows_, first_failed_);
  return hopeless_ || !failed_.ok() || (next_ >= end && prefix_ >= end);
}

void AskedRows::end(std::unique_lock<std::mutex>& lock) {
  over_ = true;
  backlog_->rows -= static_cast<int64_t>(rows_ - next_);  // for which nobody will ask
  const Wakes wakes = std::exchange(wakes_, {});
  const Ask ask = std::exchange(ask_, {});
  const bool failed = has_failed();
  over_changed_.notify_all();
  lock.unlock();
  if (wakes.answered) wakes.answered(failed);
}

void AskedRows::go_on() {
  std::unique_lock lock(mutex_);
  if (going_on_ || over_) return;
  going_on_ = true;
  while (true) {
    if (is_over()) return end(lock);
    const size_t end = all_ ? rows_ : std::min(rows_, first_failed_);
    if (bytes_ > held_.bytes()) {
      const int64_t wanted = (bytes_ / kReserveStep + 1) * kReserveStep;
      lock.unlock();
      const arrow::Status grown = held_.grow_to(wanted);
      lock.lock();
      if (!grown.ok()) failed_ = grown;
      continue;
    }
    if (next_ >= end || under_way_ >= window_) break;
    const size_t i = next_++;
    under_way_ += 1;
    lock.unlock();
    const bool asked = ask_(i, [self = shared_from_this(), i](AnsweredPtr answer) { self->arrived(i, std::move(answer)); });
    lock.lock();
    if (!asked) {
      backlog_->rows -= 1;
      failed_ = base::cancelled_error("the run is over");
    }
  }
  going_on_ = false;
}

void AskedRows::give_up() {
  {
    std::lock_guard lock(mutex_);
    if (failed_.ok()) failed_ = base::cancelled_error("nobody wants these rows any more");
  }
  go_on();
}

void AskedRows::wait() {
  std::unique_lock lock(mutex_);
  over_changed_.wait(lock, [this] { return over_; });
}

arrow::Status AskedRows::status() {
  std::lock_guard lock(mutex_);
  if (!failed_.ok() || !hopeless_) return failed_;
  const auto at = std::find_if(answers_.begin(), answers_.end(), [](const AnsweredPtr& a) { return a != nullptr && a->hopeless; });
  return (*at)->status;
}

std::vector<AnsweredPtr> AskedRows::answers() {
  std::lock_guard lock(mutex_);  // calls behind a failed row may still be answered
  return answers_;
}

}  // namespace gristmill::job
