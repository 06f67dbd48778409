// A part of a query that may be a stream: its plan, and what its column of event time is called.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "gristmill/stream.h"
#include "plan/logical.h"
#include "stream/steps.h"

namespace gristmill::sqltext {

// A table's plan, or a stream.
struct Part {
  plan::PlanPtr plan;
  std::optional<Stream> stream;  // with this plan

  bool endless() const { return stream && stream->endless(); }
  const stream::StreamState& state() const { return **stream->state(); }
};

arrow::Result<Part> part_of(const Stream& stream);
// The column of a stream's event time; empty where it has none.
std::string time_of(const Part& in);
// What that is called in these outputs over the part.
std::string renamed(const Part& in, const std::vector<plan::NamedExpr>& outputs);
// What it is called behind a join whose side this is; `first_column`: of the side, among the columns of both.
std::string time_behind(const plan::Plan& join, const Part& side, int first_column);
// The stream with this plan; `time`: what its column of event time is called now, empty: it is gone.
arrow::Result<Part> step(const Part& in, plan::PlanPtr plan, const std::string& time);

}  // namespace gristmill::sqltext
