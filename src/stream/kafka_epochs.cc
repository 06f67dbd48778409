// Commits waited for, and rows that hang written again.

#include "stream/kafka_epochs.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <sstream>
#include <thread>

#include "base/notice.h"
#include "base/status.h"

namespace gristmill::stream {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kMarkersMs = 3000;    // markers come within milliseconds of the answer to a commit
constexpr int64_t kSurelyMs = 500;      // when the coordinator is through with them
constexpr int64_t kForeignMs = 1000;    // transactions of others that are open when a sink begins
constexpr int kMendings = 3;            // in a row, when brokers die again meanwhile
constexpr int64_t kMessagesAtOnce = 1000;

int64_t milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count();
}

std::vector<int32_t> keys_of(const std::map<int32_t, EpochRows>& rows) {
  std::vector<int32_t> out;
  for (const auto& [partition, _] : rows) out.push_back(partition);
  return out;
}

}  // namespace

std::string epoch_rows_text(const EpochRows& rows) {
  const std::string kind = rows.mending ? "mending " : "rows ";
  return kind + std::to_string(rows.first) + " " + std::to_string(rows.last) + " " + std::to_string(rows.count);
}

bool parse_epoch_rows(const std::string& text, EpochRows& rows) {
  std::istringstream in(text);
  std::string kind;
  in >> kind >> rows.first >> rows.last >> rows.count;
  rows.mending = kind == "mending";
  return !in.fail() && (rows.mending || kind == "rows");
}

arrow::Result<std::unique_ptr<KafkaEpochs>> KafkaEpochs::open(io::KafkaAddress address, std::string topic, std::string group,
                                                              std::string transactional_id, io::KafkaClientPtr producer,
                                                              base::CancelToken cancel) {
  std::unique_ptr<KafkaEpochs> out(new KafkaEpochs(std::move(address), std::move(topic), std::move(group), std::move(transactional_id),
                                                   std::move(producer), std::move(cancel)));
  ARROW_RETURN_NOT_OK(out->recover());
  return out;
}

arrow::Result<io::KafkaClientPtr> KafkaEpochs::reader(const char* isolation) const {
  return io::KafkaClient::open(io::KafkaClient::Kind::kConsumer, address_,
                               {{"group.id", group_}, {"enable.auto.commit", "false"}, {"isolation.level", isolation}}, {}, cancel_);
}

// What an earlier run left: its open transaction is undone, its last epoch is seen to its end.
arrow::Status KafkaEpochs::recover() {
  ARROW_RETURN_NOT_OK(producer_->init_transactions());
  ARROW_ASSIGN_OR_RAISE(seen_, reader("read_committed"));
  ARROW_ASSIGN_OR_RAISE(const int32_t count, seen_->partitions(topic_));
  std::vector<io::KafkaPosition> all;
  for (int32_t p = 0; p < count; ++p) all.push_back({topic_, p, 0});
  const arrow::Status asked = seen_->committed(topic_, all);
  if (!asked.ok()) {
    if (seen_->last_error().name != "UNSTABLE_OFFSET_COMMIT") return asked;
    return base::io_error(
        "the last transaction of \"" + transactional_id_ + "\" never ended in the offsets of the group \"" + group_ +
            "\", so nobody can say whether its epoch counts: " + asked.message(),
        {}, "kafka-transactions.sh --bootstrap-server " + address_.servers + " describe --transactional-id " + transactional_id_);
  }
  committed_ = std::max<int64_t>(all[0].offset, 0);
  bool mending = false;
  for (const io::KafkaPosition& p : all) {
    EpochRows rows;
    if (p.offset < 0 || !parse_epoch_rows(p.note, rows)) continue;
    mending = mending || rows.mending;
    rows_[p.partition] = rows;
  }
  if (mending) ARROW_RETURN_NOT_OK(finish_mending());
  ARROW_RETURN_NOT_OK(settle(keys_of(rows_)));

  // Rows that an earlier run had undone hang too where that did not reach the partition, and would count with the next epoch's.
  ARROW_ASSIGN_OR_RAISE(const auto everything, reader("read_uncommitted"));
  std::vector<int32_t> partitions;
  for (int32_t p = 0; p < count; ++p) partitions.push_back(p);
  ARROW_ASSIGN_OR_RAISE(const auto there, ends(*everything, partitions));
  ARROW_ASSIGN_OR_RAISE(const auto open,
                        wait_until(partitions, [&](int32_t p, int64_t end) { return end >= there.at(p); }, kForeignMs));
  return open.empty() ? arrow::Status::OK() : undo_open(open);
}

arrow::Status KafkaEpochs::begin() {
  ARROW_RETURN_NOT_OK(producer_->begin_transaction());
  in_transaction_ = true;
  return arrow::Status::OK();
}

// The epoch stands where an offset of our own topic would.
std::vector<io::KafkaPosition> KafkaEpochs::positions() const {
  std::vector<io::KafkaPosition> out;
  if (!rows_.contains(0)) out.push_back({topic_, 0, prepared_});
  for (const auto& [partition, rows] : rows_) out.push_back({topic_, partition, prepared_, epoch_rows_text(rows)});
  return out;
}

void KafkaEpochs::take_rows_sent() {
  written_.clear();
  for (const GmKafkaSpan& s : producer_->delivered()) {
    rows_[s.partition] = {s.first, s.last, s.count};
    if (s.first >= 0) written_.push_back(s.partition);
  }
}

arrow::Status KafkaEpochs::commit_positions() {
  prepared_ = committed_;
  ARROW_RETURN_NOT_OK(begin());
  ARROW_RETURN_NOT_OK(producer_->add_offsets(group_, positions()));
  ARROW_RETURN_NOT_OK(producer_->commit_transaction());
  in_transaction_ = false;
  return arrow::Status::OK();
}

arrow::Status KafkaEpochs::prepare(int64_t epoch, const std::vector<io::KafkaPosition>& beside) {
  take_rows_sent();
  prepared_ = epoch;
  std::vector<io::KafkaPosition> with = positions();
  with.insert(with.end(), beside.begin(), beside.end());
  return producer_->add_offsets(group_, with);
}

arrow::Status KafkaEpochs::commit(int64_t epoch) {
  ARROW_RETURN_NOT_OK(producer_->commit_transaction());
  in_transaction_ = false;
  committed_ = epoch;
  return settle(written_);
}

void KafkaEpochs::abort() {
  if (in_transaction_) {
    (void)producer_->abort_transaction();  // what is left of it the next run undoes
  } else {
    producer_->purge();
  }
  in_transaction_ = false;
}

arrow::Result<std::map<int32_t, int64_t>> KafkaEpochs::ends(io::KafkaClient& of, const std::vector<int32_t>& partitions) const {
  std::map<int32_t, int64_t> out;
  if (partitions.empty()) return out;
  std::vector<io::KafkaPosition> asked;
  for (const int32_t p : partitions) asked.push_back({topic_, p, GM_KAFKA_END});
  ARROW_RETURN_NOT_OK(of.at_time(topic_, asked));
  for (const io::KafkaPosition& p : asked) out[p.partition] = p.offset;
  return out;
}

arrow::Result<std::vector<int32_t>> KafkaEpochs::wait_until(std::vector<int32_t> left, const std::function<bool(int32_t, int64_t)>& holds,
                                                            int64_t patience_ms) const {
  Clock::time_point begin;
  for (int64_t pause_us = 500;; pause_us = std::min<int64_t>(pause_us * 2, 50'000)) {
    ARROW_ASSIGN_OR_RAISE(const auto now, ends(*seen_, left));
    std::erase_if(left, [&](int32_t p) { return holds(p, now.at(p)); });
    if (left.empty()) return left;
    if (begin == Clock::time_point{}) begin = Clock::now();  // the broker answers
    if (milliseconds_since(begin) >= patience_ms) return left;
    ARROW_RETURN_NOT_OK(cancel_.check());
    std::this_thread::sleep_for(std::chrono::microseconds(pause_us));
  }
}

// Readers come to the first message of the oldest transaction that is open: where that message is ours the transaction is. Where others'
// keep readers from coming so far nobody can say, and nothing is done.
arrow::Result<std::vector<int32_t>> KafkaEpochs::hanging(const std::vector<int32_t>& partitions, int64_t patience_ms) const {
  return wait_until(partitions, [&](int32_t p, int64_t end) { return end != rows_.at(p).first; }, patience_ms);
}

arrow::Status KafkaEpochs::settle(std::vector<int32_t> partitions) {
  for (int mendings = 0;; ++mendings) {
    ARROW_ASSIGN_OR_RAISE(partitions, hanging(partitions, kMarkersMs));
    if (partitions.empty()) return arrow::Status::OK();
    // A transaction begins with the coordinator when it is through with the one before: markers that are not there now will not come.
    ARROW_RETURN_NOT_OK(commit_positions());
    ARROW_ASSIGN_OR_RAISE(partitions, hanging(partitions, kSurelyMs));
    if (partitions.empty()) return arrow::Status::OK();
    if (mendings == kMendings) return lost(partitions[0], "and each time they were written again that was lost too");
    ARROW_RETURN_NOT_OK(mend(partitions));
  }
}

arrow::Status KafkaEpochs::mend(const std::vector<int32_t>& partitions) {
  for (const int32_t p : partitions) {
    ARROW_ASSIGN_OR_RAISE(const int64_t there, read_rows(p, rows_.at(p), false));
    if (there == rows_.at(p).count) continue;
    return lost(p, "and among them are messages of others (" + std::to_string(there) + " instead of " + std::to_string(rows_.at(p).count) +
                       "), so that they cannot be written again");
  }
  for (const int32_t p : partitions) rows_.at(p).mending = true;
  ARROW_RETURN_NOT_OK(commit_positions());
  return finish_mending();
}

// Rows that hang are undone, unless an earlier run came so far; then they are written once more, and count with the transaction that
// forgets the mending.
arrow::Status KafkaEpochs::finish_mending() {
  std::vector<int32_t> mending;
  for (const auto& [p, rows] : rows_) {
    if (rows.mending) mending.push_back(p);
  }
  for (int tries = 0;; ++tries) {
    ARROW_ASSIGN_OR_RAISE(const auto left, hanging(mending, tries == 0 ? 0 : kMarkersMs));
    if (left.empty()) break;
    if (tries == kMendings) return lost(left[0], "and cannot be undone");
    ARROW_RETURN_NOT_OK(undo_open(left));
  }
  prepared_ = committed_;
  ARROW_RETURN_NOT_OK(begin());
  int64_t messages = 0;
  for (const int32_t p : mending) {
    ARROW_ASSIGN_OR_RAISE(const int64_t sent, read_rows(p, rows_.at(p), true));
    if (sent != rows_.at(p).count) return lost(p, "and could not be read to be written again");
    messages += sent;
  }
  ARROW_RETURN_NOT_OK(producer_->flush());
  take_rows_sent();
  ARROW_RETURN_NOT_OK(producer_->add_offsets(group_, positions()));
  ARROW_RETURN_NOT_OK(producer_->commit_transaction());
  in_transaction_ = false;
  base::notice("Kafka lost the end of the transaction of epoch " + std::to_string(committed_) + " of \"" + transactional_id_ + "\" in " +
               std::to_string(mending.size()) + " partitions of the topic \"" + topic_ + "\"; its " + std::to_string(messages) +
               " messages there were written again");
  return arrow::Status::OK();
}

// A transaction that writes in them and is aborted takes along what is open there and ours.
arrow::Status KafkaEpochs::undo_open(const std::vector<int32_t>& partitions) {
  static constexpr char kKey[] = "undone";  // compacted topics take no message without a key
  ARROW_RETURN_NOT_OK(begin());
  for (const int32_t p : partitions) {
    GmKafkaOutgoing nothing{};
    nothing.topic = topic_.c_str();
    nothing.partition = p;
    nothing.key = kKey;
    nothing.key_size = sizeof kKey - 1;
    nothing.timestamp_ms = -1;
    ARROW_RETURN_NOT_OK(send(nothing));
  }
  ARROW_RETURN_NOT_OK(producer_->flush());
  ARROW_RETURN_NOT_OK(producer_->abort_transaction());
  in_transaction_ = false;
  return arrow::Status::OK();
}

arrow::Result<int64_t> KafkaEpochs::read_rows(int32_t partition, const EpochRows& rows, bool send_them) {
  ARROW_ASSIGN_OR_RAISE(const auto client, reader("read_uncommitted"));
  ARROW_ASSIGN_OR_RAISE(const auto behind, ends(*client, {partition}));
  if (behind.at(partition) <= rows.last) return lost(partition, "and they are no longer in the topic");
  ARROW_RETURN_NOT_OK(client->assign(topic_, {{topic_, partition, rows.first}}));
  int64_t count = 0;
  for (Clock::time_point last = Clock::now(); milliseconds_since(last) < address_.timeout_ms;) {
    ARROW_RETURN_NOT_OK(cancel_.check());
    ARROW_ASSIGN_OR_RAISE(const auto batch, client->poll(partition, kMessagesAtOnce));
    if (batch == nullptr) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      continue;
    }
    last = Clock::now();
    const auto messages = batch->messages();
    for (size_t i = 0; i < messages.size(); ++i) {
      const GmKafkaMessage& m = messages[i];
      if (m.offset > rows.last) return count;
      ++count;
      if (send_them) {
        const auto headers = batch->headers(static_cast<int64_t>(i));
        ARROW_RETURN_NOT_OK(send({topic_.c_str(), partition, m.key, m.key_size, m.value, m.value_size, m.timestamp_ms, headers.data(),
                                  static_cast<int64_t>(headers.size())}));
      }
      if (m.offset == rows.last) return count;
    }
  }
  return lost(partition, "and nobody gives them to be read");
}

arrow::Status KafkaEpochs::send(const GmKafkaOutgoing& message) {
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const bool taken, producer_->send(message));
    if (taken) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(producer_->flush());
  }
}

arrow::Status KafkaEpochs::lost(int32_t partition, const std::string& why) const {
  const EpochRows& rows = rows_.at(partition);
  return base::io_error(
      "Kafka lost the end of the transaction of epoch " + std::to_string(committed_) + " of \"" + transactional_id_ + "\" in partition " +
          std::to_string(partition) + " of the topic \"" + topic_ + "\": it has committed it, but no reader sees its " +
          std::to_string(rows.count) + " messages from offset " + std::to_string(rows.first) + " to " + std::to_string(rows.last) + ", " +
          why,
      {}, "kafka-transactions.sh --bootstrap-server " + address_.servers + " find-hanging --topic " + topic_);
}

}  // namespace gristmill::stream
