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

// And one where none ever does.
class NeverDue final : public sched::Background {
 public:
  void submit_io(int64_t, std::function<void()> work) override { work(); }
  void after(int64_t, std::function<void()>) override {}
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

// One that is ahead of the others waits for them, whatever its clock says.
TEST(Feed, AClockThatIsAlwaysDueKeepsNoOtherFeedFromBeingRead) {
  AlwaysDue clock;
  NeverDue never;
  const auto turns = std::make_shared<Turns>(never);
  const auto ahead = feed_of(1, 100'000, clock, 1000), other = feed_of(1, 100'000, clock, 1000);
  ahead->take_turns(turns);
  other->take_turns(turns);
  plan::ScanRequest request;
  request.columns = {0};
  const auto a = *ahead->table(ahead->source().schema())->open(request), b = *other->table(other->source().schema())->open(request);
  uint64_t at[2] = {0, 0};
  // The first one whenever it can move.
  for (int steps = 0; steps < 400; ++steps) {
    const auto next = *a->next(at[0]);
    if (!next.wait) {
      ++at[0];
      continue;
    }
    ASSERT_FALSE(next.wait->ready());
    ASSERT_EQ((*b->next(at[1]++)).wait, nullptr);
  }
  EXPECT_GT(at[0], 150u);
  EXPECT_GT(at[1], 150u);
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
