// Positions, polling, the merge of a topic that is read to its end, and decoding.
//
// poll() takes what the library has; decode() works on those bytes where they lie, on any worker. The client is used under one lock.

#include "stream/kafka_source.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "expr/parse_text.h"
#include "stream/kafka_start.h"
#include "stream/message_letters.h"
#include "stream/partition_watch.h"
#include "stream/wake_handle.h"

namespace gristmill::stream {
namespace {

constexpr int64_t kMostMessages = 10'000;                // of a chunk
constexpr int64_t kMostBytesAtOnce = int64_t{64} << 20;  // that are decoded together
constexpr int64_t kMergeMilliseconds = 1000;             // messages of one second go partition by partition

struct KafkaLocal final : public plan::ScanLocal {};

class KafkaSource final : public EndlessSource {
 public:
  explicit KafkaSource(std::shared_ptr<const KafkaPlan> plan) : plan_(std::move(plan)), options_(plan_->options) {}
  ~KafkaSource() override { stop(); }

  std::string name() const override { return plan_->name(); }
  std::shared_ptr<arrow::Schema> schema() const override { return plan_->schema(); }
  int32_t partitions() const override { return static_cast<int32_t>(parts_.size()); }
  bool endless() const override { return !options_.until_end; }
  bool replay() const override { return options_.until_end; }
  std::string file_of(int32_t partition) const override {
    return "topic " + options_.topic + ", partition " + std::to_string(partition) + " (row is the offset)";
  }

  arrow::Status start(const Positions& positions, const StartContext& context) override {
    wake_->use(context.background);
    if (!options_.dead_letters.empty()) {
      ARROW_ASSIGN_OR_RAISE(auto letters, MessageLetters::open(options_.dead_letters));
      std::lock_guard lock(mutex_);
      letters_ = std::move(letters);
    }
    // Not under the lock: a broker may take its time to answer, and statistics are asked for meanwhile.
    ARROW_ASSIGN_OR_RAISE(KafkaStart begun, start_kafka(options_, positions, context, [wake = wake_] { wake->wake(); }));
    std::lock_guard lock(mutex_);
    client_ = std::move(begun.client);
    memory_ = std::move(begun.memory);
    bytes_of_partition_ = begun.bytes_of_partition;
    const int64_t every = options_.until_end || options_.balance ? 0 : partition_watch_micros(options_.address);
    if (every > 0 && context.background != nullptr) {
      watch_ = std::make_shared<PartitionWatch>(options_.address, options_.topic, static_cast<int32_t>(begun.next.size()),
                                                context.query->cancel, [wake = wake_] { wake->wake(); });
      watch_->begin(*context.background, every);
    }
    parts_.clear();
    for (size_t i = 0; i < begun.next.size(); ++i) {
      Part p;
      p.next = begun.next[i];
      p.end = begun.ends.empty() ? -1 : begun.ends[i];
      p.done = options_.until_end && p.next >= p.end;
      parts_.push_back(std::move(p));
    }
    return arrow::Status::OK();
  }

  Positions begun_at() const override {
    std::lock_guard lock(mutex_);
    Positions out;
    for (size_t i = 0; i < parts_.size(); ++i) {
      if (parts_[i].next >= 0) out.emplace_back(static_cast<int32_t>(i), parts_[i].next);
    }
    return out;
  }

  arrow::Result<Polled> poll() override {
    std::lock_guard lock(mutex_);
    if (client_ == nullptr) return Polled{nullptr, true, nullptr};
    auto wait = wake_->arm();  // before looking
    if (watch_ != nullptr) ARROW_RETURN_NOT_OK(read_added());
    auto out = options_.until_end ? poll_merged() : poll_any();
    refresh();
    if (!out.ok()) return out.status();
    if (out->chunk == nullptr && !out->end) out->wait = std::move(wait);
    return out;
  }

  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<KafkaLocal>(); }

  arrow::Status decode(const Chunk& chunk, const std::vector<int>& columns, plan::ScanLocal&, arrow::MemoryPool* pool,
                       const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    const auto& whole = *static_cast<const MessageRange*>(chunk.raw.get());
    const auto messages = whole.messages();
    for (int64_t at = 0; at < whole.count;) {
      MessageRange range{whole.batch, whole.first + at, 0};
      for (int64_t bytes = 0; at < whole.count && (range.count == 0 || bytes < kMostBytesAtOnce); ++at, ++range.count) {
        bytes += messages[static_cast<size_t>(at)].value_size + messages[static_cast<size_t>(at)].key_size;
      }
      ARROW_RETURN_NOT_OK(decode_range(range, columns, pool, emit, counts));
    }
    return arrow::Status::OK();
  }

  std::vector<int32_t> at_end() const override {
    std::lock_guard lock(mutex_);
    std::vector<int32_t> out;
    for (size_t i = 0; i < parts_.size(); ++i) {
      if (parts_[i].at_end && parts_[i].pending.count == 0) out.push_back(static_cast<int32_t>(i));
    }
    return out;
  }

  arrow::Status commit(const Positions& positions) override {
    if (letters_ != nullptr) ARROW_RETURN_NOT_OK(letters_->flush());
    std::lock_guard lock(mutex_);
    if (options_.group.empty() || client_ == nullptr) return arrow::Status::OK();
    std::vector<io::KafkaPosition> all;
    for (const auto& [partition, next] : positions) {
      const bool ours = !options_.balance || parts_[static_cast<size_t>(partition)].assigned;
      if (ours && next >= 0) all.push_back({options_.topic, partition, next});
    }
    return client_->commit(options_.topic, all, false);
  }

  void stop() override {
    wake_->end();
    if (watch_ != nullptr) watch_->end();
    io::KafkaClientPtr client;
    {
      std::lock_guard lock(mutex_);
      for (Part& p : parts_) p.pending = {};
      client.swap(client_);
      memory_.release();
    }
    if (letters_ != nullptr) (void)letters_->flush();
  }

  std::map<std::string, int64_t> stats() const override {
    std::lock_guard lock(mutex_);
    std::map<std::string, int64_t> out;
    int64_t all = 0;
    for (size_t i = 0; i < parts_.size(); ++i) {
      const Part& p = parts_[i];
      const int64_t high = options_.until_end ? p.end : p.high;
      const int64_t lag = high < 0 || p.next < 0 ? 0 : std::max<int64_t>(0, high - p.next);
      out["lag_" + std::to_string(i)] = lag;
      all += lag;
    }
    out["lag"] = all;
    out["skipped"] = skipped_.load();
    return out;
  }

 private:
  struct Part {
    int64_t next = -1;  // -1: not known before its first message (a group's)
    int64_t end = -1;   // of a topic that is read to its end
    int64_t high = -1;
    int64_t eof = -1;  // where the library last found nothing more
    bool at_end = false, assigned = false, done = false;
    MessageRange pending;  // taken, not given out
  };

  // Partitions that were added to the topic are read from their beginning.
  arrow::Status read_added() {
    const std::vector<io::KafkaPosition> added = watch_->take();
    if (added.empty()) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(memory_.grow_to(memory_.bytes() + std::ssize(added) * bytes_of_partition_));
    for (const io::KafkaPosition& p : added) {
      Part part;
      part.next = p.offset;
      parts_.push_back(std::move(part));
    }
    return client_->assign_more(options_.topic, added);
  }

  // What the library knows of partitions.
  void refresh() {
    if (client_ == nullptr) return;
    if (options_.balance) {
      for (Part& p : parts_) p.assigned = false;
    }
    for (const GmKafkaPartition& s : client_->state()) {
      if (s.partition >= std::ssize(parts_)) continue;
      Part& p = parts_[static_cast<size_t>(s.partition)];
      p.assigned = true;
      p.at_end = s.at_end != 0;
      p.eof = s.end;
      p.high = std::max(p.high, s.high);
    }
  }

  Polled give(int32_t partition, MessageRange range, int64_t next) {
    Part& p = parts_[static_cast<size_t>(partition)];
    auto chunk = std::make_unique<Chunk>();
    chunk->partition = partition;
    chunk->position = p.next < 0 ? range.messages().front().offset : p.next;
    chunk->next_position = next;
    const int64_t all = std::ssize(range.batch->messages());
    chunk->bytes = range.batch->bytes() * range.count / std::max<int64_t>(all, 1);
    chunk->raw = std::make_shared<MessageRange>(std::move(range));
    p.next = next;
    Polled out;
    out.chunk = std::move(chunk);
    return out;
  }

  arrow::Result<Polled> poll_any() {
    ARROW_ASSIGN_OR_RAISE(auto batch, client_->poll(-1, kMostMessages));
    if (batch == nullptr) return Polled{};
    const int32_t partition = batch->partition();
    if (partition >= std::ssize(parts_)) parts_.resize(static_cast<size_t>(partition) + 1);  // added while we run: a group's only
    const int64_t next = batch->next(), count = std::ssize(batch->messages());
    return give(partition, {std::move(batch), 0, count}, next);
  }

  static int64_t second_of(const GmKafkaMessage& m) { return m.timestamp_ms < 0 ? -1 : m.timestamp_ms / kMergeMilliseconds; }

  // The partition's next messages up to its end, or `done`. False: they have not come yet.
  arrow::Result<bool> have_next(int32_t id) {
    Part& p = parts_[static_cast<size_t>(id)];
    if (p.done || p.pending.count > 0) return true;
    ARROW_ASSIGN_OR_RAISE(auto batch, client_->poll(id, kMostMessages));
    if (batch == nullptr) {
      refresh();
      p.done = p.at_end && p.eof >= p.end;  // what is left before its end are marks of transactions
      return p.done;
    }
    const auto messages = batch->messages();
    int64_t count = 0;
    while (count < std::ssize(messages) && messages[static_cast<size_t>(count)].offset < p.end) ++count;
    p.pending = {batch, 0, count};
    p.done = count == 0;
    return true;
  }

  arrow::Result<Polled> poll_merged() {
    int64_t earliest = INT64_MAX;
    int32_t chosen = -1;
    bool all_there = true;
    for (int32_t id = 0; id < std::ssize(parts_); ++id) {
      ARROW_ASSIGN_OR_RAISE(const bool there, have_next(id));
      all_there = all_there && there;
      const Part& p = parts_[static_cast<size_t>(id)];
      if (p.done || !there) continue;
      const int64_t second = second_of(p.pending.messages().front());
      if (second < earliest) {
        earliest = second;
        chosen = id;
      }
    }
    if (!all_there) return Polled{};  // one of them might be the earliest
    if (chosen < 0) return Polled{nullptr, true, nullptr};
    Part& p = parts_[static_cast<size_t>(chosen)];
    const auto messages = p.pending.messages();
    int64_t count = 0;
    while (count < p.pending.count && second_of(messages[static_cast<size_t>(count)]) <= earliest) ++count;
    MessageRange range{p.pending.batch, p.pending.first, count};
    const int64_t next = messages[static_cast<size_t>(count - 1)].offset + 1;
    p.pending.first += count;
    p.pending.count -= count;
    if (p.pending.count == 0) p.pending = {};
    Polled out = give(chosen, std::move(range), next);
    p.done = p.done || p.next >= p.end;
    return out;
  }

  arrow::Status decode_range(const MessageRange& range, const std::vector<int>& columns, arrow::MemoryPool* pool,
                             const plan::BatchConsumer& emit, plan::ScanCounts& counts) {
    ARROW_ASSIGN_OR_RAISE(KafkaColumns::Rows rows, plan_->columns->rows_of(range, columns, pool));
    const bool failing = !rows.bad.empty() && options_.on_error == BadMessages::kFail;
    int64_t good = rows.rows;
    if (failing) {  // the rows before the first bad message
      const auto first = static_cast<int32_t>(rows.bad[0].record);
      good = std::lower_bound(rows.message_of.begin(), rows.message_of.end(), first) - rows.message_of.begin();
    } else {
      for (const io::BadMessage& b : rows.bad) {
        const GmKafkaMessage& m = range.messages()[static_cast<size_t>(b.record)];
        if (letters_ != nullptr) ARROW_RETURN_NOT_OK(letters_->add(options_.topic, range.batch->partition(), m, b.error));
        if (options_.tell_bad) ARROW_RETURN_NOT_OK(options_.tell_bad(range.batch->partition(), m, b.error));
      }
      const int64_t bad = std::ssize(rows.bad);
      counts.rows += bad;
      counts.skipped += bad;
      skipped_ += bad;
    }
    counts.rows += good;
    ARROW_RETURN_NOT_OK(emit_rows_of(range, rows, good, pool, emit));
    if (!failing) return arrow::Status::OK();
    const auto found = base::error_detail(rows.bad[0].error);
    base::ErrorDetail d = found != nullptr ? *found : base::ErrorDetail{};
    d.kind = base::ErrorKind::kData;
    d.file = file_of(range.batch->partition());
    d.row = range.messages()[static_cast<size_t>(rows.bad[0].record)].offset;
    if (d.hint.empty()) d.hint = "on_error=\"skip\" or \"dead_letter\" goes on";
    return base::with_detail(rows.bad[0].error, d);
  }

  // The first `count` rows, in batches.
  static arrow::Status emit_rows_of(const MessageRange& range, const KafkaColumns::Rows& rows, int64_t count, arrow::MemoryPool* pool,
                                    const plan::BatchConsumer& emit) {
    if (count == 0) return arrow::Status::OK();
    const auto messages = range.messages();
    column::Batch all;
    all.rows = rows.rows;
    all.columns = rows.columns;
    all.origin.input = range.batch->partition();
    all.origin.first_row = messages.front().offset;
    const bool dense = messages.back().offset - messages.front().offset == range.count - 1;
    if (!rows.message_of.empty() || !dense) {
      ARROW_ASSIGN_OR_RAISE(all.origin.rows, column::allocate_buffer(rows.rows * 8, pool));
      auto* to = reinterpret_cast<int64_t*>(all.origin.rows->mutable_data());
      for (int64_t i = 0; i < rows.rows; ++i) {
        const int64_t m = rows.message_of.empty() ? i : rows.message_of[static_cast<size_t>(i)];
        to[i] = messages[static_cast<size_t>(m)].offset;
      }
    }
    for (int64_t at = 0; at < count; at += column::kMaxBatchRows) {
      const int64_t n = std::min(count - at, column::kMaxBatchRows);
      const bool whole = at == 0 && n == all.rows;
      ARROW_RETURN_NOT_OK(emit(whole ? all : column::slice(all, at, n)));
    }
    return arrow::Status::OK();
  }

  const std::shared_ptr<const KafkaPlan> plan_;
  const KafkaSourceOptions& options_;
  const std::shared_ptr<WakeHandle> wake_ = std::make_shared<WakeHandle>();
  std::unique_ptr<MessageLetters> letters_;
  std::atomic<int64_t> skipped_{0};

  mutable std::mutex mutex_;
  io::KafkaClientPtr client_;
  base::Reservation memory_;  // what the library may hold for us
  int64_t bytes_of_partition_ = 0;
  std::shared_ptr<PartitionWatch> watch_;  // null: the partitions are those of the start
  std::vector<Part> parts_;
};

}  // namespace

EndlessSourcePtr kafka_source(std::shared_ptr<const KafkaPlan> plan) { return std::make_shared<KafkaSource>(std::move(plan)); }

}  // namespace gristmill::stream
