// A feed alone: what stands between the chunks of its source. The clock is moved by hand.

#include "stream/feed.h"

#include <functional>
#include <utility>

#include "stream_data.h"

namespace gristmill::stream::test {
namespace {

// So slow a machine that every timer has fired before anything else happens.
class AlwaysDue final : public sched::Background {
 public:
  void submit_io(int64_t, std::function<void()> work) override { work(); }
  void after(int64_t, std::function<void()> work) override { work(); }
};

std::shared_ptr<Feed> feed_of(int32_t partitions, int64_t each, sched::Background& background, int64_t tick) {
  auto feed = std::make_shared<Feed>(std::make_shared<Counting>(partitions, each, 1), background, tick);
  EXPECT_TRUE(feed->start({}, {}).ok());
  return feed;
}

TEST(Feed, AClockThatIsAlwaysDueKeepsNoRowFromBeingRead) {
  AlwaysDue clock;
  const auto feed = feed_of(2, 300, clock, 1000);
  const auto table = feed->table(feed->source().schema());
  plan::ScanRequest request;
  request.columns = {0};
  const auto scan = *table->open(request);
  int64_t ticks = 0, chunks = 0;
  for (uint64_t seq = 0;; ++seq) {
    ASSERT_LT(seq, 10'000u) << chunks << " chunks, " << ticks << " ticks";
    const auto next = *scan->next(seq);
    if (next.end) break;
    ASSERT_EQ(next.wait, nullptr);
    ++(feed->notes().peek(seq).kind == Note::Kind::kTick ? ticks : chunks);
  }
  EXPECT_GT(chunks, 12);
  EXPECT_LE(ticks, chunks + 1);
  EXPECT_GT(ticks, 0);
}

TEST(Feed, ABarrierOfASourceThatHadEndedSaysSo) {
  AlwaysDue clock;
  const auto feed = feed_of(1, 10, clock, 0);
  const auto table = feed->table(feed->source().schema());
  plan::ScanRequest request;
  request.columns = {0};
  const auto scan = *table->open(request);
  feed->barrier(1);
  uint64_t seq = 0;
  for (; !(*scan->next(seq)).end; ++seq) {
  }
  EXPECT_FALSE(feed->ended_before(1));
  feed->barrier(2);
  EXPECT_TRUE(feed->ended_before(2));
}

}  // namespace
}  // namespace gristmill::stream::test
