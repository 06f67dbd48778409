// The dead-letter file as it is read back: record by record, each kept as it stands there. In memory is one line.
//
// Values are cut out of the lines, never read and written anew: a decimal of 38 digits comes back with all of them.
#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

namespace gristmill::job {

using FieldNames = std::shared_ptr<const std::vector<std::string>>;

// The way back of records that are text, as the source had them.
inline constexpr const char* kAsText = "text";

struct RejectedRecord {
  std::string way;      // "" those with fields, kAsText, "sink NAME" as a sink was to write them
  std::string content;  // the record as JSON, or the text as the source had it
  std::string line;     // of the dead-letter file
  int64_t place = 0;    // where that begins
  FieldNames columns;   // of the text's fields, where the header of its file said which is which; else null
  std::string job;      // that it names
  std::string file;     // where the record stood in the source
  int64_t row = -1;
  int64_t source_line = -1;
};

class RejectedFile {
 public:
  static arrow::Result<std::unique_ptr<RejectedFile>> open(const std::string& file);
  ~RejectedFile();

  // From the beginning; false behind the last.
  arrow::Result<bool> next(RejectedRecord& out);
  // The record whose line begins there. Thread safe.
  arrow::Result<RejectedRecord> at(int64_t place) const;

 private:
  explicit RejectedFile(std::string file) : file_(std::move(file)) {}
  const std::string file_;
  std::ifstream in_;
  int descriptor_ = -1;
  int64_t number_ = 0, place_ = 0;
  FieldNames columns_;  // of the record before: shared when they are the same
};

}  // namespace gristmill::job
