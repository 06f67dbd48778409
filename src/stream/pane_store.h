// The panes of a windowed aggregation: a table of groups a pane, the latest on disk when memory is short.
//
// One thread works on it at a time, between lock() and unlock(); a spill from another thread takes what is not in use just then. A pane on
// disk comes back when a row or a window wants it, so all that must fit at once is what a window needs when it closes.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <arrow/result.h>

#include "base/memory_budget.h"
#include "base/spill_file.h"
#include "exec/aggregate_plan.h"
#include "exec/group_spill.h"
#include "stream/row_grouper.h"

namespace gristmill::stream {

class PaneStore final : public base::Spillable {
 public:
  explicit PaneStore(const exec::AggregatePlan& plan) : plan_(plan) {}
  ~PaneStore() override { close(); }
  arrow::Status open();
  void close();

  // Makes room for `more` bytes, by spilling whoever holds the most; then nobody else touches the panes until unlock().
  arrow::Status lock(int64_t more);
  void unlock();

  struct Pane {
    explicit Pane(exec::TableSet t) : tables(std::move(t)) {}
    exec::TableSet tables;
    std::vector<exec::GroupBlock> blocks;  // of `file`
    std::shared_ptr<base::SpillFile> file;
    int64_t counted = 0;
  };
  using Panes = std::map<int64_t, Pane>;

  bool empty() const { return panes_.empty(); }
  const Panes& panes() const { return panes_; }
  // The pane's groups in memory; made when there is no such pane.
  arrow::Result<exec::TableSet*> open_pane(int64_t start);
  // Null: there is no such pane.
  arrow::Result<exec::TableSet*> find_pane(int64_t start);
  // All groups of `tables` into the pane.
  arrow::Status merge(int64_t start, exec::TableSet tables);
  // Takes the pane out.
  arrow::Result<exec::TableSet> take(int64_t start);
  void drop(int64_t start);
  bool on_disk(int64_t start) const {
    const auto at = panes_.find(start);
    return at != panes_.end() && !at->second.blocks.empty();
  }
  // What is in memory of the pane goes to disk.
  arrow::Status put_away(int64_t start);
  // Between lock() and unlock(), by who adds for long: all goes to disk where memory is short.
  arrow::Status make_room();
  // After a pane was changed through its tables.
  void count(int64_t start);

  int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  int64_t spills() const { return spills_; }

  std::string spill_name() const override { return "windows"; }
  int64_t spillable_bytes() const override { return bytes_.load(std::memory_order_relaxed); }
  arrow::Result<int64_t> spill(int64_t bytes) override;

 private:
  arrow::Status load(Pane* pane);
  arrow::Result<int64_t> spill_locked(int64_t bytes);
  arrow::Status write(int64_t start, Pane* pane);

  const exec::AggregatePlan& plan_;
  Panes panes_;
  std::shared_ptr<base::SpillFile> file_;  // for what is spilled next
  std::atomic<int64_t> bytes_{0};
  int64_t spills_ = 0;
  base::Reservation side_;
  int64_t side_bytes_ = 0;  // at the last unlock(): what the pool does not see
  std::mutex mutex_;
  std::atomic<std::thread::id> owner_{};
  bool open_ = false;
};

}  // namespace gristmill::stream
