// Retries, ranges and the files over them.

#include "io/remote_input.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <random>
#include <thread>

#include <arrow/buffer.h>

#include "base/status.h"
#include "sched/task.h"

namespace gristmill::io {
namespace {

constexpr int64_t kFirstPauseMs = 50, kLongestPauseMs = 10'000;
constexpr int64_t kSmallRead = 64 * 1024;
constexpr int64_t kStreamBlock = int64_t{4} << 20;
constexpr size_t kStreamAhead = 4;

class Passing final : public arrow::StatusDetail {
 public:
  const char* type_id() const override { return "gristmill::Passing"; }
  std::string ToString() const override { return "may go away by itself"; }
};

// Jitter is for the network's sake and never touches data.
int64_t pause_ms(int64_t attempt) {
  thread_local std::minstd_rand random(std::random_device{}());
  const int64_t longest = std::min(kLongestPauseMs, kFirstPauseMs << std::min<int64_t>(attempt, 10));
  return longest / 2 + static_cast<int64_t>(random() % static_cast<uint64_t>(longest / 2 + 1));
}

// Blocks of the object in order, the next ones on their way.
class AheadStream final : public arrow::io::InputStream {
 public:
  AheadStream(RemoteInputPtr input, arrow::MemoryPool* pool) : input_(std::move(input)), pool_(pool) {}
  arrow::Status Close() override {
    blocks_.clear();
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return at_; }

  arrow::Result<int64_t> Read(int64_t bytes, void* out) override {
    auto* p = static_cast<uint8_t*>(out);
    int64_t got = 0;
    while (got < bytes && at_ < input_->stamp().bytes) {
      ARROW_RETURN_NOT_OK(fill());
      ARROW_ASSIGN_OR_RAISE(const auto data, blocks_.front()->wait());
      const int64_t within = at_ - blocks_.front()->offset(), n = std::min(bytes - got, data->size() - within);
      std::memcpy(p + got, data->data() + within, static_cast<size_t>(n));
      got += n;
      at_ += n;
      if (within + n == data->size()) blocks_.pop_front();
    }
    return got;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override {
    bytes = std::min(bytes, input_->stamp().bytes - at_);
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(bytes, pool_));
    ARROW_RETURN_NOT_OK(Read(bytes, buffer->mutable_data()).status());
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  // Only the block at hand must find memory.
  arrow::Status fill() {
    while (blocks_.size() < kStreamAhead && next_ < input_->stamp().bytes) {
      auto made = Fetch::make(input_, next_, std::min(kStreamBlock, input_->stamp().bytes - next_), pool_);
      if (!made.ok() && !blocks_.empty()) return arrow::Status::OK();
      ARROW_RETURN_NOT_OK(made.status());
      Fetch::start(*made);
      next_ += (*made)->bytes();
      blocks_.push_back(std::move(*made));
    }
    return arrow::Status::OK();
  }

  const RemoteInputPtr input_;
  arrow::MemoryPool* const pool_;
  std::deque<std::shared_ptr<Fetch>> blocks_;
  int64_t at_ = 0, next_ = 0;
  bool closed_ = false;
};

}  // namespace

arrow::Status passing(const arrow::Status& status) { return status.WithDetail(std::make_shared<Passing>()); }
bool is_passing(const arrow::Status& status) {
  return status.detail() != nullptr && std::strcmp(status.detail()->type_id(), "gristmill::Passing") == 0;
}

arrow::Status with_retries(int64_t retries, const std::atomic<bool>* stop, const std::function<arrow::Status()>& work) {
  for (int64_t attempt = 0;; ++attempt) {
    const arrow::Status status = work();
    if (status.ok() || !is_passing(status) || attempt >= retries || (stop != nullptr && stop->load())) return status;
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms(attempt)));
  }
}

arrow::Status RemoteInput::read(int64_t offset, int64_t bytes, uint8_t* out, const std::atomic<bool>* stop) const {
  const auto refuse = [&](const arrow::Status& status) {
    if (status.ok() || base::error_detail(status) != nullptr) return status;
    const std::string& text = status.message();
    return base::io_error("cannot read " + path() + ": " + text.substr(0, text.find('\n')), path());
  };
  if (bytes > 0) ARROW_RETURN_NOT_OK(refuse(with_retries(storage().retries, stop, [&] { return fetch(offset, bytes, out); })));
  if (meter() != nullptr) meter()->add(bytes);
  return refuse(with_retries(storage().retries, stop, [&] { return check_unchanged(); }));
}

arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> RemoteInput::open(arrow::MemoryPool* pool) const {
  return std::make_shared<RemoteFile>(shared_from_this(), pool);
}

arrow::Result<std::shared_ptr<arrow::io::InputStream>> RemoteInput::stream(arrow::MemoryPool* pool) const {
  return std::make_shared<AheadStream>(shared_from_this(), pool);
}

arrow::Result<std::shared_ptr<Fetch>> Fetch::make(RemoteInputPtr input, int64_t offset, int64_t bytes, arrow::MemoryPool* pool) {
  std::shared_ptr<Fetch> out(new Fetch(std::move(input), offset, bytes));
  ARROW_ASSIGN_OR_RAISE(out->shared_->buffer, arrow::AllocateBuffer(bytes, pool));
  return out;
}

Fetch::~Fetch() { shared_->stop = true; }

// The request holds what it needs itself: it may go on a while after the last reader went.
void Fetch::start(const std::shared_ptr<Fetch>& fetch) {
  const auto io = [shared = fetch->shared_, input = fetch->input_, offset = fetch->offset_, bytes = fetch->bytes_] {
    {
      std::lock_guard lock(shared->mutex);
      if (shared->claimed || shared->stop) return;
      shared->claimed = true;
    }
    work(shared, *input, offset, bytes);
  };
  sched::Scheduler::process().background().submit_io(fetch->bytes_, io);
}

void Fetch::work(const std::shared_ptr<Shared>& shared, const RemoteInput& input, int64_t offset, int64_t bytes) {
  arrow::Status status = input.read(offset, bytes, shared->buffer->mutable_data(), &shared->stop);
  std::lock_guard lock(shared->mutex);
  shared->status = std::move(status);
  shared->done = true;
  shared->done_changed.notify_all();
}

arrow::Result<std::shared_ptr<arrow::Buffer>> Fetch::wait() {
  std::unique_lock lock(shared_->mutex);
  if (!std::exchange(shared_->claimed, true)) {
    lock.unlock();
    work(shared_, *input_, offset_, bytes_);
    lock.lock();
  }
  shared_->done_changed.wait(lock, [&] { return shared_->done; });
  ARROW_RETURN_NOT_OK(shared_->status);
  return shared_->buffer;
}

arrow::Status RemoteFile::Close() {
  closed_ = true;
  ranges_.reset();
  return arrow::Status::OK();
}

arrow::Status RemoteFile::Seek(int64_t position) {
  if (position < 0) return arrow::Status::Invalid("negative position");
  at_ = position;
  return arrow::Status::OK();
}

arrow::Result<int64_t> RemoteFile::Read(int64_t bytes, void* out) {
  ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(at_, bytes, out));
  at_ += got;
  return got;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> RemoteFile::Read(int64_t bytes) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(at_, bytes));
  at_ += buffer->size();
  return buffer;
}

arrow::Result<int64_t> RemoteFile::ReadAt(int64_t position, int64_t bytes, void* out) {
  bytes = std::max<int64_t>(std::min(bytes, input_->stamp().bytes - position), 0);
  ARROW_ASSIGN_OR_RAISE(const auto part, held(position, bytes));
  if (part != nullptr) {
    std::memcpy(out, part->data(), static_cast<size_t>(bytes));
  } else {
    ARROW_RETURN_NOT_OK(input_->read(position, bytes, static_cast<uint8_t*>(out)));
  }
  return bytes;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> RemoteFile::ReadAt(int64_t position, int64_t bytes) {
  bytes = std::max<int64_t>(std::min(bytes, input_->stamp().bytes - position), 0);
  ARROW_ASSIGN_OR_RAISE(auto part, held(position, bytes));
  if (part != nullptr) return part;
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(bytes, pool_));
  ARROW_RETURN_NOT_OK(input_->read(position, bytes, buffer->mutable_data()));
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

arrow::Result<std::shared_ptr<arrow::Buffer>> RemoteFile::held(int64_t position, int64_t bytes) {
  if (ranges_ != nullptr) {
    auto after = std::upper_bound(ranges_->begin(), ranges_->end(), position, [](int64_t p, const auto& f) { return p < f->offset(); });
    if (after != ranges_->begin()) {
      Fetch& range = **std::prev(after);
      if (position + bytes <= range.offset() + range.bytes()) {
        ARROW_ASSIGN_OR_RAISE(auto data, range.wait());
        return arrow::SliceBuffer(data, position - range.offset(), bytes);
      }
    }
  }
  if (bytes > kSmallRead) return nullptr;
  std::lock_guard lock(mutex_);
  if (near_ == nullptr || position < near_offset_ || position + bytes > near_offset_ + near_->size()) {
    // The end of a file is where footers are; elsewhere what follows is likely to be wanted next.
    const int64_t size = input_->stamp().bytes, wanted = std::min(size, kSmallRead);
    const int64_t from = std::min(position, size - wanted);
    ARROW_ASSIGN_OR_RAISE(auto block, arrow::AllocateBuffer(wanted, pool_));
    ARROW_RETURN_NOT_OK(input_->read(from, wanted, block->mutable_data()));
    near_offset_ = from;
    near_ = std::move(block);
  }
  return arrow::SliceBuffer(near_, position - near_offset_, bytes);
}

}  // namespace gristmill::io
