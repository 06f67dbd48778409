// Functions with a state of their own for each worker, functions with two forms, slots that are bound.

#include <atomic>
#include <mutex>
#include <set>

#include "flow_cases.h"

namespace gristmill {
namespace {

struct Counts {
  std::atomic<int> built{0};
  std::atomic<int> alive{0};
  std::atomic<int> shared{0};  // calls that found another one in their object
  std::mutex mutex;
  std::set<std::thread::id> threads;
};

// Not movable: it stays where it was built.
class Client {
 public:
  explicit Client(Counts& counts) : counts_(counts), thread_(std::this_thread::get_id()) {
    ++counts_.built;
    ++counts_.alive;
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { --counts_.alive; }

  int64_t operator()(int64_t x) {
    if (busy_.exchange(true) || std::this_thread::get_id() != thread_) ++counts_.shared;
    {
      std::lock_guard lock(counts_.mutex);
      counts_.threads.insert(thread_);
    }
    std::this_thread::sleep_for(200us);
    busy_ = false;
    ++calls_;
    return 2 * x;
  }

 private:
  Counts& counts_;
  const std::thread::id thread_;
  std::atomic<bool> busy_{false};
  int calls_ = 0;
};

TEST(FlowWorkers, HaveAnObjectEachThatGoesWithTheFlow) {
  for (const CallWay way : {CallWay::kCompute, CallWay::kBlocking}) {
    Counts counts;
    {
      Flow flow;
      const auto x = flow.input<int64_t>("x");
      const auto y = flow.add("y", per_worker([&counts] { return Client(counts); }), CallRules{.way = way}, x);
      for (int run = 0; run < 3; ++run) {
        const auto found = value(flow.map(y, FlowInputs().over(x, numbers(200)), {.num_workers = 3}));
        for (int64_t i = 0; i < 200; ++i) EXPECT_EQ(found[static_cast<size_t>(i)], 2 * i);
      }
      EXPECT_EQ(static_cast<size_t>(counts.built), counts.threads.size());
      EXPECT_GE(counts.built, 1);
      EXPECT_EQ(counts.shared, 0);
      EXPECT_EQ(counts.alive, counts.built);
    }
    EXPECT_EQ(counts.alive, 0);
  }
}

TEST(FlowWorkers, ForgetTheObjectOfAThreadThatEnds) {
  Counts counts;
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add("y", per_worker([&counts] { return Client(counts); }), CallRules{.way = CallWay::kCompute}, x);
  for (int i = 0; i < 5; ++i) {
    std::thread([&] { EXPECT_EQ(value(flow.run(y, FlowInputs().with(x, 4))), 8); }).join();
  }
  EXPECT_LE(counts.alive, 1);
}

TEST(FlowWorkers, CoroutinesShareTheObjectOfTheLoop) {
  struct Session {
    int open = 0;
    int most = 0;
    Task<int64_t> operator()(int64_t x) {
      most = std::max(most, ++open);
      co_await sleep_for(5ms);
      --open;
      co_return x + 1000 * most;
    }
  };
  std::atomic<int> built{0};
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add("y", per_worker([&built]() -> arrow::Result<Session> {
                            if (++built == 1) return arrow::Status::IOError("no connection yet");
                            return Session{};
                          }),
                          CallRules{.retry = Retry{.times = 1, .first = 0.0001}}, x);
  const auto found = value(flow.map(y, FlowInputs().over(x, numbers(50))));
  EXPECT_EQ(built, 2);  // the first could not be made, which cost one call
  EXPECT_GT(found[49], 40'000);
}

TEST(FlowWorkers, AreMadeOfClassesForManyItemsAndSeveralValues) {
  struct Scale {
    int64_t by = 3;
    std::vector<int64_t> operator()(const Batch<int64_t>& all) {
      std::vector<int64_t> out;
      for (const int64_t v : all) out.push_back(by * v);
      return out;
    }
  };
  struct Copies {
    Each<int64_t> operator()(int64_t x, const FlowCall& call) { return std::vector<int64_t>(2, x + call.item); }
  };
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto scaled = flow.add_batch("scaled", 4, per_worker<Scale>(), x);
  const auto copies = flow.add("copies", per_worker<Copies>(), scaled);
  EXPECT_EQ(value(flow.map(copies, FlowInputs().over(x, numbers(3)))), (std::vector<int64_t>{0, 0, 4, 4, 8, 8}));
}

TEST(FlowWorkers, SayWhyTheyCannotBeMade) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  struct Pages {
    AsyncEach<int64_t> operator()(int64_t n) {
      for (int64_t i = 0; i < n; ++i) co_yield i;
    }
  };
  const auto pages = flow.add("pages", per_worker([]() -> arrow::Result<Pages> { return arrow::Status::IOError("no server"); }), x);
  EXPECT_NE(message(flow.map(pages, FlowInputs().over(x, numbers(2)))).find("no server (in function \"pages\""), std::string::npos);
  const auto thrown = flow.add("thrown", per_worker([]() -> Client { throw std::runtime_error("no licence"); }), x);
  EXPECT_NE(message(flow.map(thrown, FlowInputs().over(x, numbers(2)))).find("no licence"), std::string::npos);
}

TEST(FlowDuals, HaveTwoFormsAndOneAnswer) {
  Flow flow;
  std::atomic<int> single{0};
  std::atomic<int> many{0};
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add_dual(
      "y",
      [&single](int64_t v) {
        ++single;
        return v * v;
      },
      10,
      [&many](const Batch<int64_t>& all) {
        ++many;
        std::vector<int64_t> out;
        for (const int64_t v : all) out.push_back(v * v);
        return out;
      },
      x);
  const auto z = flow.add("z", [](int64_t v) { return v + 1; }, y);
  EXPECT_EQ(value(flow.run(z, FlowInputs().with(x, 7))), 50);
  EXPECT_EQ(single, 1);
  EXPECT_EQ(many, 0);
  const auto found = value(flow.map(z, FlowInputs().over(x, numbers(25))));
  for (int64_t i = 0; i < 25; ++i) EXPECT_EQ(found[static_cast<size_t>(i)], i * i + 1);
  EXPECT_EQ(single, 1);
  EXPECT_EQ(many, 3);
  EXPECT_NE(flow.explain().find("\n    one item: compute: "), std::string::npos) << flow.explain();
  Flow outer;  // laid among others it keeps both
  const auto n = outer.input<int64_t>("n");
  const auto laid = outer.add_flow("part", flow, z, FlowLinks().with(x, n));
  EXPECT_EQ(value(outer.run(laid, FlowInputs().with(n, 3))), 10);
  EXPECT_EQ(single, 2);
}

TEST(FlowBindings, FixSlots) {
  Flow flow;
  std::atomic<int> calls{0};
  const auto x = flow.input<int64_t>("x");
  const auto by = flow.input<int64_t>("by");
  const auto slow = flow.add("slow", [&calls](int64_t v) { return v + ++calls; }, by);
  const auto y = flow.add("y", [](int64_t a, int64_t b) { return a * b; }, x, slow);
  EXPECT_NE(message(flow.run(y, FlowInputs().with(x, 1))).find("missing input \"by\" (for \"slow\")"), std::string::npos);
  flow.bind(by, 4);
  EXPECT_EQ(value(flow.run(y, FlowInputs().with(x, 2))), 10);
  EXPECT_EQ(value(flow.run(y, FlowInputs().with(x, 2).with(by, 8))), 20);
  flow.bind(slow, 100);  // not called any more
  EXPECT_EQ(value(flow.map(y, FlowInputs().over(x, numbers(3)))), (std::vector<int64_t>{0, 100, 200}));
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(value(flow.map(y, FlowInputs().over(x, numbers(3)).with(slow, 1))), numbers(3));
  Flow outer;
  const auto n = outer.input<int64_t>("n");
  const auto list = outer.input<std::vector<int64_t>>("list");
  const auto laid = outer.add_flow("laid", flow, y, FlowLinks().with(x, n));
  const auto mapped = outer.add_map("mapped", flow, y, FlowLinks().over(x, list));
  EXPECT_EQ(value(outer.run(std::tuple(laid, mapped), FlowInputs().with(n, 5).with(list, {1, 2}))),
            std::tuple(int64_t{500}, std::vector<int64_t>{100, 200}));
  EXPECT_EQ(calls, 2);
  Flow other;
  other.bind(x, 3);
  EXPECT_NE(message(other.run(other.add(
                        "z", [](int64_t v) { return v; }, other.input<int64_t>("x"))))
                .find("what is bound is a slot of another"),
            std::string::npos);
}

}  // namespace
}  // namespace gristmill
