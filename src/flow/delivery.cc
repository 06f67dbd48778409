// Who brings a row while another thread is with the user leaves it there and goes on.

#include "flow/delivery.h"

#include <iterator>
#include <utility>

namespace gristmill::flow {

Delivery::Delivery(Take take, bool ordered, int64_t total) : take_(std::move(take)), ordered_(ordered) {
  if (!take_ && total > 0) rows_.resize(static_cast<size_t>(total));
}

int64_t Delivery::passed() const {
  std::lock_guard lock(mutex_);
  return passed_;
}

int64_t Delivery::waiting() const {
  std::lock_guard lock(mutex_);
  return waiting_;
}

int64_t Delivery::waiting_of(int64_t item) const {
  std::lock_guard lock(mutex_);
  const auto it = held_.find(item);
  return it == held_.end() ? 0 : static_cast<int64_t>(it->second.rows.size() - it->second.at);
}

std::vector<Row> Delivery::rows() {
  if (some_.empty()) return std::move(rows_);
  std::vector<Row> out;
  for (auto& [item, rows] : some_) out.insert(out.end(), std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
  return out;
}

void Delivery::add(int64_t item, Row row) {
  std::lock_guard lock(mutex_);
  if (!take_) {
    if (rows_.size() <= static_cast<size_t>(item)) rows_.resize(static_cast<size_t>(item) + 1);
    rows_[static_cast<size_t>(item)] = std::move(row);
    ++passed_;
    return;
  }
  waiting_ += row ? 1 : 0;
  if (ordered_) {
    Rows& held = held_[item];
    held.rows.push_back(std::move(row));
    held.are_last = true;
  } else {
    line_.push_back({item, std::move(row), true});
  }
}

void Delivery::add_some(int64_t item, std::vector<Row> rows, bool are_last) {
  std::lock_guard lock(mutex_);
  if (!take_) {
    rows_.clear();
    std::vector<Row>& kept = some_[item];
    kept.insert(kept.end(), std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
    passed_ += are_last ? 1 : 0;
    return;
  }
  for (const Row& row : rows) waiting_ += row ? 1 : 0;
  if (ordered_) {
    Rows& held = held_[item];
    held.rows.insert(held.rows.end(), std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
    held.are_last = held.are_last || are_last;
    return;
  }
  for (Row& row : rows) line_.push_back({item, std::move(row), false});
  if (are_last) line_.push_back({item, std::nullopt, true});
}

std::optional<Delivery::Next> Delivery::next() {
  std::optional<Next> found;
  if (over_) return found;
  if (!ordered_) {
    if (line_.empty()) return found;
    found = std::move(line_.front());
    line_.pop_front();
  } else {
    const auto it = held_.find(passed_);
    if (it == held_.end()) return found;
    Rows& held = it->second;
    if (held.at < held.rows.size()) {
      found = Next{passed_, std::move(held.rows[held.at]), false};
      ++held.at;
    } else if (held.are_last) {
      found = Next{passed_, std::nullopt, false};
    }
    if (held.at == held.rows.size()) {
      held.rows.clear();
      held.at = 0;
      if (held.are_last) {
        found->last = true;
        held_.erase(it);
      }
    }
  }
  if (found) waiting_ -= found->row ? 1 : 0;
  return found;
}

arrow::Result<bool> Delivery::hand_out() {
  if (!take_) return false;
  std::unique_lock lock(mutex_);
  if (busy_) return false;
  busy_ = true;
  arrow::Result<bool> more = true;
  while (more.ok() && *more) {
    std::optional<Next> next = this->next();
    if (!next) break;
    if (next->row) {
      lock.unlock();
      try {
        more = take_(next->item, std::move(*next->row));
      } catch (...) {
        more = detail::exception_status();
      }
      lock.lock();
    }
    passed_ += next->last ? 1 : 0;
  }
  busy_ = false;
  over_ = over_ || !more.ok() || !*more;
  ARROW_RETURN_NOT_OK(more.status());
  return over_;
}

}  // namespace gristmill::flow
