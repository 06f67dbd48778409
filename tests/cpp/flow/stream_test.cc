// Streams: order, back-pressure, endless input, an early end.

#include <mutex>
#include <set>

#include "flow_cases.h"

namespace gristmill {
namespace {

using Numbers = std::function<arrow::Result<std::optional<int64_t>>()>;

Numbers counting(int64_t* pulled, int64_t end = INT64_MAX) {
  return [pulled, end]() -> arrow::Result<std::optional<int64_t>> {
    if (*pulled == end) return std::nullopt;
    return (*pulled)++;
  };
}

Task<int64_t> late(int64_t x) {
  co_await sleep_for(std::chrono::microseconds(x % 7 == 0 ? 3000 : 10));
  co_return x;
}

class FlowStream : public ::testing::TestWithParam<int> {
 protected:
  // Coroutine, thread or worker.
  Slot<int64_t> function(Flow& flow, Slot<int64_t> x) {
    if (GetParam() == 0) return flow.add("y", late, x);
    return flow.add("y", [](int64_t v) { return v; }, CallRules{.way = GetParam() == 1 ? CallWay::kBlocking : CallWay::kCompute}, x);
  }
};

TEST_P(FlowStream, EndlessInputIsPulledAsThereIsRoom) {
  for (const int workers : {1, 2}) {
    Flow flow;
    const auto x = flow.input<int64_t>("x");
    const auto y = function(flow, x);
    int64_t pulled = 0;
    std::vector<int64_t> taken;
    const auto status = flow.stream(y, FlowInputs().from(x, counting(&pulled)),
                                    [&](int64_t item, arrow::Result<int64_t> row) -> arrow::Result<bool> {
                                      EXPECT_EQ(item, *row);
                                      taken.push_back(*row);
                                      return taken.size() < 1000;
                                    },
                                    {.num_workers = workers, .window = 20});
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(taken, numbers(1000));
    EXPECT_LE(pulled, 1000 + 21);
  }
}

TEST_P(FlowStream, AsCompletedGivesEachOnce) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = function(flow, x);
  int64_t pulled = 0;
  std::multiset<int64_t> taken;
  int64_t first = -1;
  EXPECT_TRUE(flow.stream(y, FlowInputs().from(x, counting(&pulled, 500)),
                          [&](int64_t, arrow::Result<int64_t> row) -> arrow::Result<bool> {
                            if (first < 0) first = *row;
                            taken.insert(*row);
                            return true;
                          },
                          {.ordered = false})
                  .ok());
  const auto all = numbers(500);
  EXPECT_EQ(taken, std::multiset<int64_t>(all.begin(), all.end()));
  if (GetParam() == 0) {
    EXPECT_NE(first, 0);  // that one takes longer
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, FlowStream, ::testing::Values(0, 1, 2));

TEST(FlowStreamFailures, TheRowsBeforeTheFirstFailureComeThenIt) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add(
      "y",
      [](int64_t v) -> Task<int64_t> {
        co_await sleep_for(std::chrono::milliseconds(v < 10 ? 5 : 0));
        if (v == 10 || v == 12) co_return arrow::Status::Invalid("at ", v);
        co_return v;
      },
      x);
  int64_t pulled = 0;
  std::vector<int64_t> taken;
  const auto status = flow.stream(y, FlowInputs().from(x, counting(&pulled)),
                                  [&](int64_t, arrow::Result<int64_t> row) -> arrow::Result<bool> {
                                    taken.push_back(*row);
                                    return true;
                                  },
                                  {.errors = FlowErrors::kOrdered, .window = 50});
  EXPECT_EQ(status.message(), "at 10 (in function \"y\" of item 10)");
  EXPECT_EQ(taken, numbers(10));
}

TEST(FlowStreamFailures, OfSourceAndTakerEndTheRun) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add("y", late, x);
  int64_t given = 0;
  const auto broken = [&]() -> arrow::Result<std::optional<int64_t>> {
    if (given == 7) return arrow::Status::IOError("the source broke");
    return given++;
  };
  const auto all = [](int64_t, arrow::Result<int64_t>) -> arrow::Result<bool> { return true; };
  EXPECT_EQ(flow.stream(y, FlowInputs().from<int64_t>(x, broken), all).message(), "the source broke");
  int64_t pulled = 0;
  EXPECT_EQ(flow.stream(y, FlowInputs().from(x, counting(&pulled)),
                        [](int64_t item, arrow::Result<int64_t>) -> arrow::Result<bool> {
                          if (item == 3) return arrow::Status::CapacityError("full");
                          return true;
                        },
                        {.window = 10})
                .message(),
            "full");
}

TEST(FlowStreamFailures, StandInTheirPlaceWhereAskedFor) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add(
      "y",
      [](int64_t v) -> arrow::Result<int64_t> {
        if (v % 3 == 1) return arrow::Status::Invalid("no");
        return v;
      },
      x);
  std::string seen;
  EXPECT_TRUE(flow.stream(y, FlowInputs().over(x, numbers(6)),
                          [&](int64_t, arrow::Result<int64_t> row) -> arrow::Result<bool> {
                            seen += row.ok() ? std::to_string(*row) : "x";
                            return true;
                          },
                          {.errors = FlowErrors::kReturn})
                  .ok());
  EXPECT_EQ(seen, "0x23x5");
}

}  // namespace
}  // namespace gristmill
