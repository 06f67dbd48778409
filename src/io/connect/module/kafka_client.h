// What consumers and producers behind kafka_module.h have in common: a handle of librdkafka, its last error, and waiting in steps.
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "kafka_module.h"

namespace gristmill_kafka {

struct Partition {
  int32_t id = -1;
  rd_kafka_queue_t* queue = nullptr;
  bool at_end = false;
  int64_t end = -1;                                         // where it was
  rd_kafka_resp_err_t failed = RD_KAFKA_RESP_ERR_NO_ERROR;  // told when the messages before it are taken
  std::string reason;
};

}  // namespace gristmill_kafka

struct GmKafka {
  rd_kafka_t* rk = nullptr;
  bool producer = false;
  GmKafkaWake wake{};
  rd_kafka_queue_t* main = nullptr;  // a consumer's own queue, or the producer's

  std::string topic;  // that a consumer reads
  std::vector<gristmill_kafka::Partition> partitions;
  size_t turn = 0;
  std::vector<GmKafkaPartition> state;
  std::vector<rd_kafka_message_t*> room;

  int64_t sent = 0;
  std::vector<GmKafkaSpan> spans, shown_spans;  // since begin(): by partition number; those that have messages
  std::vector<std::string> notes;               // behind the pointers of positions
  bool sending_failed = false;

  // The last error of a call; texts behind the pointers of `shown`.
  int code = 0;
  std::string name, message;
  bool passing = false, abortable = false, fenced = false;
  GmKafkaError shown{};

  // What the library said of brokers in the background.
  std::mutex said_mutex;
  std::string said;
};

namespace gristmill_kafka {

int fail(GmKafka* k, rd_kafka_resp_err_t code, const std::string& message);
int fail(GmKafka* k, rd_kafka_error_t* error);  // takes it
inline int fail(GmKafka* k, rd_kafka_resp_err_t code) { return fail(k, code, ""); }
bool may_pass(rd_kafka_resp_err_t code);
inline bool stopped(GmKafkaStop stop) { return stop.call != nullptr && stop.call(stop.context) != 0; }

int64_t milliseconds();  // of a steady clock
void pause();            // a moment, where a broker has answered at once that it cannot yet

// Runs `attempt(milliseconds)` in steps, each longer than the one before, until it gives another answer than a passing one, or the time
// is over.
template <typename Attempt>
int in_steps(GmKafka* k, int64_t timeout_ms, GmKafkaStop stop, const Attempt& attempt) {
  constexpr int64_t kFirstStep = 100, kLongestStep = 3200;
  const int64_t begin = milliseconds();
  for (int64_t step = kFirstStep;; step = step < kLongestStep ? step * 2 : step) {
    const int64_t left = timeout_ms - (milliseconds() - begin);
    const rd_kafka_resp_err_t code = attempt(static_cast<int>(left < step ? (left < 1 ? 1 : left) : step));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return GM_KAFKA_OK;
    if (stopped(stop)) return GM_KAFKA_STOPPED;
    if (!may_pass(code) || left <= 0) return fail(k, code);
    if (code != RD_KAFKA_RESP_ERR__TIMED_OUT) pause();
  }
}

void close_partitions(GmKafka* k);
void set_rebalance(rd_kafka_conf_t* conf);
void set_delivery(rd_kafka_conf_t* conf);

// Consumers (kafka_consumer.cc).
int partitions(GmKafka* k, const char* topic, int32_t* count, int64_t timeout_ms, GmKafkaStop stop);
int bounds(GmKafka* k, const char* topic, int32_t partition, int64_t* low, int64_t* high, int64_t timeout_ms, GmKafkaStop stop);
int at_time(GmKafka* k, const char* topic, GmKafkaPosition* positions, size_t count, int64_t timeout_ms, GmKafkaStop stop);
int committed(GmKafka* k, const char* topic, GmKafkaPosition* positions, size_t count, int64_t timeout_ms, GmKafkaStop stop);
int assign(GmKafka* k, const char* topic, const GmKafkaPosition* positions, size_t count);
int assign_more(GmKafka* k, const GmKafkaPosition* positions, size_t count);
int subscribe(GmKafka* k, const char* topic);
int poll(GmKafka* k, int32_t partition, int64_t most, GmKafkaBatch** batch);
size_t state(GmKafka* k, const GmKafkaPartition** partitions);
int commit(GmKafka* k, const char* topic, const GmKafkaPosition* positions, size_t count, int wait);
const GmKafkaMessages* messages(GmKafkaBatch* b);
size_t headers(GmKafkaBatch* b, int64_t message, const GmKafkaHeader** headers);
void release(GmKafkaBatch* b);

// Producers (kafka_producer.cc).
int send(GmKafka* k, const GmKafkaOutgoing* message);
int flush(GmKafka* k, GmKafkaStop stop);
int64_t sent(GmKafka* k);
int transactions(GmKafka* k, int64_t timeout_ms, GmKafkaStop stop);
int begin(GmKafka* k);
size_t delivered(GmKafka* k, const GmKafkaSpan** spans);
int add_offsets(GmKafka* k, const char* group, const GmKafkaPosition* positions, size_t count, int64_t timeout_ms, GmKafkaStop stop);
int commit_transaction(GmKafka* k, int64_t timeout_ms, GmKafkaStop stop);
int abort_transaction(GmKafka* k, int64_t timeout_ms);
void purge(GmKafka* k);

}  // namespace gristmill_kafka
