// The minimum is kept, not recomputed a row: a row moves its own partition only.

#include "stream/watermark.h"

#include "stream/snapshot.h"

namespace gristmill::stream {

Watermark::Start Watermark::enter(int32_t partition) {
  const auto p = static_cast<size_t>(partition);
  if (p >= greatest_.size()) {  // the source found another one
    greatest_.resize(p + 1, kNoTime);
    idle_.resize(p + 1, false);
  }
  idle_[p] = false;
  Start start;
  start.level = level_;
  start.delay = delay_;
  start.inherited = inherited_;
  start.own = greatest_[p];
  start.others = kAllTime;
  for (size_t q = 0; q < greatest_.size(); ++q) {
    if (q != p && !idle_[q]) start.others = std::min(start.others, greatest_[q]);
  }
  return start;
}

void Watermark::leave(int32_t partition, int64_t greatest) {
  int64_t& own = greatest_[static_cast<size_t>(partition)];
  own = std::max(own, greatest);
  refresh();
}

void Watermark::set_idle(int32_t partition) {
  const auto p = static_cast<size_t>(partition);
  if (p >= greatest_.size()) return;
  idle_[p] = true;
  refresh();
}

void Watermark::refresh() {
  if (inherited_) return;
  int64_t least = kAllTime, farthest = kNoTime;
  bool any = false;
  for (size_t q = 0; q < greatest_.size(); ++q) {
    farthest = std::max(farthest, greatest_[q]);
    if (idle_[q]) continue;
    any = true;
    least = std::min(least, greatest_[q]);
  }
  level_ = std::max(level_, time_less(any ? least : farthest, delay_));
}

void Watermark::save(const std::string& name, SnapshotWriter& writer) const {
  writer.number(name + " level", level_);
  for (size_t q = 0; q < greatest_.size(); ++q) {
    if (greatest_[q] == kNoTime) continue;
    writer.number(name + " partition " + std::to_string(q), greatest_[q]);
    if (idle_[q]) writer.number(name + " idle " + std::to_string(q), 1);
  }
}

void Watermark::load(const std::string& name, const SnapshotReader& reader) {
  level_ = reader.number(name + " level", kNoTime);
  for (size_t q = 0; q < greatest_.size(); ++q) {
    greatest_[q] = reader.number(name + " partition " + std::to_string(q), kNoTime);
    idle_[q] = reader.number(name + " idle " + std::to_string(q), 0) != 0;
  }
}

std::vector<int32_t> IdleClock::tick(int64_t now_micros, const std::vector<int32_t>& at_end) {
  std::map<int32_t, int64_t> since;
  std::vector<int32_t> out;
  for (const int32_t p : at_end) {
    const auto known = since_.find(p);
    const int64_t from = known == since_.end() ? now_micros : known->second;
    since[p] = from;
    if (now_micros - from >= after_) out.push_back(p);
  }
  since_ = std::move(since);
  return out;
}

}  // namespace gristmill::stream
