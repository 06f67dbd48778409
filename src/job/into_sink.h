// The end of a job's pipeline: the steps that stand behind the last SQL, the choice among several sinks, the counting of what is written,
// and the order in which a run's results become visible.
//
// finalize(): what every step counted must balance, then the dead letters get their name, then the sinks make their rows visible. So
// whatever interrupts a run, no rejected record is missing beside a finished output.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "exec/operator.h"
#include "job/chain.h"
#include "job/job_source.h"

namespace gristmill::job {

inline constexpr size_t kNotCounted = static_cast<size_t>(-1);

struct SinkPart {
  std::shared_ptr<exec::OrderedSink> sink;
  size_t step = kNotCounted;          // in the accounting
  io::TransferMeterPtr written = {};  // what the sink writes counts for it, or null
};

struct IntoSinkSpec {
  std::shared_ptr<RunState> run;
  std::shared_ptr<const Chain> tail;  // steps after the last frame step; null: none
  size_t first_tail_step = 0;         // in the accounting
  std::vector<SinkPart> parts;        // more than one: the last column of the rows is the number of the part
  bool finishes = true;               // the results become visible at the end of this run; else who made this finishes the parts
  std::function<arrow::Status()> before_visible;
};

class IntoSink : public exec::OrderedSink {
 public:
  virtual int64_t rows_in() const = 0;  // that came here, before the tail
};

std::shared_ptr<IntoSink> make_into_sink(IntoSinkSpec spec);

}  // namespace gristmill::job
