// libgristmill_kafka.so: librdkafka behind the table of kafka_module.h. Opening, closing, errors.
//
// Nothing of the engine or of Arrow is used here, and no exception leaves. The library's own log is kept quiet: what it says of brokers
// stands behind the errors of the calls that meet it.

#include "kafka_client.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <thread>

namespace gristmill_kafka {

int64_t milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(50)); }

bool may_pass(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__WAIT_CACHE:
    case RD_KAFKA_RESP_ERR__IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
    case RD_KAFKA_RESP_ERR__RETRY:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
    case RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS: return true;
    default: return false;
  }
}

int fail(GmKafka* k, rd_kafka_resp_err_t code, const std::string& message) {
  char fatal[512] = {};
  const rd_kafka_resp_err_t deeper = rd_kafka_fatal_error(k->rk, fatal, sizeof fatal);
  if (deeper != RD_KAFKA_RESP_ERR_NO_ERROR) code = deeper;
  k->code = code;
  k->name = rd_kafka_err2name(code);
  k->message = deeper != RD_KAFKA_RESP_ERR_NO_ERROR ? fatal : !message.empty() ? message : rd_kafka_err2str(code);
  k->passing = deeper == RD_KAFKA_RESP_ERR_NO_ERROR && may_pass(code);
  k->abortable = false;
  k->fenced = code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
              code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH || code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING;
  if (k->passing) {
    std::lock_guard lock(k->said_mutex);
    if (!k->said.empty()) k->message += "; " + k->said;
  }
  return GM_KAFKA_FAILED;
}

int fail(GmKafka* k, rd_kafka_error_t* error) {
  const bool abortable = rd_kafka_error_txn_requires_abort(error) != 0;
  const bool again = rd_kafka_error_is_retriable(error) != 0;
  fail(k, rd_kafka_error_code(error), rd_kafka_error_string(error));
  k->abortable = abortable;
  k->passing = k->passing || again;
  rd_kafka_error_destroy(error);
  return GM_KAFKA_FAILED;
}

namespace {

void on_error(rd_kafka_t*, int code, const char* reason, void* opaque) {
  auto* k = static_cast<GmKafka*>(opaque);
  std::lock_guard lock(k->said_mutex);
  k->said = reason != nullptr ? reason : rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(code));
}

void wake_up(rd_kafka_t*, void* opaque) {
  auto* k = static_cast<GmKafka*>(opaque);
  if (k->wake.call != nullptr) k->wake.call(k->wake.context);
}

// A value of these names is nobody's to see.
bool is_secret(const char* name) {
  for (const char* sign : {"password", "secret", "jaas", ".pem", "oauthbearer.config"}) {
    if (std::strstr(name, sign) != nullptr) return true;
  }
  return false;
}

bool set_all(rd_kafka_conf_t* conf, const GmKafkaSetting* settings, size_t count, char* reason, size_t size) {
  for (size_t i = 0; i < count; ++i) {
    char why[512];
    if (rd_kafka_conf_set(conf, settings[i].name, settings[i].value, why, sizeof why) == RD_KAFKA_CONF_OK) continue;
    std::snprintf(reason, size, "%s",
                  is_secret(settings[i].name) ? (std::string("the value of ") + settings[i].name + " is refused").c_str() : why);
    return false;
  }
  return true;
}

GmKafka* open(int producer, const GmKafkaSetting* settings, size_t count, GmKafkaWake wake, char* reason, size_t size) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  std::unique_ptr<GmKafka> k(new (std::nothrow) GmKafka);
  if (conf == nullptr || k == nullptr) {
    std::snprintf(reason, size, "no memory for a Kafka client");
    if (conf != nullptr) rd_kafka_conf_destroy(conf);
    return nullptr;
  }
  if (!set_all(conf, settings, count, reason, size)) {
    rd_kafka_conf_destroy(conf);
    return nullptr;
  }
  k->producer = producer != 0;
  k->wake = wake;
  rd_kafka_conf_set_opaque(conf, k.get());
  rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int, const char*, const char*) {});
  rd_kafka_conf_set_error_cb(conf, on_error);
  if (k->producer) {
    set_delivery(conf);
  } else {
    set_rebalance(conf);
  }
  k->rk = rd_kafka_new(k->producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, reason, size);
  if (k->rk == nullptr) {  // the configuration is still ours then
    rd_kafka_conf_destroy(conf);
    return nullptr;
  }
  if (!k->producer) rd_kafka_poll_set_consumer(k->rk);
  k->main = k->producer ? rd_kafka_queue_get_main(k->rk) : rd_kafka_queue_get_consumer(k->rk);
  if (k->main != nullptr) rd_kafka_queue_cb_event_enable(k->main, wake_up, k.get());
  return k.release();
}

void close(GmKafka* k) {
  std::unique_ptr<GmKafka> owned(k);
  if (k->main != nullptr) rd_kafka_queue_cb_event_enable(k->main, nullptr, nullptr);
  if (!k->producer) {
    close_partitions(k);
    rd_kafka_consumer_close(k->rk);  // leaves its group
  } else {
    rd_kafka_purge(k->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(k->rk, 0);
  }
  if (k->main != nullptr) rd_kafka_queue_destroy(k->main);
  rd_kafka_destroy(k->rk);
}

const GmKafkaError* error(GmKafka* k) {
  k->shown = {k->code, k->name.c_str(), k->message.c_str(), k->passing ? 1 : 0, k->abortable ? 1 : 0, k->fenced ? 1 : 0};
  return &k->shown;
}

const GmKafkaTable kTable = {GM_KAFKA_ABI,
                             open,
                             close,
                             error,
                             partitions,
                             bounds,
                             at_time,
                             committed,
                             assign,
                             assign_more,
                             subscribe,
                             poll,
                             state,
                             commit,
                             messages,
                             headers,
                             release,
                             send,
                             flush,
                             sent,
                             transactions,
                             begin,
                             delivered,
                             add_offsets,
                             commit_transaction,
                             abort_transaction,
                             purge};

}  // namespace
}  // namespace gristmill_kafka

extern "C" __attribute__((visibility("default"))) const GmKafkaTable* gristmill_kafka_entry(void);
extern "C" __attribute__((visibility("default"))) const GmKafkaTable* gristmill_kafka_entry(void) { return &gristmill_kafka::kTable; }
