// How a stream is made of plans: the inside of gristmill::Stream, and the ways to add to it.
//
// A stream is a logical plan. What no plan node says (a source that may not end, an operator of the user's, an operator with state) is a
// table to the plan: a leaf whose TableSource holds the plans it reads. So names, types, push-down and explain() are the plan's, and a
// stream that ends runs as any frame does.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gristmill/stream.h"
#include "plan/logical.h"
#include "stream/source.h"
#include "stream/stateful.h"

namespace gristmill::stream {

// The name of a stream that was given none. A sink tells such streams apart by what they write into.
inline constexpr const char* kUnnamed = "stream";

struct StreamState {
  plan::PlanPtr plan;
  StreamParallel parallel;
  bool users_parallel = false;  // parallel() was called: users' functions see several morsels at once
  int64_t memory_limit = 0;
  std::optional<StreamCheckpoint> checkpoint;
  std::string name = kUnnamed;
  std::shared_ptr<const EventTime> event_time;  // which column is the time, how far behind the watermark is; null: none
};
using StatePtr = std::shared_ptr<const StreamState>;

// The stream with another plan; everything else stays.
StatePtr with_plan(const StreamState& state, plan::PlanPtr plan);
// `step` on the state of a stream without error.
template <typename F>
Stream then(const Stream& stream, F step) {
  if (!stream.state().ok()) return stream;
  return Stream(step(**stream.state()));
}
// `step` on its plan.
template <typename F>
Stream then_plan(const Stream& stream, F step) {
  return then(stream, [&](const StreamState& s) -> arrow::Result<StatePtr> {
    ARROW_ASSIGN_OR_RAISE(plan::PlanPtr p, step(s.plan));
    return with_plan(s, std::move(p));
  });
}

// A source of one run each. `schema`, `endless` and `name` are known before.
struct SourceSpec {
  std::string name;  // stable: part of checkpoints
  std::shared_ptr<arrow::Schema> schema;
  bool endless = true;
  bool replay = false;
  std::function<arrow::Result<EndlessSourcePtr>()> make;
};
Stream from_source(SourceSpec source);

// Batches that are all there when a run begins; asked for once a run.
using AllBatches = std::function<arrow::Result<std::vector<RecordBatchPtr>>()>;
Stream from_list(std::shared_ptr<arrow::Schema> schema, AllBatches all, std::string name);

// A stateful operator behind the streams. `id` says what it is in the plan ("window", "distinct"); its place among others of the same id is
// added, so that it stays the same when steps that keep no state are added around it. A checkpoint finds it by that.
struct StatefulSpec {
  std::string id;
  std::shared_ptr<arrow::Schema> schema;  // output_schema()
  bool needs_end = false;
  MakeStateful make;
  // Gets the rows of the side output, in order, on whichever worker; null: they are only counted ("side_rows").
  std::function<arrow::Status(RecordBatchPtr)> side = {};
};
Stream add_stateful(const std::vector<Stream>& inputs, StatefulSpec op);

// The rows of all of them as they come, all with the columns of `schema`. Where each has its event time in the same column, so has the
// whole.
Stream merged(const std::vector<Stream>& all, const std::shared_ptr<arrow::Schema>& schema);

// Whether some source below never ends.
bool endless(const plan::Plan& plan);
// Whether some source below has positions, ending or not: operators over it keep a state that a checkpoint can hold.
bool has_positions(const plan::Plan& plan);

}  // namespace gristmill::stream
