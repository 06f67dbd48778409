// Between two stages: what a stateful operator gave, in order, as the morsels of the next pipeline.
//
// Bounded: the stage before asks for room before it applies the next piece (one piece may give more than fits; the next one waits). Signs
// (watermarks, barriers, ticks) keep their place among the rows. Thread safe.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/waiting.h"
#include "column/batch.h"
#include "plan/table_source.h"
#include "stream/notes.h"

namespace gristmill::stream {

class StageQueue : public std::enable_shared_from_this<StageQueue> {
 public:
  struct Item {
    std::vector<column::Batch> rows;
    Note note;
  };

  explicit StageQueue(std::string name) : name_(std::move(name)) {}
  plan::TableSourcePtr table(std::shared_ptr<arrow::Schema> schema);  // read once
  Notes& notes() { return notes_; }

  // Null when there is room; else fires when there may be.
  base::WaitHandlePtr wait_for_room();
  void push(Item item);
  void close();    // nothing more comes
  void discard();  // nobody reads any more: what is and will be pushed is dropped
  bool discarded() const;
  int64_t items() const;

 private:
  friend class QueueScan;
  friend class QueueTable;
  arrow::Result<plan::Scan::Next> next(uint64_t seq);
  std::vector<column::Batch> take(uint64_t seq);

  const std::string name_;
  Notes notes_;
  mutable std::mutex mutex_;
  std::deque<Item> items_;
  std::unordered_map<uint64_t, std::vector<column::Batch>> claimed_;
  base::WaitHandlePtr room_, ready_;
  bool closed_ = false, discarded_ = false;
  std::atomic<bool> opened_{false};
};

}  // namespace gristmill::stream
