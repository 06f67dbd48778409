// What a sink of ordered rows has left to do when the last row was delivered, in pieces that workers take side by side: the columns of a
// file's last row group, say. A sink that has such work inherits this beside OrderedSink; a sink around it that does not pass it on
// loses nothing but time.
#pragma once

#include <cstdint>

#include <arrow/status.h>

namespace gristmill::exec {

class TailWork {
 public:
  virtual ~TailWork() = default;
  // Asked before the run. True: finalize() leaves this work, and finish_tail() ends what finalize() would have ended. False: there is none.
  virtual bool expect_tail() = 0;
  virtual int64_t tail_pieces() = 0;  // after finalize()
  virtual arrow::Status run_piece() = 0;
  virtual arrow::Status finish_tail() = 0;
};

}  // namespace gristmill::exec
