// The file of rejected records of a job that does not end: lines are appended as rows pass, and a run that goes on from a checkpoint cuts
// off what was written behind it, for those records come again.
//
// Messages that could not be read at all are told by workers, in any order; they are put where they belong among the records of their
// partition, by offset. The lines of a partition are in the order of its offsets.
//
// While a run has the file no other run has it, and gristmill retry does not take it. Thread safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

namespace gristmill::job {

class LettersLog {
 public:
  // A line with its place in its partition.
  struct Line {
    int64_t offset = 0;
    std::string text;
  };
  static arrow::Result<std::unique_ptr<LettersLog>> open(const std::string& path);
  ~LettersLog();

  // From any worker: a message that could not be read. Where very many wait they are written at once; those may come again after a crash.
  arrow::Status tell(int32_t partition, Line line);
  // The records rejected among rows of the partition up to `through`, in order, and the messages told up to there.
  arrow::Status append(int32_t partition, std::vector<Line> lines, int64_t through);
  // Messages told before these places: (partition, next offset).
  arrow::Status append_told(const std::vector<std::pair<int32_t, int64_t>>& before);
  arrow::Status append_all_told();
  // On disk; the file's size.
  arrow::Result<int64_t> flush();
  // Back to the size it had at a checkpoint. A file that is shorter was taken away since, and begins anew.
  arrow::Status cut(int64_t size);

 private:
  LettersLog(std::string path, int file) : path_(std::move(path)), file_(file) {}
  arrow::Status write_told();  // under the lock, as the others below
  std::vector<Line> take(int32_t partition, int64_t before);
  arrow::Status write(const std::vector<Line>& lines);
  arrow::Status failed(const char* what) const;

  const std::string path_;
  const int file_;
  std::mutex mutex_;
  std::map<int32_t, std::multimap<int64_t, std::string>> told_;
  int64_t told_bytes_ = 0;
};

// An error while a running job has the file.
arrow::Status check_not_in_use(const std::string& path);

}  // namespace gristmill::job
