// The row-wise steps of a job, one behind the other, as one thing that a batch goes through on one worker's thread.
//
// Under fail the smallest bad row of the source decides, whatever step it fails in and however rows are cut: the rows before it go on
// first, then comes its error. Under skip and dead_letter bad rows leave where they fail and all others go on.
//
// A rejected record is told as the source gave it, so each batch remembers which row of the source's batch its rows are; only making a
// batch dense changes that.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "job/accounting.h"
#include "job/job_status.h"
#include "job/record_text.h"
#include "job/transform.h"

namespace gristmill::job {

enum class Policy : uint8_t { kFail, kSkip, kDeadLetter };
const char* policy_name(Policy policy);

// A record that left a chain by the policy.
struct Rejected {
  int32_t input = -1;
  int64_t row = -1;  // of the source's file
  int64_t line = -1;
  std::string record;                                            // JSON; or
  std::string text;                                              // as it stood in the source
  std::shared_ptr<const std::vector<std::string>> columns = {};  // of the text, by its file's header
  size_t step = 0;                                               // of the chain; a source's own counts as kAtSource
  arrow::Status error;
};
inline constexpr size_t kAtSource = static_cast<size_t>(-1);

// A batch that waits in the middle of step `step`, as it came there.
struct SuspendedBatch {
  column::Batch source, batch;
  std::vector<int64_t> dense;
  size_t step = 0;
  std::shared_ptr<PendingRows> pending;
};

// Where batches go that come to a step that asks. Shared with those who answer.
class Suspension {
 public:
  virtual ~Suspension() = default;
  virtual size_t expect() = 0;                            // a batch is about to be suspended; its number
  virtual void answered(size_t number, bool failed) = 0;  // it may go on; or it failed, and those behind it need not; any thread
  virtual void takes_more() = 0;                          // a step takes more; any thread
  virtual void add(SuspendedBatch batch) = 0;             // in order
};

class Chain;

// What a worker holds while it takes batches through a chain.
struct ChainLocal {
  std::vector<std::unique_ptr<StepLocal>> steps;
  std::vector<StepCounts> counts;  // of each step since they were taken
  std::vector<Rejected> rejected;  // since they were taken; under skip none
  std::unique_ptr<RecordText> records;
};

using EmitBatch = std::function<arrow::Status(column::Batch)>;

class Chain {
 public:
  Chain() = default;
  Chain(Chain&&) = default;
  Chain& operator=(Chain&&) = default;

  // Binds the steps one after the other. `policy` is what becomes of bad rows; `keeps_records` false: there is no record to tell.
  static arrow::Result<Chain> bind(std::vector<std::unique_ptr<Transform>> steps, std::shared_ptr<arrow::Schema> input, Policy policy);

  bool empty() const { return steps_.empty(); }
  size_t size() const { return steps_.size(); }
  std::string step_name(size_t i) const { return steps_[i]->name(); }
  const std::shared_ptr<arrow::Schema>& input() const { return input_; }
  const std::shared_ptr<arrow::Schema>& output() const { return output_; }
  const std::shared_ptr<arrow::Schema>& schema_behind(size_t step) const { return behind_[step]; }

  // Which columns of the input the steps need, so that these of the output are right.
  std::vector<bool> needs(std::vector<bool> wanted) const;

  arrow::Status open(const StepContext& context, std::vector<std::shared_ptr<NamedCounts>> counts);
  void close();
  arrow::Result<std::unique_ptr<ChainLocal>> make_local(const StepContext& context) const;

  // `batch` as the source gave it, its selection the rows that count. What is left of it goes to `emit`, at most once or twice a batch.
  // With a suspension nothing waits: rows that come to a step that asks go there. An error then means that what was suspended of this batch
  // goes on all the same, as its rows stand before that error.
  arrow::Status push(column::Batch batch, ChainLocal& local, const EmitBatch& emit,
                     const std::shared_ptr<Suspension>& suspension = nullptr) const;
  // A batch that was suspended and is answered, from there on.
  arrow::Status resume(SuspendedBatch waited, ChainLocal& local, const EmitBatch& emit,
                       const std::shared_ptr<Suspension>& suspension) const;
  size_t asking_steps() const;
  // Whether the size of batches is nobody's business but ours, and makes a difference.
  bool takes_any_batches() const;
  bool takes_more() const;  // all of them

 private:
  struct Passing;  // a batch on its way
  arrow::Status pass(size_t i, Passing& rows, ChainLocal& local, const EmitBatch& emit) const;
  arrow::Status leave(size_t i, int64_t came, Passing& rows, class Errors& errors, ChainLocal& local, const EmitBatch& emit) const;
  arrow::Status suspend(size_t i, const AskingStep& step, Passing& rows) const;
  arrow::Status make_dense(Passing& rows) const;
  arrow::Status note_rejected(size_t step, Passing& rows, class Errors& errors, ChainLocal& local) const;

  std::vector<std::unique_ptr<Transform>> steps_;
  std::vector<StepContext> contexts_;  // one a step, once open
  std::shared_ptr<arrow::Schema> input_, output_;
  std::vector<std::shared_ptr<arrow::Schema>> behind_;  // each step
  Policy policy_ = Policy::kFail;
  arrow::MemoryPool* pool_ = nullptr;
};

}  // namespace gristmill::job
