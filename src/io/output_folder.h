// A folder of files that comes into being as a whole.
//
// Files are first written to a stage: beside the folder on disk, or, for a store, in the spill directory. commit() puts them in their
// place; until then, and when it fails, what stood in the folder before stays as it was. Dropped or abandoned, nothing remains.
//
// On disk an absent, empty or replaced folder (or folder of a partition) changes by one rename each; appended files are moved one by one
// and taken back when one fails. In a store every object has a name that was free, so nothing is overwritten: what is replaced is deleted
// last.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "gristmill/files.h"
#include "io/storage_options.h"

namespace gristmill::io {

// One file of a stage: part-000012.parquet in the folder year=2024/zone=A ("" = the folder itself).
struct StagedFile {
  std::string folder;
  int64_t number = 0;
};

class OutputFolder {
 public:
  // `ending`: of the files, with its dot. Errors that can be known before are: not a directory, not empty, holds what is not ours.
  static arrow::Result<std::unique_ptr<OutputFolder>> create(const std::string& path, Overwrite overwrite, const std::string& ending,
                                                             const StoragePtr& storage);
  virtual ~OutputFolder() { abandon(); }
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::string& path() const { return path_; }  // as the user gave it
  // Where the next file of this folder is to be written. One thread at a time.
  arrow::Result<std::string> add(const std::string& folder);
  virtual arrow::Status commit() = 0;  // once, when all files are written
  void abandon();

 protected:
  OutputFolder(std::string path, Overwrite overwrite, std::string ending)
      : path_(std::move(path)), overwrite_(overwrite), ending_(std::move(ending)) {}
  arrow::Status make_stage(const std::string& path);
  std::string file_name(int64_t number) const;
  int64_t number_of(const std::string& name) const;  // of a file named by file_name(); else -1
  std::string staged(const StagedFile& file) const;

  const std::string path_;
  const Overwrite overwrite_;
  const std::string ending_;
  std::string stage_;              // empty: there is none (any more)
  std::vector<StagedFile> files_;  // in order of their making
  std::map<std::string, int64_t> counts_;
};

arrow::Result<std::unique_ptr<OutputFolder>> local_folder(const std::string& path, Overwrite overwrite, const std::string& ending);
arrow::Result<std::unique_ptr<OutputFolder>> s3_folder(const std::string& url, Overwrite overwrite, const std::string& ending,
                                                       const StoragePtr& storage);

arrow::Status folder_not_empty(const std::string& path, const std::string& found);

}  // namespace gristmill::io
