// An endless source inside one run: hands its chunks to a pipeline as morsels, and puts barriers and ticks between them.
//
// The pipeline's claim calls poll() of the source, one caller at a time; a claim that finds nothing parks on a handle that fires for rows,
// a barrier, a tick or the end. A barrier takes its place in the order of the claims, so everything claimed before it is delivered before
// it.
//
// Invariant: the positions of a barrier are those behind exactly the chunks that were claimed before it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "plan/table_source.h"
#include "stream/notes.h"
#include "stream/source.h"
#include "stream/turns.h"

namespace gristmill::stream {

class Feed : public std::enable_shared_from_this<Feed> {
 public:
  Feed(EndlessSourcePtr source, sched::Background& background, int64_t tick_every);

  arrow::Status start(const Positions& positions, const StartContext& context);
  // Instead of start(): the run before, from whose checkpoint this one goes on, had read it to its end. It gives nothing more.
  void has_ended();
  // The rows as a table; read once.
  plan::TableSourcePtr table(std::shared_ptr<arrow::Schema> schema);

  const std::string& name() const { return name_; }
  EndlessSource& source() { return *source_; }
  Notes& notes() { return notes_; }
  void set_tick(int64_t every) { tick_every_ = every; }
  // Takes its turn among the other feeds of the run; before the run.
  void take_turns(std::shared_ptr<Turns> turns);

  // A barrier before the next chunk; `last`: the end comes right behind it. Once per epoch; from any thread.
  void barrier(int64_t epoch, bool last = false);
  // No further chunk: the end comes next, behind a barrier that was asked for before.
  void finish();
  // No further chunk either, and no end before the last barrier.
  void hold();
  // The end, at once; what waits is woken.
  void discard();

  bool ended() const;
  // Where the source stood at the barrier of the epoch, or at its end if that came first.
  Positions positions_at(int64_t epoch) const;
  // Of an epoch whose barrier has come through: it took none, as nobody reads it any more.
  bool ended_before(int64_t epoch) const;
  // Whether chunks were claimed since the last barrier.
  bool moved() const;
  arrow::Status commit(int64_t epoch);

 private:
  friend class FeedScan;
  arrow::Result<plan::Scan::Next> next(uint64_t seq);
  plan::Scan::Next end();
  bool over() const;
  bool held() const;
  plan::Scan::Next give(uint64_t seq, std::unique_ptr<Chunk> chunk);
  plan::Scan::Next wait_for(base::WaitHandlePtr source, bool ticks = true);
  plan::Scan::Next nothing_yet(base::WaitHandlePtr source);
  std::unique_ptr<Chunk> take(uint64_t seq);
  Positions positions() const;
  void wake();
  void arm_tick();

  const EndlessSourcePtr source_;
  const std::string name_;
  sched::Background& background_;
  int64_t tick_every_ = 0;
  Notes notes_;
  std::shared_ptr<Turns> turns_;  // null: it is the only one
  size_t place_ = 0;

  mutable std::mutex mutex_;  // never held while the source is called, but for poll() and commit()
  std::mutex source_mutex_;   // poll(), commit() and stop() exclude one another
  std::unordered_map<uint64_t, std::unique_ptr<Chunk>> chunks_;
  std::vector<int64_t> next_position_;  // by partition; -1: untouched
  std::optional<int64_t> barrier_;
  bool barrier_is_last_ = false;
  std::unordered_map<int64_t, Positions> at_barrier_;
  std::vector<base::WaitHandlePtr> waiting_;  // of every worker that found nothing
  bool moved_ = false, finishing_ = false, ended_ = false, holding_ = false;
  bool tick_due_ = false, tick_armed_ = false;
  bool absent_ = false;  // the source was never started
};

}  // namespace gristmill::stream
