// The kinds of windows, each in a file of its own, and what they have in common.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "exec/aggregate_plan.h"
#include "stream/row_grouper.h"
#include "stream/stateful.h"
#include "stream/watermark.h"
#include "stream/window_rows.h"
#include "stream/window_spec.h"

namespace gristmill::stream {

arrow::Result<StatefulOperatorPtr> make_time_windows(BoundWindows windows);
arrow::Result<StatefulOperatorPtr> make_session_windows(BoundWindows windows);
arrow::Result<StatefulOperatorPtr> make_count_windows(BoundWindows windows);

// Rows of a batch with their times; what every piece starts from.
struct TimedRows {
  column::Batch batch;
  std::vector<uint16_t> rows;      // physical, selected
  std::span<const int64_t> times;  // of each
  uint64_t order_base = 0;
  int64_t greatest = kNoTime;
  Times held;  // where `times` lie
};

class WindowLocal : public exec::LocalState {
 public:
  explicit WindowLocal(const exec::AggregatePlan& plan) : grouper(plan) {}
  RowGrouper grouper;
};

// Watermark, order numbers, late rows, names.
class WindowOperator : public StatefulOperator {
 public:
  explicit WindowOperator(BoundWindows windows) : windows_(std::move(windows)) {}

  std::string name() const override { return "window " + windows_.text; }
  std::shared_ptr<arrow::Schema> output_schema() const override { return windows_.shape.schema; }
  std::shared_ptr<arrow::Schema> side_schema() const override { return windows_.side; }
  std::vector<std::string> partition_keys() const override { return windows_.key_names; }
  arrow::Status open(const OperatorContext& context) override;
  arrow::Result<std::unique_ptr<exec::LocalState>> make_local(const exec::QueryContext& context) const override;
  arrow::Status on_watermark(int input, int64_t ticks, Emitter& out) override;
  arrow::Status on_tick(const Tick& tick, Emitter& out) override;
  int64_t tick_every() const override { return idle_.every(); }
  arrow::Status on_end(Emitter& out) override;
  std::string fingerprint() const override;
  std::map<std::string, int64_t> stats() const override;

 protected:
  // All windows that `to` closes leave.
  virtual arrow::Status advance(int64_t to, Emitter& out) = 0;
  // The watermark moved: what it closes leaves, and who stands behind learns how far it came.
  arrow::Status move_on(Emitter& out);

  arrow::Status read_times(column::Batch batch, const MorselPart& part, WindowLocal& local, TimedRows* out) const;
  // Rows of a piece that came too late, ascending.
  arrow::Status send_late(const column::Batch& batch, std::vector<uint16_t> rows, Emitter& out);
  // Rows that come behind this piece have greater orders, also after a restore.
  void note_order(const MorselPart& part) { next_seq_ = std::max(next_seq_, base_seq_ + part.seq + 1); }
  void save(SnapshotWriter& writer) const;
  arrow::Status load(SnapshotReader& reader);

  BoundWindows windows_;
  std::shared_ptr<const exec::AggregatePlan> plan_;
  std::unique_ptr<WindowRows> results_;
  std::unique_ptr<RowGrouper> slow_;  // for rows that go one by one
  Watermark mark_{0, 0, false};
  IdleClock idle_{0};
  uint64_t base_seq_ = 0;
  uint64_t next_seq_ = 0;
  int64_t late_rows_ = 0;
  int64_t told_ = kNoTime;
};

}  // namespace gristmill::stream
