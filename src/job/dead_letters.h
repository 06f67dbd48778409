// The file of rejected records: one JSON object a line, in the order of the source, whole or not there.
//
//   {"record":{"id":7,"value":"x"},"error":"cannot cast \"x\" to float64","step":"cast value","column":"value","value":"x",
//    "file":"in/a.csv","row":6,"line":8,"job":"orders.yaml"}
//
// `record` is what the source gave, so that the whole job can be tried again with it; a record that the source itself could not read stands
// under `text` as it was, with `columns` where the header of its file said which field is which. A record that a sink refused has
// `"at":"sink NAME"` and is as it was to be written. Floats that JSON has not are the texts NaN, Infinity and -Infinity.
//
// Workers write the lines of a morsel; the morsels' texts are put in order here. What comes too early waits in memory up to a limit, then
// on disk. The bytes depend on the job and its input alone. Thread safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

#include "base/memory_budget.h"
#include "base/spill_file.h"
#include "io/output_file.h"

namespace gristmill::job {

// What is told of a rejected record besides itself.
struct Rejection {
  std::string record;                                       // JSON, or empty
  std::string text;                                         // as the source had it, where there is no record
  std::shared_ptr<const std::vector<std::string>> columns;  // names of the text's fields, by the header of its file; or null
  std::string at;                                           // empty: the source; "sink NAME"
  std::string step;
  arrow::Status error;
  std::string file;
  int64_t row = -1;
  int64_t line = -1;
};
void append_rejection(const Rejection& r, const std::string& job, std::string& out);

// Whether a path lies in a folder.
bool lies_in(const std::string& path, const std::string& folder);

class DeadLetters {
 public:
  // Opens the file under a temporary name: what cannot be written at all is known before the run. `folders`: where sinks put folders of
  // files. A path inside one of them is written beside it and moved in when the folder is complete.
  static arrow::Result<std::unique_ptr<DeadLetters>> open(const std::string& path, const std::vector<std::string>& folders = {});
  ~DeadLetters() { abandon(); }

  // The lines of morsel `seq`, maybe none; every morsel from 0 on comes once.
  arrow::Status deliver(uint64_t seq, std::string lines);
  // Lines of a sink, which stand behind those of the source.
  arrow::Status append_later(const std::string& lines);
  // Before the sinks make their rows visible: everything is written, on disk, and under its name (inside a folder: beside it).
  arrow::Status finish();
  // After: into the folder.
  arrow::Status move_in();
  void abandon();
  const std::string& path() const { return path_; }

 private:
  explicit DeadLetters(std::string path) : path_(std::move(path)) {}
  struct Waiting {
    std::string text;  // in memory, or
    base::SpillBlock block;
    bool spilled = false;
  };
  arrow::Status write(const std::string& lines);
  arrow::Status set_aside(uint64_t seq, std::string lines);
  arrow::Status write_waiting();

  const std::string path_;
  std::string beside_;    // not empty: where the file stands until its folder is complete
  std::string set_back_;  // the file of an earlier run, out of its folder's way
  std::mutex mutex_;
  std::shared_ptr<io::OutputFile> file_;
  std::map<uint64_t, Waiting> waiting_;
  uint64_t next_ = 0;
  int64_t held_ = 0;
  std::vector<base::SpillBlock> later_on_disk_;
  std::string later_;  // behind these
  std::shared_ptr<base::SpillFile> scratch_;
};

}  // namespace gristmill::job
