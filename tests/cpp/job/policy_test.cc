// Retry, rate, breaker and time-limit against what they promise, under a clock that the test moves and many seeds.

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/clock.h"
#include "job/policy/circuit_breaker.h"
#include "job/policy/retry.h"
#include "job/policy/time_limit.h"
#include "job/policy/token_bucket.h"

namespace gristmill::job {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(Retries, PausesDoubleUpToTheLongestAndLieWithinTheJitter) {
  const RetryPolicy policy{.retries = 12, .first = milliseconds(100), .most = seconds(10), .jitter = 0.5};
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Retries retries(policy, seed);
    nanoseconds whole = milliseconds(100);
    for (int i = 0; i < 12; ++i) {
      const auto pause = retries.next();
      ASSERT_TRUE(pause) << "seed " << seed;
      EXPECT_LE(*pause, whole) << "seed " << seed << ", retry " << i;
      EXPECT_GE(*pause, whole / 2 - nanoseconds(1)) << "seed " << seed << ", retry " << i;
      whole = std::min<nanoseconds>(whole * 2, seconds(10));
    }
    EXPECT_FALSE(retries.next()) << "seed " << seed;
    EXPECT_EQ(retries.failed(), 13);
  }
}

TEST(Retries, TheSameSeedGivesTheSamePausesAndOtherSeedsOthers) {
  const RetryPolicy policy{.retries = 5};
  Retries a(policy, seed_of_call(7, 1)), b(policy, seed_of_call(7, 1)), c(policy, seed_of_call(7, 2));
  bool differs = false;
  for (int i = 0; i < 5; ++i) {
    const auto first = a.next();
    EXPECT_EQ(first, b.next());
    differs |= first != c.next();
  }
  EXPECT_TRUE(differs);
}

TEST(Retries, WaitsAsLongAsTheServerAsksButNotForEver) {
  const RetryPolicy policy{.retries = 3, .first = milliseconds(10), .most_asked = seconds(60)};
  Retries retries(policy, 1);
  EXPECT_EQ(retries.next(seconds(7)), seconds(7));
  EXPECT_LE(*retries.next(nanoseconds(0)), milliseconds(20));
  EXPECT_EQ(retries.next(minutes(60)), seconds(60));
}

TEST(Retries, ManyRetriesDoNotOverflow) {
  Retries retries({.retries = 5000, .first = seconds(1), .most = seconds(30), .factor = 10}, 3);
  for (int i = 0; i < 5000; ++i) {
    const auto pause = retries.next();
    ASSERT_TRUE(pause && *pause <= seconds(30) && pause->count() > 0);
  }
}

TEST(Retries, RefusesWhatCannotBe) {
  EXPECT_FALSE((RetryPolicy{.retries = -1}).check().ok());
  EXPECT_FALSE((RetryPolicy{.first = seconds(2), .most = seconds(1)}).check().ok());
  EXPECT_FALSE((RetryPolicy{.factor = 0.5}).check().ok());
  EXPECT_FALSE((RetryPolicy{.jitter = 1.5}).check().ok());
  EXPECT_TRUE(RetryPolicy{}.check().ok());
}

// In every stretch of time no more than burst + t * rate tokens, whatever the callers do; and all of the rate is given out when it is asked
// for.
TEST(TokenBucket, TheRateHoldsInEveryWindow) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    const double rate = std::vector<double>{0.5, 3, 10, 500, 12345.6}[random() % 5];
    const int64_t burst = std::vector<int64_t>{1, 2, 50}[random() % 3];
    base::ManualClock clock;
    TokenBucket bucket(rate, burst, clock);
    std::vector<std::pair<int64_t, int64_t>> given;  // moment in ns, tokens
    for (int i = 0; i < 400; ++i) {
      const int64_t tokens = random() % 8 == 0 ? 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(burst)) : 1;
      const nanoseconds wait = bucket.take(tokens);
      given.emplace_back((clock.now().time_since_epoch() + wait).count(), tokens);
      if (random() % 3 == 0) clock.advance(nanoseconds(static_cast<int64_t>(static_cast<double>(random() % 4'000'000'000) / rate)));
    }
    for (size_t from = 0; from < given.size(); ++from) {
      int64_t tokens = 0;
      for (size_t to = from; to < given.size(); ++to) {
        tokens += given[to].second;
        const double seconds_between = static_cast<double>(given[to].first - given[from].first) * 1e-9;
        ASSERT_LE(static_cast<double>(tokens), static_cast<double>(burst) + seconds_between * rate + 1e-6)
            << "seed " << seed << ", rate " << rate << ", burst " << burst << ", from " << from << " to " << to;
      }
    }
  }
}

TEST(TokenBucket, GivesTheWholeRateToWhoWaitsAndNobodyIsOvertaken) {
  base::ManualClock clock;
  TokenBucket bucket(500, 1, clock);
  nanoseconds last(-1);
  for (int i = 0; i < 1000; ++i) {
    const nanoseconds wait = bucket.take();
    EXPECT_GT(wait, last);
    last = wait;
  }
  EXPECT_EQ(last, milliseconds(1998));
}

TEST(TokenBucket, KeepsUnusedTokensUpToTheBurst) {
  base::ManualClock clock;
  TokenBucket bucket(10, 5, clock);
  clock.advance(minutes(10));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(bucket.take(), nanoseconds(0));
  EXPECT_EQ(bucket.take(), milliseconds(100));
}

TEST(TokenBucket, WithoutARateNobodyWaits) {
  TokenBucket bucket(0, 1);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(bucket.take(100), nanoseconds(0));
}

struct Service {
  base::ManualClock clock;
  CircuitBreaker breaker{{.failures = 3, .open_for = seconds(10), .give_up = minutes(1), .probes = 2}, clock};
  void fail(int times) {
    for (int i = 0; i < times; ++i) {
      const auto permit = breaker.ask();
      ASSERT_TRUE(permit.allowed);
      breaker.failed(permit);
    }
  }
};

TEST(CircuitBreaker, OpensAfterFailuresInARowOnly) {
  Service s;
  s.fail(2);
  const auto good = s.breaker.ask();
  s.breaker.succeeded(good);
  s.fail(2);
  EXPECT_EQ(s.breaker.state(), CircuitBreaker::State::kClosed);
  s.fail(1);
  EXPECT_EQ(s.breaker.state(), CircuitBreaker::State::kOpen);
  const auto refused = s.breaker.ask();
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.ask_in, seconds(10));
}

TEST(CircuitBreaker, ProbesCloseItOrOpenItAgain) {
  Service s;
  s.fail(3);
  s.clock.advance(seconds(10));
  const auto first = s.breaker.ask(), second = s.breaker.ask();
  EXPECT_TRUE(first.allowed && second.allowed);
  EXPECT_FALSE(s.breaker.ask().allowed) << "two probes are enough";
  s.breaker.succeeded(first);
  EXPECT_FALSE(s.breaker.ask().allowed) << "it is not closed yet";
  s.breaker.failed(second);
  EXPECT_EQ(s.breaker.state(), CircuitBreaker::State::kOpen);
  s.clock.advance(seconds(10));
  const auto third = s.breaker.ask(), fourth = s.breaker.ask();
  s.breaker.succeeded(third);
  s.breaker.succeeded(fourth);
  EXPECT_EQ(s.breaker.state(), CircuitBreaker::State::kClosed);
  EXPECT_TRUE(s.breaker.ask().allowed);
  EXPECT_EQ(s.breaker.times_opened(), 2);
}

TEST(CircuitBreaker, LateOutcomesOfAnEarlierStateSayNothing) {
  Service s;
  std::vector<CircuitBreaker::Permit> early;
  for (int i = 0; i < 10; ++i) early.push_back(s.breaker.ask());
  s.fail(3);
  EXPECT_FALSE(s.breaker.holds(early[0]));
  for (int i = 0; i < 5; ++i) s.breaker.succeeded(early[static_cast<size_t>(i)]);
  EXPECT_EQ(s.breaker.state(), CircuitBreaker::State::kOpen);
  s.clock.advance(seconds(10));
  const auto probe = s.breaker.ask();
  for (int i = 5; i < 10; ++i) s.breaker.failed(early[static_cast<size_t>(i)]);
  EXPECT_EQ(s.breaker.state(), CircuitBreaker::State::kHalfOpen);
  EXPECT_TRUE(s.breaker.holds(probe));
}

TEST(CircuitBreaker, ADroppedProbeMakesRoomForAnother) {
  Service s;
  s.fail(3);
  s.clock.advance(seconds(10));
  const auto first = s.breaker.ask(), second = s.breaker.ask();
  EXPECT_FALSE(s.breaker.ask().allowed);
  s.breaker.dropped(second);
  EXPECT_TRUE(s.breaker.ask().allowed);
  EXPECT_TRUE(first.allowed);
}

TEST(CircuitBreaker, GivesUpWhenProbesFailForTooLongNotWhenNobodyAsked) {
  Service s;
  s.fail(3);
  s.clock.advance(minutes(30));  // nobody had anything to ask
  auto probe = s.breaker.ask();
  ASSERT_TRUE(probe.allowed);
  s.breaker.failed(probe);
  EXPECT_TRUE(s.breaker.ask().hopeless);

  Service patient;
  patient.fail(3);
  for (int i = 0; i < 5; ++i) {
    patient.clock.advance(seconds(10));
    probe = patient.breaker.ask();
    ASSERT_TRUE(probe.allowed) << i;
    patient.breaker.failed(probe);
  }
  EXPECT_FALSE(patient.breaker.ask().hopeless);
  patient.clock.advance(seconds(10));
  patient.breaker.failed(patient.breaker.ask());
  EXPECT_TRUE(patient.breaker.ask().hopeless);
}

TEST(CircuitBreaker, WithoutFailuresThereIsNone) {
  CircuitBreaker breaker({});
  for (int i = 0; i < 100; ++i) breaker.failed(breaker.ask());
  EXPECT_TRUE(breaker.ask().allowed);
  EXPECT_EQ(breaker.times_opened(), 0);
}

TEST(TimeLimit, AttemptsShareTheWhole) {
  const TimeLimit limit{.attempt = seconds(5), .whole = seconds(12)};
  const TimeLimit::Time begun{};
  EXPECT_EQ(limit.for_attempt(begun, begun), seconds(5));
  EXPECT_EQ(limit.for_attempt(begun, begun + seconds(9)), seconds(3));
  EXPECT_EQ(limit.for_attempt(begun, begun + seconds(13)), nanoseconds(0));
  EXPECT_TRUE(limit.allows_pause(begun, begun + seconds(9), seconds(2)));
  EXPECT_FALSE(limit.allows_pause(begun, begun + seconds(9), seconds(3)));
  EXPECT_EQ((TimeLimit{.attempt = seconds(5)}).for_attempt(begun, begun + minutes(9)), seconds(5));
}

}  // namespace
}  // namespace gristmill::job
