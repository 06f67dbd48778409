// Partitions that are added to a topic while it is read: looked for now and then, on an I/O thread, by a client that does nothing else.
//
// What cannot be looked up is looked up again: whether the broker is there is the reader's business. Thread safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/cancellation.h"
#include "io/connect/kafka_client.h"
#include "sched/task.h"

namespace gristmill::stream {

class PartitionWatch : public std::enable_shared_from_this<PartitionWatch> {
 public:
  // `known`: partitions 0 .. known-1; `news` is called when there are more.
  PartitionWatch(io::KafkaAddress address, std::string topic, int32_t known, base::CancelToken cancel, std::function<void()> news);
  // Every so often from now on, until end(); then the background is not used any more.
  void begin(sched::Background& background, int64_t every_micros);
  void end();
  // Those found since the last call, in the order of their numbers, each at its first message.
  std::vector<io::KafkaPosition> take();

 private:
  void arm();
  void look();
  arrow::Result<std::vector<io::KafkaPosition>> added(int32_t known);

  const io::KafkaAddress address_;
  const std::string topic_;
  const base::CancelToken cancel_;
  const std::function<void()> news_;
  std::mutex mutex_;
  sched::Background* background_ = nullptr;
  int64_t every_ = 0;
  int32_t known_;
  io::KafkaClientPtr asks_;  // of the I/O thread that looks; one at a time
  std::vector<io::KafkaPosition> found_;
};

// How often to look, as librdkafka's own setting says; 0: never.
int64_t partition_watch_micros(const io::KafkaAddress& address);

}  // namespace gristmill::stream
