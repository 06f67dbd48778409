// The ring alone: order, room, blocked flushes, the byte cap, stop and errors; then many producers at once.

#include "sched/ordered_ring.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <random>
#include <thread>

#include "base/status.h"
#include "sched/claim.h"

namespace gristmill::sched {
namespace {

struct Slot final : RingSlot {
  explicit Slot(int64_t size, bool spills = true) : size(size), spills(spills) {}
  int64_t bytes() const override { return size; }
  arrow::Status spill() override {
    if (fails) return base::io_error("disk full");
    if (!spills) return arrow::Status::OK();
    size = 0;
    spilled = true;
    return arrow::Status::OK();
  }
  int64_t size;
  bool spills;
  bool fails = false;
  bool spilled = false;
};

// A ring whose flushes are listed; `answer` decides what each gives.
struct Fixture {
  explicit Fixture(uint64_t window, int64_t cap = 1000)
      : ring(window, cap, [this](uint64_t seq, RingSlot& slot) -> arrow::Result<OrderedRing::Flushed> {
          auto result = answer(seq);
          if (result.ok() && !result->wait) {
            flushed.push_back(seq);
            if (auto* s = dynamic_cast<Slot*>(&slot); s != nullptr && s->spilled) spilled.push_back(seq);
          }
          return result;
        }) {}
  base::WaitHandlePtr deliver(uint64_t seq, int64_t size = 1, bool spills = true) {
    auto wait = ring.deliver(seq, std::make_unique<Slot>(size, spills));
    EXPECT_TRUE(wait.ok()) << wait.status().ToString();
    return wait.ok() ? *wait : nullptr;
  }
  std::function<arrow::Result<OrderedRing::Flushed>(uint64_t)> answer = [](uint64_t) { return OrderedRing::Flushed{}; };
  std::vector<uint64_t> flushed, spilled;
  OrderedRing ring;
};

using Numbers = std::vector<uint64_t>;

TEST(OrderedRing, FlushesInSequenceWhateverTheOrderOfDelivery) {
  Fixture f(4);
  f.deliver(2);
  f.deliver(1);
  EXPECT_TRUE(f.flushed.empty());
  EXPECT_EQ(f.ring.slots_in_use(), 2);
  f.deliver(0);
  EXPECT_EQ(f.flushed, (Numbers{0, 1, 2}));
  EXPECT_EQ(f.ring.flushed(), 3u);
  EXPECT_EQ(f.ring.slots_in_use(), 0);
  EXPECT_EQ(f.ring.waiting_bytes(), 0);
}

TEST(OrderedRing, RoomOpensWhenTheWindowMoves) {
  Fixture f(2);
  EXPECT_EQ(f.ring.wait_for_room(1), nullptr);
  auto two = f.ring.wait_for_room(2);
  auto three = f.ring.wait_for_room(3);
  ASSERT_TRUE(two && three);
  f.deliver(0);
  EXPECT_TRUE(two->ready());
  EXPECT_FALSE(three->ready());
  f.deliver(1);
  EXPECT_TRUE(three->ready());
}

TEST(OrderedRing, ABlockedFlushKeepsItsSlotUntilResumed) {
  Fixture f(4);
  auto sink = std::make_shared<base::WaitHandle>();
  bool refuse = true;
  f.answer = [&](uint64_t seq) { return OrderedRing::Flushed{seq == 1 && refuse ? sink : nullptr, false}; };
  f.deliver(0);
  EXPECT_EQ(f.deliver(1), sink);
  EXPECT_EQ(f.deliver(2), nullptr);  // not its business
  EXPECT_EQ(f.flushed, Numbers{0});
  EXPECT_EQ(*f.ring.resume(), sink);
  refuse = false;
  EXPECT_EQ(*f.ring.resume(), nullptr);
  EXPECT_EQ(f.flushed, (Numbers{0, 1, 2}));
}

TEST(OrderedRing, BeyondTheByteCapTheFurthestSlotsSpill) {
  Fixture f(8, 25);
  for (uint64_t seq : {3, 5, 1}) f.deliver(seq, 10);
  EXPECT_EQ(f.ring.waiting_bytes(), 20);
  EXPECT_EQ(*f.ring.spill(1), 10);
  f.deliver(2, 1);
  f.deliver(4, 1);
  f.deliver(0, 1);
  EXPECT_EQ(f.flushed, (Numbers{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(f.spilled, (Numbers{3, 5}));
}

TEST(OrderedRing, ASlotThatCannotSpillIsAskedOnce) {
  Fixture f(8, 5);
  f.deliver(1, 10, false);
  f.deliver(2, 10, false);
  EXPECT_EQ(f.ring.waiting_bytes(), 20);
  EXPECT_EQ(*f.ring.spill(100), 0);
  f.deliver(0);
  EXPECT_EQ(f.flushed, (Numbers{0, 1, 2}));
}

TEST(OrderedRing, TheSlotNextInLineIsNotSpilled) {
  Fixture f(8, 5);
  f.answer = [](uint64_t) { return OrderedRing::Flushed{std::make_shared<base::WaitHandle>(), false}; };
  f.deliver(0, 10);
  EXPECT_EQ(*f.ring.spill(100), 0);
}

TEST(OrderedRing, StopOpensTheRingAndDropsTheRest) {
  Fixture f(3);
  f.answer = [](uint64_t seq) { return OrderedRing::Flushed{nullptr, seq == 1}; };
  auto waiting = f.ring.wait_for_room(9);
  f.deliver(2);
  f.deliver(1);
  f.deliver(0);
  EXPECT_EQ(f.flushed, (Numbers{0, 1}));
  EXPECT_TRUE(f.ring.stopped());
  EXPECT_TRUE(waiting->ready());
  EXPECT_EQ(f.ring.wait_for_room(99), nullptr);
  EXPECT_EQ(f.deliver(9), nullptr);
  EXPECT_EQ(f.ring.waiting_bytes(), 0);
}

TEST(OrderedRing, AFlushErrorIsToldOnceAndOpensTheRing) {
  Fixture f(3);
  f.answer = [](uint64_t) -> arrow::Result<OrderedRing::Flushed> { return base::io_error("sink broke"); };
  auto waiting = f.ring.wait_for_room(5);
  auto result = f.ring.deliver(0, std::make_unique<Slot>(1));
  EXPECT_EQ(result.status().message(), "sink broke");
  EXPECT_TRUE(waiting->ready());
  EXPECT_TRUE(f.ring.stopped());
  EXPECT_EQ(f.deliver(1), nullptr);
}

TEST(OrderedRing, ASpillErrorComesOutOfDeliver) {
  Fixture f(4, 5);
  auto slot = std::make_unique<Slot>(10);
  slot->fails = true;
  EXPECT_EQ(f.ring.deliver(2, std::move(slot)).status().message(), "disk full");
  EXPECT_TRUE(f.ring.stopped());
}

TEST(OrderedRing, DeliveringTwiceOrBeyondTheWindowIsAnInternalError) {
  Fixture f(2);
  f.deliver(1);
  for (uint64_t seq : {1, 2}) {
    auto result = f.ring.deliver(seq, std::make_unique<Slot>(1));
    EXPECT_EQ(base::error_kind(result.status()), base::ErrorKind::kInternal) << seq;
  }
}

// Its spill() lasts until told; its destruction is seen.
struct SlowSlot final : RingSlot {
  SlowSlot(std::latch& b, std::latch& e, std::atomic<int>& s) : begun(b), end(e), state(s) {}
  ~SlowSlot() override { EXPECT_EQ(state.exchange(3), 2); }
  int64_t bytes() const override { return 100; }
  arrow::Status spill() override {
    state = 1;
    begun.count_down();
    end.wait();
    state = 2;
    return arrow::Status::OK();
  }
  std::latch& begun;
  std::latch& end;
  std::atomic<int>& state;  // 1 in spill(), 2 after it, 3 gone
};

TEST(OrderedRing, ASlotBeingSpilledSurvivesAStop) {
  Fixture f(4, 50);
  f.answer = [](uint64_t) { return OrderedRing::Flushed{nullptr, true}; };
  std::latch begun(1), end(1);
  std::atomic<int> state{0};
  std::thread spiller([&] { EXPECT_TRUE(f.ring.deliver(2, std::make_unique<SlowSlot>(begun, end, state)).ok()); });
  begun.wait();
  f.deliver(0);
  EXPECT_TRUE(f.ring.stopped());
  EXPECT_EQ(state, 1);
  end.count_down();
  spiller.join();
  EXPECT_EQ(state, 3);
}

TEST(OrderedRing, AFlusherWaitsForTheSpillOfTheNextSlot) {
  Fixture f(4, 50);
  std::latch begun(1), end(1);
  std::atomic<int> state{0};
  f.answer = [&](uint64_t seq) {
    EXPECT_TRUE(seq != 1 || state == 2);
    return OrderedRing::Flushed{};
  };
  std::thread spiller([&] { EXPECT_TRUE(f.ring.deliver(1, std::make_unique<SlowSlot>(begun, end, state)).ok()); });
  begun.wait();
  std::thread flusher([&] { f.deliver(0); });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  end.count_down();
  spiller.join();
  flusher.join();
  EXPECT_EQ(f.ring.flushed(), 2u);
}

// Threads that really wait; the flush refuses at random and is fired by another thread.
TEST(OrderedRing, ManyProducersFlushEverySlotOnceInOrder) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    const uint64_t count = 400;
    std::vector<uint64_t> flushed;
    std::atomic<int> inside{0};
    std::mt19937 dice(seed);
    OrderedRing ring(1 + seed % 7, seed % 3 == 0 ? 10 : 1000, [&](uint64_t seq, RingSlot&) -> arrow::Result<OrderedRing::Flushed> {
      EXPECT_EQ(inside.fetch_add(1), 0);
      base::WaitHandlePtr wait;
      if (dice() % 8 == 0) {
        wait = std::make_shared<base::WaitHandle>();
        std::thread([wait] { wait->fire(); }).detach();
      } else {
        flushed.push_back(seq);
      }
      --inside;
      return OrderedRing::Flushed{wait, false};
    });
    auto claims = counter_claims(count);
    const auto sleep_on = [](const base::WaitHandlePtr& handle) {
      std::atomic<bool> ready{false};
      handle->on_ready([&ready] {
        ready = true;
        ready.notify_one();
      });
      ready.wait(false);
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        while (auto seq = claims->next(t)) {
          while (auto wait = ring.wait_for_room(*seq)) sleep_on(wait);
          auto blocked = ring.deliver(*seq, std::make_unique<Slot>(static_cast<int64_t>(*seq % 5)));
          while (blocked.ok() && *blocked) {
            sleep_on(*blocked);
            blocked = ring.resume();
          }
          EXPECT_TRUE(blocked.ok());
        }
      });
    }
    for (auto& thread : threads) thread.join();
    ASSERT_EQ(flushed.size(), count) << "seed " << seed;
    for (uint64_t i = 0; i < count; ++i) ASSERT_EQ(flushed[i], i) << "seed " << seed;
  }
}

}  // namespace
}  // namespace gristmill::sched
