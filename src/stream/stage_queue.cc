#include "stream/stage_queue.h"

#include <utility>

#include <arrow/type.h>

#include "base/status.h"

namespace gristmill::stream {
namespace {
constexpr size_t kMostItems = 32;
}

class QueueScan final : public plan::Scan {
 public:
  QueueScan(std::shared_ptr<StageQueue> queue, std::vector<int> columns) : queue_(std::move(queue)), columns_(std::move(columns)) {}
  int64_t num_morsels() const override { return -1; }
  arrow::Result<Next> next(uint64_t seq) override { return queue_->next(seq); }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<plan::ScanLocal>(); }
  arrow::Status read(uint64_t seq, plan::ScanLocal&, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    for (column::Batch& b : queue_->take(seq)) {
      column::Batch wanted;
      wanted.rows = b.rows;
      wanted.selection = b.selection;
      for (const int c : columns_) wanted.columns.push_back(b.columns[static_cast<size_t>(c)]);
      counts.rows += b.selected();
      ARROW_RETURN_NOT_OK(emit(std::move(wanted)));
    }
    return arrow::Status::OK();
  }

 private:
  const std::shared_ptr<StageQueue> queue_;
  const std::vector<int> columns_;
};

class QueueTable final : public plan::TableSource {
 public:
  QueueTable(std::shared_ptr<StageQueue> queue, std::shared_ptr<arrow::Schema> schema)
      : queue_(std::move(queue)), schema_(std::move(schema)) {}
  std::string kind() const override { return "stage"; }
  std::string name() const override { return queue_->name_; }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  plan::TableEstimate estimate() const override { return {int64_t{1} << 40, false, {}}; }
  std::string to_json() const override { return "{}"; }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    if (queue_->opened_.exchange(true)) {
      return base::plan_error("the rows of " + name() + " are read twice in one stream", "collect() them first, or make two streams");
    }
    return std::make_shared<QueueScan>(queue_, request.columns);
  }

 private:
  const std::shared_ptr<StageQueue> queue_;
  const std::shared_ptr<arrow::Schema> schema_;
};

plan::TableSourcePtr StageQueue::table(std::shared_ptr<arrow::Schema> schema) {
  return std::make_shared<QueueTable>(shared_from_this(), std::move(schema));
}

arrow::Result<plan::Scan::Next> StageQueue::next(uint64_t seq) {
  base::WaitHandlePtr room;
  {
    std::lock_guard lock(mutex_);
    if (items_.empty()) {
      if (closed_ || discarded_) return plan::Scan::Next{true, nullptr};
      if (!ready_) ready_ = std::make_shared<base::WaitHandle>();
      return plan::Scan::Next{false, ready_};
    }
    Item item = std::move(items_.front());
    items_.pop_front();
    notes_.put(seq, std::move(item.note));
    claimed_.emplace(seq, std::move(item.rows));
    if (items_.size() < kMostItems) room = std::exchange(room_, nullptr);
  }
  if (room) room->fire();
  return plan::Scan::Next{};
}

std::vector<column::Batch> StageQueue::take(uint64_t seq) {
  std::lock_guard lock(mutex_);
  auto found = claimed_.extract(seq);
  return found ? std::move(found.mapped()) : std::vector<column::Batch>{};
}

base::WaitHandlePtr StageQueue::wait_for_room() {
  std::lock_guard lock(mutex_);
  if (discarded_ || items_.size() < kMostItems) return nullptr;
  if (!room_) room_ = std::make_shared<base::WaitHandle>();
  return room_;
}

void StageQueue::push(Item item) {
  base::WaitHandlePtr ready;
  {
    std::lock_guard lock(mutex_);
    if (discarded_) return;
    items_.push_back(std::move(item));
    ready = std::exchange(ready_, nullptr);
  }
  if (ready) ready->fire();
}

void StageQueue::close() {
  base::WaitHandlePtr ready;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    ready = std::exchange(ready_, nullptr);
  }
  if (ready) ready->fire();
}

void StageQueue::discard() {
  base::WaitHandlePtr ready, room;
  {
    std::lock_guard lock(mutex_);
    discarded_ = true;
    items_.clear();
    ready = std::exchange(ready_, nullptr);
    room = std::exchange(room_, nullptr);
  }
  if (ready) ready->fire();
  if (room) room->fire();
}

bool StageQueue::discarded() const {
  std::lock_guard lock(mutex_);
  return discarded_;
}

int64_t StageQueue::items() const {
  std::lock_guard lock(mutex_);
  return static_cast<int64_t>(items_.size());
}

}  // namespace gristmill::stream
