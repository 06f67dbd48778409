// A job's live numbers as JSON: what /status.json serves and what a report keeps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "job/job_status.h"
#include "job/live/sampler.h"

namespace gristmill::job {

// JSON written piece by piece, without spaces; commas, quotes and escapes are its business. A number that JSON has not becomes null.
class JsonText {
 public:
  JsonText& begin_object() { return begin('{'); }
  JsonText& end_object() { return end('}'); }
  JsonText& begin_list() { return begin('['); }
  JsonText& end_list() { return end(']'); }
  JsonText& key(std::string_view name);
  JsonText& value(std::string_view text);
  JsonText& value(const char* text) { return value(std::string_view(text)); }
  JsonText& value(int64_t number);
  JsonText& value(int number) { return value(static_cast<int64_t>(number)); }
  JsonText& value(double number);
  template <typename T>
  JsonText& member(std::string_view name, const T& v) {
    key(name);
    return value(v);
  }
  const std::string& text() const { return text_; }

 private:
  JsonText& begin(char bracket);
  JsonText& end(char bracket);
  void place();

  std::string text_;
  std::vector<bool> empty_;  // of the open brackets
  bool after_key_ = false;
};

// Everything in a snapshot: one object. Numbers not known are null.
std::string status_json(const Snapshot& snapshot);
// The same with "rates", "cores", "groups", "resident_bytes" and "eta_seconds".
std::string status_json(const Sample& sample);

}  // namespace gristmill::job
