// Rates are derived here, after the tasks reported their morsels.

#include "sched/statistics.h"

#include "base/topology.h"

namespace gristmill::sched {

void fill_statistics(const Query& query, const QueryRun& run, const base::Topology& topology,
                     const std::vector<std::chrono::nanoseconds>& busy, std::chrono::nanoseconds wall, Statistics* out) {
  const auto seconds = [](std::chrono::nanoseconds d) { return std::chrono::duration<double>(d).count(); };
  *out = Statistics{};
  out->num_workers = run.workers();
  out->processing_time_seconds = seconds(wall);
  out->workers.resize(static_cast<size_t>(run.workers()));
  for (int w = 0; w < run.workers(); ++w) {
    WorkerStatistics& worker = out->workers[static_cast<size_t>(w)];
    worker.numa_node = topology.numa_node_of(w);
    worker.processed_count = run.moves(w);
    worker.busy_seconds = seconds(busy[static_cast<size_t>(w)]);
  }
  for (const Query::Node& node : query.nodes) node.task->report(*out);
  if (wall.count() > 0) out->morsels_per_second = static_cast<double>(out->total_morsels_processed) / seconds(wall);
}

}  // namespace gristmill::sched
