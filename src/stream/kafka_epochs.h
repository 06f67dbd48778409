// The transactions of a topic's epochs, each seen to its end.
//
// A commit that Kafka has answered is on record with its coordinator; readers see the rows when a marker of it stands in each partition.
// A broker may lose markers for good: 4.3 does where a partition has no leader for a moment while they are sent, as when a broker comes
// back from a crash (KAFKA-20734). The rows of such a partition then hang: nobody sees them or anything behind them, and the next
// transaction that writes there decides over them too, so that an epoch that counts would go with one that is undone. So a commit is over
// when its end stands in every partition, and nothing new is begun before. Where the coordinator is through with a transaction and rows
// hang, they are mended: undone by a transaction that is aborted, and written again by one that commits. The group's offsets keep for each
// partition where the rows of its last epoch are, and during mending that it goes on, so that a run that is killed there is continued.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "base/cancellation.h"
#include "io/connect/kafka_client.h"

namespace gristmill::stream {

// Where the rows of an epoch are in a partition: all from `first` to `last` are ours if `count` messages are there. -1: Kafka did not say.
struct EpochRows {
  int64_t first = 0, last = 0, count = 0;
  bool mending = false;
};
std::string epoch_rows_text(const EpochRows& rows);
bool parse_epoch_rows(const std::string& text, EpochRows& rows);  // false: it is none

class KafkaEpochs {
 public:
  // `producer` has a transactional id; `group` keeps the epochs.
  static arrow::Result<std::unique_ptr<KafkaEpochs>> open(io::KafkaAddress address, std::string topic, std::string group,
                                                          std::string transactional_id, io::KafkaClientPtr producer,
                                                          base::CancelToken cancel);
  int64_t committed() const { return committed_; }
  arrow::Status begin();
  // Everything sent has arrived; `beside` are positions of other topics, for those who look at lags.
  arrow::Status prepare(int64_t epoch, const std::vector<io::KafkaPosition>& beside);
  arrow::Status commit(int64_t epoch);
  void abort();
  bool in_transaction() const { return in_transaction_; }

 private:
  KafkaEpochs(io::KafkaAddress address, std::string topic, std::string group, std::string transactional_id, io::KafkaClientPtr producer,
              base::CancelToken cancel)
      : address_(std::move(address)), topic_(std::move(topic)), group_(std::move(group)), transactional_id_(std::move(transactional_id)),
        producer_(std::move(producer)), cancel_(std::move(cancel)) {}
  arrow::Status recover();
  arrow::Result<io::KafkaClientPtr> reader(const char* isolation) const;

  std::vector<io::KafkaPosition> positions() const;  // of the committed epoch, with the rows of every partition
  void take_rows_sent();
  arrow::Status commit_positions();  // alone
  arrow::Result<std::map<int32_t, int64_t>> ends(io::KafkaClient& of, const std::vector<int32_t>& partitions) const;
  // Those partitions of which it does not hold of the end of what readers see, within a time in which brokers answer.
  arrow::Result<std::vector<int32_t>> wait_until(std::vector<int32_t> partitions, const std::function<bool(int32_t, int64_t)>& holds,
                                                 int64_t patience_ms) const;
  arrow::Result<std::vector<int32_t>> hanging(const std::vector<int32_t>& partitions, int64_t patience_ms) const;

  arrow::Status settle(std::vector<int32_t> partitions);
  arrow::Status mend(const std::vector<int32_t>& partitions);
  arrow::Status finish_mending();
  arrow::Status undo_open(const std::vector<int32_t>& partitions);
  // The messages of a partition's rows, sent again or only counted.
  arrow::Result<int64_t> read_rows(int32_t partition, const EpochRows& rows, bool send);
  arrow::Status send(const GmKafkaOutgoing& message);
  arrow::Status lost(int32_t partition, const std::string& why) const;

  const io::KafkaAddress address_;
  const std::string topic_, group_, transactional_id_;
  const io::KafkaClientPtr producer_;
  const base::CancelToken cancel_;
  io::KafkaClientPtr seen_;             // what readers of committed messages see
  std::map<int32_t, EpochRows> rows_;   // of the last epoch that wrote there
  std::vector<int32_t> written_;        // by the transaction under way
  int64_t committed_ = 0, prepared_ = 0;
  bool in_transaction_ = false;
};

}  // namespace gristmill::stream
