// The end of a stream: rows in order into an ordered sink or an epoch sink, and barriers to whoever keeps checkpoints.
#pragma once

#include <functional>
#include <memory>

#include "exec/operator.h"
#include "stream/checkpointing.h"
#include "stream/stage.h"

namespace gristmill::stream {

class FinalSink : public exec::OrderedSink {
 public:
  virtual int64_t rows() const = 0;  // taken so far
};

// Whether whoever takes the rows has all of them; see StreamRun::Into.
using RowsTaken = std::function<base::WaitHandlePtr()>;

// Exactly one of `rows`, `epochs` is set. `taken`: of `rows`, may be null; the last epoch is left to the run then. `notes`: of the
// pipeline's morsels.
std::shared_ptr<FinalSink> make_final_sink(std::shared_ptr<exec::OrderedSink> rows, EpochSinkPtr epochs, RowsTaken taken,
                                           std::shared_ptr<Checkpointing> checkpointing, NotesOf notes);

}  // namespace gristmill::stream
