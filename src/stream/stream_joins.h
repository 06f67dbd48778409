// Joins of two streams by event time. See two_streams.h for the order they work in.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "expr/node.h"
#include "stream/stateful.h"
#include "stream/window_spec.h"

namespace gristmill::stream {

struct StreamJoinSpec {
  EventTime left_time, right_time;  // columns of one type
  std::vector<expr::NodePtr> left_keys, right_keys;
  bool coalesce_keys = false;  // plain columns of the same names: one column each
  std::string suffix = "_right";
};

// Pairs of equal keys with right time in [left time + lower, left time + upper]; the ends are lengths, negative ones for before.
struct IntervalJoinSpec : StreamJoinSpec {
  std::string lower = "0s";
  std::string upper;
  bool left = false, right = false;  // rows of that side that meet nobody leave too, alone
};
arrow::Result<StatefulOperatorPtr> make_interval_join(const IntervalJoinSpec& spec, const std::shared_ptr<arrow::Schema>& left,
                                                      const std::shared_ptr<arrow::Schema>& right);

// Every left row once, with the last right row of its key that is not after it.
struct StreamAsofSpec : StreamJoinSpec {
  bool allow_exact = true;
  std::string tolerance;  // empty: any distance
};
arrow::Result<StatefulOperatorPtr> make_stream_asof(const StreamAsofSpec& spec, const std::shared_ptr<arrow::Schema>& left,
                                                    const std::shared_ptr<arrow::Schema>& right);

}  // namespace gristmill::stream
