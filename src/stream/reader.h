// The inside of a StreamReader: batches one by one, however the run makes them.
#pragma once

#include <memory>

#include "gristmill/stream.h"
#include "stream/steps.h"

namespace gristmill::stream {

class ReaderState {
 public:
  virtual ~ReaderState() = default;  // ends the run
  virtual arrow::Result<RecordBatchPtr> next() = 0;
  virtual void stop() = 0;
  virtual StreamStats stats() const = 0;
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
};

// Chains of row-wise steps over a function's batches run when they are asked; small tables at once; everything else beside the caller, on a
// thread of its own, a few batches ahead.
arrow::Result<std::unique_ptr<ReaderState>> read_stream(StatePtr state, Cancellation cancel);

// A stream that ends and has no operators with state: a frame for one run. `users` keeps what the run says of users' operators.
struct FiniteFrame {
  Frame frame;
  std::vector<std::shared_ptr<class BoundUserTable>> users;
};
bool is_frame(const plan::Plan& plan);
arrow::Result<FiniteFrame> finite_frame(const StreamState& state, const Cancellation& cancel);

}  // namespace gristmill::stream
