// Rows as messages in one run of bytes, so that workers can encode what one thread then sends in order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"
#include "io/connect/module/kafka_module.h"
#include "io/record_encoder.h"
#include "stream/kafka_sink.h"

namespace gristmill::stream {

// Which columns become what of a message.
class MessageWriter {
 public:
  static arrow::Result<MessageWriter> make(const arrow::Schema& schema, const KafkaSinkOptions& options);
  bool by_row() const { return encoder_ != nullptr; }                             // false: Arrow IPC
  const std::shared_ptr<arrow::Schema>& value_schema() const { return values_; }  // border types
  // Appends the message of a row of a dense flat batch. A data error has its batch_row.
  arrow::Status append(const column::Batch& flat, const column::Batch& values, int64_t row, std::string& out) const;
  column::Batch values_of(const column::Batch& flat) const;

 private:
  arrow::Status append_headers(const column::Batch& flat, int64_t row, std::string& out) const;

  std::shared_ptr<arrow::Schema> values_;
  std::vector<int> value_columns_;
  int key_ = -1, partition_ = -1, timestamp_ = -1, headers_ = -1;
  int64_t ticks_ = 1000;  // of the timestamp, a second
  io::RecordEncoderPtr encoder_;
};

// The messages in a piece, one after the other. What it points to lies in the piece.
class MessageReader {
 public:
  explicit MessageReader(std::string_view piece) : piece_(piece) {}
  bool next(GmKafkaOutgoing& out);
  size_t at() const { return at_; }
  void go_to(size_t at) { at_ = at; }

 private:
  std::string_view piece_;
  size_t at_ = 0;
  std::vector<GmKafkaHeader> headers_;
  std::vector<std::string> names_;
};

}  // namespace gristmill::stream
