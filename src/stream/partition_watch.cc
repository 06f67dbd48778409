#include "stream/partition_watch.h"

#include <iterator>
#include <utility>

#include "expr/parse_text.h"

namespace gristmill::stream {
namespace {

constexpr const char* kSetting = "topic.metadata.refresh.interval.ms";
constexpr int64_t kEveryMillis = 60'000;

}  // namespace

int64_t partition_watch_micros(const io::KafkaAddress& address) {
  const auto said = address.properties.find(kSetting);
  int64_t millis = kEveryMillis;
  if (said != address.properties.end() && !expr::parse_integer(said->second, millis)) millis = kEveryMillis;
  return millis > 0 ? millis * 1000 : 0;
}

PartitionWatch::PartitionWatch(io::KafkaAddress address, std::string topic, int32_t known, base::CancelToken cancel,
                               std::function<void()> news)
    : address_(std::move(address)), topic_(std::move(topic)), cancel_(std::move(cancel)), news_(std::move(news)), known_(known) {}

void PartitionWatch::begin(sched::Background& background, int64_t every_micros) {
  std::lock_guard lock(mutex_);
  background_ = &background;
  every_ = every_micros;
  arm();
}

// Under the lock, as is all that uses the background.
void PartitionWatch::arm() {
  if (background_ == nullptr) return;
  background_->after(every_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    std::lock_guard lock(self->mutex_);
    if (self->background_ == nullptr) return;
    self->background_->submit_io(1, [weak] {
      if (const auto watch = weak.lock()) watch->look();
    });
  });
}

void PartitionWatch::look() {
  int32_t known = 0;
  {
    std::lock_guard lock(mutex_);
    if (background_ == nullptr) return;
    known = known_;
  }
  auto found = added(known);
  const bool more = found.ok() && !found->empty();
  if (!found.ok()) asks_.reset();
  {
    std::lock_guard lock(mutex_);
    if (more) {
      known_ += static_cast<int32_t>(found->size());
      found_.insert(found_.end(), std::make_move_iterator(found->begin()), std::make_move_iterator(found->end()));
    }
    arm();
  }
  if (more) news_();
}

arrow::Result<std::vector<io::KafkaPosition>> PartitionWatch::added(int32_t known) {
  if (asks_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(asks_,
                          io::KafkaClient::open(io::KafkaClient::Kind::kConsumer, address_, {{"group.id", "gristmill"}}, {}, cancel_));
  }
  ARROW_ASSIGN_OR_RAISE(const int32_t n, asks_->partitions(topic_));
  std::vector<io::KafkaPosition> out;
  for (int32_t p = known; p < n; ++p) {
    ARROW_ASSIGN_OR_RAISE(const auto bounds, asks_->bounds(topic_, p));
    out.push_back({topic_, p, bounds.first});
  }
  return out;
}

void PartitionWatch::end() {
  std::lock_guard lock(mutex_);
  background_ = nullptr;
}

std::vector<io::KafkaPosition> PartitionWatch::take() {
  std::lock_guard lock(mutex_);
  return std::exchange(found_, {});
}

}  // namespace gristmill::stream
