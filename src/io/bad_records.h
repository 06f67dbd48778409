// Records that a scan with on_error = skip leaves out, told to whoever listens on the thread that reads.
//
//   BadRecordScope scope([&](const BadRecord& r) { ... });
//   scan.read(seq, ...);
//
// Without a listener nothing is collected. The records of one morsel come in the order of their rows, before any of its batches or
// between them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gristmill::io {

struct BadRecord {
  int32_t input = -1;  // as in column::Origin
  int64_t row = -1;    // of the file, from 0
  int64_t line = -1;   // of the file, from 1
  std::string text;    // the record as it stands there, without its line end
  std::string column;
  std::string value;
  std::string message;
  // Names of the fields of `text`, where the header of its file says which is which; null: the place says it, or the record does.
  std::shared_ptr<const std::vector<std::string>> columns = {};
};

using OnBadRecord = std::function<void(BadRecord)>;

class BadRecordScope {
 public:
  explicit BadRecordScope(OnBadRecord listener);
  ~BadRecordScope();
  BadRecordScope(const BadRecordScope&) = delete;
  BadRecordScope& operator=(const BadRecordScope&) = delete;
  // Of this thread; null: nobody listens.
  static const OnBadRecord* current();

 private:
  const OnBadRecord listener_;
  const OnBadRecord* const before_;
};

}  // namespace gristmill::io
