// The epochs of a run: barriers by the clock, snapshots gathered, made durable, then committed; and where a run goes on after a crash.
//
//   timer -> barrier(epoch) in every feed -> each stage snapshots its operator -> the final sink flushes -> on an I/O thread: the
//   checkpoint becomes durable, the sink commits, the sources commit -> the next epoch may begin
//
// One epoch is on its way at a time. Without a checkpoint folder the same steps run without the durable part: sinks still commit by epochs.
//
// Invariant: an epoch is committed in the sink only after its snapshot is durable, so a restart finds a snapshot for what the sink has.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/spill_file.h"
#include "stream/checkpoint_store.h"
#include "stream/epoch_sink.h"
#include "stream/feed.h"
#include "stream/snapshot.h"
#include "stream/stage.h"

namespace gristmill::stream {

class Checkpointing : public std::enable_shared_from_this<Checkpointing> {
 public:
  // `store`, `sink` may be null.
  Checkpointing(std::string stream, std::shared_ptr<CheckpointStore> store, EpochSinkPtr sink, double interval_seconds,
                sched::Background& background, std::shared_ptr<const exec::QueryContext> query);

  void add_feed(std::shared_ptr<Feed> feed) { feeds_.push_back(std::move(feed)); }
  void add_stage(std::shared_ptr<Stage> stage) { stages_.push_back(std::move(stage)); }
  // A user's operator with state, by a name that stays; an error where it cannot save its state.
  arrow::Status add_operator(std::string id, StreamOperatorPtr op);

  // Before the run: opens the sink and finds the checkpoint to go on from; tells where each feed goes on, by its place. Then, when sources
  // have started and operators are open, restores these.
  struct From {
    Positions positions;
    bool ended = false;  // it had ended, and gives nothing more
  };
  arrow::Result<std::vector<From>> recover(const std::shared_ptr<arrow::Schema>& rows);
  arrow::Status restore();
  // The checkpoint is of a stream that has ended: there is nothing left to do.
  bool was_complete() const { return complete_; }

  void begin();  // the first timer; a stop that came before it is heeded now
  void ask();    // a barrier now, if none is on its way and rows came or left since the last one
  // Rows went into the sink: the clock alone may make some (an idle partition, a timer), without any that came.
  void rows_left() { left_ = true; }
  void end();    // no further barriers
  // Asks for a last barrier behind which all feeds end, and which no further chunk precedes: the state stays for the next run.
  void suspend();

  // A stage at its barrier.
  arrow::Status take_snapshot(const Stage& stage, int64_t epoch);
  // A user's operator before the barrier's morsel.
  arrow::Status take_state(const std::string& id, StreamOperator& op, int64_t epoch);
  // The final sink at its barrier: null when the epoch is committed; else a handle that fires when it is worth asking again.
  arrow::Result<base::WaitHandlePtr> reach(int64_t epoch);
  // All rows are delivered: the last epoch, on this thread. Nothing when the run was suspended at its last barrier.
  arrow::Status complete();
  void abort();

  int64_t epoch() const { return committed_.load(); }
  std::map<std::string, int64_t> stats() const;

 private:
  // A part of a snapshot until it is durable; large snapshots wait on disk.
  struct Part {
    std::string name;
    std::shared_ptr<arrow::Buffer> bytes;
    std::shared_ptr<base::SpillFile> file;  // where `bytes` is null
    base::SpillBlock at;
  };
  using Parts = std::vector<Part>;
  arrow::Status take(const std::string& id, int64_t epoch, const std::function<arrow::Status(SnapshotWriter&)>& write);
  arrow::Result<int64_t> choose_epoch(int64_t in_sink);
  arrow::Status read_positions(std::vector<From>& from) const;
  arrow::Status persist(int64_t epoch, const std::string& token, bool complete);
  arrow::Status commit(int64_t epoch, const std::string& token, bool complete);
  std::vector<SourcePositions> positions_at(int64_t epoch) const;
  bool any_moved() const;
  void arm();

  const std::string stream_;
  const std::shared_ptr<CheckpointStore> store_;
  const EpochSinkPtr sink_;
  const int64_t interval_micros_;
  sched::Background& background_;
  const std::shared_ptr<const exec::QueryContext> query_;
  std::vector<std::shared_ptr<Feed>> feeds_;
  std::vector<std::shared_ptr<Stage>> stages_;
  std::vector<std::pair<std::string, StreamOperatorPtr>> operators_;
  std::optional<Checkpoint> from_;
  bool complete_ = false;
  std::atomic<int64_t> committed_{0};
  std::atomic<bool> left_{false};  // since the last barrier

  mutable std::mutex mutex_;
  int64_t asked_ = 0;   // the epoch on its way; 0: none
  bool begun_ = false;  // the epoch to go on from is known
  bool first_ = false;  // before all rows: what the first run wrote beside its sinks can be cut back to here
  bool suspending_ = false, suspended_ = false, over_ = false;
  std::map<int64_t, Parts> parts_;
  bool committing_ = false, abort_after_ = false;
  std::optional<arrow::Status> outcome_;  // of the commit on its way
  base::WaitHandlePtr committed_handle_;
  int64_t last_bytes_ = 0, last_micros_ = 0, count_ = 0;
};

}  // namespace gristmill::stream
