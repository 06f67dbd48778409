// Queries whose tables may be streams.
//
// A stream is a table like any other while a query is lowered. Then the plan is gone through from its tables up: what is row by row stays
// as it is; a grouping by tumble(), hop() or session() becomes windows of event time, UNION ALL a stream of both, DISTINCT and LIMIT
// operators that remember; what would wait for the end of a stream that has none is an error that names both.
#pragma once

#include <string>

#include <arrow/result.h>

#include "gristmill/stream.h"
#include "sql/query.h"

namespace gristmill::sqltext {

// The stream as a table of this name.
arrow::Result<plan::PlanPtr> stream_table(const std::string& name, const Stream& stream);

// The query over streams; where there are none, of its rows.
arrow::Result<Stream> as_stream(const Query& query);
// The query over tables, windows of event time put into ordinary steps; a stream among the tables is an error.
arrow::Result<Query> as_table(Query query);

}  // namespace gristmill::sqltext
