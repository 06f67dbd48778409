// A breaker ends a pipeline, may work in parallel phases between, and is the source of the next pipeline:
// aggregation, sort, join build.
//
// Life, in this order: sink consumes (many workers) -> combine -> finalize -> each phase: start, run(0..n-1) (any
// worker, any order, at the same time), finish -> source. A phase is where merging, building tables and ordering happen on every core.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exec/operator.h"

namespace gristmill::exec {

class Phase {
 public:
  virtual ~Phase() = default;
  virtual std::string name() const = 0;
  virtual arrow::Result<int64_t> start(const QueryContext& context) = 0;  // number of independent pieces, 0 = skip
  virtual arrow::Status run(int64_t piece) = 0;
  virtual arrow::Status finish() { return arrow::Status::OK(); }
};

struct Breaker {
  std::shared_ptr<Sink> sink;
  std::vector<std::shared_ptr<Phase>> phases;
  std::shared_ptr<Source> source;  // null: a join build, read by its probe operator instead
};

}  // namespace gristmill::exec
