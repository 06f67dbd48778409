// Users' operators with state and timers by key; see KeyedOperator in stream_time.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "gristmill/stream_time.h"
#include "stream/stateful.h"
#include "stream/window_spec.h"

namespace gristmill::stream {

struct KeyedSpec {
  EventTime time;
  std::vector<std::string> keys;
  std::function<arrow::Result<std::shared_ptr<KeyedOperator>>()> make;
  std::string ttl;
};
arrow::Result<StatefulOperatorPtr> make_keyed(const KeyedSpec& spec, const std::shared_ptr<arrow::Schema>& input);

}  // namespace gristmill::stream
