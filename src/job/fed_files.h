// What a retry feeds: files in a scratch folder, and for each of their records its place in the dead-letter file, on disk too.
#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

namespace gristmill::job {

class FedFiles {
 public:
  // `folder` is there and its caller's to remove; names in it begin with `name`.
  FedFiles(const std::string& folder, const std::string& name) : base_(folder + "/" + name), places_path_(base_ + "places") {}
  ~FedFiles();
  FedFiles(const FedFiles&) = delete;
  FedFiles& operator=(const FedFiles&) = delete;

  // The files one after the other, each record after the one before it.
  arrow::Status begin(const std::string& ending, const std::string& head);
  void add(const std::string& text, int64_t place);
  // Of the file that is being written nobody can say any more which record is which.
  void forget_places() { exact_ = false; }
  bool empty() const { return paths_.empty(); }
  arrow::Status finish();

  const std::vector<std::string>& paths() const { return paths_; }
  // Of record `row` of a file; nothing when nobody knows. After finish(); thread safe.
  std::optional<int64_t> place_of(const std::string& path, int64_t row) const;

 private:
  struct Range {
    int64_t first, records;  // in the file of places
  };
  arrow::Status end_file();
  const std::string base_, places_path_;
  std::vector<std::string> paths_;
  std::map<std::string, Range> known_;
  std::ofstream file_, places_;
  int64_t written_ = 0;  // places
  int64_t first_ = 0;    // of the file that is being written
  bool exact_ = true;
  int descriptor_ = -1;
};

}  // namespace gristmill::job
