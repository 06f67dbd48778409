// The simulated scheduler: QueryRun decides as in the real one, this file only chooses who moves.
//
// The choice is uniform among those that can move (drawn among all, those that cannot are drawn again). A move is
// atomic, so schedules differ at the granularity of steps; races inside a step are what the thread sanitizer is for.

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "base/topology.h"
#include "sched/query_run.h"
#include "sched/statistics.h"
#include "sched/task.h"

namespace gristmill::sched {
namespace {

// Far beyond any test; a query that needs more goes round in circles.
constexpr int64_t kMostMoves = 20'000'000;

class SimulatedScheduler final : public Scheduler, private Background {
 public:
  explicit SimulatedScheduler(uint64_t seed) : seed_(seed), random_(seed) {}

  arrow::Status run(const Query& query, const RunOptions& options, Statistics* statistics) override;
  Background& background() override { return *this; }

 private:
  void submit_io(int64_t, std::function<void()> work) override { requests_.push_back(std::move(work)); }
  void after(int64_t microseconds, std::function<void()> work) override {
    timers_.emplace(std::pair(clock_.now() + std::chrono::microseconds(microseconds), next_timer_++), std::move(work));
  }
  const base::Clock& clock() const override { return clock_; }

  size_t draw(size_t n) { return static_cast<size_t>(random_() % n); }
  bool move_somebody(QueryRun& run, size_t workers);
  void finish_request(size_t i);
  void fire_earliest();

  const uint64_t seed_;
  std::mt19937_64 random_;
  base::ManualClock clock_;
  std::vector<std::function<void()>> requests_;
  std::map<std::pair<std::chrono::steady_clock::time_point, uint64_t>, std::function<void()>> timers_;
  uint64_t next_timer_ = 0;
};

void SimulatedScheduler::finish_request(size_t i) {
  std::function<void()> work = std::move(requests_[i]);
  requests_[i] = std::move(requests_.back());
  requests_.pop_back();
  work();
}

void SimulatedScheduler::fire_earliest() {
  auto timer = timers_.extract(timers_.begin());
  if (timer.key().first > clock_.now()) clock_.advance(timer.key().first - clock_.now());
  timer.mapped()();
}

// False when nobody can.
bool SimulatedScheduler::move_somebody(QueryRun& run, size_t workers) {
  std::vector<size_t> actors;
  for (size_t a = 0; a < workers + requests_.size() + (timers_.empty() ? 0 : 1); ++a) actors.push_back(a);
  while (!actors.empty()) {
    const size_t i = draw(actors.size());
    const size_t actor = actors[i];
    if (actor >= workers) {
      if (actor < workers + requests_.size()) {
        finish_request(actor - workers);
      } else {
        fire_earliest();
      }
      return true;
    }
    if (run.can_move(static_cast<int>(actor))) {
      run.advance(static_cast<int>(actor));
      return true;
    }
    actors[i] = actors.back();
    actors.pop_back();
  }
  return false;
}

arrow::Status SimulatedScheduler::run(const Query& query, const RunOptions& options, Statistics* statistics) {
  const bool alone = options.inline_on_caller || QueryRun::inside_task();
  const base::Topology& topology = options.topology != nullptr ? *options.topology : base::Topology::system();
  const int workers = alone ? 1 : options.workers > 0 ? resolve_workers(options.workers) : 1 + static_cast<int>(draw(4));
  const size_t present = 1 + draw(static_cast<size_t>(workers));
  std::vector<int> nodes;
  for (int w = 0; topology.numa_nodes() > 1 && w < workers; ++w) nodes.push_back(topology.numa_node_of(w));
  const auto run = std::make_shared<QueryRun>(query, workers, std::move(nodes));
  ARROW_RETURN_NOT_OK(run->start());
  for (int64_t moves = 0; !run->over(); ++moves) {
    if (query.interrupt && draw(8) == 0) {
      const arrow::Status status = query.interrupt();
      if (!status.ok()) query.cancel.cancel(status);
    }
    (void)query.cancel.check();  // looks at the deadline
    const bool moved = move_somebody(*run, present);
    if (moved && moves < kMostMoves) continue;
    const arrow::Status stuck = base::internal_error(std::string(moved ? "no end in sight" : "deadlock") + " under simulator seed " +
                                                     std::to_string(seed_) + ": " + run->waiting());
    // Lets the tasks be abandoned; when even that does not help the report must do.
    if (query.cancel.cancelled()) return stuck;
    query.cancel.cancel(stuck);
  }
  if (statistics != nullptr) {
    fill_statistics(query, *run, topology, std::vector<std::chrono::nanoseconds>(static_cast<size_t>(workers)), std::chrono::nanoseconds(0),
                    statistics);
  }
  return run->result();
}

}  // namespace

std::unique_ptr<Scheduler> simulated_scheduler(uint64_t seed) { return std::make_unique<SimulatedScheduler>(seed); }

}  // namespace gristmill::sched
