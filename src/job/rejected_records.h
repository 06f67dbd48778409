// The dead-letter file as it is read back: what each line holds, kept as it stands there.
//
// Values are cut out of the lines, never read and written anew: a decimal of 38 digits comes back with all of them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

namespace gristmill::job {

using FieldNames = std::shared_ptr<const std::vector<std::string>>;

struct RejectedRecord {
  std::string content;  // the record as JSON, or the text as the source had it
  std::string line;     // of the dead-letter file
  FieldNames columns;   // of the text's fields, where the header of its file said which is which; else null
  std::string file;     // where the record stood in the source
  int64_t row = -1;
  int64_t source_line = -1;
};

// The way back of records that are text, as the source had them.
inline constexpr const char* kAsText = "text";

struct RejectedFile {
  std::string job;  // that the first record names
  // By the way they go back: "" those with fields, kAsText, "sink NAME" as a sink was to write them. In the order of the file.
  std::map<std::string, std::vector<RejectedRecord>> ways;
};
arrow::Result<RejectedFile> read_rejected(const std::string& file);

}  // namespace gristmill::job
