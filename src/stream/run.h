// One run of a stream: its plan cut into pipelines at operators with state, all of them tasks of one query of the scheduler.
//
//   feed -> row-wise steps -> [operator] -> queue -> row-wise steps -> [operator] -> ... -> sink
//
// A finite plan without such operators is one pipeline chain as for any frame. Everything waits by handles; an idle run uses no CPU.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "stream/bind.h"
#include "stream/checkpointing.h"

namespace gristmill::stream {

class StreamRun {
 public:
  // The rows go to `rows`, in order, or to `epochs`, epoch by epoch; exactly one of them is set.
  struct Into {
    std::shared_ptr<exec::OrderedSink> rows;
    EpochSinkPtr epochs;
    // Of `rows` that somebody takes when he likes: null when he has all of them and asks for more, else fires when that may be. An epoch
    // counts only then. Null: rows count when they are delivered.
    std::function<base::WaitHandlePtr()> taken;
  };
  static arrow::Result<std::shared_ptr<StreamRun>> make(StatePtr state, Into into, Cancellation cancel = {},
                                                        sched::Scheduler& scheduler = sched::Scheduler::process());
  struct Impl;
  explicit StreamRun(std::unique_ptr<Impl> impl);  // of make()
  ~StreamRun();

  // On the calling thread, until the stream has ended, failed or was stopped. Once.
  arrow::Status run();
  // Sources end where they are; what came is processed. With a checkpoint the state is kept for the next run, and windows do not fire.
  void stop();
  // A checkpoint now, if rows came since the last one.
  void checkpoint_now();
  StreamStats stats() const;
  int64_t epoch() const;

  // What people look at while it runs.
  struct Progress {
    bool started = false;   // sources and sinks are open
    int64_t lag = 0;        // of all sources that know theirs, in their own units (messages)
    int64_t late_rows = 0;  // that came behind the watermark of some operator, in all runs since the first checkpoint
    int64_t state_bytes = 0;
    bool epochs = false;   // there is a checkpoint or a sink of epochs
    bool pending = false;  // rows came since the last one
    int64_t epoch = 0, checkpoint_bytes = 0, age_micros = 0;
  };
  Progress progress() const;
  const std::shared_ptr<base::QueryMemory>& memory() const;

 private:
  std::unique_ptr<Impl> impl_;
};

// Runs a stream into a sink until it ends: what the public write methods are made of. `running` gets the run, to stop it.
arrow::Status run_into(const Stream& stream, EpochSinkPtr sink, Cancellation cancel = {},
                       const std::function<void(const std::shared_ptr<StreamRun>&)>& running = {});

}  // namespace gristmill::stream
