// Messages that could not be read, kept in a file: one JSON object a line, with its place and why.
//
//   {"topic":"orders","partition":3,"offset":17,"timestamp":1767225600000,"key":"7","error":"cannot read the value as int64",
//    "column":"amount","value":"\"x\"","message":"{\"amount\":\"x\"}"}
// A message or key that is no UTF-8 stands under "message_base64", "key_base64". What a run cut off may have written stands there again
// after it goes on: topic, partition and offset say that it is the same. Lines wait until flush(), and go in the order of partition and
// offset; when too many wait they are written before. Thread safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include <arrow/result.h>

#include "io/connect/module/kafka_module.h"

namespace gristmill::stream {

class MessageLetters {
 public:
  static arrow::Result<std::unique_ptr<MessageLetters>> open(const std::string& path);
  ~MessageLetters();
  arrow::Status add(const std::string& topic, int32_t partition, const GmKafkaMessage& message, const arrow::Status& error);
  arrow::Status flush();  // to the disk

 private:
  MessageLetters(std::string path, int file) : path_(std::move(path)), file_(file) {}
  arrow::Status write_waiting();  // under the lock
  const std::string path_;
  const int file_;
  std::mutex mutex_;
  std::vector<std::tuple<int32_t, int64_t, std::string>> waiting_;
  int64_t held_ = 0;
};

}  // namespace gristmill::stream
