#include "job/letters_log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"

namespace gristmill::job {

namespace {
constexpr int64_t kMostTold = int64_t{8} << 20;
}

arrow::Status LettersLog::failed(const char* what) const {
  return base::io_error(std::string("cannot ") + what + " " + path_ + ": " + std::strerror(errno), path_);
}

arrow::Result<std::unique_ptr<LettersLog>> LettersLog::open(const std::string& path) {
  std::error_code ignored;  // who opens the file says what is wrong
  const auto parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, ignored);
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) return base::io_error("cannot write " + path + ": " + std::strerror(errno), path);
  std::unique_ptr<LettersLog> out(new LettersLog(path, file));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0)
    return base::io_error(path + " is in use", path, "another run of the job writes its rejected records there");
  return out;
}

LettersLog::~LettersLog() { ::close(file_); }

arrow::Status LettersLog::tell(int32_t partition, Line line) {
  std::lock_guard lock(mutex_);
  told_bytes_ += std::ssize(line.text);
  told_[partition].emplace(line.offset, std::move(line.text));
  return told_bytes_ > kMostTold ? write_told() : arrow::Status::OK();
}

std::vector<LettersLog::Line> LettersLog::take(int32_t partition, int64_t before) {
  std::vector<Line> out;
  const auto of = told_.find(partition);
  if (of == told_.end()) return out;
  const auto end = of->second.lower_bound(before);
  for (auto at = of->second.begin(); at != end; ++at) {
    told_bytes_ -= std::ssize(at->second);
    out.push_back({at->first, std::move(at->second)});
  }
  of->second.erase(of->second.begin(), end);
  return out;
}

arrow::Status LettersLog::write(const std::vector<Line>& lines) {
  std::string all;
  for (const Line& line : lines) all += line.text;
  for (size_t at = 0; at < all.size();) {
    const ssize_t n = ::write(file_, all.data() + at, all.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("write");
    at += static_cast<size_t>(n);
  }
  return arrow::Status::OK();
}

arrow::Status LettersLog::append(int32_t partition, std::vector<Line> lines, int64_t through) {
  std::lock_guard lock(mutex_);
  std::vector<Line> all = take(partition, through + 1);
  all.insert(all.end(), std::make_move_iterator(lines.begin()), std::make_move_iterator(lines.end()));
  std::stable_sort(all.begin(), all.end(), [](const Line& a, const Line& b) { return a.offset < b.offset; });
  return write(all);
}

arrow::Status LettersLog::append_told(const std::vector<std::pair<int32_t, int64_t>>& before) {
  std::lock_guard lock(mutex_);
  for (const auto& [partition, next] : before) ARROW_RETURN_NOT_OK(write(take(partition, next)));
  return arrow::Status::OK();
}

arrow::Status LettersLog::write_told() {
  for (auto& [partition, lines] : told_) ARROW_RETURN_NOT_OK(write(take(partition, INT64_MAX)));
  return arrow::Status::OK();
}

arrow::Status LettersLog::append_all_told() {
  std::lock_guard lock(mutex_);
  return write_told();
}

arrow::Result<int64_t> LettersLog::flush() {
  std::lock_guard lock(mutex_);
  if (::fsync(file_) != 0 && errno != EINVAL && errno != EROFS) return failed("write");
  struct stat now{};
  if (::fstat(file_, &now) != 0) return failed("read");
  return static_cast<int64_t>(now.st_size);
}

arrow::Status LettersLog::cut(int64_t size) {
  std::lock_guard lock(mutex_);
  struct stat now{};
  if (::fstat(file_, &now) != 0) return failed("read");
  if (now.st_size <= size) return arrow::Status::OK();
  return ::ftruncate(file_, size) == 0 ? arrow::Status::OK() : failed("write");
}

arrow::Status check_not_in_use(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return arrow::Status::OK();  // who reads it says what is wrong
  const bool taken = ::flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(file);
  if (!taken) return arrow::Status::OK();
  return base::io_error("a running job writes " + path, path, "stop it first, then feed its rejected records back");
}

}  // namespace gristmill::job
