// Who watches a run: the listener of its events, its timeline and its progress. A run that nobody watches has none.
//
// Thread safe. The listener is told one event at a time, in an order that each item's own events have; never under the lock of the run, so
// it may cancel the run or run another flow. If it fails the run does.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "flow/call_stats.h"
#include "gristmill/flow.h"

namespace gristmill::flow {

class Observer {
 public:
  static std::shared_ptr<Observer> of(const FlowOptions& options);  // null: nobody watches
  explicit Observer(const FlowOptions& options);

  // `total`: items, -1 if nobody knows. `broken` is called when the listener fails.
  void begin(int64_t total, std::function<void(arrow::Status)> broken);
  // What becomes of the run's status.
  arrow::Status end(arrow::Status status);

  void tell(FlowEvent::What what, const FlowCall& place, const std::string& node = {}, const arrow::Status& error = {});
  void call_began(const std::string& node, const FlowCall& place) { tell(FlowEvent::What::kNodeStart, place, node); }
  void call_ended(const std::string& node, const FlowCall& place, Way way, int64_t began);
  void item_through(bool failed);

 private:
  void tell(FlowEvent event);

  const std::function<void(const FlowEvent&)> listener_;
  const std::shared_ptr<FlowTimeline::State> timeline_;
  const std::shared_ptr<FlowProgress::State> progress_;

  std::mutex mutex_;
  bool failed_ = false;
  arrow::Status failure_;
  std::function<void(arrow::Status)> broken_;
};

}  // namespace gristmill::flow
