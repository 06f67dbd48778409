// A map for the keys and a list for the order of use. Entries under way are in the map only, so they are never put out.

#include "job/http/answer_cache.h"

#include <utility>

namespace gristmill::job {

int64_t AnswerCache::size_of(const std::string& key, const Answered& a) {
  constexpr int64_t kAround = 256;  // nodes and pointers
  return kAround + static_cast<int64_t>(key.size() + a.body.size());
}

void AnswerCache::get(const std::string& key, Done done, const std::function<void(Done)>& ask) {
  if (most_entries_ == 0) return ask(std::move(done));
  AnsweredPtr known;
  {
    std::lock_guard lock(mutex_);
    const auto [at, fresh] = entries_.try_emplace(key);
    Entry& entry = at->second;
    if (!fresh) ++hits_;
    if (entry.answer != nullptr) {
      used_.splice(used_.begin(), used_, entry.place);
      known = entry.answer;
    } else {
      entry.waiting.push_back(std::move(done));
      if (!fresh) return;
    }
  }
  if (known != nullptr) return done(std::move(known));
  ask([this, key](const AnsweredPtr& answer) { arrived(key, answer); });
}

void AnswerCache::arrived(const std::string& key, const AnsweredPtr& answer) {
  std::vector<Done> waiting;
  {
    std::lock_guard lock(mutex_);
    const auto at = entries_.find(key);
    waiting.swap(at->second.waiting);
    const int64_t bytes = size_of(key, *answer);
    if (!answer->status.ok() || bytes > most_bytes_) {
      entries_.erase(at);
    } else {
      at->second.answer = answer;
      used_.push_front(&at->first);
      at->second.place = used_.begin();
      bytes_ += bytes;
    }
    while (bytes_ > most_bytes_ || std::ssize(used_) > most_entries_) {
      const auto last = entries_.find(*used_.back());
      bytes_ -= size_of(last->first, *last->second.answer);
      used_.pop_back();
      entries_.erase(last);
    }
  }
  for (const Done& done : waiting) done(answer);
}

int64_t AnswerCache::hits() const {
  std::lock_guard lock(mutex_);
  return hits_;
}

int64_t AnswerCache::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace gristmill::job
