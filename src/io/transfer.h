// Bytes that pass between a program and its files, stores and servers, counted for whoever asks.
//
//   auto meter = std::make_shared<TransferMeter>();
//   { TransferScope scope(meter); source = scan_csv(...); }     // inputs found here count for the meter for as long as they live
//   meter->take()                                               // what came since it was asked last
//
// Inputs and outputs take the meter of the thread that makes them; rows that come by other ways are counted where they are decoded or
// sent, for the meter of the thread that does it. Counted are bytes as they are stored or sent, compressed where they are. Without a
// meter nothing is counted. Thread safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <arrow/io/type_fwd.h>

namespace gristmill::io {

class TransferMeter {
 public:
  void add(int64_t bytes) { bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  int64_t take() { return bytes_.exchange(0, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> bytes_{0};
};
using TransferMeterPtr = std::shared_ptr<TransferMeter>;

class TransferScope {
 public:
  explicit TransferScope(TransferMeterPtr meter);
  ~TransferScope();
  TransferScope(const TransferScope&) = delete;
  TransferScope& operator=(const TransferScope&) = delete;
  // Of this thread; null: nobody counts.
  static const TransferMeterPtr& current();

 private:
  const TransferMeterPtr before_;
};

// Counts for the meter of this thread.
inline void count_transfer(int64_t bytes) {
  if (const TransferMeterPtr& meter = TransferScope::current()) meter->add(bytes);
}

// `file`, whose reads count; `file` itself where there is no meter.
std::shared_ptr<arrow::io::RandomAccessFile> counted(std::shared_ptr<arrow::io::RandomAccessFile> file, const TransferMeterPtr& meter);

}  // namespace gristmill::io
