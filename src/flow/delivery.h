// What becomes of the rows of a run: kept by number, or handed to the user one at a time, in order or as they are completed.
//
// Invariant: the last rows of an item are added once for each item that was started and is of use, its rows in order; `take` gets each row
// once, never two at a time. Thread safe; only hand_out() runs code of the user.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

#include "gristmill/flow.h"

namespace gristmill::flow {

using Row = std::optional<detail::FlowRow>;  // nothing: left out

class Delivery {
 public:
  using Take = std::function<arrow::Result<bool>(int64_t, detail::FlowRow)>;

  // Without `take` the rows are kept. `total`: items, -1 if nobody knows.
  Delivery(Take take, bool ordered, int64_t total);

  void add(int64_t item, Row row);                                    // its only row
  void add_some(int64_t item, std::vector<Row> rows, bool are_last);  // of an item with any number of rows
  // True when the user wants no more; an error is his, and ends the run.
  arrow::Result<bool> hand_out();

  bool streams() const { return take_ != nullptr; }
  int64_t passed() const;                  // items that are kept, taken or left out; in order: the item whose turn it is
  int64_t waiting() const;                 // rows nobody has taken yet
  int64_t waiting_of(int64_t item) const;  // in order: those of this item
  std::vector<Row> rows();

 private:
  struct Rows {
    std::vector<Row> rows;
    size_t at = 0;
    bool are_last = false;
  };
  struct Next {
    int64_t item;
    Row row;
    bool last;
  };
  std::optional<Next> next();  // under the lock

  const Take take_;
  const bool ordered_;
  mutable std::mutex mutex_;
  std::vector<Row> rows_;                     // kept: of items with one row
  std::map<int64_t, std::vector<Row>> some_;  // kept: of the others
  std::map<int64_t, Rows> held_;              // ordered: those whose turn has not come
  std::deque<Next> line_;                     // as completed
  int64_t passed_ = 0;
  int64_t waiting_ = 0;
  bool busy_ = false;
  bool over_ = false;
};

}  // namespace gristmill::flow
