// Appending, so that a run that goes on adds to what the one before had.

#include "stream/message_letters.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <arrow/util/base64.h>
#include <simdjson.h>

#include "base/status.h"
#include "io/text_format.h"

namespace gristmill::stream {
namespace {

constexpr int64_t kMostWaiting = int64_t{8} << 20;

void append_bytes(const char* name, const char* data, int64_t size, std::string& out) {
  if (data == nullptr) return;
  const std::string_view bytes(data, static_cast<size_t>(size));
  out += ",\"";
  out += name;
  if (simdjson::validate_utf8(bytes.data(), bytes.size())) {
    out += "\":";
    io::append_json_text(bytes, out);
  } else {
    out += "_base64\":\"" + arrow::util::base64_encode(bytes) + "\"";
  }
}

void append_text(const char* name, const std::string& text, std::string& out) {
  if (text.empty()) return;
  out += ",\"";
  out += name;
  out += "\":";
  io::append_json_text(text, out);
}

}  // namespace

arrow::Result<std::unique_ptr<MessageLetters>> MessageLetters::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) return base::io_error("cannot write " + path + ": " + std::strerror(errno), path);
  return std::unique_ptr<MessageLetters>(new MessageLetters(path, file));
}

MessageLetters::~MessageLetters() {
  {
    std::lock_guard lock(mutex_);
    (void)write_waiting();
  }
  ::close(file_);
}

arrow::Status MessageLetters::add(const std::string& topic, int32_t partition, const GmKafkaMessage& m, const arrow::Status& error) {
  std::string line = "{\"topic\":";
  io::append_json_text(topic, line);
  line += ",\"partition\":" + std::to_string(partition) + ",\"offset\":" + std::to_string(m.offset);
  if (m.timestamp_ms >= 0) line += ",\"timestamp\":" + std::to_string(m.timestamp_ms);
  append_bytes("key", m.key, m.key_size, line);
  append_text("error", error.message(), line);
  if (const auto detail = base::error_detail(error)) {
    append_text("column", detail->column, line);
    append_text("value", detail->value, line);
  }
  append_bytes("message", m.value, m.value_size, line);
  line += "}\n";
  std::lock_guard lock(mutex_);
  held_ += std::ssize(line);
  waiting_.emplace_back(partition, m.offset, std::move(line));
  return held_ > kMostWaiting ? write_waiting() : arrow::Status::OK();
}

arrow::Status MessageLetters::write_waiting() {
  std::sort(waiting_.begin(), waiting_.end());
  std::string all;
  for (const auto& [partition, offset, line] : waiting_) all += line;
  waiting_.clear();
  held_ = 0;
  for (size_t at = 0; at < all.size();) {
    const ssize_t n = ::write(file_, all.data() + at, all.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::io_error("cannot write " + path_ + ": " + std::strerror(errno), path_);
    at += static_cast<size_t>(n);
  }
  return arrow::Status::OK();
}

arrow::Status MessageLetters::flush() {
  std::lock_guard lock(mutex_);
  if (waiting_.empty()) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(write_waiting());
  if (::fsync(file_) != 0 && errno != EINVAL && errno != EROFS) {
    return base::io_error("cannot write " + path_ + ": " + std::strerror(errno), path_);
  }
  return arrow::Status::OK();
}

}  // namespace gristmill::stream
