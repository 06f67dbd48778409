// What a topic's rows are: from the options alone, or by looking at its first messages.

#include <chrono>
#include <condition_variable>
#include <mutex>

#include <arrow/type.h>

#include "base/status.h"
#include "stream/kafka_source.h"

namespace gristmill::stream {
namespace {

constexpr int64_t kLooks = 250;  // messages of each partition
constexpr auto kMostWait = std::chrono::seconds(20);

// The first messages of each partition, in the order of partitions.
class Sample {
 public:
  Sample(const KafkaSourceOptions& options, base::CancelToken cancel) : options_(options), cancel_(std::move(cancel)) {}

  arrow::Result<std::vector<io::RecordBytes>> take() {
    const std::map<std::string, std::string> own = {
        {"group.id", "gristmill"},         {"enable.auto.commit", "false"},       {"enable.partition.eof", "true"},
        {"auto.offset.reset", "earliest"}, {"isolation.level", "read_committed"}, {"queued.max.messages.kbytes", "4096"}};
    ARROW_ASSIGN_OR_RAISE(client_,
                          io::KafkaClient::open(io::KafkaClient::Kind::kConsumer, options_.address, own, [this] { wake(); }, cancel_));
    ARROW_ASSIGN_OR_RAISE(const int32_t n, client_->partitions(options_.topic));
    std::vector<io::KafkaPosition> begin;
    for (int32_t p = 0; p < n; ++p) begin.push_back({options_.topic, p, GM_KAFKA_BEGINNING});
    ARROW_RETURN_NOT_OK(client_->assign(options_.topic, begin));
    taken_.resize(static_cast<size_t>(n));
    const auto until = std::chrono::steady_clock::now() + kMostWait;
    while (std::chrono::steady_clock::now() < until) {
      ARROW_RETURN_NOT_OK(cancel_.check());
      ARROW_ASSIGN_OR_RAISE(const auto batch, client_->poll(-1, kLooks));
      if (batch != nullptr) {
        keep(batch);
      } else if (complete()) {
        break;
      } else {
        std::unique_lock lock(mutex_);
        woken_.wait_for(lock, std::chrono::milliseconds(100), [this] { return awake_; });
        awake_ = false;
      }
    }
    std::vector<io::RecordBytes> out;
    for (const auto& part : taken_) out.insert(out.end(), part.begin(), part.end());
    return out;
  }

 private:
  void wake() {
    std::lock_guard lock(mutex_);
    awake_ = true;
    woken_.notify_one();
  }
  void keep(const io::KafkaBatchPtr& batch) {
    auto& part = taken_[static_cast<size_t>(batch->partition())];
    for (const GmKafkaMessage& m : batch->messages()) {
      if (m.value != nullptr && std::ssize(part) < kLooks) part.push_back({m.value, m.value_size});
    }
    batches_.push_back(batch);
  }
  bool complete() const {
    for (const GmKafkaPartition& p : client_->state()) {
      if (p.at_end == 0 && std::ssize(taken_[static_cast<size_t>(p.partition)]) < kLooks) return false;
    }
    return true;
  }

  const KafkaSourceOptions& options_;
  const base::CancelToken cancel_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool awake_ = false;
  io::KafkaClientPtr client_;
  std::vector<io::KafkaBatchPtr> batches_;  // what was taken points into them
  std::vector<std::vector<io::RecordBytes>> taken_;
};

arrow::Result<io::RecordDecoderPtr> guess_json(KafkaSourceOptions& options, const base::CancelToken& cancel) {
  Sample sample(options, cancel);
  ARROW_ASSIGN_OR_RAISE(const auto records, sample.take());
  ARROW_ASSIGN_OR_RAISE(options.schema, io::guess_json_columns(records, options.try_parse_dates));
  if (options.schema.empty()) {
    return base::io_error("no JSON object with a field is in the topic \"" + options.topic + "\" yet", {},
                          "say what its messages have: schema={\"id\": \"int64\", ...}");
  }
  return io::json_decoder(options.schema, options.extra_fields);
}

arrow::Result<io::RecordDecoderPtr> guess_ipc(const KafkaSourceOptions& options, const base::CancelToken& cancel) {
  Sample sample(options, cancel);
  ARROW_ASSIGN_OR_RAISE(const auto records, sample.take());
  for (const io::RecordBytes& r : records) {
    const auto schema = io::ipc_schema_of(r);
    if (schema.ok()) return io::ipc_decoder(*schema);
  }
  return base::io_error("no Arrow IPC stream is in the topic \"" + options.topic + "\" yet", {}, "its first message tells the columns");
}

arrow::Result<io::RecordDecoderPtr> decoder_of(KafkaSourceOptions& o, const base::CancelToken& cancel) {
  if (o.format == "json") return o.schema.empty() ? guess_json(o, cancel) : io::json_decoder(o.schema, o.extra_fields);
  if (!o.schema.empty()) return base::plan_error("schema is for JSON; messages of format \"" + o.format + "\" say what they are");
  if (o.format == "avro") {
    if (o.avro_schema.empty())
      return base::plan_error("messages of format \"avro\" need the schema they were written with", "avro_schema=...");
    return io::avro_decoder(o.avro_schema, o.avro_framing);
  }
  if (o.format == "ipc") return guess_ipc(o, cancel);
  if (o.format == "raw" || o.format == "text") return io::raw_decoder(o.format == "text");
  return base::plan_error("unknown format of messages \"" + o.format + "\"",
                          base::suggest_name(o.format, {"json", "avro", "ipc", "raw", "text"}));
}

}  // namespace

arrow::Result<std::shared_ptr<const KafkaPlan>> plan_kafka(KafkaSourceOptions options, const base::CancelToken& cancel) {
  if (options.topic.empty()) return base::plan_error("the topic has no name");
  if (options.balance && options.group.empty()) return base::plan_error("partitions that a group deals out need a group", "group=\"...\"");
  if (options.balance && options.until_end) {
    return base::plan_error("a topic read to its end is read whole: its partitions are not dealt out", "leave out balance or until");
  }
  if (options.start == "committed" && options.group.empty()) return base::plan_error("start=\"committed\" needs a group", "group=\"...\"");
  const bool told = !options.dead_letters.empty() || options.tell_bad;
  if (options.on_error == BadMessages::kDeadLetter ? !told : !options.dead_letters.empty()) {
    return base::plan_error("on_error=\"dead_letter\" and dead_letters=FILE go together");
  }
  auto out = std::make_shared<KafkaPlan>();
  ARROW_ASSIGN_OR_RAISE(auto decoder, decoder_of(options, cancel));
  ARROW_ASSIGN_OR_RAISE(auto columns, KafkaColumns::make(std::move(decoder), options.topic, options.metadata, options.text_keys));
  out->columns = std::make_shared<const KafkaColumns>(std::move(columns));
  out->options = std::move(options);
  return out;
}

}  // namespace gristmill::stream
