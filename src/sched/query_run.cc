// Every change of state happens under `mutex_`; tasks are called and handles subscribed to outside it.
//
// `inside_` counts workers that are in a task or keep a slot: while it is not 0 the query cannot be over, so what the
// caller lent us (`query_`) is alive whenever a task is touched. The token is a copy because an idle worker reads it later.

#include "sched/query_run.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <utility>

#include "base/status.h"

namespace gristmill::sched {
namespace {

thread_local int inside_depth = 0;

struct InsideTask {
  InsideTask() { ++inside_depth; }
  ~InsideTask() { --inside_depth; }
};

// Calls into a task; what it throws becomes an error of the task.
template <typename Call>
auto guarded(const Task& task, Call call) -> decltype(call()) {
  InsideTask inside;
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return base::memory_error("out of memory in " + task.name());
  } catch (const std::exception& e) {
    return base::internal_error(task.name() + " threw: " + e.what());
  } catch (...) {
    return base::internal_error(task.name() + " threw something that is no std::exception");
  }
}

}  // namespace

bool QueryRun::inside_task() { return inside_depth > 0; }

QueryRun::QueryRun(const Query& query, int workers, std::vector<int> nodes)
    : query_(&query),
      nodes_(std::move(nodes)),
      cancel_(query.cancel),
      tasks_(query.nodes.size()),
      seats_(static_cast<size_t>(std::max(workers, 1))) {}

arrow::Status QueryRun::start() {
  const int n = static_cast<int>(tasks_.size());
  open_ = n;
  over_ = n == 0;
  std::vector<int> order;
  for (int t = 0; t < n; ++t) {
    const std::vector<int>& after = query_->nodes[static_cast<size_t>(t)].after;
    for (int d : after) {
      if (d < 0 || d >= n) return base::internal_error("task " + std::to_string(t) + " comes after a task that does not exist");
      tasks_[static_cast<size_t>(d)].dependents.push_back(t);
    }
    tasks_[static_cast<size_t>(t)].unmet = static_cast<int>(after.size());
    if (after.empty()) {
      offer(tasks_[static_cast<size_t>(t)], Phase::kToPrepare);
      if (n > 1) order.push_back(t);
    }
  }
  if (n == 0 || (n == 1 && tasks_[0].unmet == 0)) return arrow::Status::OK();
  // A cycle would wait for ever: count what can be reached in order.
  std::vector<int> unmet(tasks_.size());
  for (size_t t = 0; t < tasks_.size(); ++t) unmet[t] = tasks_[t].unmet;
  for (size_t i = 0; i < order.size(); ++i) {
    for (int d : tasks_[static_cast<size_t>(order[i])].dependents) {
      if (--unmet[static_cast<size_t>(d)] == 0) order.push_back(d);
    }
  }
  if (static_cast<int>(order.size()) != n) return base::internal_error("the tasks of the query wait for each other in a circle");
  return arrow::Status::OK();
}

Move QueryRun::advance(int worker) {
  Seat& seat = seats_[static_cast<size_t>(worker)];
  if (seat.task >= 0 && seat.epoch == epoch_.load(std::memory_order_acquire) && !cancel_.cancelled()) {
    run_step(seat);
    return Move::kMoved;
  }
  if (over()) return Move::kOver;
  std::unique_lock lock(mutex_);
  const int kept_task = seat.task;
  const int kept_lane = seat.lane;
  if (seat.task >= 0) put_back(seat);
  if (open_ > 0 && !stopping_ && cancel_.cancelled()) stop();
  const Pick pick = look(worker);
  // The slot that was kept is free for somebody else now.
  if (kept_task >= 0 && (pick.task != kept_task || pick.lane != kept_lane)) changed(1);
  if (pick.job != Job::kNone) take(pick, seat);
  announce();
  const bool is_over = open_ == 0;
  unlock_and_rouse(lock);
  if (is_over) return Move::kOver;
  if (pick.job == Job::kNone) return Move::kIdle;
  perform(pick, seat);
  return Move::kMoved;
}

void QueryRun::leave(int worker) {
  Seat& seat = seats_[static_cast<size_t>(worker)];
  std::unique_lock lock(mutex_);
  if (seat.task >= 0) {
    put_back(seat);
    changed(1);
  }
  announce();
  unlock_and_rouse(lock);
}

bool QueryRun::can_move(int worker) const {
  if (over()) return false;
  std::lock_guard lock(mutex_);
  if (open_ == 0) return false;
  if (seats_[static_cast<size_t>(worker)].task >= 0) return true;
  if (!stopping_ && cancel_.cancelled()) return true;
  return look(worker).job != Job::kNone;
}

QueryRun::Pick QueryRun::look(int worker) const {
  const int n = static_cast<int>(tasks_.size());
  if (stopping_) {
    // In order, one at a time, and only when everybody has left.
    if (inside_ > 0 || first_open_ == n) return {};
    return {Job::kAbandon, first_open_, -1};
  }
  for (int t = first_open_; t < n; ++t) {
    const TaskState& task = tasks_[static_cast<size_t>(t)];
    switch (task.phase) {
      case Phase::kToPrepare: return {Job::kPrepare, t, -1};
      case Phase::kToFinish: return {Job::kFinish, t, -1};
      case Phase::kToAbandon: return {Job::kAbandon, t, -1};
      case Phase::kRunning:
        if (const int lane = task.ending ? -1 : free_lane(task, worker); lane >= 0) return {Job::kStep, t, lane};
        break;
      default: break;
    }
  }
  return {};
}

int QueryRun::free_lane(const TaskState& task, int worker) {
  const auto own = static_cast<size_t>(worker);
  const auto find = [&](Lane state) {
    if (own < task.lanes.size() && task.lanes[own] == state) return worker;
    const auto it = std::find(task.lanes.begin(), task.lanes.end(), state);
    return it == task.lanes.end() ? -1 : static_cast<int>(it - task.lanes.begin());
  };
  const int ready = find(Lane::kReady);
  return ready >= 0 || task.exhausted ? ready : find(Lane::kUnstarted);
}

void QueryRun::take(const Pick& pick, Seat& seat) {
  TaskState& task = tasks_[static_cast<size_t>(pick.task)];
  ++inside_;
  if (pick.job != Job::kStep && unannounced_ > 0) --unannounced_;
  switch (pick.job) {
    case Job::kPrepare: task.phase = Phase::kPreparing; break;
    case Job::kFinish: task.phase = Phase::kFinishing; break;
    case Job::kAbandon: task.phase = Phase::kAbandoning; break;
    case Job::kStep: {
      Lane& lane = task.lanes[static_cast<size_t>(pick.lane)];
      if (lane == Lane::kUnstarted) ++task.started;
      lane = Lane::kHeld;
      ++task.held;
      seat.task = pick.task;
      seat.lane = pick.lane;
      seat.epoch = epoch_.load(std::memory_order_relaxed);
      break;
    }
    case Job::kNone: break;
  }
}

void QueryRun::put_back(Seat& seat) {
  tasks_[static_cast<size_t>(seat.task)].lanes[static_cast<size_t>(seat.lane)] = Lane::kReady;
  lane_left(seat.task);
  seat.task = -1;
}

void QueryRun::perform(const Pick& pick, Seat& seat) {
  if (pick.job == Job::kStep) return run_step(seat);
  Task& task = *query_->nodes[static_cast<size_t>(pick.task)].task;
  arrow::Status status;
  int max_slots = 1;
  switch (pick.job) {
    case Job::kPrepare:
      status = guarded(task, [&]() -> arrow::Status {
        if (!nodes_.empty()) task.place(nodes_);
        ARROW_RETURN_NOT_OK(task.prepare(workers()));
        max_slots = task.max_slots();
        return arrow::Status::OK();
      });
      break;
    case Job::kFinish: status = guarded(task, [&]() -> arrow::Status { return task.finish(); }); break;
    default:
      // The error that ended the task or the query is the one to tell; a second one has no better place.
      status = guarded(task, [&]() -> arrow::Status {
        task.abandon();
        return arrow::Status::OK();
      });
      break;
  }
  std::unique_lock lock(mutex_);
  --inside_;
  if (pick.job == Job::kPrepare) {
    settle_prepared(pick.task, status, max_slots);
  } else {
    if (pick.job == Job::kFinish && !status.ok()) fail(pick.task, status);
    task_over(pick.task, pick.job == Job::kFinish && status.ok());
  }
  unlock_and_rouse(lock);
}

void QueryRun::run_step(Seat& seat) {
  Task& task = *query_->nodes[static_cast<size_t>(seat.task)].task;
  ++seat.moves;
  arrow::Result<Step> result = guarded(task, [&] { return task.step(seat.lane); });
  if (result.ok()) {
    if (result->kind == StepKind::kProgress) return;
    if (result->kind == StepKind::kBlocked) {
      if (!result->wait) {
        result = base::internal_error(task.name() + " is blocked but does not say by what");
      } else if (result->wait->ready()) {
        return;
      }
    }
  }
  const int t = seat.task;
  const int lane = seat.lane;
  std::unique_lock lock(mutex_);
  TaskState& state = tasks_[static_cast<size_t>(t)];
  const bool blocked = result.ok() && result->kind == StepKind::kBlocked;
  state.lanes[static_cast<size_t>(lane)] = blocked ? Lane::kParked : Lane::kDone;
  if (!blocked) ++state.done;
  if (result.ok() && !blocked) state.exhausted = true;
  if (!result.ok()) fail(t, result.status());
  seat.task = -1;
  lane_left(t);
  unlock_and_rouse(lock);
  // Parked before subscribed: a wake that comes at once finds the slot parked.
  if (blocked) {
    result->wait->on_ready([self = shared_from_this(), t, lane] { self->wake(t, lane); });
  }
}

void QueryRun::settle_prepared(int t, const arrow::Status& status, int max_slots) {
  TaskState& task = tasks_[static_cast<size_t>(t)];
  task.phase = Phase::kRunning;
  task.lanes.assign(static_cast<size_t>(std::clamp(max_slots, 1, workers())), Lane::kUnstarted);
  if (!status.ok()) fail(t, status);
  if (task.ending) {
    offer(task, Phase::kToAbandon);
  } else {
    changed(static_cast<int>(task.lanes.size()) - 1);
  }
}

void QueryRun::lane_left(int t) {
  TaskState& task = tasks_[static_cast<size_t>(t)];
  --inside_;
  --task.held;
  if (task.phase != Phase::kRunning) return;
  if (task.ending) {
    if (task.held == 0) offer(task, Phase::kToAbandon);
  } else if (task.exhausted && task.done == task.started) {
    offer(task, Phase::kToFinish);
  }
}

void QueryRun::task_over(int t, bool finished) {
  TaskState& task = tasks_[static_cast<size_t>(t)];
  task.phase = Phase::kOver;
  while (first_open_ < static_cast<int>(tasks_.size()) && tasks_[static_cast<size_t>(first_open_)].phase == Phase::kOver) ++first_open_;
  if (--open_ == 0) {
    over_.store(true, std::memory_order_release);
    to_rouse_ = workers();
    return;
  }
  for (int d : task.dependents) {
    TaskState& next = tasks_[static_cast<size_t>(d)];
    if (!finished) {
      end(d);
    } else if (--next.unmet == 0 && next.phase == Phase::kWaiting) {
      offer(next, Phase::kToPrepare);
    }
  }
}

void QueryRun::fail(int t, const arrow::Status& status) {
  TaskState& task = tasks_[static_cast<size_t>(t)];
  if (task.error.ok()) task.error = status;
  const bool finishing = task.phase == Phase::kFinishing;
  for (int j = finishing ? t + 1 : t; j < static_cast<int>(tasks_.size()); ++j) end(j);
}

void QueryRun::end(int t) {
  TaskState& task = tasks_[static_cast<size_t>(t)];
  if (task.ending || task.phase == Phase::kOver) return;
  task.ending = true;
  const bool nobody_inside = task.phase == Phase::kWaiting || task.phase == Phase::kToPrepare || task.phase == Phase::kToFinish ||
                             (task.phase == Phase::kRunning && task.held == 0);
  if (nobody_inside) offer(task, Phase::kToAbandon);
  changed(0);
}

void QueryRun::stop() {
  stopping_ = true;
  reason_ = cancel_.check();
  changed(0);
}

void QueryRun::wake(int t, int lane) {
  std::unique_lock lock(mutex_);
  TaskState& task = tasks_[static_cast<size_t>(t)];
  if (task.lanes[static_cast<size_t>(lane)] != Lane::kParked) return;
  task.lanes[static_cast<size_t>(lane)] = Lane::kReady;
  if (task.phase == Phase::kRunning && !task.ending && !stopping_) changed(1);
  unlock_and_rouse(lock);
}

void QueryRun::changed(int n) {
  epoch_.fetch_add(1, std::memory_order_release);
  to_rouse_ += n;
}

// The worker that brought it about looks for work next and mostly takes it itself.
void QueryRun::offer(TaskState& task, Phase phase) {
  task.phase = phase;
  ++unannounced_;
}

void QueryRun::announce() {
  if (unannounced_ > 0 && !stopping_) changed(std::exchange(unannounced_, 0));
}

void QueryRun::unlock_and_rouse(std::unique_lock<std::mutex>& lock) {
  const int n = std::exchange(to_rouse_, 0);
  lock.unlock();
  if (n > 0) rouse(n);
}

arrow::Status QueryRun::result() const {
  std::lock_guard lock(mutex_);
  if (stopping_) return reason_;
  for (const TaskState& task : tasks_) ARROW_RETURN_NOT_OK(task.error);
  return arrow::Status::OK();
}

std::string QueryRun::waiting() const {
  static constexpr const char* kPhases[] = {"waits for its dependencies",
                                            "to be prepared",
                                            "in prepare()",
                                            "running",
                                            "to be finished",
                                            "in finish()",
                                            "to be abandoned",
                                            "in abandon()",
                                            "over"};
  static constexpr const char* kLanes[] = {"unstarted", "ready", "held", "parked", "done"};
  std::lock_guard lock(mutex_);
  std::string text;
  for (size_t t = 0; t < tasks_.size(); ++t) {
    const TaskState& task = tasks_[t];
    if (task.phase == Phase::kOver) continue;
    if (!text.empty()) text += "; ";
    text += "task " + std::to_string(t) + " (" + query_->nodes[t].task->name() + ") " + kPhases[static_cast<int>(task.phase)];
    for (size_t s = 0; s < task.lanes.size(); ++s) {
      text += (s == 0 ? ", slots: " : ", ") + std::string(kLanes[static_cast<int>(task.lanes[s])]);
    }
  }
  return text;
}

}  // namespace gristmill::sched
