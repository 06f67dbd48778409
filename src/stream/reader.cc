#include "stream/reader.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/table.h>

#include "base/status.h"
#include "exec/collect.h"
#include "frame/query_runner.h"
#include "plan/statistics.h"
#include "sched/background_thread.h"
#include "stream/chain.h"
#include "stream/run.h"

namespace gristmill::stream {
namespace {

// Batch by batch on the caller's thread.
class ChainReader final : public ReaderState {
 public:
  static arrow::Result<std::unique_ptr<ReaderState>> make(std::unique_ptr<Chain> chain) {
    auto out = std::make_unique<ChainReader>();
    ARROW_ASSIGN_OR_RAISE(out->pull_, chain->source().again()());
    out->chain_ = std::move(chain);
    return std::unique_ptr<ReaderState>(std::move(out));
  }
  arrow::Result<RecordBatchPtr> next() override {
    ARROW_RETURN_NOT_OK(failed_);
    while (ready_.empty()) {
      if (ended_ || stopped_.load()) return RecordBatchPtr();
      auto got = step();
      if (!got.ok()) {
        failed_ = got;
        return got;
      }
    }
    RecordBatchPtr out = std::move(ready_.front());
    ready_.pop_front();
    return out;
  }
  void stop() override { stopped_ = true; }
  StreamStats stats() const override { return chain_->stats(); }
  const std::shared_ptr<arrow::Schema>& schema() const override { return chain_->schema(); }

 private:
  arrow::Status step() {
    ARROW_ASSIGN_OR_RAISE(RecordBatchPtr batch, pull_());
    ended_ = batch == nullptr;
    return ended_ ? arrow::Status::OK() : chain_->process(std::move(batch), ready_);
  }

  std::unique_ptr<Chain> chain_;
  Stream::NextBatch pull_;
  std::deque<RecordBatchPtr> ready_;
  bool ended_ = false;
  std::atomic<bool> stopped_{false};
  arrow::Status failed_;
};

// What is there already.
class TableReader final : public ReaderState {
 public:
  TableReader(std::shared_ptr<arrow::Table> table, StreamStats stats)
      : table_(std::move(table)), batches_(*table_), schema_(table_->schema()), stats_(std::move(stats)) {}
  arrow::Result<RecordBatchPtr> next() override {
    RecordBatchPtr out;
    do {
      ARROW_RETURN_NOT_OK(batches_.ReadNext(&out));
    } while (out && out->num_rows() == 0);
    return out;
  }
  void stop() override {}
  StreamStats stats() const override { return stats_; }
  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

 private:
  const std::shared_ptr<arrow::Table> table_;
  arrow::TableBatchReader batches_;
  const std::shared_ptr<arrow::Schema> schema_;
  const StreamStats stats_;
};

// A few batches between the run and whoever reads them.
class HandOver final : public exec::OrderedSink {
 public:
  explicit HandOver(std::shared_ptr<arrow::Schema> schema) : inner_(exec::make_collect_sink(std::move(schema))) {}
  std::string name() const override { return "batches"; }
  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    return inner_->stage(std::move(batches), context);
  }
  arrow::Result<Answer> deliver(uint64_t seq, std::vector<column::Batch>& batches) override {
    std::lock_guard lock(mutex_);
    if (ready_.size() >= kAhead) {
      if (!room_) room_ = std::make_shared<base::WaitHandle>();
      return Answer{room_, false};
    }
    ARROW_RETURN_NOT_OK(inner_->deliver(seq, batches).status());
    for (RecordBatchPtr& b : inner_->take()) ready_.push_back(std::move(b));
    news_.notify_one();
    return Answer{};
  }
  arrow::Status finalize() override { return arrow::Status::OK(); }

  // Null: whoever reads has all there was and asks for more; else fires when that may be so.
  base::WaitHandlePtr taken() {
    std::lock_guard lock(mutex_);
    if (ready_.empty() && asking_) return nullptr;
    if (!taken_) taken_ = std::make_shared<base::WaitHandle>();
    return taken_;
  }

  void end(arrow::Status status) {
    std::lock_guard lock(mutex_);
    ended_ = true;
    status_ = std::move(status);
    news_.notify_all();
  }

  // `keep_waiting` is asked now and then.
  arrow::Result<RecordBatchPtr> take(const std::function<arrow::Status()>& keep_waiting) {
    base::WaitHandlePtr room;
    RecordBatchPtr out;
    {
      std::unique_lock lock(mutex_);
      while (ready_.empty() && !ended_) {
        asking_ = true;
        if (const auto taken = std::exchange(taken_, nullptr)) {
          lock.unlock();
          taken->fire();
          lock.lock();
          continue;
        }
        if (news_.wait_for(lock, kAsk) == std::cv_status::timeout && keep_waiting) {
          lock.unlock();
          ARROW_RETURN_NOT_OK(keep_waiting());
          lock.lock();
        }
      }
      asking_ = false;
      if (ready_.empty()) {
        ARROW_RETURN_NOT_OK(status_);
        return out;
      }
      out = std::move(ready_.front());
      ready_.pop_front();
      if (ready_.size() <= kAhead / 2) room = std::exchange(room_, nullptr);
    }
    if (room) room->fire();
    return out;
  }

 private:
  static constexpr size_t kAhead = 8;
  static constexpr std::chrono::milliseconds kAsk{50};
  std::shared_ptr<exec::CollectSink> inner_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<RecordBatchPtr> ready_;
  base::WaitHandlePtr room_, taken_;
  bool asking_ = false;  // somebody waits in take()
  bool ended_ = false;
  arrow::Status status_;
};

class RunReader final : public ReaderState {
 public:
  static arrow::Result<std::unique_ptr<ReaderState>> make(const StatePtr& state, Cancellation cancel) {
    auto out = std::make_unique<RunReader>();
    out->schema_ = state->plan->schema;
    out->cancel_ = cancel;
    out->between_ = std::make_shared<HandOver>(out->schema_);
    // With a checkpoint rows that nobody has taken must come again.
    StreamRun::Into into{out->between_, nullptr, nullptr};
    if (state->checkpoint) into.taken = [between = out->between_] { return between->taken(); };
    ARROW_ASSIGN_OR_RAISE(out->run_, StreamRun::make(state, std::move(into), cancel));
    auto thread = sched::start_thread("gristmill-stream", [run = out->run_, between = out->between_] { between->end(run->run()); });
    if (!thread) return base::io_error("the system gives no thread for the stream");
    out->thread_ = std::move(*thread);
    return std::unique_ptr<ReaderState>(std::move(out));
  }
  ~RunReader() override {
    if (!thread_.joinable()) return;
    cancel_.cancel();
    thread_.join();
  }
  arrow::Result<RecordBatchPtr> next() override { return between_->take(QueryRunner::interrupt()); }
  void stop() override { run_->stop(); }
  StreamStats stats() const override { return run_->stats(); }
  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

 private:
  std::shared_ptr<arrow::Schema> schema_;
  Cancellation cancel_;
  std::shared_ptr<HandOver> between_;
  std::shared_ptr<StreamRun> run_;
  std::thread thread_;
};

}  // namespace

bool is_frame(const plan::Plan& plan) {
  bool out = true;
  for_each_table(plan, [&](const StreamTable& t) {
    out = out && (dynamic_cast<const UserTable*>(&t) != nullptr || dynamic_cast<const PullTable*>(&t) != nullptr);
  });
  return out;
}

arrow::Result<FiniteFrame> finite_frame(const StreamState& state, const Cancellation& cancel) {
  ARROW_ASSIGN_OR_RAISE(const RunContext run, make_run_context(state, cancel));
  bool users = false;  // see batches as they came, or pieces of them
  for_each_table(*state.plan, [&](const StreamTable& t) { users = users || dynamic_cast<const UserTable*>(&t) != nullptr; });
  ARROW_ASSIGN_OR_RAISE(BoundPlan bound,
                        bind_tables(state.plan, run, [&](const auto& table, bool whole) -> arrow::Result<plan::TableSourcePtr> {
                          const auto& pull = static_cast<const PullTable&>(*table);
                          if (!users) {
                            ARROW_ASSIGN_OR_RAISE(plan::TableSourcePtr list, bind_whole_list(pull));
                            if (list) return list;
                          }
                          return bind_pull_table(pull, whole, run.query->morsel_rows, run.options.chunk_bytes);
                        }));
  ARROW_RETURN_NOT_OK(bound.prepare(run, sched::Scheduler::process()));
  return FiniteFrame{Frame(bound.plan), std::move(bound.users)};
}

arrow::Result<std::unique_ptr<ReaderState>> read_stream(StatePtr state, Cancellation cancel) {
  if (!state->checkpoint) {
    ARROW_ASSIGN_OR_RAISE(auto chain, Chain::make(*state, cancel, sched::Scheduler::process()));
    if (chain) return ChainReader::make(std::move(chain));
    const auto rows = plan::source_rows(*state->plan);
    if (is_frame(*state->plan) && rows && *rows < state->parallel.threshold) {
      ARROW_ASSIGN_OR_RAISE(const FiniteFrame finite, finite_frame(*state, cancel));
      ARROW_ASSIGN_OR_RAISE(const Table table, finite.frame.collect(options_of(*state), cancel));
      ARROW_ASSIGN_OR_RAISE(auto columns, table.arrow());
      return std::unique_ptr<ReaderState>(
          std::make_unique<TableReader>(std::move(columns), with_user_reports(table.statistics(), finite.users)));
    }
  }
  return RunReader::make(state, std::move(cancel));
}

}  // namespace gristmill::stream
