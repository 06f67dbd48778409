// One worker's side of a grouped aggregation: its tables, the rows that wait, what of it went to disk.
//
// The tables are guarded by a mutex while a batch is consumed; a spill from another thread tries the lock and goes
// elsewhere when it is taken. Nothing that may spill others is called with the lock held.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/memory_budget.h"
#include "exec/aggregate_sink.h"
#include "exec/group_direct.h"
#include "exec/group_echo.h"
#include "exec/group_pending.h"
#include "exec/group_spill.h"
#include "expr/evaluate.h"

namespace gristmill::exec {

// An argument's values for the rows it sees, densely.
struct ArgumentRows {
  std::shared_ptr<arrow::ArrayData> values;  // null: no values needed
  column::Selection selection;
  std::span<const uint16_t> physical;  // empty: all rows
  std::vector<int32_t> places;         // filtered: position among the batch's selected rows
  bool filtered = false;
  int64_t n = 0;
};

class AggregateLocal final : public LocalState, public base::Spillable {
 public:
  explicit AggregateLocal(std::shared_ptr<AggregateState> state)
      : state_(std::move(state)),
        plan_(*state_->plan),
        layout_(plan_.layout),
        evaluator_(plan_.pool()),
        direct_(rows_to_remember(plan_.context)),
        echo_(rows_to_remember(plan_.context)),
        tables_(&layout_, plan_.waiting.get(), layout_.form == KeyForm::kNone ? 1 : kPartitions),
        blocks_(kPartitions),
        may_wait_(can_wait(plan_)) {}

  ~AggregateLocal() override { close(); }

  arrow::Status open() {
    if (layout_.form == KeyForm::kNone) {
      ARROW_ASSIGN_OR_RAISE(global_, tables_.table(0).append());
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(side_, plan_.context.memory->reserve(0, "aggregation"));
    plan_.context.memory->register_spillable(this);
    open_ = true;
    return arrow::Status::OK();
  }

  arrow::Status consume(const column::Batch& batch, Position position);

  void hand_over() {
    close();
    for (int p = 0; p < tables_.size(); ++p) {
      state_->partitions[static_cast<size_t>(p)].add(std::move(tables_.table(p)), std::move(blocks_[static_cast<size_t>(p)]), slices(p));
    }
    pending_.clear();
    tables_ = TableSet(&layout_, plan_.waiting.get(), 1);
    side_.release();
  }

  std::string spill_name() const override { return "aggregation"; }
  int64_t spillable_bytes() const override { return bytes_.load(std::memory_order_relaxed); }
  arrow::Result<int64_t> spill(int64_t bytes) override {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    return lock.owns_lock() ? spill_locked(bytes) : 0;
  }

 private:
  void close() {
    if (open_) plan_.context.memory->unregister_spillable(this);
    open_ = false;
  }

  arrow::Status evaluate(const column::Batch& batch);
  arrow::Status evaluate_with_room(const column::Batch& batch);
  arrow::Status evaluate_argument(const AggregateArgument& a, const column::Batch& batch, ArgumentRows* out);
  arrow::Status evaluate_several(const AggregateArgument& a, const column::Batch& rows, ArgumentRows* out);
  arrow::Status add_global(Position position, int64_t n);
  arrow::Status add_groups(RowOrders orders, int64_t n);
  arrow::Status find_unknown(RowOrders orders, bool remember);
  void fill_runs(int64_t n);
  arrow::Status find_the_long_way(std::span<const int32_t> which, RowOrders orders, bool remember);
  static int64_t rows_to_remember(const QueryContext& context);
  arrow::Status find_span(const KeyBatch& keys, const int32_t* which, RowOrders orders, int64_t begin, int64_t n, uint8_t** rows);
  arrow::Status find_around_nulls(const KeyBatch& keys, const int32_t* which, RowOrders orders, int64_t begin, int64_t n, uint8_t** rows);
  template <typename Find>
  arrow::Status with_room(Find&& find);
  arrow::Status let_wait(const KeyBatch& keys, RowOrders orders);
  std::vector<PendingSlice> slices(int partition) const;
  // How far a span got when memory ended.
  struct Progress {
    size_t function = 0;
    int64_t seen = 0;  // by that function
    bool stopped = false;
    bool complete() const { return !stopped; }
  };
  arrow::Status update_span(uint8_t* const* rows, RowOrders orders, int64_t begin, int64_t n, Progress* progress);
  arrow::Status make_room_after(const arrow::Status& refused, int round);
  int64_t bytes_to_keep() const;
  void count_bytes();
  arrow::Result<int64_t> spill_locked(int64_t bytes);
  arrow::Status spill_pending();

  std::shared_ptr<AggregateState> state_;
  const AggregatePlan& plan_;
  const RowLayout& layout_;
  expr::Evaluator evaluator_;
  KeyNormaliser normaliser_;
  DirectMap direct_;
  GroupEcho echo_;

  // Of the batch at hand.
  std::vector<column::Column> keys_;
  std::vector<ArgumentRows> arguments_;
  std::vector<size_t> fed_;  // rows of each filtered argument given so far
  std::vector<uint8_t*> rows_;
  std::vector<int32_t> unknown_;
  std::vector<int32_t> starts_;  // of runs of equal keys, where these are looked up alone

  std::mutex mutex_;                   // what follows
  std::unique_lock<std::mutex> held_;  // by consume()
  TableSet tables_;
  std::vector<std::vector<GroupBlock>> blocks_;
  std::vector<std::shared_ptr<const PendingBatch>> pending_;
  int64_t pending_rows_ = 0;
  int64_t pending_bytes_ = 0;
  int64_t pending_texts_ = 0;
  bool may_wait_;         // rows of this query may wait
  bool waiting_ = false;  // the next ones do
  uint8_t* global_ = nullptr;
  uint64_t highest_order_ = 0;
  bool any_order_ = false;
  int64_t spills_ = 0;
  int64_t direct_spills_ = 0;

  std::atomic<int64_t> bytes_{0};
  std::atomic<int64_t> side_bytes_{0};
  base::Reservation side_;
  bool open_ = false;
};

}  // namespace gristmill::exec
