// A folder for files that live as long as the object. One that a killed process left behind is taken away by the next that makes one.
#pragma once

#include <memory>
#include <string>

#include <arrow/result.h>

namespace ocp {

class WorkFolder {
 public:
  // In GRISTMILL_SPILL_DIR, else TMPDIR, else /var/tmp.
  static arrow::Result<std::unique_ptr<WorkFolder>> make();
  WorkFolder(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}  // for make(): owns both
  ~WorkFolder();
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  const int lock_;  // held while the process lives
};

}  // namespace ocp
