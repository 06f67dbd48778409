// A pipeline as a task of the scheduler: claims morsels of its branches' sources, pushes their batches through
// the operators on the worker's thread, and hands them to its sink.
//
// A segment is a pipeline without its sink: one branch, or several whose rows follow one another (union). Which segment a
// pipeline runs may depend on what earlier tasks found out (a join that spilled), so it is resolved when the task prepares.
//
// Order of errors: a row error cuts its batch and the rows before it still travel on (operator.h). Into an ordered sink the error then
// rides in its morsel's ring slot, so a limit met before it wins; into a breaker the smallest morsel's error wins, and
// morsels before it all finish.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "exec/operator.h"
#include "sched/task.h"

namespace gristmill::exec {

// Rows and time of one plan node's physical operators, filled when a run ends.
struct NodeReport {
  int plan_node = -1;
  std::string name;
  RowCounts counts;
  std::string detail;
};

struct RunReport {
  std::mutex mutex;  // tasks may finish at the same time
  std::vector<NodeReport> nodes;
  sched::Statistics statistics;
  std::vector<int64_t> steals;  // by each slot
  int64_t peak_bytes = 0;
  int64_t spilled_bytes = 0;
  int64_t bytes_through = 0;  // of morsels, for morsel_size_kb
};

struct PlacedOperator {
  std::shared_ptr<const Operator> op;
  int plan_node = -1;
};

// Says that a branch begins when others have ended: those that feed the gate. (The build rows of a right join that
// matched nothing are known only after the last probe row.) A morsel behind a gate waits; nobody sleeps on it.
struct BranchGate {};
using BranchGatePtr = std::shared_ptr<const BranchGate>;

struct Branch {
  std::shared_ptr<Source> source;
  int source_node = -1;
  std::vector<PlacedOperator> operators;
  std::vector<BranchGatePtr> feeds;
  BranchGatePtr after;
};

struct Segment {
  std::vector<Branch> branches;
  bool sequential = false;  // an operator needs the rows one after the other: one worker, morsels in order
  void append(std::shared_ptr<const Operator> op, int plan_node);
};

using ResolveSegment = std::function<arrow::Result<Segment>()>;

// Exactly one of `sink` and `ordered` is set. `enabled` false at prepare: the task does nothing at all.
struct PipelineSpec {
  std::string name;
  ResolveSegment resolve;
  std::function<bool()> enabled;
  std::shared_ptr<Sink> sink;
  std::shared_ptr<OrderedSink> ordered;
  int sink_node = -1;
  bool sequential = false;  // one slot only, morsels in order
};

std::shared_ptr<sched::Task> make_pipeline_task(PipelineSpec spec, std::shared_ptr<const QueryContext> context,
                                                std::shared_ptr<RunReport> report);

class Phase;
std::shared_ptr<sched::Task> make_phase_task(std::shared_ptr<Phase> phase, std::function<bool()> enabled,
                                             std::shared_ptr<const QueryContext> context, std::shared_ptr<RunReport> report, int plan_node);

}  // namespace gristmill::exec
