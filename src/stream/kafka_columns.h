// From messages to a source's columns: the format's, then what Kafka says of each message.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"
#include "io/connect/kafka_client.h"
#include "io/record_decoder.h"

namespace gristmill::stream {

enum class MessageColumn : uint8_t { kTopic, kPartition, kOffset, kTimestamp, kKey, kHeaders };

// Messages [first, first + count) of a batch.
struct MessageRange {
  io::KafkaBatchPtr batch;
  int64_t first = 0;
  int64_t count = 0;
  std::span<const GmKafkaMessage> messages() const {
    return batch->messages().subspan(static_cast<size_t>(first), static_cast<size_t>(count));
  }
};

class KafkaColumns {
 public:
  // A plan error names a piece of metadata that Kafka has not, or a column that stands twice.
  static arrow::Result<KafkaColumns> make(io::RecordDecoderPtr decoder, std::string topic, const std::vector<std::string>& metadata,
                                          bool text_keys);
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

  struct Rows {
    int64_t rows = 0;
    std::vector<column::Column> columns;  // as wanted; flat or constant
    std::vector<io::BadMessage> bad;      // by message of the range
    std::vector<int32_t> message_of;      // of each row; empty: row i is message i
  };
  arrow::Result<Rows> rows_of(const MessageRange& range, const std::vector<int>& wanted, arrow::MemoryPool* pool) const;

 private:
  arrow::Result<column::Column> metadata_of(MessageColumn what, const MessageRange& range, const std::vector<int32_t>& messages,
                                            arrow::MemoryPool* pool) const;
  arrow::Result<column::Column> headers_of(const MessageRange& range, const std::vector<int32_t>& messages, arrow::MemoryPool* pool) const;

  io::RecordDecoderPtr decoder_;
  std::string topic_;
  bool text_keys_ = true;
  bool checks_keys_ = false;
  std::vector<MessageColumn> metadata_;
  std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace gristmill::stream
