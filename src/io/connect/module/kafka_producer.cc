// Writing: messages go into the library's queue until it is full; what the brokers answer is counted, and the first refusal is kept.
//
// A message that could not be delivered fails the next call; inside a transaction that means abort. The transaction calls may be
// made again after a time-out: the library goes on where it was.

#include <algorithm>
#include <cstring>
#include <memory>

#include "kafka_client.h"

namespace gristmill_kafka {
namespace {

constexpr int64_t kNobodyKnows = -2;  // for good: a batch that was sent twice may come without offsets

// One more message of its partition.
void add_to_span(GmKafka* k, int32_t partition, int64_t offset) {
  if (partition < 0) return;
  const auto at = static_cast<size_t>(partition);
  while (k->spans.size() <= at) k->spans.push_back({static_cast<int32_t>(k->spans.size()), -1, -1, 0});
  GmKafkaSpan& span = k->spans[at];
  ++span.count;
  if (offset < 0) span.first = kNobodyKnows;
  if (span.first == kNobodyKnows) return;
  span.first = span.first < 0 ? offset : std::min(span.first, offset);
  span.last = std::max(span.last, offset);
}

void on_delivery(rd_kafka_t*, const rd_kafka_message_t* m, void* opaque) {
  auto* k = static_cast<GmKafka*>(opaque);
  if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++k->sent;
    add_to_span(k, m->partition, m->offset);
    return;
  }
  if (m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || m->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT || k->sending_failed) return;
  k->sending_failed = true;
  const char* text = rd_kafka_message_errstr(m);
  fail(k, m->err, text != nullptr ? text : "");
}

// In steps, as long as the library says that trying again may help.
template <typename Attempt>
int call_in_steps(GmKafka* k, int64_t timeout_ms, GmKafkaStop stop, const Attempt& attempt) {
  const int64_t begin = milliseconds();
  for (int64_t step = 250;; step = step < 4000 ? step * 2 : step) {
    const int64_t left = timeout_ms - (milliseconds() - begin);
    rd_kafka_error_t* error = attempt(static_cast<int>(left < step ? (left < 1 ? 1 : left) : step));
    if (error == nullptr) return GM_KAFKA_OK;
    const bool again = rd_kafka_error_is_retriable(error) != 0;
    const rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    fail(k, error);
    if (stopped(stop)) return GM_KAFKA_STOPPED;
    if (!again || left <= 0) return GM_KAFKA_FAILED;
    if (code != RD_KAFKA_RESP_ERR__TIMED_OUT) pause();
  }
}

}  // namespace

void set_delivery(rd_kafka_conf_t* conf) { rd_kafka_conf_set_dr_msg_cb(conf, on_delivery); }

int send(GmKafka* k, const GmKafkaOutgoing* m) {
  rd_kafka_poll(k->rk, 0);
  if (k->sending_failed) return GM_KAFKA_FAILED;
  rd_kafka_headers_t* headers = nullptr;
  if (m->header_count > 0) {
    headers = rd_kafka_headers_new(static_cast<size_t>(m->header_count));
    for (int64_t i = 0; i < m->header_count; ++i) {
      const GmKafkaHeader& h = m->headers[i];
      rd_kafka_header_add(headers, h.name, -1, h.value, h.value == nullptr ? 0 : static_cast<ssize_t>(h.value_size));
    }
  }
  rd_kafka_vu_t of[9];
  size_t n = 0;
  of[n].vtype = RD_KAFKA_VTYPE_TOPIC;
  of[n++].u.cstr = m->topic;
  of[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  of[n++].u.i = RD_KAFKA_MSG_F_COPY;
  of[n].vtype = RD_KAFKA_VTYPE_PARTITION;
  of[n++].u.i32 = m->partition < 0 ? RD_KAFKA_PARTITION_UA : m->partition;
  of[n].vtype = RD_KAFKA_VTYPE_VALUE;
  of[n].u.mem.ptr = const_cast<char*>(m->value);  // it is only read: COPY
  of[n++].u.mem.size = m->value == nullptr ? 0 : static_cast<size_t>(m->value_size);
  of[n].vtype = RD_KAFKA_VTYPE_KEY;
  of[n].u.mem.ptr = const_cast<char*>(m->key);
  of[n++].u.mem.size = m->key == nullptr ? 0 : static_cast<size_t>(m->key_size);
  if (m->timestamp_ms >= 0) {
    of[n].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
    of[n++].u.i64 = m->timestamp_ms;
  }
  if (headers != nullptr) {
    of[n].vtype = RD_KAFKA_VTYPE_HEADERS;
    of[n++].u.headers = headers;
  }
  rd_kafka_error_t* error = rd_kafka_produceva(k->rk, of, n);
  if (error == nullptr) return GM_KAFKA_OK;
  if (headers != nullptr) rd_kafka_headers_destroy(headers);
  if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
    rd_kafka_error_destroy(error);
    return GM_KAFKA_FULL;
  }
  k->sending_failed = true;
  return fail(k, error);
}

int flush(GmKafka* k, GmKafkaStop stop) {
  while (!k->sending_failed) {
    constexpr int kStep = 100;
    const rd_kafka_resp_err_t code = rd_kafka_flush(k->rk, kStep);
    if (k->sending_failed) break;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return GM_KAFKA_OK;
    if (code != RD_KAFKA_RESP_ERR__TIMED_OUT) return fail(k, code);
    if (stopped(stop)) return GM_KAFKA_STOPPED;
  }
  return GM_KAFKA_FAILED;
}

int64_t sent(GmKafka* k) { return k->sent; }

int transactions(GmKafka* k, int64_t timeout_ms, GmKafkaStop stop) {
  return call_in_steps(k, timeout_ms, stop, [&](int step) { return rd_kafka_init_transactions(k->rk, step); });
}

int begin(GmKafka* k) {
  rd_kafka_error_t* error = rd_kafka_begin_transaction(k->rk);
  k->sending_failed = false;
  k->spans.clear();
  return error == nullptr ? GM_KAFKA_OK : fail(k, error);
}

size_t delivered(GmKafka* k, const GmKafkaSpan** spans) {
  k->shown_spans.clear();
  for (const GmKafkaSpan& s : k->spans) {
    if (s.count == 0) continue;
    k->shown_spans.push_back(s);
    if (s.first == kNobodyKnows) k->shown_spans.back().first = k->shown_spans.back().last = -1;
  }
  *spans = k->shown_spans.data();
  return k->shown_spans.size();
}

int add_offsets(GmKafka* k, const char* group, const GmKafkaPosition* positions, size_t count, int64_t timeout_ms, GmKafkaStop stop) {
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(static_cast<int>(count));
  for (size_t i = 0; i < count; ++i) {
    rd_kafka_topic_partition_t* p = rd_kafka_topic_partition_list_add(list, positions[i].topic, positions[i].partition);
    p->offset = positions[i].offset;
    if (positions[i].note == nullptr) continue;
    p->metadata = strdup(positions[i].note);  // the list frees it
    p->metadata_size = p->metadata == nullptr ? 0 : std::strlen(positions[i].note);
  }
  rd_kafka_consumer_group_metadata_t* of = rd_kafka_consumer_group_metadata_new(group);
  const int outcome =
      call_in_steps(k, timeout_ms, stop, [&](int step) { return rd_kafka_send_offsets_to_transaction(k->rk, list, of, step); });
  rd_kafka_consumer_group_metadata_destroy(of);
  rd_kafka_topic_partition_list_destroy(list);
  return outcome;
}

int commit_transaction(GmKafka* k, int64_t timeout_ms, GmKafkaStop stop) {
  return call_in_steps(k, timeout_ms, stop, [&](int step) { return rd_kafka_commit_transaction(k->rk, step); });
}

int abort_transaction(GmKafka* k, int64_t timeout_ms) {
  purge(k);
  return call_in_steps(k, timeout_ms, {nullptr, nullptr}, [&](int step) { return rd_kafka_abort_transaction(k->rk, step); });
}

void purge(GmKafka* k) {
  rd_kafka_purge(k->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
  rd_kafka_poll(k->rk, 0);
}

}  // namespace gristmill_kafka
