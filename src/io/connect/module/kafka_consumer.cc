// Reading: each partition has a queue of its own, so that what is taken at once is of one partition and in its order.
//
// The queue of the consumer itself is served first at each poll: a group's rebalances happen there, on the polling thread. Messages stay
// where librdkafka put them until their batch is released.

#include <cstring>
#include <memory>
#include <new>

#include "kafka_client.h"

struct GmKafkaBatch {
  std::vector<rd_kafka_message_t*> held;
  std::vector<GmKafkaMessage> messages;
  std::vector<GmKafkaHeader> headers;
  GmKafkaMessages shown{};
  ~GmKafkaBatch() {
    for (rd_kafka_message_t* m : held) rd_kafka_message_destroy(m);
  }
};

namespace gristmill_kafka {
namespace {

struct FreeList {
  void operator()(rd_kafka_topic_partition_list_t* l) const { rd_kafka_topic_partition_list_destroy(l); }
};
using List = std::unique_ptr<rd_kafka_topic_partition_list_t, FreeList>;

List list_of(const char* topic, const GmKafkaPosition* positions, size_t count) {
  List out(rd_kafka_topic_partition_list_new(static_cast<int>(count)));
  for (size_t i = 0; i < count; ++i) {
    const char* of = positions[i].topic != nullptr ? positions[i].topic : topic;
    rd_kafka_topic_partition_list_add(out.get(), of, positions[i].partition)->offset = positions[i].offset;
  }
  return out;
}

// The offsets of `list` into the positions of the same partitions; the first error of one.
rd_kafka_resp_err_t offsets_from(const rd_kafka_topic_partition_list_t& list, GmKafkaPosition* positions, size_t count) {
  for (int i = 0; i < list.cnt; ++i) {
    const rd_kafka_topic_partition_t& p = list.elems[i];
    if (p.err != RD_KAFKA_RESP_ERR_NO_ERROR) return p.err;
    for (size_t j = 0; j < count; ++j) {
      if (positions[j].partition == p.partition) positions[j].offset = p.offset;
    }
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// What was committed beside the offsets.
void notes_from(GmKafka* k, const rd_kafka_topic_partition_list_t& list, GmKafkaPosition* positions, size_t count) {
  k->notes.assign(count, {});
  for (int i = 0; i < list.cnt; ++i) {
    const rd_kafka_topic_partition_t& p = list.elems[i];
    for (size_t j = 0; j < count && p.metadata_size > 0; ++j) {
      if (positions[j].partition == p.partition) k->notes[j].assign(static_cast<const char*>(p.metadata), p.metadata_size);
    }
  }
  for (size_t j = 0; j < count; ++j) positions[j].note = k->notes[j].empty() ? nullptr : k->notes[j].c_str();
}

void wake_up(rd_kafka_t*, void* opaque) {
  auto* k = static_cast<GmKafka*>(opaque);
  if (k->wake.call != nullptr) k->wake.call(k->wake.context);
}

void open_partition(GmKafka* k, int32_t id) {
  Partition p;
  p.id = id;
  p.queue = rd_kafka_queue_get_partition(k->rk, k->topic.c_str(), id);
  if (p.queue == nullptr) return;
  rd_kafka_queue_forward(p.queue, nullptr);
  rd_kafka_queue_cb_event_enable(p.queue, wake_up, k);
  k->partitions.push_back(std::move(p));
}

void close_partition(Partition& p) {
  rd_kafka_queue_cb_event_enable(p.queue, nullptr, nullptr);
  rd_kafka_queue_destroy(p.queue);
}

void on_rebalance(rd_kafka_t* rk, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* list, void* opaque) {
  auto* k = static_cast<GmKafka*>(opaque);
  const bool step_by_step = std::strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") == 0;
  rd_kafka_error_t* error = nullptr;
  if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    for (int i = 0; i < list->cnt; ++i) {
      if (k->topic == list->elems[i].topic) open_partition(k, list->elems[i].partition);
    }
    if (step_by_step) {
      error = rd_kafka_incremental_assign(rk, list);
    } else {
      rd_kafka_assign(rk, list);
    }
  } else if (step_by_step) {
    for (int i = 0; i < list->cnt; ++i) {
      std::erase_if(k->partitions, [&](Partition& p) {
        if (p.id != list->elems[i].partition) return false;
        close_partition(p);
        return true;
      });
    }
    error = rd_kafka_incremental_unassign(rk, list);
  } else {
    close_partitions(k);
    rd_kafka_assign(rk, nullptr);
  }
  if (error != nullptr) fail(k, error);
}

// What is no message. OK: it is nothing that must end the reading.
int take_event(GmKafka* k, Partition* p, const rd_kafka_message_t& m) {
  if (m.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    if (p != nullptr) {
      p->at_end = true;
      p->end = m.offset;
    }
    return GM_KAFKA_OK;
  }
  if (may_pass(m.err)) {
    if (p != nullptr) p->at_end = false;  // not connected: nobody knows
    return GM_KAFKA_OK;
  }
  const char* text = rd_kafka_message_errstr(&m);
  return fail(k, m.err, text != nullptr ? text : "");
}

int serve_own_queue(GmKafka* k) {
  while (rd_kafka_message_t* m = rd_kafka_consumer_poll(k->rk, 0)) {
    int outcome = GM_KAFKA_OK;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      outcome = take_event(k, nullptr, *m);
    } else {
      outcome = fail(k, RD_KAFKA_RESP_ERR__INCONSISTENT, "a message came by the way of another partition");
    }
    rd_kafka_message_destroy(m);
    if (outcome != GM_KAFKA_OK) return outcome;
  }
  return GM_KAFKA_OK;
}

GmKafkaMessage shown(const rd_kafka_message_t& m) {
  rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const int64_t at = rd_kafka_message_timestamp(&m, &kind);
  return {static_cast<const char*>(m.key),
          static_cast<const char*>(m.payload),
          static_cast<int64_t>(m.key_len),
          static_cast<int64_t>(m.len),
          m.offset,
          kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : at};
}

// The messages among `n` things of a partition's queue. A failure stands behind those before it.
std::unique_ptr<GmKafkaBatch> sort_out(GmKafka* k, Partition& p, size_t n) {
  auto b = std::make_unique<GmKafkaBatch>();
  b->held.reserve(n);
  b->messages.reserve(n);
  for (size_t i = 0; i < n; ++i) {
    rd_kafka_message_t* m = k->room[i];
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR && p.failed == RD_KAFKA_RESP_ERR_NO_ERROR) {
      b->held.push_back(m);
      b->messages.push_back(shown(*m));
      b->shown.bytes += static_cast<int64_t>(m->len + m->key_len + sizeof(rd_kafka_message_t));
      b->shown.next = m->offset + 1;
      p.at_end = false;
      continue;
    }
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR && take_event(k, &p, *m) != GM_KAFKA_OK && p.failed == RD_KAFKA_RESP_ERR_NO_ERROR) {
      p.failed = m->err;
      p.reason = k->message;
    }
    rd_kafka_message_destroy(m);
  }
  b->shown.partition = p.id;
  b->shown.count = static_cast<int64_t>(b->messages.size());
  b->shown.messages = b->messages.data();
  return b;
}

}  // namespace

void close_partitions(GmKafka* k) {
  for (Partition& p : k->partitions) close_partition(p);
  k->partitions.clear();
  k->turn = 0;
}

void set_rebalance(rd_kafka_conf_t* conf) { rd_kafka_conf_set_rebalance_cb(conf, on_rebalance); }

int partitions(GmKafka* k, const char* topic, int32_t* count, int64_t timeout_ms, GmKafkaStop stop) {
  rd_kafka_topic_t* t = rd_kafka_topic_new(k->rk, topic, nullptr);
  if (t == nullptr) return fail(k, rd_kafka_last_error());
  const int outcome = in_steps(k, timeout_ms, stop, [&](int step) {
    const rd_kafka_metadata_t* found = nullptr;
    rd_kafka_resp_err_t code = rd_kafka_metadata(k->rk, 0, t, &found, step);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return code;
    code = found->topic_cnt == 1 ? found->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) *count = found->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(found);
    return code;
  });
  rd_kafka_topic_destroy(t);
  return outcome;
}

int bounds(GmKafka* k, const char* topic, int32_t partition, int64_t* low, int64_t* high, int64_t timeout_ms, GmKafkaStop stop) {
  return in_steps(k, timeout_ms, stop,
                  [&](int step) { return rd_kafka_query_watermark_offsets(k->rk, topic, partition, low, high, step); });
}

int at_time(GmKafka* k, const char* topic, GmKafkaPosition* positions, size_t count, int64_t timeout_ms, GmKafkaStop stop) {
  return in_steps(k, timeout_ms, stop, [&](int step) {
    const List list = list_of(topic, positions, count);
    const rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(k->rk, list.get(), step);
    return code != RD_KAFKA_RESP_ERR_NO_ERROR ? code : offsets_from(*list, positions, count);
  });
}

int committed(GmKafka* k, const char* topic, GmKafkaPosition* positions, size_t count, int64_t timeout_ms, GmKafkaStop stop) {
  return in_steps(k, timeout_ms, stop, [&](int step) {
    const List list = list_of(topic, positions, count);
    rd_kafka_resp_err_t code = rd_kafka_committed(k->rk, list.get(), step);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = offsets_from(*list, positions, count);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) notes_from(k, *list, positions, count);
    return code;
  });
}

int assign(GmKafka* k, const char* topic, const GmKafkaPosition* positions, size_t count) {
  k->topic = topic;
  close_partitions(k);
  for (size_t i = 0; i < count; ++i) open_partition(k, positions[i].partition);
  if (k->partitions.size() != count) return fail(k, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION);
  const List list = list_of(topic, positions, count);
  const rd_kafka_resp_err_t code = rd_kafka_assign(k->rk, list.get());
  return code == RD_KAFKA_RESP_ERR_NO_ERROR ? GM_KAFKA_OK : fail(k, code);
}

int assign_more(GmKafka* k, const GmKafkaPosition* positions, size_t count) {
  const size_t before = k->partitions.size();
  for (size_t i = 0; i < count; ++i) open_partition(k, positions[i].partition);
  if (k->partitions.size() != before + count) return fail(k, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION);
  const List list = list_of(k->topic.c_str(), positions, count);
  rd_kafka_error_t* error = rd_kafka_incremental_assign(k->rk, list.get());
  return error == nullptr ? GM_KAFKA_OK : fail(k, error);
}

int subscribe(GmKafka* k, const char* topic) {
  k->topic = topic;
  const List list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic, RD_KAFKA_PARTITION_UA);
  const rd_kafka_resp_err_t code = rd_kafka_subscribe(k->rk, list.get());
  return code == RD_KAFKA_RESP_ERR_NO_ERROR ? GM_KAFKA_OK : fail(k, code);
}

int poll(GmKafka* k, int32_t partition, int64_t most, GmKafkaBatch** batch) {
  *batch = nullptr;
  const int served = serve_own_queue(k);
  if (served != GM_KAFKA_OK) return served;
  k->room.resize(static_cast<size_t>(most));
  const size_t n = k->partitions.size();
  for (size_t i = 0; i < n; ++i) {
    Partition& p = k->partitions[(k->turn + i) % n];
    if (partition >= 0 && p.id != partition) continue;
    if (p.failed != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(k, p.failed, p.reason);
    const ssize_t got = rd_kafka_consume_batch_queue(p.queue, 0, k->room.data(), static_cast<size_t>(most));
    if (got < 0) {
      const rd_kafka_resp_err_t code = rd_kafka_last_error();
      if (may_pass(code)) continue;
      return fail(k, code);
    }
    if (got == 0) continue;
    auto b = sort_out(k, p, static_cast<size_t>(got));
    if (b->messages.empty()) {
      if (p.failed != RD_KAFKA_RESP_ERR_NO_ERROR) return fail(k, p.failed, p.reason);
      continue;
    }
    k->turn = (k->turn + i + 1) % n;
    *batch = b.release();
    return GM_KAFKA_OK;
  }
  return GM_KAFKA_OK;
}

size_t state(GmKafka* k, const GmKafkaPartition** out) {
  k->state.clear();
  for (const Partition& p : k->partitions) {
    int64_t low = -1, high = -1;
    rd_kafka_get_watermark_offsets(k->rk, k->topic.c_str(), p.id, &low, &high);
    k->state.push_back({p.id, low < 0 ? -1 : low, high < 0 ? -1 : high, p.at_end ? 1 : 0, p.end});
  }
  *out = k->state.data();
  return k->state.size();
}

int commit(GmKafka* k, const char* topic, const GmKafkaPosition* positions, size_t count, int wait) {
  const List list = list_of(topic, positions, count);
  const rd_kafka_resp_err_t code = rd_kafka_commit(k->rk, list.get(), wait != 0 ? 0 : 1);
  return code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR__NO_OFFSET ? GM_KAFKA_OK : fail(k, code);
}

const GmKafkaMessages* messages(GmKafkaBatch* b) { return &b->shown; }

size_t headers(GmKafkaBatch* b, int64_t message, const GmKafkaHeader** out) {
  b->headers.clear();
  rd_kafka_headers_t* found = nullptr;
  if (rd_kafka_message_headers(b->held[static_cast<size_t>(message)], &found) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    for (size_t i = 0; rd_kafka_header_get_all(found, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      b->headers.push_back({name, static_cast<const char*>(value), static_cast<int64_t>(size)});
    }
  }
  *out = b->headers.data();
  return b->headers.size();
}

void release(GmKafkaBatch* b) { const std::unique_ptr<GmKafkaBatch> owned(b); }

}  // namespace gristmill_kafka
