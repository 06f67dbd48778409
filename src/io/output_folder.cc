// The stage and the names of its files; the choice between disk and store.

#include "io/output_folder.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "io/open_input.h"

namespace gristmill::io {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "part-";
constexpr int64_t kMostFiles = 1'000'000;  // of one folder: names of six digits sort as their numbers do

std::string random_name() {
  uint64_t bits = 0;
  if (::getrandom(&bits, sizeof bits, 0) != sizeof bits) bits = static_cast<uint64_t>(::getpid());
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(bits));
  return text;
}

}  // namespace

arrow::Result<std::unique_ptr<OutputFolder>> OutputFolder::create(const std::string& path, Overwrite overwrite, const std::string& ending,
                                                                  const StoragePtr& storage) {
  if (path.empty()) return base::io_error("the name of the folder to write is empty");
  const std::string scheme = scheme_of(path);
  if (scheme == "file") return create(path.substr(7), overwrite, ending, storage);
  if (scheme == "s3") return s3_folder(path, overwrite, ending, storage);
  if (!scheme.empty()) return base::io_error("cannot write \"" + path + "\": " + scheme + " is not a store that can be written", path);
  if (path == "-" || is_pipe(path)) return base::plan_error("several files cannot go into \"" + path + "\"", "name a folder");
  return local_folder(path, overwrite, ending);
}

arrow::Status OutputFolder::make_stage(const std::string& path) {
  const std::string name = path + "." + random_name() + ".tmp";
  if (::mkdir(name.c_str(), 0777) != 0) return base::io_error("cannot write " + path_ + ": " + std::strerror(errno), path_);
  stage_ = name;
  return arrow::Status::OK();
}

std::string OutputFolder::file_name(int64_t number) const {
  std::string digits = std::to_string(number);
  digits.insert(0, 6 - digits.size(), '0');
  return kPrefix + digits + ending_;
}

int64_t OutputFolder::number_of(const std::string& name) const {
  const std::string_view prefix(kPrefix);
  if (!name.starts_with(prefix) || !name.ends_with(ending_) || name.size() != prefix.size() + 6 + ending_.size()) return -1;
  int64_t out = -1;
  const char* begin = name.data() + prefix.size();
  const auto [end, error] = std::from_chars(begin, begin + 6, out);
  return error == std::errc() && end == begin + 6 ? out : -1;
}

std::string OutputFolder::staged(const StagedFile& file) const {
  return stage_ + "/" + (file.folder.empty() ? "" : file.folder + "/") + file_name(file.number);
}

arrow::Result<std::string> OutputFolder::add(const std::string& folder) {
  const StagedFile file{folder, counts_[folder]++};
  if (file.number >= kMostFiles)
    return base::io_error("more than a million files for one folder of " + path_, path_, "make the files larger");
  if (file.number == 0 && !folder.empty()) {
    std::error_code failed;
    fs::create_directories(stage_ + "/" + folder, failed);
    if (failed) return base::io_error("cannot make the folder \"" + folder + "\" of " + path_ + ": " + failed.message(), path_);
  }
  files_.push_back(file);
  return staged(file);
}

void OutputFolder::abandon() {
  std::error_code ignored;
  if (!stage_.empty()) fs::remove_all(stage_, ignored);
  stage_.clear();
}

arrow::Status folder_not_empty(const std::string& path, const std::string& found) {
  return base::io_error(
      "cannot write " + path + ": it is not empty (it has \"" + found + "\")", path,
      "overwrite=\"append\" adds files, \"replace\" replaces all of them, \"replace_partitions\" those of the partitions written");
}

}  // namespace gristmill::io
