// One leader opens the snapshot, cuts the ranges and starts the others; then it reads like them.
//
// An error belongs to the range in which it happened: take() gives what came before it first, so that the same error is met
// whatever the threads did. An error before the ranges are known belongs to the first.

#include "io/connect/postgres_readers.h"

#include <algorithm>
#include <utility>

#include <arrow/buffer_builder.h>

#include "base/status.h"
#include "io/connect/wire.h"
#include "sched/background_thread.h"

namespace gristmill::io {
namespace {

// One order of rows for one state of the data: no parallel plans, no scans that begin where another one is.
constexpr const char* kSettings = "set local synchronize_seqscans = off; set local max_parallel_workers_per_gather = 0";
constexpr std::string_view kSignature("PGCOPY\n\377\r\n\0", 11);

arrow::Result<std::string_view> without_header(std::string_view bytes) {
  if (bytes.size() < 19 || bytes.substr(0, 11) != kSignature)
    return base::io_error("what PostgreSQL sent does not begin like a binary COPY");
  const auto extension = static_cast<size_t>(read_i32(bytes.data() + 15));
  if (bytes.size() < 19 + extension) return base::io_error("what PostgreSQL sent does not begin like a binary COPY");
  return bytes.substr(19 + extension);
}

bool same_columns(const std::vector<PostgresColumn>& a, const std::vector<PostgresColumn>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const PostgresColumn& x, const PostgresColumn& y) {
    return x.name == y.name && x.type == y.type && x.modifier == y.modifier;
  });
}

}  // namespace

PostgresReaders::PostgresReaders(PostgresReading reading) : reading_(std::move(reading)) {
  std::lock_guard lock(mutex_);
  readers_ = 1;
  held_.assign(1, 0);
  start();
}

PostgresReaders::~PostgresReaders() {
  std::vector<std::thread> threads;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  while (true) {  // the leader may be starting others just now
    {
      std::lock_guard lock(mutex_);
      threads.swap(threads_);
    }
    if (threads.empty()) break;
    for (std::thread& t : threads) t.join();
    threads.clear();
  }
}

// Under the lock.
void PostgresReaders::start() {
  auto thread = sched::start_thread("gm-postgres", [this] { lead(); });
  if (thread) {
    threads_.push_back(std::move(*thread));
  } else {
    ready_ = true;
    failed_range_ = 0;
    failed_ = base::io_error("the system gives no thread to read from PostgreSQL with");
  }
}

arrow::Status PostgresReaders::keep_waiting() const {
  {
    std::lock_guard lock(mutex_);
    if (stop_) return base::cancelled_error();
  }
  return reading_.cancel.check();
}

void PostgresReaders::wake(std::unique_lock<std::mutex>& lock) {
  const auto waiting = std::exchange(waiting_, {});
  lock.unlock();
  for (const base::WaitHandlePtr& w : waiting) w->fire();
  changed_.notify_all();
}

void PostgresReaders::fail(size_t range, const arrow::Status& why) {
  std::unique_lock lock(mutex_);
  if (range < failed_range_) {
    failed_range_ = range;
    failed_ = why;
  }
  ready_ = true;
  wake(lock);
}

arrow::Status PostgresReaders::prepare(PostgresSession& session, std::string* snapshot) {
  ARROW_RETURN_NOT_OK(session.execute(std::string("begin isolation level repeatable read read only; ") + kSettings).status());
  ARROW_ASSIGN_OR_RAISE(const auto found, session.describe(reading_.query));
  if (!same_columns(found, reading_.columns)) {
    return base::io_error("the columns of the PostgreSQL query have changed since it was planned", {}, "make the frame again");
  }
  server_checks_text_ = session.parameter("server_encoding") != "SQL_ASCII";
  std::vector<KeyRange> cuts(1);
  if (!reading_.key.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto exported, session.execute("select pg_catalog.pg_export_snapshot()"));
    *snapshot = *exported.rows[0][0];
    ARROW_ASSIGN_OR_RAISE(cuts, cut_ranges(session, reading_.query, reading_.key, reading_.key_type, reading_.partitions));
  }
  std::unique_lock lock(mutex_);
  cuts_ = std::move(cuts);
  ranges_.resize(cuts_.size());
  readers_ = std::min<size_t>(static_cast<size_t>(reading_.partitions), cuts_.size());
  held_.assign(readers_, 0);
  ready_ = true;
  for (size_t r = 1; r < readers_ && !stop_; ++r) {
    auto thread = sched::start_thread("gm-postgres", [this, r, name = *snapshot] { follow(r, name); });
    if (!thread) {
      readers_ = r;
      break;
    }
    ++joining_;
    threads_.push_back(std::move(*thread));
  }
  wake(lock);
  return arrow::Status::OK();
}

void PostgresReaders::lead() {
  auto opened = PostgresSession::open(reading_.address, [this] { return keep_waiting(); });
  if (!opened.ok()) return fail(0, opened.status());
  PostgresSession& session = **opened;
  std::string snapshot;
  if (const auto s = prepare(session, &snapshot); !s.ok()) return fail(0, s);
  {
    std::unique_lock lock(mutex_);  // the snapshot lives as long as this transaction
    changed_.wait(lock, [&] { return joining_ == 0 || stop_; });
  }
  (void)read_ranges(session, 0);
}

void PostgresReaders::follow(size_t reader, const std::string& snapshot) {
  auto opened = PostgresSession::open(reading_.address, [this] { return keep_waiting(); });
  arrow::Status status = opened.status();
  if (opened.ok()) {
    const std::string text =
        "begin isolation level repeatable read read only; set transaction snapshot" + quote_literal(snapshot) + "; " + kSettings;
    status = (*opened)->execute(text).status();
  }
  {
    std::unique_lock lock(mutex_);
    --joining_;
  }
  changed_.notify_all();
  if (!status.ok()) return fail(reader, status);
  (void)read_ranges(**opened, reader);
}

arrow::Status PostgresReaders::read_ranges(PostgresSession& session, size_t reader) {
  for (size_t range = reader; range < ranges(); range += readers_) {
    const arrow::Status status = read_range(session, reader, range);
    if (!status.ok()) {
      fail(range, status);
      return status;
    }
    std::unique_lock lock(mutex_);
    ranges_[range].done = true;
    wake(lock);
  }
  return arrow::Status::OK();
}

arrow::Status PostgresReaders::read_range(PostgresSession& session, size_t reader, size_t range) {
  const std::string& where = cuts_[range].where;
  const std::string limit = reading_.limit < 0 ? "" : " limit " + std::to_string(reading_.limit);
  ARROW_RETURN_NOT_OK(session.begin_copy_out("copy (select " + reading_.selected + " from (\n" + reading_.query + "\n) as q" +
                                             (where.empty() ? "" : " where " + where) + limit + ") to stdout (format binary)"));
  arrow::BufferBuilder bytes(reading_.pool);
  CopiedChunk chunk;
  chunk.range = range;
  const auto hand_over = [&]() -> arrow::Result<bool> {
    ARROW_ASSIGN_OR_RAISE(chunk.bytes, bytes.Finish());
    const int64_t next = chunk.first_row + chunk.rows;
    const bool taken = push(reader, std::move(chunk));
    chunk = CopiedChunk{nullptr, 0, range, next};
    return taken;
  };
  for (bool first = true;; first = false) {
    ARROW_ASSIGN_OR_RAISE(auto row, session.next_copied());
    if (!row) break;
    if (first) {
      ARROW_ASSIGN_OR_RAISE(row, without_header(*row));
      if (row->empty()) continue;
    }
    if (row->size() == 2 && read_i16(row->data()) == -1) continue;  // the trailer
    if (bytes.length() > INT32_MAX - static_cast<int64_t>(row->size()))
      return base::data_error("a row of PostgreSQL is too long to be read");
    ARROW_RETURN_NOT_OK(bytes.Append(row->data(), static_cast<int64_t>(row->size())));
    if (++chunk.rows < reading_.chunk_rows && bytes.length() < reading_.chunk_bytes) continue;
    ARROW_ASSIGN_OR_RAISE(const bool taken, hand_over());
    if (!taken) return base::cancelled_error();
  }
  if (chunk.rows == 0) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const bool taken, hand_over());
  return taken ? arrow::Status::OK() : base::cancelled_error();
}

// False when nobody wants more. A reader of the range that is being taken may always go on with one chunk, so nobody waits for ever.
bool PostgresReaders::push(size_t reader, CopiedChunk chunk) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stop_ || held_[reader] < reading_.bytes_ahead; });
  if (stop_) return false;
  held_[reader] += chunk.bytes->size();
  ranges_[chunk.range].chunks.push_back(std::move(chunk));
  wake(lock);
  return true;
}

arrow::Result<PostgresReaders::Taken> PostgresReaders::take() {
  std::unique_lock lock(mutex_);
  Taken out;
  while (ready_ && at_ < ranges_.size()) {
    Range& range = ranges_[at_];
    if (!range.chunks.empty()) {
      out.chunk = std::move(range.chunks.front());
      range.chunks.pop_front();
      held_[at_ % readers_] -= out.chunk.bytes->size();
      lock.unlock();
      changed_.notify_all();
      return out;
    }
    if (failed_range_ <= at_) return failed_;
    if (!range.done) break;
    ++at_;
  }
  if (ready_ && at_ >= ranges_.size()) {
    if (!failed_.ok()) return failed_;
    out.end = true;
    return out;
  }
  out.wait = std::make_shared<base::WaitHandle>();
  waiting_.push_back(out.wait);
  return out;
}

size_t PostgresReaders::ranges() const {
  std::lock_guard lock(mutex_);
  return ranges_.size();
}

std::string PostgresReaders::range_text(size_t range) const {
  std::lock_guard lock(mutex_);
  return range < cuts_.size() ? cuts_[range].where : std::string{};
}

}  // namespace gristmill::io
