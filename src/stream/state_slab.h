// Aggregate states that come and go one by one: rows of a table without an index, used again when they are free.
//
// What freed rows pointed at (texts, wide sums, moments) stays until there is more of it than of live rows; then the live rows move to a
// fresh table. Who keeps pointers to rows is told where each went.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include <arrow/result.h>

#include "exec/aggregate_plan.h"
#include "stream/row_grouper.h"

namespace gristmill::stream {

class StateSlab {
 public:
  explicit StateSlab(const exec::AggregatePlan& plan) : plan_(plan), tables_(one_table(plan)) {}

  exec::TableSet& tables() { return tables_; }
  exec::GroupTable& table() { return tables_.table(0); }
  int64_t live() const { return live_; }
  int64_t bytes() { return table().bytes(); }

  // A copy of `row` of `from`.
  arrow::Result<uint8_t*> add(const uint8_t* row, exec::GroupTable& from) {
    uint8_t* to = nullptr;
    if (!free_.empty()) {
      to = free_.back();
      free_.pop_back();
      std::memset(to, 0, static_cast<size_t>(plan_.layout.stride));
    } else {
      ARROW_ASSIGN_OR_RAISE(to, table().append());
    }
    ++live_;
    ARROW_RETURN_NOT_OK(copy_row(plan_, to, row, from, &table()));
    return to;
  }
  void release(uint8_t* row) {
    free_.push_back(row);
    --live_;
    ++released_;
  }
  bool wants_to_move() const { return released_ > 2 * live_ + kSpare; }
  // `each(move)` calls move(row) for every live row and keeps what it answers.
  using Move = std::function<arrow::Result<uint8_t*>(uint8_t*)>;
  template <typename Each>
  arrow::Status move(Each&& each) {
    exec::TableSet fresh = one_table(plan_);
    ARROW_RETURN_NOT_OK(each(Move([&](uint8_t* row) { return append_copy(plan_, row, table(), &fresh.table(0)); })));
    tables_ = std::move(fresh);
    free_.clear();
    released_ = 0;
    return arrow::Status::OK();
  }

 private:
  static constexpr int64_t kSpare = 4096;

  const exec::AggregatePlan& plan_;
  exec::TableSet tables_;
  std::vector<uint8_t*> free_;
  int64_t live_ = 0;
  int64_t released_ = 0;
};

}  // namespace gristmill::stream
