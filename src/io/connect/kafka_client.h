// A consumer or producer of Kafka, as values and statuses; what sources and sinks of topics stand on.
//
// Settings go to librdkafka as they are; their secrets are in no error. Nothing here waits with a thread: poll() takes what is there, and
// the wake says that there may be more. Used by one thread at a time, but for batches, which may be read and dropped anywhere; they keep
// their client alive.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "base/cancellation.h"
#include "io/connect/module/kafka_module.h"

namespace gristmill::io {

struct KafkaAddress {
  std::string servers;                            // "host:port,host:port"
  std::map<std::string, std::string> properties;  // of librdkafka: "security.protocol", "sasl.password", ...
  int64_t timeout_ms = 60'000;                    // for what a broker is asked
};

struct KafkaPosition {
  std::string topic;
  int32_t partition = 0;
  int64_t offset = 0;
  std::string note = {};  // committed with it
};

struct KafkaError {
  std::string name;
  bool passing = false;
  bool abortable = false;
  bool fenced = false;
};

class KafkaClient;

// Messages of one partition, in order.
class KafkaBatch {
 public:
  KafkaBatch(std::shared_ptr<KafkaClient> client, GmKafkaBatch* batch);
  ~KafkaBatch();
  KafkaBatch(const KafkaBatch&) = delete;
  KafkaBatch& operator=(const KafkaBatch&) = delete;

  int32_t partition() const { return shown_->partition; }
  int64_t next() const { return shown_->next; }
  int64_t bytes() const { return shown_->bytes; }
  std::span<const GmKafkaMessage> messages() const { return {shown_->messages, static_cast<size_t>(shown_->count)}; }
  // Of one message, valid until the next call; one thread at a time.
  std::span<const GmKafkaHeader> headers(int64_t message) const;

 private:
  const std::shared_ptr<KafkaClient> client_;
  GmKafkaBatch* const batch_;
  const GmKafkaMessages* const shown_;
};
using KafkaBatchPtr = std::shared_ptr<const KafkaBatch>;

class KafkaClient : public std::enable_shared_from_this<KafkaClient> {
 public:
  enum class Kind { kConsumer, kProducer };
  // `own` settings are used where `address` has none of their name. `wake` is called by a thread of the library, and must be short.
  static arrow::Result<std::shared_ptr<KafkaClient>> open(Kind kind, const KafkaAddress& address,
                                                          const std::map<std::string, std::string>& own, std::function<void()> wake,
                                                          base::CancelToken cancel);
  ~KafkaClient();
  KafkaClient(const KafkaClient&) = delete;
  KafkaClient& operator=(const KafkaClient&) = delete;

  arrow::Result<int32_t> partitions(const std::string& topic);
  arrow::Result<std::pair<int64_t, int64_t>> bounds(const std::string& topic, int32_t partition);  // first, behind the last
  // For each position the first message at or after the time (milliseconds since 1970) in its offset; GM_KAFKA_END: there is none. Of those
  // asked with GM_KAFKA_END where a reader comes to its end now.
  arrow::Status at_time(const std::string& topic, std::vector<KafkaPosition>& positions);
  arrow::Status committed(const std::string& topic, std::vector<KafkaPosition>& positions);

  arrow::Status assign(const std::string& topic, const std::vector<KafkaPosition>& positions);
  // Partitions that were added to the assigned topic.
  arrow::Status assign_more(const std::string& topic, const std::vector<KafkaPosition>& positions);
  arrow::Status subscribe(const std::string& topic);
  arrow::Result<KafkaBatchPtr> poll(int32_t partition, int64_t most);  // null: nothing is there
  std::vector<GmKafkaPartition> state();
  arrow::Status commit(const std::string& topic, const std::vector<KafkaPosition>& positions, bool wait);

  arrow::Result<bool> send(const GmKafkaOutgoing& message);  // false: the queue is full, the wake will tell
  arrow::Status flush();
  int64_t sent() const { return table_->sent(client_); }
  arrow::Status init_transactions();
  arrow::Status begin_transaction();
  std::vector<GmKafkaSpan> delivered();  // since begin_transaction(), of each partition that has got messages
  arrow::Status add_offsets(const std::string& group, const std::vector<KafkaPosition>& positions);
  arrow::Status commit_transaction();
  arrow::Status abort_transaction();
  void purge() { table_->purge(client_); }

  const KafkaError& last_error() const { return last_; }
  const std::string& servers() const { return address_.servers; }

 private:
  friend class KafkaBatch;
  KafkaClient(const GmKafkaTable* table, KafkaAddress address, std::function<void()> wake, base::CancelToken cancel)
      : table_(table), address_(std::move(address)), wake_(std::move(wake)), cancel_(std::move(cancel)) {}
  GmKafkaStop stop();
  arrow::Status check(int outcome, const std::string& doing);

  const GmKafkaTable* const table_;
  const KafkaAddress address_;
  const std::function<void()> wake_;
  const base::CancelToken cancel_;
  GmKafka* client_ = nullptr;
  KafkaError last_;
};
using KafkaClientPtr = std::shared_ptr<KafkaClient>;

}  // namespace gristmill::io
