// A stateful operator inside one run: the halves of stateful.h fitted to the ends of pipelines.
//
// Each input is a pipeline of row-wise steps. Its last operator calls prepare() on the worker's thread; its ordered sink calls apply() in
// the order of the rows, and the rows that come of it go into a queue, which the next pipeline reads. With two inputs the sinks take turns
// as they come. Barriers are aligned: an input that has one waits until all others have theirs or have ended; then the operator is
// snapshotted.
//
// Invariant: between two barriers the operator has seen exactly the morsels between them, of every input.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "exec/operator.h"
#include "stream/notes.h"
#include "stream/stage_queue.h"
#include "stream/stateful.h"
#include "stream/steps.h"

namespace gristmill::stream {

// Where an input's notes are; null notes: its rows come without (behind a sort, from a table).
struct NotesOf {
  std::shared_ptr<void> owner;
  Notes* notes = nullptr;
};

class Stage : public std::enable_shared_from_this<Stage> {
 public:
  using TakeSnapshot = std::function<arrow::Status(const Stage& stage, int64_t epoch)>;
  Stage(std::string id, StatefulOperatorPtr op, std::function<arrow::Status(RecordBatchPtr)> side, TakeSnapshot snapshot);

  const std::string& id() const { return id_; }
  StatefulOperator& op() const { return *op_; }
  const std::shared_ptr<StageQueue>& out() const { return out_; }
  arrow::Status open(const OperatorContext& context);

  std::shared_ptr<const exec::Operator> preparing(int input, NotesOf notes);
  std::shared_ptr<exec::OrderedSink> sink(int input, NotesOf notes);

  std::map<std::string, int64_t> stats() const;

 private:
  friend class Preparing;
  friend class StageSink;
  friend class StageEmitter;
  struct Prepared {
    std::unique_ptr<Piece> piece;
    MorselPart part;
  };
  void keep(int input, uint64_t seq, std::vector<Prepared> pieces);
  std::vector<Prepared> take(int input, uint64_t seq);
  arrow::Result<exec::OrderedSink::Answer> deliver(int input, uint64_t seq, const NotesOf& notes);
  arrow::Result<base::WaitHandlePtr> barrier(int input, const Note& note);
  arrow::Status barrier_reached();
  bool aligned() const;
  arrow::Status input_ended(int input);

  const std::string id_;
  const StatefulOperatorPtr op_;
  const std::function<arrow::Status(RecordBatchPtr)> side_;
  const TakeSnapshot snapshot_;
  const std::shared_ptr<StageQueue> out_;
  const exec::QueryContext* query_ = nullptr;

  std::mutex prepared_mutex_;
  std::vector<std::unordered_map<uint64_t, std::vector<Prepared>>> prepared_;

  mutable std::mutex mutex_;  // of everything below: one apply() at a time
  std::vector<bool> ended_, arrived_;
  int64_t epoch_ = 0;  // that inputs wait for
  int64_t done_epoch_ = 0;
  bool held_ = false;  // the barrier of epoch_ is the last: the state stays for the next run, windows do not fire
  base::WaitHandlePtr at_barrier_;
  int64_t rows_out_ = 0, side_rows_ = 0, pieces_ = 0;
};

}  // namespace gristmill::stream
