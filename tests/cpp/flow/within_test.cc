// Items within items: generators, flows inside flows.

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "flow_cases.h"

namespace gristmill {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  std::string word;
  for (const char c : text + " ") {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      out.push_back(std::exchange(word, ""));
    }
  }
  return out;
}

Each<std::string> words_at_once(const std::string& text) { return split(text); }

Each<std::string> words_one_by_one(const std::string& text) {
  const auto words = std::make_shared<std::vector<std::string>>(split(text));
  return Each<std::string>::from([words]() -> arrow::Result<std::optional<std::string>> {
    if (words->empty()) return std::nullopt;
    std::string first = words->front();
    words->erase(words->begin());
    if (first == "bad") return arrow::Status::Invalid("a bad word");
    return first;
  });
}

AsyncEach<std::string> words_later(const std::string& text) {  // refers to its argument
  for (size_t i = 0; i < split(text).size(); ++i) {
    co_await sleep_for(10us);
    const std::string word = split(text)[i];
    if (word == "bad") {
      co_yield arrow::Status::Invalid("a bad word");
    } else {
      co_yield word;
    }
  }
}

Task<Each<std::string>> words_when_through(std::string text) {
  co_await sleep_for(10us);
  co_return Each<std::string>(split(text));
}

enum class Kind { kAtOnce, kOneByOne, kBlocking, kLater, kWhenThrough };

class Generators : public ::testing::TestWithParam<Kind> {
 protected:
  Slot<std::string> words(Flow& flow, Slot<std::string> text) {
    switch (GetParam()) {
      case Kind::kAtOnce: return flow.add("word", words_at_once, text);
      case Kind::kOneByOne: return flow.add("word", words_one_by_one, text);
      case Kind::kBlocking: return flow.add("word", words_one_by_one, CallRules{.way = CallWay::kBlocking}, text);
      case Kind::kLater: return flow.add("word", words_later, text);
      default: return flow.add("word", words_when_through, text);
    }
  }
  bool tells_bad_words() const { return GetParam() != Kind::kAtOnce && GetParam() != Kind::kWhenThrough; }
};

TEST_P(Generators, GiveAnItemForEachValueInOrder) {
  for (const int workers : {1, 2, 3}) {
    Flow flow;
    std::atomic<int> calls{0};
    const auto text = flow.input<std::string>("text");
    const auto word = words(flow, text);
    const auto size = flow.add("size", [](const std::string& w) { return static_cast<int64_t>(w.size()); }, word);
    const auto first = flow.add("first", [&calls](const std::string& t) { return ++calls, t.substr(0, 1); }, text);
    const auto in = FlowInputs().over(text, {"a bb", "", "ccc dd e f"});
    const std::vector<std::tuple<std::string, int64_t, std::string>> expected{{"a", 1, "a"},  {"bb", 2, "a"}, {"ccc", 3, "c"},
                                                                              {"dd", 2, "c"}, {"e", 1, "c"},  {"f", 1, "c"}};
    EXPECT_EQ(value(flow.map(std::tuple(word, size, first), in, {.num_workers = workers})), expected);
    EXPECT_EQ(calls, 3);  // once an item, before it is divided
    EXPECT_EQ(value(flow.map(word, in, {.num_workers = workers})), (std::vector<std::string>{"a", "bb", "ccc", "dd", "e", "f"}));
    std::vector<std::pair<int64_t, int64_t>> taken;
    EXPECT_TRUE(flow.stream(size, in,
                            [&](int64_t item, arrow::Result<int64_t> row) -> arrow::Result<bool> {
                              taken.emplace_back(item, *row);
                              return true;
                            },
                            {.num_workers = workers})
                    .ok());
    EXPECT_EQ(taken, (std::vector<std::pair<int64_t, int64_t>>{{0, 1}, {0, 2}, {2, 3}, {2, 2}, {2, 1}, {2, 1}}));
  }
}

TEST_P(Generators, AFailureStandsWhereTheNextValueWould) {
  if (!tells_bad_words()) return;
  Flow flow;
  const auto text = flow.input<std::string>("text");
  const auto word = words(flow, text);
  const auto size = flow.add("size", [](const std::string& w) { return static_cast<int64_t>(w.size()); }, word);
  const auto in = FlowInputs().over(text, {"a bb bad c", "d"});
  const auto each = value(flow.map_each(size, in));
  ASSERT_EQ(each.size(), 4U);
  EXPECT_EQ(*each[1], 2);
  EXPECT_EQ(message(each[2]), "a bad word (in function \"word\" of item 0)");
  EXPECT_EQ(*each[3], 1);
  EXPECT_EQ(message(flow.map(size, in)), message(each[2]));
  EXPECT_EQ(value(flow.map(size, in, {.errors = FlowErrors::kSkip})), (std::vector<int64_t>{1, 2, 1}));
  std::vector<int64_t> taken;
  const auto status = flow.stream(size, in,
                                  [&](int64_t, arrow::Result<int64_t> row) -> arrow::Result<bool> {
                                    taken.push_back(*row);
                                    return true;
                                  },
                                  {.errors = FlowErrors::kOrdered});
  EXPECT_EQ(status.message(), message(each[2]));
  EXPECT_EQ(taken, (std::vector<int64_t>{1, 2}));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Generators,
                         ::testing::Values(Kind::kAtOnce, Kind::kOneByOne, Kind::kBlocking, Kind::kLater, Kind::kWhenThrough));

struct Frames {
  explicit Frames(std::atomic<int>* open_) : open(open_) { ++*open; }
  Frames(const Frames&) = delete;
  Frames& operator=(const Frames&) = delete;
  ~Frames() { --*open; }
  std::atomic<int>* open;
};

AsyncEach<int64_t> count_later(int64_t from, std::atomic<int64_t>* given, std::atomic<int>* open) {
  const Frames here(open);
  for (int64_t i = from;; ++i) {
    if (i % 50 == 0) co_await sleep_for(10us);
    ++*given;
    co_yield i;
  }
}

// Endless ones: those of later items wait while their rows are held back, and all are gone when the stream ends.
TEST(GeneratorsOfStreams, AreEndlessAndPulledAsThereIsRoom) {
  for (const bool async : {false, true}) {
    for (const bool ordered : {true, false}) {
      for (const int workers : {1, 2}) {
        SCOPED_TRACE((async ? "async " : "plain ") + std::to_string(ordered) + " " + std::to_string(workers));
        std::atomic<int64_t> given{0};
        std::atomic<int> open{0};
        Flow flow;
        const auto from = flow.input<int64_t>("from");
        const auto number = async ? flow.add(
                                        "number", [&](int64_t f) { return count_later(f, &given, &open); }, from)
                                  : flow.add(
                                        "number",
                                        [&](int64_t f) {
                                          return Each<int64_t>::from([&given, at = f]() mutable -> arrow::Result<std::optional<int64_t>> {
                                            ++given;
                                            return at++;
                                          });
                                        },
                                        from);
        const auto twice = flow.add("twice", [](int64_t n) { return 2 * n; }, number);
        std::vector<int64_t> taken;
        EXPECT_TRUE(flow.stream(twice, FlowInputs().over(from, {0, 1'000'000, 2'000'000}),
                                [&](int64_t item, arrow::Result<int64_t> row) -> arrow::Result<bool> {
                                  if (item == 0) taken.push_back(*row);
                                  return taken.size() < 500;
                                },
                                {.num_workers = workers, .window = 10, .ordered = ordered})
                        .ok());
        for (size_t i = 0; i < taken.size() && ordered; ++i) ASSERT_EQ(taken[i], 2 * static_cast<int64_t>(i));
        EXPECT_EQ(taken.size(), 500U);
        if (ordered) {
          EXPECT_LT(given, 700);
        }
        EXPECT_EQ(open, 0);
      }
    }
  }
}

// The second of the values that a generator gives has an endless one behind it, whose rows wait for those of the first.
TEST(GeneratorsOfStreams, WithinGeneratorsWaitForTheirTurn) {
  for (const int workers : {1, 2}) {
    std::atomic<int64_t> given{0};
    Flow flow;
    const auto x = flow.input<int64_t>("x");
    const auto outer = flow.add("outer", [](int64_t n) { return Each<int64_t>(numbers(n)); }, x);
    const auto inner = flow.add(
        "inner",
        [&given](int64_t n) -> AsyncEach<int64_t> {
          std::atomic<int64_t>& count = given;
          if (n == 0) co_await sleep_for(200ms);
          for (int64_t i = 0; n > 0 || i < 3; ++i) {
            ++count;
            co_yield 1000 * n + i;
          }
        },
        outer);
    std::vector<int64_t> taken;
    EXPECT_TRUE(flow.stream(inner, FlowInputs().over(x, {2}),
                            [&](int64_t, arrow::Result<int64_t> row) -> arrow::Result<bool> {
                              if (taken.empty()) {
                                EXPECT_LT(given, 300);
                              }
                              taken.push_back(*row);
                              return taken.size() < 5;
                            },
                            {.num_workers = workers, .window = 20})
                    .ok());
    EXPECT_EQ(taken, (std::vector<int64_t>{0, 1, 2, 1000, 1001}));
  }
}

TEST(GeneratorsOfStreams, OfGeneratorsGiveEveryPair) {
  Flow flow;
  const auto n = flow.input<int64_t>("n");
  const auto a = flow.add("a", [](int64_t k) { return Each<int64_t>(numbers(k)); }, n);
  const auto b = flow.add("b", [](int64_t k) { return Each<int64_t>(numbers(k)); }, n);  // does not depend on a: every combination
  const auto c = flow.add("c", [](int64_t k) { return Each<int64_t>(numbers(k)); }, a);
  std::vector<std::tuple<int64_t, int64_t, int64_t>> expected;
  for (const int64_t k : {3, 0, 2}) {
    for (int64_t x = 0; x < k; ++x) {
      for (int64_t y = 0; y < k; ++y) {
        for (int64_t z = 0; z < x; ++z) expected.emplace_back(x, y, z);
      }
    }
  }
  EXPECT_EQ(value(flow.map(std::tuple(a, b, c), FlowInputs().over(n, {3, 0, 2}))), expected);
}

TEST(FlowsInside, JoinTheGraph) {
  Flow inner;
  const auto x = inner.input<int64_t>("x");
  const auto k = inner.input<int64_t>("k", 1);
  const auto up = inner.add("up", [](int64_t a, int64_t b) { return a + b; }, x, k);
  const auto ten = inner.add("ten", [](int64_t v) { return 10 * v; }, up);
  Flow flow;
  const auto start = flow.input<int64_t>("start");
  const auto one = flow.add_flow("one", inner, ten, FlowLinks().with(x, start));
  const auto [two, three] = flow.add_flow("two", inner, std::tuple(up, ten), FlowLinks().with(x, one).with(k, 5));
  const auto end = flow.add("end", [](int64_t a, int64_t b, int64_t c) { return std::vector<int64_t>{a, b, c}; }, one, two, three);
  EXPECT_EQ(value(flow.run(end, FlowInputs().with(start, 4))), (std::vector<int64_t>{50, 55, 550}));
  EXPECT_NE(flow.explain().find("two.ten(two.up)"), std::string::npos) << flow.explain();
}

TEST(FlowsInside, AreMappedOverManyValues) {
  for (const int workers : {1, 2, 3}) {
    Flow inner;
    std::atomic<int> open{0};
    std::atomic<int> most{0};
    const auto x = inner.input<int64_t>("x");
    const auto by = inner.input<int64_t>("by");
    const auto late = inner.add(
        "late",
        [&](int64_t v) -> Task<int64_t> {
          int seen = most;
          const int now = ++open;
          while (now > seen && !most.compare_exchange_weak(seen, now)) {
          }
          co_await sleep_for(2ms);
          --open;
          co_return v;
        },
        x);
    const auto product = inner.add("product", [](int64_t v, int64_t b) { return v * b; }, late, by);
    Flow flow;
    const auto n = flow.input<int64_t>("n");
    const auto xs = flow.add("xs", numbers, n);
    const auto products = flow.add_map("products", inner, product, FlowLinks().over(x, xs).with(by, n));
    const auto pairs = flow.add_map("pairs", inner, std::tuple(x, product), FlowLinks().over(x, xs).over(by, xs).product());
    const auto sum = flow.add(
        "sum",
        [](const std::vector<int64_t>& p, const std::vector<std::tuple<int64_t, int64_t>>& q) {
          int64_t s = static_cast<int64_t>(1000 * q.size());
          for (const int64_t v : p) s += v;
          for (const auto& [a, b] : q) s += a + b;
          return s;
        },
        products, pairs);
    const auto plain = [](int64_t k) {
      int64_t s = 1000 * k * k;
      for (int64_t a = 0; a < k; ++a) {
        s += a * k;
        for (int64_t b = 0; b < k; ++b) s += a + a * b;
      }
      return s;
    };
    EXPECT_EQ(value(flow.map(sum, FlowInputs().over(n, numbers(12)), {.num_workers = workers})).back(), plain(11));
    EXPECT_GT(most, 50);  // not one inside the other
    EXPECT_EQ(value(flow.run(products, FlowInputs().with(n, 4))), (std::vector<int64_t>{0, 4, 8, 12}));
    EXPECT_TRUE(value(flow.run(products, FlowInputs().with(n, 0))).empty());
  }
}

TEST(FlowsInside, FailAsAWhole) {
  Flow inner;
  const auto x = inner.input<int64_t>("x");
  const auto y = inner.add(
      "y",
      [](int64_t v) -> Task<int64_t> {
        co_await sleep_for(std::chrono::microseconds(v == 3 ? 500 : 5));
        if (v == 3 || v == 5) co_return arrow::Status::Invalid("no ", v);
        co_return v;
      },
      x);
  Flow flow;
  const auto n = flow.input<int64_t>("n");
  const auto xs = flow.add("xs", numbers, n);
  const auto ys = flow.add_map("ys", inner, y, FlowLinks().over(x, xs));
  const auto each = value(flow.map_each(ys, FlowInputs().over(n, {2, 8, 3})));
  ASSERT_EQ(each.size(), 3U);
  EXPECT_EQ(*each[0], numbers(2));
  EXPECT_EQ(message(each[1]), "no 3 (in function \"ys.y\" of item 1, part 3)");
  EXPECT_EQ(*each[2], numbers(3));
  EXPECT_EQ(message(flow.map(ys, FlowInputs().over(n, {2, 8, 7}), {.errors = FlowErrors::kOrdered})), message(each[1]));
}

TEST(FlowsInside, NameWhatIsWrong) {
  Flow inner;
  const auto x = inner.input<int64_t>("x");
  const auto z = inner.input<int64_t>("z");
  const auto y = inner.add("y", [](int64_t a, int64_t b) { return a + b; }, x, z);
  const auto tried = [&](auto add) {
    Flow flow;
    const auto v = flow.input<int64_t>("v");
    const auto vs = flow.input<std::vector<int64_t>>("vs");
    return message(flow.run(add(flow, v, vs), FlowInputs().with(v, 1).with(vs, {1})));
  };
  EXPECT_NE(tried([&](Flow& f, auto v, auto) { return f.add_flow("in", inner, y, FlowLinks().with(x, v)); }).find("missing input \"in.z\""),
            std::string::npos);
  EXPECT_NE(
      tried([&](Flow& f, auto, auto vs) { return f.add_map("in", inner, y, FlowLinks().over(x, vs)); }).find("missing input \"in.z\""),
      std::string::npos);
  EXPECT_NE(tried([&](Flow& f, auto v, auto) { return f.add_map("in", inner, y, FlowLinks().with(x, v).with(z, v)); }).find("over nothing"),
            std::string::npos);
  EXPECT_NE(tried([&](Flow& f, auto v, auto vs) {
              return f.add_flow("in", inner, y, FlowLinks().over(x, vs).with(z, v));
            }).find("given many values"),
            std::string::npos);
  EXPECT_NE(tried([&](Flow& f, auto v, auto) { return f.add_flow("in", inner, y, FlowLinks().with(x, v).with(x, v)); }).find("given twice"),
            std::string::npos);
  EXPECT_NE(tried([&](Flow& f, auto, auto) { return f.add_flow("in", inner, y, FlowLinks().with(x, z)); }).find("slot of another flow"),
            std::string::npos);
}

TEST(Batches, HoldItemsByTheirNumbers) {
  for (const int workers : {1, 2, 3}) {
    for (const int64_t window : {int64_t{3}, int64_t{10'000}}) {
      Flow flow;
      std::mutex mutex;
      std::multiset<std::vector<int64_t>> seen;
      const auto x = flow.input<int64_t>("x");
      const auto late = flow.add(
          "late",
          [](int64_t v) -> Task<int64_t> {
            co_await sleep_for(std::chrono::microseconds(v * 37 % 11 * 100));
            if (v == 6) co_return arrow::Status::Invalid("six");
            co_return v;
          },
          x);
      const auto square = flow.add_batch(
          "square", 4,
          [&](const Batch<int64_t>& values, const Batch<int64_t>& inputs) -> arrow::Result<std::vector<int64_t>> {
            {
              std::lock_guard lock(mutex);
              seen.insert({values.begin(), values.end()});
            }
            if (values[0] == 8) return arrow::Status::Invalid("eight and after");
            std::vector<int64_t> out;
            for (size_t i = 0; i < values.size(); ++i) out.push_back(values[i] * inputs[i]);
            return out;
          },
          late, x);
      const auto each = value(flow.map_each(square, FlowInputs().over(x, numbers(14)), {.num_workers = workers, .window = window}));
      EXPECT_EQ(seen, (std::multiset<std::vector<int64_t>>{{0, 1, 2, 3}, {4, 5, 7}, {8, 9, 10, 11}, {12, 13}}));
      ASSERT_EQ(each.size(), 14U);
      for (int64_t i = 0; i < 14; ++i) {
        const auto& one = each[static_cast<size_t>(i)];
        EXPECT_EQ(one.ok(), i != 6 && (i < 8 || i > 11)) << i;
        if (one.ok()) {
          EXPECT_EQ(*one, i * i);
        }
      }
      EXPECT_EQ(message(each[10]), "eight and after (in function \"square\" of item 10)");
    }
  }
}

TEST(Batches, TakeTheValuesOfAGeneratorAndOfFlowsInside) {
  Flow inner;
  const auto x = inner.input<int64_t>("x");
  const auto sizes = inner.add_batch(
      "sizes", 10,
      [](const Batch<int64_t>& v) -> Task<std::vector<int64_t>> {
        const auto size = static_cast<int64_t>(v.size());
        co_await sleep_for(10us);
        co_return std::vector<int64_t>(static_cast<size_t>(size), size);
      },
      x);
  Flow flow;
  const auto n = flow.input<int64_t>("n");
  const auto xs = flow.add("xs", numbers, n);
  const auto inside = flow.add_map("inside", inner, sizes, FlowLinks().over(x, xs));
  const auto number = flow.add("number", [](int64_t k) { return Each<int64_t>(numbers(k)); }, n);
  const auto sums = flow.add_batch(
      "sums", 3,
      [](const Batch<int64_t>& v) {
        int64_t sum = 0;
        for (const int64_t one : v) sum += one;
        return std::vector<int64_t>(v.size(), sum);
      },
      number);
  const auto in = FlowInputs().over(n, {23, 0, 10});
  const auto rows = value(flow.map(inside, in, {.window = 2}));
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(std::count(rows[0].begin(), rows[0].end(), 10), 20);
  EXPECT_EQ(std::count(rows[0].begin(), rows[0].end(), 3), 3);
  EXPECT_EQ(rows[2], std::vector<int64_t>(10, 10));
  EXPECT_EQ(value(flow.map(sums, FlowInputs().over(n, {4, 2}), {.window = 2})), (std::vector<int64_t>{3, 3, 3, 3, 1, 1}));
  const auto wrong = flow.add_batch("wrong", 3, [](const Batch<int64_t>&) { return std::vector<int64_t>{1}; }, n);
  EXPECT_NE(message(flow.map(wrong, in)).find("a function of 3 items at once gave 1"), std::string::npos);
}

}  // namespace
}  // namespace gristmill
