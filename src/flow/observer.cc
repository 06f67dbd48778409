#include "flow/observer.h"

#include <utility>

#include "flow/progress.h"
#include "flow/timeline.h"

namespace gristmill::flow {

using What = FlowEvent::What;

std::shared_ptr<Observer> Observer::of(const FlowOptions& options) {
  if (!options.on_event && !options.timeline && !options.progress) return nullptr;
  return std::make_shared<Observer>(options);
}

Observer::Observer(const FlowOptions& options)
    : listener_(options.on_event),
      timeline_(options.timeline ? options.timeline->state() : nullptr),
      progress_(options.progress ? options.progress->state() : nullptr) {}

void Observer::begin(int64_t total, std::function<void(arrow::Status)> broken) {
  broken_ = std::move(broken);
  if (progress_) progress_->begin(total);
  tell({.what = What::kFlowStart});
}

arrow::Status Observer::end(arrow::Status status) {
  if (progress_) progress_->end();
  tell({.what = status.ok() ? What::kFlowEnd : What::kFlowError, .error = status});
  std::lock_guard lock(mutex_);
  broken_ = nullptr;
  return status.ok() ? failure_ : status;
}

void Observer::tell(What what, const FlowCall& place, const std::string& node, const arrow::Status& error) {
  if (listener_) tell({what, node, place.item, place.parts, error, place.attempt});
}

void Observer::tell(FlowEvent event) {
  if (!listener_) return;
  std::function<void(arrow::Status)> broken;
  {
    std::lock_guard lock(mutex_);
    if (failed_) return;
    try {
      listener_(event);
      return;
    } catch (...) {
      failed_ = true;
      failure_ = detail::exception_status();
    }
    broken = broken_;
  }
  if (broken) broken(failure_);
}

void Observer::call_ended(const std::string& node, const FlowCall& place, Way way, int64_t began) {
  if (timeline_) timeline_->add(node, place, way, began);
}

void Observer::item_through(bool failed) {
  if (progress_) progress_->through(failed);
}

}  // namespace gristmill::flow
