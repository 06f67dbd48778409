#include "stream/feed.h"

#include <algorithm>
#include <utility>

#include <arrow/type.h>

#include "base/status.h"

namespace gristmill::stream {

namespace {

struct FeedLocal final : plan::ScanLocal {
  std::unique_ptr<plan::ScanLocal> of_source;
};

}  // namespace

class FeedScan final : public plan::Scan {
 public:
  FeedScan(std::shared_ptr<Feed> feed, const plan::ScanRequest& request)
      : feed_(std::move(feed)), columns_(request.columns), memory_(request.memory) {}
  int64_t num_morsels() const override { return -1; }
  arrow::Result<Next> next(uint64_t seq) override { return feed_->next(seq); }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override {
    auto local = std::make_unique<FeedLocal>();
    if (feed_->absent_) return local;
    ARROW_ASSIGN_OR_RAISE(local->of_source, feed_->source_->make_local());
    return local;
  }
  arrow::Status read(uint64_t seq, plan::ScanLocal& local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    const std::unique_ptr<Chunk> chunk = feed_->take(seq);
    if (!chunk) return arrow::Status::OK();  // a barrier or a tick: no rows
    return feed_->source_->decode(*chunk, columns_, *static_cast<FeedLocal&>(local).of_source, memory_->pool(), emit, counts);
  }
  std::string file_of(int32_t partition) const override { return feed_->source_->file_of(partition); }

 private:
  const std::shared_ptr<Feed> feed_;
  const std::vector<int> columns_;
  const std::shared_ptr<base::QueryMemory> memory_;
};

namespace {

class FeedTable final : public plan::TableSource {
 public:
  FeedTable(std::shared_ptr<Feed> feed, std::shared_ptr<arrow::Schema> schema) : feed_(std::move(feed)), schema_(std::move(schema)) {}
  std::string kind() const override { return "endless"; }
  std::string name() const override { return feed_->name(); }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  plan::TableEstimate estimate() const override { return {int64_t{1} << 40, false, {}}; }
  std::string to_json() const override { return "{}"; }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    if (opened_.exchange(true)) return base::plan_error(feed_->name() + " is read twice in one stream", "make a source for each");
    return std::make_shared<FeedScan>(feed_, request);
  }

 private:
  const std::shared_ptr<Feed> feed_;
  const std::shared_ptr<arrow::Schema> schema_;
  mutable std::atomic<bool> opened_{false};
};

}  // namespace

Feed::Feed(EndlessSourcePtr source, sched::Background& background, int64_t tick_every)
    : source_(std::move(source)), name_(source_->name()), background_(background), tick_every_(tick_every) {}

arrow::Status Feed::start(const Positions& positions, const StartContext& context) {
  ARROW_RETURN_NOT_OK(source_->start(positions, context));
  next_position_.assign(static_cast<size_t>(std::max<int32_t>(1, source_->partitions())), -1);
  for (const Positions& known : {source_->begun_at(), positions}) {
    for (const auto& [partition, next] : known) {
      if (partition >= 0 && static_cast<size_t>(partition) < next_position_.size()) next_position_[static_cast<size_t>(partition)] = next;
    }
  }
  return arrow::Status::OK();
}

void Feed::has_ended() {
  std::lock_guard lock(mutex_);
  absent_ = finishing_ = true;
}

void Feed::take_turns(std::shared_ptr<Turns> turns) {
  place_ = turns->add([weak = weak_from_this()] {
    const auto self = weak.lock();
    return self && !self->notes_.empty();
  });
  turns_ = std::move(turns);
}

plan::TableSourcePtr Feed::table(std::shared_ptr<arrow::Schema> schema) {
  return std::make_shared<FeedTable>(shared_from_this(), std::move(schema));
}

// What the next morsel is: a barrier that was asked for, a chunk, a tick, the end; or nothing yet.
arrow::Result<plan::Scan::Next> Feed::next(uint64_t seq) {
  using Next = plan::Scan::Next;
  {
    std::lock_guard lock(mutex_);
    if (barrier_) {
      const int64_t epoch = *std::exchange(barrier_, std::nullopt);
      at_barrier_[epoch] = positions();
      moved_ = false;
      Note note;
      note.kind = Note::Kind::kBarrier;
      note.epoch = epoch;
      note.last = barrier_is_last_;
      notes_.put(seq, std::move(note));
      return Next{};
    }
  }
  if (over()) return end();
  // Before a tick too: a clock that is always due would keep every other feed from being read.
  if (auto pause = turns_ ? turns_->pause(place_) : nullptr) return wait_for(std::move(pause), false);
  bool tick = false;
  {
    std::lock_guard lock(mutex_);
    tick = std::exchange(tick_due_, false);
  }
  if (tick) {
    Note note;
    note.kind = Note::Kind::kTick;
    note.tick.now_micros = std::chrono::duration_cast<std::chrono::microseconds>(background_.clock().now().time_since_epoch()).count();
    note.tick.at_end = source_->at_end();
    notes_.put(seq, std::move(note));
    if (turns_) turns_->ticked(place_);
    return Next{};
  }
  // Also while rows come: of one partition they may, of another not. But not before rows were asked for again: where a tick takes longer
  // than it is to the next one there would be nothing but ticks.
  arm_tick();
  if (held()) return wait_for(std::make_shared<base::WaitHandle>());  // the last barrier wakes it
  Polled polled;
  {
    std::lock_guard lock(source_mutex_);
    ARROW_ASSIGN_OR_RAISE(polled, source_->poll());
  }
  if (polled.chunk) {
    if (turns_) turns_->claimed(place_);
    return give(seq, std::move(polled.chunk));
  }
  if (polled.end) return end();
  return nothing_yet(std::move(polled.wait));
}

// The others need not wait for it until the source has something again.
plan::Scan::Next Feed::nothing_yet(base::WaitHandlePtr source) {
  if (!turns_ || !source) return wait_for(std::move(source));
  turns_->waits(place_);
  auto again = std::make_shared<base::WaitHandle>();
  source->on_ready([again, turns = turns_, place = place_] {
    turns->ready(place);
    again->fire();
  });
  return wait_for(std::move(again));
}

// A barrier that came meanwhile still has its place before the end.
plan::Scan::Next Feed::end() {
  auto again = std::make_shared<base::WaitHandle>();
  {
    std::lock_guard lock(mutex_);
    if (barrier_) {
      again->fire();
      return {false, std::move(again)};
    }
    ended_ = true;
  }
  if (turns_) turns_->ended(place_);
  wake();  // the others find the end too
  return {true, nullptr};
}

bool Feed::over() const {
  std::lock_guard lock(mutex_);
  return finishing_ || ended_;
}

bool Feed::held() const {
  std::lock_guard lock(mutex_);
  return holding_;
}

plan::Scan::Next Feed::give(uint64_t seq, std::unique_ptr<Chunk> chunk) {
  Note note;
  note.partition = chunk->partition;
  notes_.put(seq, std::move(note));
  std::lock_guard lock(mutex_);
  const auto p = static_cast<size_t>(chunk->partition);
  if (next_position_.size() <= p) next_position_.resize(p + 1, -1);
  next_position_[p] = chunk->next_position;
  moved_ = true;
  chunks_.emplace(seq, std::move(chunk));
  return {};
}

// `ticks`: a tick that is due is worth coming back for.
plan::Scan::Next Feed::wait_for(base::WaitHandlePtr source, bool ticks) {
  auto handle = std::make_shared<base::WaitHandle>();
  bool now = false;
  {
    std::lock_guard lock(mutex_);
    now = barrier_ || finishing_ || ended_ || (ticks && tick_due_);
    std::erase_if(waiting_, [](const auto& w) { return w->ready(); });
    waiting_.push_back(handle);
  }
  if (source) source->on_ready([handle] { handle->fire(); });
  if (now || !source) handle->fire();
  return {false, std::move(handle)};
}

void Feed::arm_tick() {
  if (tick_every_ <= 0) return;
  {
    std::lock_guard lock(mutex_);
    if (tick_armed_ || ended_) return;
    tick_armed_ = true;
  }
  background_.after(tick_every_, [weak = weak_from_this()] {
    const auto feed = weak.lock();
    if (!feed) return;
    {
      std::lock_guard lock(feed->mutex_);
      feed->tick_armed_ = false;
      feed->tick_due_ = true;
    }
    feed->wake();
  });
}

std::unique_ptr<Chunk> Feed::take(uint64_t seq) {
  std::lock_guard lock(mutex_);
  auto found = chunks_.extract(seq);
  return found ? std::move(found.mapped()) : nullptr;
}

void Feed::wake() {
  std::vector<base::WaitHandlePtr> waiting;
  {
    std::lock_guard lock(mutex_);
    waiting.swap(waiting_);
  }
  for (const auto& w : waiting) w->fire();
}

void Feed::barrier(int64_t epoch, bool last) {
  {
    std::lock_guard lock(mutex_);
    if (ended_) return;
    barrier_ = epoch;
    barrier_is_last_ = last;
    finishing_ = finishing_ || last;
  }
  wake();
}

void Feed::finish() {
  {
    std::lock_guard lock(mutex_);
    finishing_ = true;
  }
  wake();
}

void Feed::hold() {
  std::lock_guard lock(mutex_);
  holding_ = true;
}

void Feed::discard() {
  {
    std::lock_guard lock(mutex_);
    finishing_ = true;
    barrier_.reset();
    chunks_.clear();
  }
  if (turns_) turns_->ended(place_);
  wake();
}

bool Feed::ended() const {
  std::lock_guard lock(mutex_);
  return ended_;
}

bool Feed::moved() const {
  std::lock_guard lock(mutex_);
  return moved_;
}

// Under the lock.
Positions Feed::positions() const {
  Positions out;
  for (size_t p = 0; p < next_position_.size(); ++p) {
    if (next_position_[p] >= 0) out.emplace_back(static_cast<int32_t>(p), next_position_[p]);
  }
  return out;
}

Positions Feed::positions_at(int64_t epoch) const {
  std::lock_guard lock(mutex_);
  const auto it = at_barrier_.find(epoch);
  return it == at_barrier_.end() ? positions() : it->second;
}

bool Feed::ended_before(int64_t epoch) const {
  std::lock_guard lock(mutex_);
  return !at_barrier_.contains(epoch);
}

arrow::Status Feed::commit(int64_t epoch) {
  Positions at = positions_at(epoch);
  {
    std::lock_guard lock(mutex_);
    std::erase_if(at_barrier_, [&](const auto& e) { return e.first <= epoch; });
    if (absent_) return arrow::Status::OK();
  }
  std::lock_guard lock(source_mutex_);
  return source_->commit(at);
}

}  // namespace gristmill::stream
