// Records that go back as the text they were, laid out in files that the job's own reader reads as it read the source.
//
// CSV says by position what a field is, and the files of a source may differ in the order of their columns. So records stand under the
// header of the file they came from, one file for each run of records with the same header, and a file that has only a header stands
// before them: its columns, in the order of the source, are those that the steps see. Columns that came from folders (key=value) stand
// before the record's own, so that they win over one of the same name, as they did.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/csv_text.h"
#include "job/fed_files.h"
#include "job/rejected_records.h"

namespace gristmill::job {

struct TextShape {
  bool csv = true;  // else JSON, an object a line
  io::CsvDialect dialect;
  bool header = true;                                        // the source's files have one
  bool by_names = false;                                     // and it decides which field is which
  bool folders = false;                                      // of the source are columns
  std::vector<std::pair<std::string, std::string>> columns;  // of the source with their types, in order
};

// Records are given one after the other.
class TextLayout {
 public:
  // `told`: some record has columns.
  TextLayout(TextShape shape, bool told, FedFiles& files);
  ~TextLayout();
  arrow::Status add(const RejectedRecord& record);
  bool named() const;  // columns are found by the headers' names

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gristmill::job
