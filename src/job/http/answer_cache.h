// Answers of a service by the request that they answer: each is asked for once, however many rows want it at the same time.
//
// Keeps the answers used last, up to a number and a size. A failed call is given to those who wait for it and then forgotten. Thread safe.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "job/http/remote_calls.h"

namespace gristmill::job {

// What a row gets of a call.
struct Answered {
  arrow::Status status;  // OK: `body`, or the service has nothing of it
  bool missing = false;  // 404, 410, or 2xx without a body
  bool hopeless = false;
  std::string body;
};
using AnsweredPtr = std::shared_ptr<const Answered>;

class AnswerCache {
 public:
  using Done = std::function<void(AnsweredPtr)>;

  // 0 entries: nothing is kept and nothing is shared.
  AnswerCache(int64_t most_entries, int64_t most_bytes) : most_entries_(most_entries), most_bytes_(most_bytes) {}

  // Gives the answer to `done`, now or later, on any thread. `ask` is called, on this thread, when nobody has it or is about to.
  void get(const std::string& key, Done done, const std::function<void(Done)>& ask);

  int64_t hits() const;  // answered without a call of their own
  int64_t bytes() const;

 private:
  struct Entry {
    AnsweredPtr answer;                             // null: under way
    std::vector<Done> waiting;                      // for it
    std::list<const std::string*>::iterator place;  // in used_, when there is an answer
  };
  void arrived(const std::string& key, const AnsweredPtr& answer);
  static int64_t size_of(const std::string& key, const Answered& a);

  const int64_t most_entries_, most_bytes_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
  std::list<const std::string*> used_;  // keys of entries with an answer, the latest first
  int64_t bytes_ = 0;
  int64_t hits_ = 0;
};

}  // namespace gristmill::job
