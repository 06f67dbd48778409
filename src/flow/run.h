// One run of a plan over its items, as a task of the engine's scheduler.
//
// A worker's step: start calls that wait and may start, take answers and go on with their items, compute what is ready, begin further
// items, first those within items that are open. There is no queue between functions: whoever ends a call finds what became ready and goes
// on with it or hands it over. Where all functions are known to compute, a worker takes a run of items at a time and walks each to its end
// without a lock.
//
// Items open, and rows nobody has taken yet, are never more than the window; values of generators and items of flows inside have the same
// window together (each scope may have one item beyond it, so that all go on). Which failure is told by errors = kOrdered, kReturn and
// kSkip depends on no timing: of an item the one of its first failing function in the order of the graph, of the run the one of the
// earliest item.
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
#include "flow/observer.h"
#include "flow/scope.h"
#include "flow/waiting_calls.h"
#include "sched/task.h"

namespace gristmill::flow {

class Run final : public sched::Task, public std::enable_shared_from_this<Run> {
 public:
  // `observer` may be null.
  Run(Plan plan, Inputs inputs, FlowOptions options, Delivery& delivery, base::CancelToken cancel, std::shared_ptr<Observer> observer);
  // Once, before the scheduler has it.
  void begin(int workers);
  // After the scheduler is through with it: none of the user's functions is running any more, and nothing of the user's is held here by
  // whoever may still have hold of the run for a moment.
  void settle();
  void fail(arrow::Status status);  // of no function: it ends the run

  std::string name() const override { return "flow"; }
  int max_slots() const override { return slots_; }
  arrow::Result<sched::Step> step(int slot) override;
  arrow::Status finish() override;
  void abandon() override;

 private:
  // Items of the run (run.cc).
  bool begin_items();
  bool begin_pulled();
  bool begin_counted();
  void walk_items(int64_t first, int64_t last);
  bool may_begin() const;  // under the lock
  int64_t room() const;    // under the lock
  bool through() const;    // under the lock
  arrow::Result<sched::Step> rest(uint64_t seen);
  void wake();
  arrow::Status state() const;

  // Calls (run_calls.cc).
  bool serve_calls();
  bool serve_ready();
  bool compute_one();
  void proceed(const ItemPtr& item, std::vector<int> ready);
  void go_on(Request request);
  void ended(const Request& request, arrow::Result<Anything> value, std::vector<int>* ready);
  void ended_many(const Request& request, arrow::Result<Anything> value);
  void again(const Request& request, double pause);
  void after_pause(uint64_t number);
  // Seconds before the next call; less than 0: there is none.
  double pause_after(const Request& request, const arrow::Status& status);
  arrow::Result<Anything> compute(const Request& request);
  arrow::Result<Anything> compute_walked(const Step& step, const std::vector<Anything>& values, const FlowCall& here);
  // The value a cache has; otherwise `request` gets the key to keep it under.
  Anything cached(Request& request);
  void keep(const Request& request, const Anything& value);
  bool offer(WaitingCalls& calls);

  // What becomes of items (run_items.cc).
  void step_ended(const ItemPtr& item, int step, arrow::Result<Anything> value, FlowFailure failure, std::vector<int>* ready);
  void item_good(const ItemPtr& item);
  void item_failed(const ItemPtr& item);
  void failed_alone(const FlowFailure& failure);  // an item that was walked
  void stop_at(const ScopePtr& scope, int64_t position, const FlowFailure& failure);
  void put(int64_t position, Row row);
  void hand_out();
  void left_out(const FlowFailure& failure);
  void fail_with(const FlowFailure& failure);
  FlowFailure failure_of(const ItemPtr& item, int step, const arrow::Status& status, int attempts) const;
  detail::FlowRow row_of(const Plan& plan, std::vector<Anything>& values) const;

  // What is told of them, never under the lock.
  void tell(FlowEvent::What what, const ItemPtr& item, const arrow::Status& error = {}) const;
  void tell_step(FlowEvent::What what, const ItemPtr& item, int step, const arrow::Status& error = {}, int attempt = 1) const;
  void tell_ended(const Request& request, const ItemPtr& item, const arrow::Status& status) const;
  void count_through(bool failed) const;

  // Scopes within items (run_scopes.cc); those marked * under the lock.
  void start_map(const ItemPtr& item, int step);
  void start_values(const ItemPtr& item, int step, std::shared_ptr<detail::FlowSource> source);
  void values_came(const Request& request, arrow::Result<Anything> value);
  bool begin_inner();
  void start(const ItemPtr& item);
  void settle_scope(const ScopePtr& scope);
  void end_source(const ScopePtr& scope);
  ItemPtr add_item(const ScopePtr& scope, std::vector<Anything> values);         // *
  void remove(const ItemPtr& item);                                              // *
  void kill_from(Scope& scope, int64_t position);                                // *
  void drop(Scope& scope);                                                       // *
  void close(Scope& scope);                                                      // *
  void pass(Scope& scope, int64_t position, std::vector<Row> rows, bool final);  // *
  void want_more(const ScopePtr& scope);                                         // *
  bool has_more(const Scope& scope) const;                                       // *
  bool rows_are_held_up(const Scope& scope) const;                               // *
  bool is_head(const Scope& scope) const;                                        // *
  ScopePtr next_scope();                                                         // *

  Plan plan_;
  Inputs inputs_;
  FlowOptions options_;
  Delivery& delivery_;
  const base::CancelToken cancel_;
  std::shared_ptr<Observer> observer_;
  const bool hears_;  // events are wanted
  const std::shared_ptr<CallCount> count_ = std::make_shared<CallCount>();
  std::vector<std::shared_ptr<WaitingCalls>> waiting_;  // by number of the step; null: computes always
  int slots_ = 1;

  mutable std::mutex mutex_;
  ScopePtr root_;
  std::deque<Request> to_compute_;
  struct Ready {
    ItemPtr item;
    std::vector<int> steps;
  };
  std::deque<Ready> ready_;
  std::map<uint64_t, Request> pauses_;  // calls that wait to be made again; their timers know the number alone
  uint64_t next_pause_ = 0;
  std::vector<Request> full_;                         // batches that nobody is missing from any more
  std::vector<ScopePtr> ended_;                       // whose generators are to be ended
  std::map<std::vector<int64_t>, ScopePtr> wanting_;  // scopes that have more items to begin, and room of their own
  std::deque<ScopePtr> empty_;                        // those of them with no item open
  int64_t inner_ = 0;                                 // items open that are not the run's own
  int64_t held_rows_ = 0;                             // of generators within generators: their turn within an item has not come
  int64_t walking_ = 0;                               // items on a worker's walk
  arrow::Status broken_;                              // what ends the run at once
  bool pulling_ = false;
  bool enough_ = false;  // the user wants no more rows
  uint64_t signals_ = 0;
  std::vector<base::WaitHandlePtr> sleepers_;

  std::mutex letters_;
};

}  // namespace gristmill::flow
