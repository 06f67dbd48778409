// Random graphs of all ways of functions against one plain loop: values, order and errors; and nothing left running.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "flow/blocking_pool.h"
#include "flow_cases.h"

namespace gristmill {
namespace {

// What a function computes, and for which values it fails.
struct Plain {
  std::vector<int> args;  // places: inputs first, then functions
  int64_t factor = 1;
  int64_t add = 0;
  int64_t fails = 0;
  int flaky = 0;  // first calls that fail

  arrow::Result<int64_t> operator()(const std::vector<int64_t>& values) const {
    int64_t sum = add;
    for (size_t i = 0; i < values.size(); ++i) sum += static_cast<int64_t>(i + 1) * values[i] * factor;
    sum %= 10'007;
    if (fails > 0 && sum % fails == 1) return arrow::Status::Invalid("sour ", sum);
    return sum;
  }
};

struct Graph {
  Flow flow;
  std::vector<Slot<int64_t>> slots;
  std::vector<Plain> plain;
  int inputs = 3;
};

template <typename... A>
Slot<int64_t> add_function(Flow& flow, std::mt19937_64& r, const std::string& name, const Plain& p, Slot<A>... slots) {
  const auto delay = std::chrono::microseconds(r() % 3 == 0 ? 300 : 0);
  CallRules rules;
  if (p.flaky > 0) rules.retry = Retry{.times = p.flaky, .first = 0.0001, .on = [](const arrow::Status& s) { return s.IsIOError(); }};
  const auto answer = [p](const FlowCall& call, A... a) -> arrow::Result<int64_t> {
    if (call.attempt <= p.flaky) return arrow::Status::IOError("once more");
    return p({a...});
  };
  switch (r() % 5) {
    case 0:
      if (r() % 3 == 0) rules.window = 2;
      return flow.add(
          name,
          [answer, delay](A... a, const FlowCall& call) -> Task<int64_t> {
            const auto mine = answer;  // the frame's own
            const FlowCall told = call;
            if (delay.count() > 0) co_await sleep_for(delay);
            co_return mine(told, a...);
          },
          rules, slots...);
    case 1: rules.way = CallWay::kBlocking; break;
    case 2: rules.way = CallWay::kCompute; break;
    case 3: rules.window_bytes = 40; break;
    default: break;
  }
  return flow.add(
      name,
      [answer, delay](A... a, const FlowCall& call) {
        if (delay.count() > 0) std::this_thread::sleep_for(delay);
        return answer(call, a...);
      },
      rules, slots...);
}

Graph random_graph(std::mt19937_64& r, int size, bool failing) {
  Graph g;
  for (int i = 0; i < g.inputs; ++i) g.slots.push_back(g.flow.input<int64_t>("i" + std::to_string(i)));
  for (int n = 0; n < size; ++n) {
    Plain p;
    const int count = 1 + static_cast<int>(r() % 3);
    for (int a = 0; a < count; ++a) p.args.push_back(static_cast<int>(r() % g.slots.size()));
    p.factor = 2 + static_cast<int64_t>(r() % 97);
    p.add = static_cast<int64_t>(r() % 1000);
    constexpr int64_t kFails[] = {0, 0, 0, 11, 37};
    p.fails = failing ? kFails[r() % 5] : 0;
    p.flaky = r() % 6 == 0 ? 1 + static_cast<int>(r() % 2) : 0;
    const auto slot = [&](size_t a) { return g.slots[static_cast<size_t>(p.args[a])]; };
    const std::string name = "n" + std::to_string(n);
    g.slots.push_back(count == 1   ? add_function(g.flow, r, name, p, slot(0))
                      : count == 2 ? add_function(g.flow, r, name, p, slot(0), slot(1))
                                   : add_function(g.flow, r, name, p, slot(0), slot(1), slot(2)));
    g.plain.push_back(p);
  }
  return g;
}

// The value of a place of an item, and of all it needs, in the order of the graph.
arrow::Result<int64_t> plain_value(const Graph& g, const std::vector<int64_t>& inputs, int wanted) {
  std::vector<bool> needed(g.slots.size(), false);
  needed[static_cast<size_t>(wanted)] = true;
  for (size_t n = g.plain.size(); n-- > 0;) {
    if (needed[n + inputs.size()]) {
      for (const int a : g.plain[n].args) needed[static_cast<size_t>(a)] = true;
    }
  }
  std::vector<int64_t> values = inputs;
  for (size_t n = 0; n < g.plain.size(); ++n) {
    values.push_back(0);
    if (!needed[n + inputs.size()]) continue;
    std::vector<int64_t> args;
    for (const int a : g.plain[n].args) args.push_back(values[static_cast<size_t>(a)]);
    ARROW_ASSIGN_OR_RAISE(values.back(), g.plain[n](args));
  }
  return values[static_cast<size_t>(wanted)];
}

// The part of the message that is the function's own.
std::string own(const arrow::Status& status) { return status.message().substr(0, status.message().find(" (in")); }

void check(uint64_t seed, int size, int64_t items) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 r(seed);
  const Graph g = random_graph(r, size, r() % 4 != 0);
  std::vector<std::vector<int64_t>> columns(3);
  for (auto& column : columns) {
    for (int64_t i = 0; i < items; ++i) column.push_back(static_cast<int64_t>(r() % 1000));
  }
  const int wanted = 3 + static_cast<int>(r() % g.plain.size());
  const Slot<int64_t> slot = g.slots[static_cast<size_t>(wanted)];
  const auto in = FlowInputs().over(g.slots[0], columns[0]).over(g.slots[1], columns[1]).over(g.slots[2], columns[2]);
  std::vector<arrow::Result<int64_t>> expected;
  std::vector<int64_t> good;
  int64_t first_bad = -1;
  for (int64_t i = 0; i < items; ++i) {
    const auto at = static_cast<size_t>(i);
    expected.push_back(plain_value(g, {columns[0][at], columns[1][at], columns[2][at]}, wanted));
    if (expected.back().ok()) {
      good.push_back(*expected.back());
    } else if (first_bad < 0) {
      first_bad = i;
    }
  }
  constexpr int kWorkers[] = {1, 2, 3, 8};
  FlowOptions options{.num_workers = kWorkers[r() % 4]};
  options.window = r() % 3 == 0 ? 1 + static_cast<int64_t>(r() % 4) : 10'000;
  const auto each = value(g.flow.map_each(slot, in, options));
  ASSERT_EQ(each.size(), expected.size());
  for (size_t i = 0; i < each.size(); ++i) {
    ASSERT_EQ(each[i].ok(), expected[i].ok()) << i;
    if (each[i].ok()) {
      ASSERT_EQ(*each[i], *expected[i]);
    } else {
      ASSERT_EQ(own(each[i].status()), expected[i].status().message());
    }
  }
  options.errors = FlowErrors::kSkip;
  ASSERT_EQ(value(g.flow.map(slot, in, options)), good);
  options.errors = FlowErrors::kOrdered;
  std::vector<int64_t> prefix;
  const auto status = g.flow.stream(
      slot, in,
      [&](int64_t, arrow::Result<int64_t> row) -> arrow::Result<bool> {
        prefix.push_back(*row);
        return true;
      },
      options);
  ASSERT_EQ(status.ok(), first_bad < 0);
  if (first_bad >= 0) {
    ASSERT_EQ(own(status), expected[static_cast<size_t>(first_bad)].status().message());
    ASSERT_EQ(prefix, std::vector<int64_t>(good.begin(), good.begin() + first_bad));
    options.errors = FlowErrors::kFail;
    ASSERT_EQ(own(g.flow.map(slot, in, options).status()).substr(0, 5), "sour ");
  } else {
    ASSERT_EQ(prefix, good);
  }
}

TEST(RandomFlows, SmallGraphsAreAPlainLoop) {
  for (uint64_t seed = 0; seed < 300 && !HasFatalFailure(); ++seed) check(seed, 1 + static_cast<int>(seed % 9), 12);
}

TEST(RandomFlows, LargeGraphsAreAPlainLoop) {
  for (uint64_t seed = 1000; seed < 1008 && !HasFatalFailure(); ++seed) check(seed, 200, 5);
}

TEST(RandomFlows, ACancelledStreamIsAPrefix) {
  for (uint64_t seed = 2000; seed < 2048; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 r(seed);
    const bool large = seed % 8 == 7;
    const Graph g = random_graph(r, large ? 200 : 6, false);
    std::vector<int64_t> column;
    for (int64_t i = 0; i < (large ? 20 : 300); ++i) column.push_back(static_cast<int64_t>(r() % 1000));
    const int wanted = static_cast<int>(g.slots.size()) - 1;
    const auto in = FlowInputs().over(g.slots[0], column).with(g.slots[1], 5).with(g.slots[2], 7);
    FlowOptions options{.num_workers = 2, .window = 50};
    const auto until = static_cast<size_t>(r() % (column.size() - 10));
    std::thread other;  // or at any moment, by another thread
    if (seed % 2 == 0) {
      other = std::thread([cancel = options.cancel, pause = std::chrono::microseconds(r() % 5000)] {
        std::this_thread::sleep_for(pause);
        cancel.cancel();
      });
    }
    std::vector<int64_t> taken;
    const auto status = g.flow.stream(
        g.slots[static_cast<size_t>(wanted)], in,
        [&](int64_t, arrow::Result<int64_t> row) -> arrow::Result<bool> {
          taken.push_back(*row);
          if (seed % 2 == 1 && taken.size() == until) options.cancel.cancel();
          return true;
        },
        options);
    if (other.joinable()) other.join();
    ASSERT_TRUE(taken.size() == column.size() || !status.ok());
    for (size_t i = 0; i < taken.size(); ++i) ASSERT_EQ(taken[i], *plain_value(g, {column[i], 5, 7}, wanted));
  }
}

int64_t count_descriptors() {
  const std::filesystem::directory_iterator open("/proc/self/fd");
  return std::distance(begin(open), end(open));
}

int64_t count_threads() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("Threads:", 0) == 0) return std::stoll(line.substr(8));
  }
  return -1;
}

TEST(RandomFlows, AThousandRunsLeaveNothing) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto a = flow.add(
      "a",
      [](int64_t v) -> Task<int64_t> {
        co_await sleep_for(10us);
        co_return v;
      },
      x);
  const auto b = flow.add(
      "b",
      [](int64_t v) -> arrow::Result<int64_t> {
        if (v == 99) return arrow::Status::Invalid("99");
        return v;
      },
      CallRules{.way = CallWay::kBlocking}, x);
  const auto c = flow.add("c", [](int64_t p, int64_t q) { return p + q; }, a, b);
  const auto late = flow.add(
      "late",
      [](int64_t v) -> Task<int64_t> {
        co_await sleep_for(30s);
        co_return v;
      },
      CallRules{.timeout = 1ms}, x);
  int64_t warm = 0;
  int64_t open = 0;
  for (int64_t k = 0; k < 1000; ++k) {
    ASSERT_EQ(value(flow.map(c, FlowInputs().over(x, std::vector<int64_t>{k % 50, 1}))), (std::vector<int64_t>{2 * (k % 50), 2}));
    if (k % 10 == 0) {
      ASSERT_FALSE(flow.map(c, FlowInputs().over(x, std::vector<int64_t>{1, 99, 3})).ok());
      ASSERT_FALSE(flow.run(late, FlowInputs().with(x, 1)).ok());
      ASSERT_TRUE(flow.stream(std::tuple(c, late), FlowInputs().over(x, numbers(20)), [](int64_t, const auto&) { return false; },
                              {.errors = FlowErrors::kReturn})
                      .ok());
    }
    if (k == 50) {
      warm = count_threads();
      open = count_descriptors();
    }
  }
  EXPECT_LE(count_threads(), warm + 4);
  EXPECT_LE(count_descriptors(), open);
  EXPECT_LE(flow::BlockingPool::process().threads(), flow::BlockingPool::kMostThreads);
}

}  // namespace
}  // namespace gristmill
