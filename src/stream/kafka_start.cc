// Two clients: a small one asks how many partitions there are and where they begin and end, then the one that reads is made with queues
// that fit the memory there is.

#include "stream/kafka_start.h"

#include <algorithm>

#include "base/status.h"
#include "expr/parse_text.h"

namespace gristmill::stream {
namespace {

constexpr int64_t kMostQueue = int64_t{16} << 20;  // bytes of one partition that are fetched ahead
constexpr int64_t kLeastQueue = int64_t{64} << 10;
constexpr int64_t kMostFetch = int64_t{1} << 20;
constexpr int64_t kMostAhead = int64_t{128} << 20;  // of all partitions

using Settings = std::map<std::string, std::string>;

Settings common_settings(const KafkaSourceOptions& o) {
  return {{"group.id", o.group.empty() ? "gristmill" : o.group},
          {"enable.auto.commit", "false"},
          {"enable.auto.offset.store", "false"},
          {"enable.partition.eof", "true"},
          {"isolation.level", "read_committed"},
          {"auto.offset.reset", o.balance ? (o.start == "latest" ? "latest" : "earliest") : "error"}};
}

arrow::Result<int64_t> milliseconds_of(const std::string& start) {
  int64_t out = 0;
  if (expr::parse_integer(start, out) && out >= 0) return out;
  if (expr::parse_timestamp(start, 1000, out) && out >= 0) return out;
  return base::plan_error("start=\"" + start + "\" is no place in a topic", "earliest, latest, committed, or a time: 2026-01-31T12:00:00Z");
}

struct Bounds {
  int64_t low = 0, high = 0;
};

// First positions as the options say.
arrow::Result<std::vector<int64_t>> chosen(io::KafkaClient& asks, const KafkaSourceOptions& o, const std::vector<Bounds>& bounds) {
  std::vector<int64_t> out;
  for (const Bounds& b : bounds) out.push_back(o.start == "latest" ? b.high : b.low);
  if (o.start == "earliest" || o.start == "latest") return out;
  std::vector<io::KafkaPosition> wanted;
  const bool stored = o.start == "committed";
  int64_t time = 0;
  if (!stored) {
    ARROW_ASSIGN_OR_RAISE(time, milliseconds_of(o.start));
  }
  for (int32_t p = 0; p < std::ssize(bounds); ++p) wanted.push_back({o.topic, p, time});
  ARROW_RETURN_NOT_OK(stored ? asks.committed(o.topic, wanted) : asks.at_time(o.topic, wanted));
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t found = wanted[i].offset;
    if (found >= 0) {
      out[i] = std::max(found, bounds[i].low);
    } else if (!stored) {
      out[i] = bounds[i].high;  // nothing is as young as that
    }
  }
  return out;
}

arrow::Status check_position(const KafkaSourceOptions& o, int32_t partition, int64_t position, const Bounds& b) {
  const std::string place = "partition " + std::to_string(partition) + " of the topic \"" + o.topic + "\"";
  if (position < b.low) {
    return base::io_error("the checkpoint goes on at offset " + std::to_string(position) + " of " + place +
                              ", whose first message is now " + std::to_string(b.low),
                          {}, "the topic's retention is shorter than the job was down; without the checkpoint it begins anew");
  }
  if (position > b.high) {
    return base::io_error(
        "the checkpoint goes on at offset " + std::to_string(position) + " of " + place + ", which ends at " + std::to_string(b.high), {},
        "the topic was made anew since; without the checkpoint the job begins anew");
  }
  return arrow::Status::OK();
}

// Queues as large as is of use, in what the query may have.
arrow::Status size_queues(Settings& settings, size_t partitions, const exec::QueryContext& query, KafkaStart& out) {
  const auto n = static_cast<int64_t>(std::max<size_t>(partitions, 1));
  int64_t all = kMostAhead;
  if (query.memory->limited()) all = std::min(all, query.memory->cap() / 8);
  const int64_t each = std::clamp(all / n, kLeastQueue, kMostQueue);
  const int64_t fetch = std::min(each, kMostFetch);
  settings.insert({"queued.max.messages.kbytes", std::to_string(each >> 10)});
  settings.insert({"queued.min.messages", "500000"});
  settings.insert({"max.partition.fetch.bytes", std::to_string(fetch)});
  settings.insert({"fetch.error.backoff.ms", "20"});
  out.bytes_of_partition = each + fetch;
  ARROW_ASSIGN_OR_RAISE(out.memory, query.memory->reserve(n * out.bytes_of_partition, "messages of Kafka fetched ahead"));
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<KafkaStart> start_kafka(const KafkaSourceOptions& o, const Positions& positions, const StartContext& context,
                                      std::function<void()> wake) {
  using Kind = io::KafkaClient::Kind;
  if (o.balance && !positions.empty()) {
    return base::plan_error("partitions that a group deals out keep no positions in a checkpoint", "leave out balance");
  }
  KafkaStart out;
  Settings settings = common_settings(o);
  ARROW_ASSIGN_OR_RAISE(auto asks, io::KafkaClient::open(Kind::kConsumer, o.address, settings, {}, context.query->cancel));
  ARROW_ASSIGN_OR_RAISE(const int32_t n, asks->partitions(o.topic));
  std::vector<Bounds> bounds;
  for (int32_t p = 0; p < n && !o.balance; ++p) {
    ARROW_ASSIGN_OR_RAISE(const auto b, asks->bounds(o.topic, p));
    bounds.push_back({b.first, b.second});
    if (o.until_end) out.ends.push_back(b.second);
  }
  if (o.balance) {
    out.next.assign(static_cast<size_t>(n), -1);
  } else {
    ARROW_ASSIGN_OR_RAISE(out.next, chosen(*asks, o, bounds));
  }
  for (const auto& [partition, next] : positions) {
    if (partition >= n) {
      return base::io_error("the checkpoint has partition " + std::to_string(partition) + ", the topic \"" + o.topic + "\" only " +
                            std::to_string(n));
    }
    ARROW_RETURN_NOT_OK(check_position(o, partition, next, bounds[static_cast<size_t>(partition)]));
    out.next[static_cast<size_t>(partition)] = next;
  }
  // A partition that the checkpoint does not know was added since: it is new from its beginning.
  for (int32_t p = 0; p < n && !positions.empty(); ++p) {
    const bool known = std::any_of(positions.begin(), positions.end(), [&](const auto& at) { return at.first == p; });
    if (!known) out.next[static_cast<size_t>(p)] = bounds[static_cast<size_t>(p)].low;
  }
  asks.reset();
  ARROW_RETURN_NOT_OK(size_queues(settings, static_cast<size_t>(n), *context.query, out));
  ARROW_ASSIGN_OR_RAISE(out.client, io::KafkaClient::open(Kind::kConsumer, o.address, settings, std::move(wake), context.query->cancel));
  if (o.balance) {
    ARROW_RETURN_NOT_OK(out.client->subscribe(o.topic));
    return out;
  }
  std::vector<io::KafkaPosition> begin;
  for (int32_t p = 0; p < n; ++p) begin.push_back({o.topic, p, out.next[static_cast<size_t>(p)]});
  ARROW_RETURN_NOT_OK(out.client->assign(o.topic, begin));
  return out;
}

}  // namespace gristmill::stream
