// States on disk against a map in memory: whatever is put, taken, or due, in any order.

#include "stream/cold_states.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "../column/random_columns.h"
#include "stream/event_time.h"

namespace gristmill::stream {
namespace {

using Visited = std::vector<std::string>;

ColdStates::Visit into(Visited* out) {
  return [out](uint64_t, std::string_view state) {
    out->emplace_back(state);
    return arrow::Status::OK();
  };
}

TEST(ColdStates, AKeyThatCameAgainIsDueWhenItsNewStateIs) {
  ColdStates cold(base::QueryMemory::make(0));
  Visited seen;
  ASSERT_TRUE(cold.put(7, 10, "early").ok());
  ASSERT_TRUE(cold.flush().ok());
  ASSERT_TRUE(cold.take({7}, into(&seen)).ok());
  ASSERT_TRUE(cold.put(7, 100, "late").ok());
  ASSERT_TRUE(cold.flush().ok());
  ASSERT_TRUE(cold.take_due(50, into(&seen)).ok());
  EXPECT_EQ(seen, Visited{"early"});
  EXPECT_EQ(cold.keys(), 1);
  while (cold.next_due() <= 100) ASSERT_TRUE(cold.take_due(100, into(&seen)).ok());
  EXPECT_EQ(seen, (Visited{"early", "late"}));
  EXPECT_TRUE(cold.empty());
}

TEST(ColdStates, KeysOfOneHashAreDueEachAtItsTime) {
  ColdStates cold(base::QueryMemory::make(0));
  Visited seen;
  ASSERT_TRUE(cold.put(7, 10, "a").ok());
  ASSERT_TRUE(cold.put(7, 20, "b").ok());
  ASSERT_TRUE(cold.take_due(10, into(&seen)).ok());
  EXPECT_EQ(seen, Visited{"a"});
  ASSERT_TRUE(cold.take({7}, into(&seen)).ok());
  EXPECT_EQ(seen, (Visited{"a", "b"}));
}

TEST(ColdStates, GiveBackWhatAMapWould) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    column::testing::RandomColumns random(seed);
    ColdStates cold(base::QueryMemory::make(0));
    struct State {
      int64_t due;
      std::string text;
    };
    std::map<uint64_t, State> plain;
    int64_t now = 0;
    for (int step = 0; step < 3'000; ++step) {
      const auto hash = static_cast<uint64_t>(random.below(500)) * 0x9E3779B97F4A7C15ull;
      const auto found = plain.find(hash);
      Visited seen, expected;
      if (random.below(40) == 0) {
        now += random.below(60);
        for (auto at = plain.begin(); at != plain.end();) {
          if (at->second.due > now) {
            ++at;
            continue;
          }
          expected.push_back(at->second.text);
          at = plain.erase(at);
        }
        while (!cold.empty() && cold.next_due() <= now) ASSERT_TRUE(cold.take_due(now, into(&seen)).ok());
      } else if (found == plain.end()) {
        const int64_t due = random.below(10) == 0 ? kAllTime : now + 1 + random.below(100);
        std::string text = std::to_string(step) + std::string(static_cast<size_t>(random.below(random.below(50) == 0 ? 40'000 : 100)), 'x');
        ASSERT_TRUE(cold.put(hash, due, text).ok());
        plain[hash] = {due, std::move(text)};
      } else if (random.below(2) == 0) {
        expected.push_back(found->second.text);
        ASSERT_TRUE(cold.look({hash}, into(&seen)).ok());
      } else {
        expected.push_back(found->second.text);
        plain.erase(found);
        ASSERT_TRUE(cold.take({hash, hash}, into(&seen)).ok());
      }
      const bool flushed = random.below(100) != 0 || cold.flush().ok();
      ASSERT_TRUE(flushed);
      std::sort(seen.begin(), seen.end());
      std::sort(expected.begin(), expected.end());
      ASSERT_EQ(seen, expected) << "seed " << seed << ", step " << step;
      ASSERT_EQ(cold.keys(), static_cast<int64_t>(plain.size()));
      ASSERT_EQ(cold.may_have(hash), plain.contains(hash));
    }
  }
}

}  // namespace
}  // namespace gristmill::stream
