// Inputs behind a network: ranges of an object fetched by requests that may fail, be slow, or break off.
//
// A request that failed for a passing reason (reset, time-out, throttling, a short body) is made again after a pause that doubles and is
// drawn at random, so that many readers do not come back together; what is left is an IoError naming the object. After each range the
// object is compared with its stamp: bytes of two versions never meet in a result.
//
// Ranges are fetched ahead on the scheduler's I/O threads under their byte budget. Whoever needs a range that no thread has
// begun fetches it himself, so nobody waits for a queue.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/open_input.h"

namespace gristmill::io {

// A status with this detail may go away by itself.
arrow::Status passing(const arrow::Status& status);
bool is_passing(const arrow::Status& status);

// Runs `work` until it succeeds, fails for good, or has failed `retries` times more; `stop` (may be null) ends the waiting.
arrow::Status with_retries(int64_t retries, const std::atomic<bool>* stop, const std::function<arrow::Status()>& work);

class RemoteInput : public Input, public std::enable_shared_from_this<RemoteInput> {
 public:
  RemoteInput(std::string path, FileStamp stamp, StoragePtr storage)
      : Input(std::move(path), std::move(stamp)), storage_(std::move(storage)) {}

  // Exactly `bytes` bytes from `offset`, which lie within the object; one request. Any thread.
  virtual arrow::Status fetch(int64_t offset, int64_t bytes, uint8_t* out) const = 0;
  // IoError when the object is no longer the one of the stamp; one request. Stores that fetch under a condition need none.
  virtual arrow::Status check_unchanged() const = 0;

  // The same, made again as often as it must be.
  arrow::Status read(int64_t offset, int64_t bytes, uint8_t* out, const std::atomic<bool>* stop = nullptr) const;

  arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> open(arrow::MemoryPool* pool) const override;
  // Reads ahead.
  arrow::Result<std::shared_ptr<arrow::io::InputStream>> stream(arrow::MemoryPool* pool) const override;

 protected:
  const StorageOptions& storage() const { return *storage_; }

 private:
  const StoragePtr storage_;
};
using RemoteInputPtr = std::shared_ptr<const RemoteInput>;

// One range on its way.
class Fetch {
 public:
  // Allocates on this thread. Destroying the last reference stops further attempts.
  static arrow::Result<std::shared_ptr<Fetch>> make(RemoteInputPtr input, int64_t offset, int64_t bytes, arrow::MemoryPool* pool);
  static void start(const std::shared_ptr<Fetch>& fetch);  // on an I/O thread
  ~Fetch();

  int64_t offset() const { return offset_; }
  int64_t bytes() const { return bytes_; }
  arrow::Result<std::shared_ptr<arrow::Buffer>> wait();

 private:
  Fetch(RemoteInputPtr input, int64_t offset, int64_t bytes) : input_(std::move(input)), offset_(offset), bytes_(bytes) {}

  struct Shared {
    std::mutex mutex;
    std::condition_variable done_changed;
    bool claimed = false;
    bool done = false;
    arrow::Status status;
    std::atomic<bool> stop{false};
    std::shared_ptr<arrow::Buffer> buffer;
  };
  static void work(const std::shared_ptr<Shared>& shared, const RemoteInput& input, int64_t offset, int64_t bytes);

  const RemoteInputPtr input_;
  const int64_t offset_, bytes_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

// Ranges fetched together, in order of their offsets; shared by the workers that read from them.
using RangeSet = std::vector<std::shared_ptr<Fetch>>;

// An open remote file. Small reads are widened, and what `ranges` hold is not asked for again.
class RemoteFile final : public arrow::io::RandomAccessFile {
 public:
  RemoteFile(RemoteInputPtr input, arrow::MemoryPool* pool) : input_(std::move(input)), pool_(pool) {}
  void set_ranges(std::shared_ptr<const RangeSet> ranges) { ranges_ = std::move(ranges); }

  arrow::Status Close() override;
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Status Seek(int64_t position) override;
  arrow::Result<int64_t> GetSize() override { return input_->stamp().bytes; }
  arrow::Result<int64_t> Read(int64_t bytes, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override;
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t bytes, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t bytes) override;

 private:
  // A part of a fetched range that covers all of it, or null.
  arrow::Result<std::shared_ptr<arrow::Buffer>> held(int64_t position, int64_t bytes);

  const RemoteInputPtr input_;
  arrow::MemoryPool* const pool_;
  std::shared_ptr<const RangeSet> ranges_;
  int64_t at_ = 0;
  bool closed_ = false;
  std::mutex mutex_;
  int64_t near_offset_ = 0;
  std::shared_ptr<arrow::Buffer> near_;  // the block that the last small read asked for
};

}  // namespace gristmill::io
