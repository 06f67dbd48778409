// Temporary name, write, sync, rename.

#include "io/output_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"

namespace gristmill::io {
namespace {

std::string random_name() {
  uint64_t bits = 0;
  if (::getrandom(&bits, sizeof bits, 0) != sizeof bits) bits = static_cast<uint64_t>(::getpid());
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(bits));
  return text;
}

// A name without a directory lies in the working directory.
std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

void sync_directory(const std::string& directory) {
  const int d = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (d < 0) return;
  ::fsync(d);  // some file systems refuse; the rename itself has happened
  ::close(d);
}

}  // namespace

arrow::Status OutputFile::failed(const char* what) const {
  const int error = errno;
  if (error == ENOSPC || error == EDQUOT) {
    return base::io_error("disk full while writing " + path_ + " (" + std::to_string(written_) + " bytes written)", path_);
  }
  return base::io_error(std::string("cannot ") + what + " " + path_ + ": " + std::strerror(error), path_);
}

arrow::Result<std::shared_ptr<OutputFile>> OutputFile::create(const std::string& path) {
  std::shared_ptr<OutputFile> out(new OutputFile(path));
  if (path.empty()) return base::io_error("the name of the file to write is empty");
  struct stat s{};
  if (::stat(path.c_str(), &s) == 0 && S_ISDIR(s.st_mode)) return base::io_error("cannot write " + path + ": it is a directory", path);
  const std::string directory = directory_of(path);
  if (::stat(directory.c_str(), &s) != 0)
    return base::io_error("cannot write " + path + ": there is no directory \"" + directory + "\"", path);
  const std::string temporary = path + "." + random_name() + ".tmp";
  out->descriptor_ = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (out->descriptor_ < 0) return out->failed("write");
  out->temporary_ = temporary;
  return out;
}

arrow::Status OutputFile::Write(const void* data, int64_t bytes) {
  if (descriptor_ < 0) return base::internal_error("write after the end of " + path_);
  const char* p = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::write(descriptor_, p, static_cast<size_t>(bytes));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("write");
    p += n;
    bytes -= n;
    written_ += n;
  }
  return arrow::Status::OK();
}

arrow::Status OutputFile::finish() {
  if (descriptor_ < 0) return base::internal_error("finished twice: " + path_);
  if (::fsync(descriptor_) != 0) return failed("write");
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) return failed("write");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failed("write");
  temporary_.clear();
  sync_directory(directory_of(path_));
  return arrow::Status::OK();
}

void OutputFile::abandon() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

}  // namespace gristmill::io
