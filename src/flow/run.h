// One run of a plan over its items, as a task of the engine's scheduler.
//
// A worker's step: start calls that wait and may start, take answers and go on with their items, compute what is ready, begin further
// items. There is no queue between functions: whoever ends a call finds what became ready and goes on with it or hands it over. Where all
// functions are known to compute, a worker takes a run of items at a time and walks each to its end without a lock.
//
// Items open, and rows nobody has taken yet, are never more than the window. Which failure is told by errors = kOrdered, kReturn and kSkip
// depends on no timing: of an item the one of its first failing function in the order of the graph, of the run the one of the earliest
// item.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "flow/delivery.h"
#include "flow/inputs.h"
#include "flow/item.h"
#include "flow/waiting_calls.h"
#include "sched/task.h"

namespace gristmill::flow {

class Run final : public sched::Task, public std::enable_shared_from_this<Run> {
 public:
  Run(Plan plan, Inputs inputs, FlowOptions options, Delivery& delivery, base::CancelToken cancel);
  // Once, before the scheduler has it.
  void begin(int workers);
  // After the scheduler is through with it: none of the user's functions is running any more.
  void settle();

  std::string name() const override { return "flow"; }
  int max_slots() const override { return slots_; }
  arrow::Result<sched::Step> step(int slot) override;
  arrow::Status finish() override;
  void abandon() override;

 private:
  enum class Begun : uint8_t { kSome, kNone };

  // Items (run.cc).
  Begun begin_items();
  Begun begin_pulled();
  Begun begin_counted();
  void walk_items(int64_t first, int64_t last);
  bool may_begin() const;  // under the lock
  int64_t room() const;    // under the lock
  bool through() const;    // under the lock
  arrow::Result<sched::Step> rest(uint64_t seen);
  void wake();
  arrow::Status state() const;

  // Calls (run_calls.cc).
  bool serve_calls();
  bool compute_one();
  void proceed(const ItemPtr& item, std::vector<int> ready);
  void go_on(Request request);
  void ended(const Request& request, arrow::Result<Anything> value, std::vector<int>* ready);
  void again(const Request& request, double pause);
  arrow::Result<Anything> compute(int step, const std::vector<Anything>& values, int64_t position, int attempt);
  bool offer(WaitingCalls& calls);

  // What becomes of items (run_items.cc).
  void put(int64_t position, Row row);
  void item_failed(const ItemPtr& item);
  void failed(int64_t position, int step, const arrow::Status& status, int attempts);
  void stop_at(int64_t position, arrow::Status told);
  void fail(arrow::Status status);
  arrow::Status told(int64_t position, int step, const arrow::Status& status, int attempts) const;
  detail::FlowRow row_of(std::vector<Anything>& values) const;

  const Plan plan_;
  const Inputs inputs_;
  const FlowOptions options_;
  Delivery& delivery_;
  const base::CancelToken cancel_;
  const std::shared_ptr<CallCount> count_ = std::make_shared<CallCount>();
  std::vector<std::shared_ptr<WaitingCalls>> waiting_;  // by step; null: computes always
  int slots_ = 1;

  mutable std::mutex mutex_;
  std::map<int64_t, ItemPtr> live_;
  std::deque<Request> to_compute_;
  int64_t begun_ = 0;          // items
  int64_t walking_ = 0;        // of those, on a worker's walk
  int64_t bound_ = INT64_MAX;  // kOrdered: the earliest item that failed; items from here on are of no use
  arrow::Status bound_status_;
  arrow::Status broken_;  // what ends the run at once
  bool exhausted_ = false;
  bool pulling_ = false;
  bool enough_ = false;  // the user wants no more rows
  uint64_t signals_ = 0;
  std::vector<base::WaitHandlePtr> sleepers_;

  std::mutex letters_;
};

}  // namespace gristmill::flow
