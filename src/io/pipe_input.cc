// Pipes, sockets and terminals as inputs: bytes that come once, front to back, with an end that nobody knows beforehand.
//
// A reader that wants them in order gets them as they come. One that wants to jump waits for the end while they go to a spill
// file, compressed and never in memory as a whole. Bytes looked at beforehand (head) are kept for either.
//
// Invariant: a byte is taken from the descriptor once, and given to at most one stream.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include "base/status.h"
#include "io/open_input.h"
#include "io/spool.h"

namespace gristmill::io {
namespace {

class Descriptor {
 public:
  Descriptor(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  // `bytes` bytes, fewer only at the end.
  arrow::Result<int64_t> read(uint8_t* out, int64_t bytes) {
    int64_t got = 0;
    while (got < bytes) {
      const ssize_t n = ::read(fd_, out + got, static_cast<size_t>(bytes - got));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return base::io_error("cannot read " + path_ + ": " + std::strerror(errno), path_);
      if (n == 0) break;
      got += n;
    }
    return got;
  }

 private:
  const std::string path_;
  const int fd_;
};
using DescriptorPtr = std::shared_ptr<Descriptor>;

class PipeStream final : public arrow::io::InputStream {
 public:
  PipeStream(DescriptorPtr in, std::vector<uint8_t> head, TransferMeterPtr meter, arrow::MemoryPool* pool)
      : in_(std::move(in)), head_(std::move(head)), meter_(std::move(meter)), pool_(pool) {}
  ~PipeStream() override = default;
  arrow::Status Close() override {
    in_.reset();
    return arrow::Status::OK();
  }
  bool closed() const override { return in_ == nullptr; }
  arrow::Result<int64_t> Tell() const override { return at_; }

  arrow::Result<int64_t> Read(int64_t bytes, void* out) override {
    if (in_ == nullptr) return base::internal_error("a pipe was read after it was closed");
    auto* p = static_cast<uint8_t*>(out);
    int64_t got = 0;
    if (const int64_t kept = std::ssize(head_) - at_; kept > 0) {
      got = std::min(kept, bytes);
      std::memcpy(p, head_.data() + at_, static_cast<size_t>(got));
    }
    if (got < bytes) {
      ARROW_ASSIGN_OR_RAISE(const int64_t more, in_->read(p + got, bytes - got));
      got += more;
    }
    at_ += got;
    if (meter_ != nullptr) meter_->add(got);
    return got;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(bytes, pool_));
    ARROW_ASSIGN_OR_RAISE(const int64_t got, Read(bytes, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  DescriptorPtr in_;
  const std::vector<uint8_t> head_;  // looked at beforehand
  const TransferMeterPtr meter_;
  arrow::MemoryPool* const pool_;
  int64_t at_ = 0;
};

class PipeInput final : public Input {
 public:
  PipeInput(std::string path, int fd) : Input(path, {}), in_(std::make_shared<Descriptor>(path, fd)) {}
  bool sequential() const override { return true; }

  arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> open(arrow::MemoryPool* pool) const override {
    std::lock_guard lock(mutex_);
    if (spool_ == nullptr) {
      ARROW_RETURN_NOT_OK(check_unread());
      PipeStream all(std::move(in_), std::move(head_), meter(), arrow::default_memory_pool());
      ARROW_ASSIGN_OR_RAISE(spool_, Spool::of(all));
    }
    return spool_->open(pool);
  }

  arrow::Result<std::shared_ptr<arrow::io::InputStream>> stream(arrow::MemoryPool* pool) const override {
    std::lock_guard lock(mutex_);
    if (spool_ != nullptr) return spool_->open(pool);
    ARROW_RETURN_NOT_OK(check_unread());
    return std::make_shared<PipeStream>(std::move(in_), std::move(head_), meter(), pool);
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> head(int64_t bytes, arrow::MemoryPool* pool) const override {
    std::lock_guard lock(mutex_);
    if (spool_ != nullptr) return spool_->open(pool)->ReadAt(0, bytes);
    ARROW_RETURN_NOT_OK(check_unread());
    if (const int64_t kept = std::ssize(head_); kept < bytes) {
      head_.resize(static_cast<size_t>(bytes));
      auto got = in_->read(head_.data() + kept, bytes - kept);
      head_.resize(static_cast<size_t>(kept + (got.ok() ? *got : 0)));
      ARROW_RETURN_NOT_OK(got.status());
    }
    return arrow::Buffer::FromString(std::string(head_.begin(), head_.begin() + std::min(bytes, std::ssize(head_))));
  }

 private:
  arrow::Status check_unread() const {
    if (in_ != nullptr) return arrow::Status::OK();
    return base::plan_error("\"" + path() + "\" can be read only once", "collect it into a table first");
  }

  mutable std::mutex mutex_;
  mutable DescriptorPtr in_;  // null: given away
  mutable std::vector<uint8_t> head_;
  mutable std::shared_ptr<const Spool> spool_;
};

}  // namespace

bool is_pipe(const std::string& path) {
  struct stat s{};
  return ::stat(path.c_str(), &s) == 0 && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode) && !S_ISBLK(s.st_mode);
}

arrow::Result<InputPtr> find_pipe(const std::string& path) {
  const bool standard = path == "/dev/stdin" || path == "/dev/fd/0" || path == "/proc/self/fd/0";
  // A socket cannot be opened by its name; the descriptor that is there can be shared.
  const int fd = standard ? ::fcntl(0, F_DUPFD_CLOEXEC, 3) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return base::io_error("cannot open " + path + ": " + std::strerror(errno), path);
  return std::make_shared<PipeInput>(path, fd);
}

}  // namespace gristmill::io
