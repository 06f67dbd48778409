// The module's table behind a client; its errors as ours.

#include "io/connect/kafka_client.h"

#include <algorithm>

#include "base/notice.h"
#include "base/status.h"
#include "io/connect/load_module.h"

namespace gristmill::io {
namespace {

arrow::Result<const GmKafkaTable*> module_table() {
  static const GmKafkaTable* table = nullptr;  // the module stays open, so the first answer holds
  if (table != nullptr) return table;
  const auto entry = load_module("libgristmill_kafka.so", GM_KAFKA_ENTRY);
  if (!entry.ok()) {
    return base::io_error(entry.status().message(), {},
                          "the module is built where librdkafka is installed: apt-get install librdkafka-dev");
  }
  const GmKafkaTable* found = reinterpret_cast<GmKafkaEntry>(*entry)();
  if (found->abi != GM_KAFKA_ABI) return base::io_error("libgristmill_kafka.so belongs to another version of the engine");
  return table = found;
}

std::string hint_of(const std::string& name) {
  if (name == "UNKNOWN_TOPIC_OR_PART" || name == "_UNKNOWN_TOPIC") return "the topic must exist; its name is spelled exactly";
  if (name == "_AUTO_OFFSET_RESET" || name == "OFFSET_OUT_OF_RANGE") {
    return "the messages that come next are no longer in the topic: its retention is shorter than this reader was away";
  }
  if (name == "UNSTABLE_OFFSET_COMMIT") {
    return "the end of a transaction was never written into the group's partition: kafka-transactions.sh find-hanging shows it";
  }
  if (name.ends_with("AUTHORIZATION_FAILED") || name == "_AUTHENTICATION" || name == "SASL_AUTHENTICATION_FAILED") {
    return "properties={\"security.protocol\": ..., \"sasl.mechanism\": ..., ...} say who is asking";
  }
  return {};
}

std::vector<GmKafkaPosition> plain(const std::vector<KafkaPosition>& positions) {
  std::vector<GmKafkaPosition> out;
  for (const KafkaPosition& p : positions) {
    out.push_back({p.topic.empty() ? nullptr : p.topic.c_str(), p.partition, p.offset, p.note.empty() ? nullptr : p.note.c_str()});
  }
  return out;
}

}  // namespace

KafkaBatch::KafkaBatch(std::shared_ptr<KafkaClient> client, GmKafkaBatch* batch)
    : client_(std::move(client)), batch_(batch), shown_(client_->table_->messages(batch)) {}

KafkaBatch::~KafkaBatch() { client_->table_->release(batch_); }

std::span<const GmKafkaHeader> KafkaBatch::headers(int64_t message) const {
  const GmKafkaHeader* found = nullptr;
  const size_t n = client_->table_->headers(batch_, message, &found);
  return {found, n};
}

arrow::Result<std::shared_ptr<KafkaClient>> KafkaClient::open(Kind kind, const KafkaAddress& address,
                                                              const std::map<std::string, std::string>& own, std::function<void()> wake,
                                                              base::CancelToken cancel) {
  if (address.servers.empty()) return base::plan_error("no servers for Kafka", "servers=\"host:9092\"");
  ARROW_ASSIGN_OR_RAISE(const GmKafkaTable* table, module_table());
  std::map<std::string, std::string> all = own;
  for (const auto& [name, value] : address.properties) all[name] = value;
  all["bootstrap.servers"] = address.servers;
  std::vector<GmKafkaSetting> settings;
  for (const auto& [name, value] : all) settings.push_back({name.c_str(), value.c_str()});
  std::shared_ptr<KafkaClient> out(new KafkaClient(table, address, std::move(wake), std::move(cancel)));  // its constructor is private
  const GmKafkaWake woken{[](void* self) {
                            const auto& k = *static_cast<KafkaClient*>(self);
                            if (k.wake_) k.wake_();
                          },
                          out.get()};
  char reason[512] = {};
  out->client_ = table->open(kind == Kind::kProducer ? 1 : 0, settings.data(), settings.size(), woken, reason, sizeof reason);
  if (out->client_ == nullptr) return base::plan_error(std::string("Kafka's settings are refused: ") + reason);
  return out;
}

KafkaClient::~KafkaClient() {
  if (client_ != nullptr) table_->close(client_);
}

GmKafkaStop KafkaClient::stop() {
  return {[](void* self) { return static_cast<KafkaClient*>(self)->cancel_.check().ok() ? 0 : 1; }, this};
}

arrow::Status KafkaClient::check(int outcome, const std::string& doing) {
  if (outcome == GM_KAFKA_OK) return arrow::Status::OK();
  if (outcome == GM_KAFKA_STOPPED) {
    const arrow::Status why = cancel_.check();
    return why.ok() ? base::cancelled_error() : why;
  }
  const GmKafkaError& e = *table_->error(client_);
  last_ = {e.name, e.passing != 0, e.abortable != 0, e.fenced != 0};
  std::string hint = hint_of(last_.name);
  if (last_.fenced) hint = "another run with the same name has taken over its transactions";
  return base::io_error(doing + " failed: " + e.message + " (" + e.name + ", " + address_.servers + ")", {}, hint);
}

// What a client is asked first: a wrong address is waited for like a broker that starts later, but not in silence.
arrow::Result<int32_t> KafkaClient::partitions(const std::string& topic) {
  constexpr int64_t kInSilence = 3'000;
  int32_t count = 0;
  int outcome = table_->partitions(client_, topic.c_str(), &count, std::min(kInSilence, address_.timeout_ms), stop());
  if (outcome == GM_KAFKA_FAILED && address_.timeout_ms > kInSilence && table_->error(client_)->passing != 0) {
    base::notice("no answer from Kafka at " + address_.servers + " yet (" + table_->error(client_)->message + "); waiting for it up to " +
                 std::to_string(address_.timeout_ms / 1000) + " s");
    outcome = table_->partitions(client_, topic.c_str(), &count, address_.timeout_ms - kInSilence, stop());
  }
  ARROW_RETURN_NOT_OK(check(outcome, "looking up the topic \"" + topic + "\" of Kafka"));
  return count;
}

arrow::Result<std::pair<int64_t, int64_t>> KafkaClient::bounds(const std::string& topic, int32_t partition) {
  int64_t low = 0, high = 0;
  ARROW_RETURN_NOT_OK(check(table_->bounds(client_, topic.c_str(), partition, &low, &high, address_.timeout_ms, stop()),
                            "looking up partition " + std::to_string(partition) + " of the topic \"" + topic + "\""));
  return std::make_pair(low, high);
}

arrow::Status KafkaClient::at_time(const std::string& topic, std::vector<KafkaPosition>& positions) {
  auto all = plain(positions);
  ARROW_RETURN_NOT_OK(check(table_->at_time(client_, topic.c_str(), all.data(), all.size(), address_.timeout_ms, stop()),
                            "looking for a time in the topic \"" + topic + "\""));
  for (size_t i = 0; i < all.size(); ++i) positions[i].offset = all[i].offset;
  return arrow::Status::OK();
}

arrow::Status KafkaClient::committed(const std::string& topic, std::vector<KafkaPosition>& positions) {
  auto all = plain(positions);
  ARROW_RETURN_NOT_OK(check(table_->committed(client_, topic.c_str(), all.data(), all.size(), address_.timeout_ms, stop()),
                            "looking up what the group has read of the topic \"" + topic + "\""));
  for (size_t i = 0; i < all.size(); ++i) {
    positions[i].offset = all[i].offset;
    positions[i].note = all[i].note != nullptr ? all[i].note : "";
  }
  return arrow::Status::OK();
}

arrow::Status KafkaClient::assign(const std::string& topic, const std::vector<KafkaPosition>& positions) {
  const auto all = plain(positions);
  return check(table_->assign(client_, topic.c_str(), all.data(), all.size()), "reading the topic \"" + topic + "\"");
}

arrow::Status KafkaClient::assign_more(const std::string& topic, const std::vector<KafkaPosition>& positions) {
  const auto all = plain(positions);
  return check(table_->assign_more(client_, all.data(), all.size()), "reading partitions added to the topic \"" + topic + "\"");
}

arrow::Status KafkaClient::subscribe(const std::string& topic) {
  return check(table_->subscribe(client_, topic.c_str()), "joining the group for the topic \"" + topic + "\"");
}

arrow::Result<KafkaBatchPtr> KafkaClient::poll(int32_t partition, int64_t most) {
  GmKafkaBatch* batch = nullptr;
  ARROW_RETURN_NOT_OK(check(table_->poll(client_, partition, most, &batch), "reading from Kafka"));
  if (batch == nullptr) return nullptr;
  return std::make_shared<const KafkaBatch>(shared_from_this(), batch);
}

std::vector<GmKafkaPartition> KafkaClient::state() {
  const GmKafkaPartition* all = nullptr;
  const size_t n = table_->state(client_, &all);
  return {all, all + n};
}

arrow::Status KafkaClient::commit(const std::string& topic, const std::vector<KafkaPosition>& positions, bool wait) {
  if (positions.empty()) return arrow::Status::OK();
  const auto all = plain(positions);
  return check(table_->commit(client_, topic.c_str(), all.data(), all.size(), wait ? 1 : 0), "committing offsets to Kafka");
}

arrow::Result<bool> KafkaClient::send(const GmKafkaOutgoing& message) {
  const int outcome = table_->send(client_, &message);
  if (outcome == GM_KAFKA_FULL) return false;
  ARROW_RETURN_NOT_OK(check(outcome, std::string("writing to the topic \"") + message.topic + "\""));
  return true;
}

arrow::Status KafkaClient::flush() { return check(table_->flush(client_, stop()), "writing to Kafka"); }

arrow::Status KafkaClient::init_transactions() {
  return check(table_->transactions(client_, address_.timeout_ms, stop()), "taking over the transactions");
}

arrow::Status KafkaClient::begin_transaction() { return check(table_->begin(client_), "beginning a transaction in Kafka"); }

arrow::Status KafkaClient::add_offsets(const std::string& group, const std::vector<KafkaPosition>& positions) {
  const auto all = plain(positions);
  return check(table_->add_offsets(client_, group.c_str(), all.data(), all.size(), address_.timeout_ms, stop()),
               "adding positions to a transaction in Kafka");
}

arrow::Status KafkaClient::commit_transaction() {
  return check(table_->commit_transaction(client_, address_.timeout_ms, stop()), "committing a transaction in Kafka");
}

std::vector<GmKafkaSpan> KafkaClient::delivered() {
  const GmKafkaSpan* all = nullptr;
  const size_t n = table_->delivered(client_, &all);
  return {all, all + n};
}

arrow::Status KafkaClient::abort_transaction() {
  constexpr int64_t kWait = 5000;  // what is left is ended by the next producer of this id, or by the broker's own clock
  return check(table_->abort_transaction(client_, kWait), "undoing a transaction in Kafka");
}

}  // namespace gristmill::io
