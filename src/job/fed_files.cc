#include "job/fed_files.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "base/status.h"

namespace gristmill::job {
namespace {

arrow::Status cannot_write_scratch(const std::string& path) {
  return base::io_error("cannot write " + path + ": " + std::strerror(errno), path);
}

}  // namespace

FedFiles::~FedFiles() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

arrow::Status FedFiles::begin(const std::string& ending, const std::string& head) {
  ARROW_RETURN_NOT_OK(end_file());
  if (!places_.is_open()) places_.open(places_path_, std::ios::binary | std::ios::trunc);
  paths_.push_back(base_ + std::to_string(paths_.size()) + ending);
  file_.open(paths_.back(), std::ios::binary | std::ios::trunc);
  file_ << head;
  first_ = written_;
  exact_ = true;
  return file_ && places_ ? arrow::Status::OK() : cannot_write_scratch(paths_.back());
}

void FedFiles::add(const std::string& text, int64_t place) {
  file_ << text;
  places_.write(reinterpret_cast<const char*>(&place), sizeof place);
  ++written_;
}

arrow::Status FedFiles::end_file() {
  if (!file_.is_open()) return arrow::Status::OK();
  file_.close();
  if (!file_) return cannot_write_scratch(paths_.back());
  if (exact_ && written_ > first_) known_[paths_.back()] = {first_, written_ - first_};
  return arrow::Status::OK();
}

arrow::Status FedFiles::finish() {
  ARROW_RETURN_NOT_OK(end_file());
  if (!places_.is_open()) return arrow::Status::OK();
  places_.close();
  descriptor_ = ::open(places_path_.c_str(), O_RDONLY | O_CLOEXEC);
  return places_ && descriptor_ >= 0 ? arrow::Status::OK() : cannot_write_scratch(places_path_);
}

std::optional<int64_t> FedFiles::place_of(const std::string& path, int64_t row) const {
  const auto file = known_.find(path);
  if (file == known_.end() || row < 0 || row >= file->second.records) return std::nullopt;
  int64_t place = 0;
  const auto at = static_cast<off_t>((file->second.first + row) * static_cast<int64_t>(sizeof place));
  if (::pread(descriptor_, &place, sizeof place, at) != static_cast<ssize_t>(sizeof place)) return std::nullopt;
  return place;
}

}  // namespace gristmill::job
