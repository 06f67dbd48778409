// Who brings a row while another thread is with the user leaves it there and goes on.

#include "flow/delivery.h"

namespace gristmill::flow {

Delivery::Delivery(Take take, bool ordered, int64_t total) : take_(std::move(take)), ordered_(ordered) {
  if (!take_ && total > 0) rows_.resize(static_cast<size_t>(total));
}

int64_t Delivery::passed() const {
  std::lock_guard lock(mutex_);
  return passed_;
}

std::optional<Delivery::Waiting> Delivery::next() {
  std::optional<Waiting> found;
  if (over_) return found;
  if (!ordered_) {
    if (!line_.empty()) {
      found = std::move(line_.front());
      line_.pop_front();
    }
  } else if (const auto it = held_.find(passed_); it != held_.end()) {
    found.emplace(it->first, std::move(it->second));
    held_.erase(it);
  }
  return found;
}

arrow::Result<bool> Delivery::put(int64_t item, Row row) {
  std::unique_lock lock(mutex_);
  if (!take_) {
    if (rows_.size() <= static_cast<size_t>(item)) rows_.resize(static_cast<size_t>(item) + 1);
    rows_[static_cast<size_t>(item)] = std::move(row);
    ++passed_;
    return false;
  }
  if (ordered_) {
    held_.emplace(item, std::move(row));
  } else {
    line_.emplace_back(item, std::move(row));
  }
  if (busy_) return false;
  busy_ = true;
  arrow::Result<bool> more = true;
  while (more.ok() && *more) {
    std::optional<Waiting> waiting = next();
    if (!waiting) break;
    if (waiting->second) {
      lock.unlock();
      try {
        more = take_(waiting->first, std::move(*waiting->second));
      } catch (...) {
        more = detail::exception_status();
      }
      lock.lock();
    }
    ++passed_;
  }
  busy_ = false;
  over_ = over_ || !more.ok() || !*more;
  ARROW_RETURN_NOT_OK(more.status());
  return over_;
}

}  // namespace gristmill::flow
