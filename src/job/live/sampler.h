// Rates out of counters: looks at a job's status now and then and says what happened a second lately.
//
// Used by one thread. Rates cover the last three seconds, the remaining time half a minute, so that both follow changes without jumping;
// once the job is over they are those of the whole run.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "job/job_status.h"
#include "job/live/process_use.h"

namespace gristmill::job {

struct Sample {
  struct Step {
    double rows_rate = 0;  // rows a second that it took (a source: gave)
    double workers = 0;    // workers at it on average
  };
  struct Group {
    int workers = 0;
    double load = 0;  // 0..1
    int64_t steals = 0;
  };
  struct Core {
    int cpu = 0;
    double use = 0;  // 0..1, by this process
  };
  Snapshot now;
  double rows_in_rate = 0, rows_out_rate = 0, bytes_in_rate = 0, bytes_out_rate = 0;
  std::vector<Step> steps;
  std::vector<double> worker_loads;  // 0..1
  std::vector<Group> groups;
  std::vector<Core> cores;
  int64_t resident_bytes = 0;
  double eta_seconds = -1;  // -1: nobody knows

  bool over() const { return now.phase == JobPhase::kDone || now.phase == JobPhase::kFailed; }
  // Runs, and nothing has moved for this long.
  bool stalled_for(double seconds) const;
};

class Sampler {
 public:
  using ReadUse = std::function<ProcessUse()>;
  // Without `read`: this process, from /proc.
  explicit Sampler(const JobStatus& status, const base::Clock& clock = base::Clock::system(), ReadUse read = {});
  Sample take();

 private:
  struct Point {
    double seconds = 0;  // of the clock
    Snapshot snapshot;
    ProcessUse use;
  };
  struct Mark {
    double seconds = 0;
    double fraction = 0;
  };
  void add_rates(const Point& from, const Point& to, Sample* out) const;
  double eta(const Point& now);

  const JobStatus& status_;
  const base::Clock& clock_;
  ReadUse read_;
  std::deque<Point> recent_;
  std::deque<Mark> marks_;
};

}  // namespace gristmill::job
