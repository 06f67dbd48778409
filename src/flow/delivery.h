// What becomes of the rows of a run: kept by number, or handed to the user one at a time, in order or as they are completed.
//
// Invariant: put() is called once for each item that was started and is of use; `take` gets each row once, never two at a time. Thread
// safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

#include "gristmill/flow.h"

namespace gristmill::flow {

using Row = std::optional<detail::FlowRow>;  // nothing: left out

class Delivery {
 public:
  using Take = std::function<arrow::Result<bool>(int64_t, detail::FlowRow)>;

  // Without `take` the rows are kept.
  Delivery(Take take, bool ordered, int64_t total);

  // True when the user wants no more; an error is his, and ends the run.
  arrow::Result<bool> put(int64_t item, Row row);
  int64_t passed() const;  // items that are kept, taken or left out
  std::vector<Row> rows() { return std::move(rows_); }

 private:
  using Waiting = std::pair<int64_t, Row>;
  std::optional<Waiting> next();  // under the lock

  const Take take_;
  const bool ordered_;
  mutable std::mutex mutex_;
  std::vector<Row> rows_;
  std::map<int64_t, Row> held_;  // ordered: those whose turn has not come
  std::deque<Waiting> line_;     // as completed
  int64_t passed_ = 0;
  bool busy_ = false;
  bool over_ = false;
};

}  // namespace gristmill::flow
