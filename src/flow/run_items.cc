// What becomes of an item that is through, or that failed, by the rule of the run.

#include <utility>

#include "base/status.h"
#include "flow/run.h"

namespace gristmill::flow {

detail::FlowRow Run::row_of(std::vector<Anything>& values) const {
  std::vector<Anything> row;
  row.reserve(plan_.wanted.size());
  for (const int slot : plan_.wanted) row.push_back(values[static_cast<size_t>(slot)]);
  values.clear();
  return row;
}

void Run::put(int64_t position, Row row) {
  const arrow::Result<bool> enough = delivery_.put(position, std::move(row));
  if (!enough.ok()) {
    fail(enough.status());
  } else if (*enough) {
    std::lock_guard lock(mutex_);
    enough_ = true;
  }
}

arrow::Status Run::told(int64_t position, int step, const arrow::Status& status, int attempts) const {
  std::string text =
      status.message() + " (in function \"" + plan_.steps[static_cast<size_t>(step)].node->name + "\" of item " + std::to_string(position);
  if (attempts > 1) text += ", after " + std::to_string(attempts) + " calls";
  return status.WithMessage(text + ")");
}

void Run::fail(arrow::Status status) {
  {
    std::lock_guard lock(mutex_);
    if (broken_.ok()) broken_ = std::move(status);
  }
  wake();
}

void Run::item_failed(const ItemPtr& item) { failed(item->position, item->failed, item->status, item->attempts); }

void Run::failed(int64_t position, int step, const arrow::Status& status, int attempts) {
  switch (options_.errors) {
    case FlowErrors::kFail: fail(told(position, step, status, attempts)); break;
    case FlowErrors::kOrdered: stop_at(position, told(position, step, status, attempts)); break;
    case FlowErrors::kReturn: put(position, detail::FlowRow(told(position, step, status, attempts))); break;
    case FlowErrors::kSkip:
      if (options_.dead_letter) {
        std::lock_guard lock(letters_);
        try {
          options_.dead_letter({position, plan_.steps[static_cast<size_t>(step)].node->name, status, attempts});
        } catch (...) {
          fail(detail::exception_status());
        }
      }
      put(position, std::nullopt);
      break;
  }
}

// The items from `position` on are of no use any more; those before it go on.
void Run::stop_at(int64_t position, arrow::Status told) {
  std::vector<ItemPtr> ended;
  {
    std::lock_guard lock(mutex_);
    if (position >= bound_) return;
    bound_ = position;
    bound_status_ = std::move(told);
    const auto from = live_.lower_bound(position);
    for (auto it = from; it != live_.end(); ++it) {
      it->second->dead = true;
      ended.push_back(it->second);
    }
    live_.erase(from, live_.end());
  }
  for (const auto& calls : waiting_) {
    if (calls) calls->cancel_from(position);
  }
}

}  // namespace gristmill::flow
