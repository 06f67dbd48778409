// Events, progress, drawings: what a run tells and shows.

#include <algorithm>
#include <map>
#include <mutex>

#include "flow_cases.h"

namespace gristmill {
namespace {

// The lines of a run; their order across items is open.
class Log {
 public:
  std::function<void(const FlowEvent&)> listener() {
    return [this](const FlowEvent& e) { lines_.push_back(e.to_string()); };  // one at a time, so without a lock
  }
  // Those of an item (and of what is within it) in the order they came; "" are those of the flow.
  std::vector<std::string> of(const std::string& item) const {
    std::vector<std::string> out;
    for (const std::string& line : lines_) {
      const auto at = line.find(" item=");
      const std::string own = at == std::string::npos ? "" : line.substr(at + 6, line.find(' ', at + 6) - at - 6);
      if (own == item) out.push_back(at == std::string::npos ? line : line.substr(0, at) + line.substr(at + 6 + own.size()));
    }
    return out;
  }
  size_t size() const { return lines_.size(); }
  void clear() { lines_.clear(); }

 private:
  std::vector<std::string> lines_;
};

using Lines = std::vector<std::string>;

TEST(FlowEvents, TellWhatHappensToAnItemOnEveryWay) {
  for (const CallWay way : {CallWay::kAuto, CallWay::kCompute, CallWay::kBlocking}) {
    Flow flow;
    Log log;
    const auto x = flow.input<int64_t>("x");
    const auto a = flow.add("a", [](int64_t v) { return v + 1; }, CallRules{.way = way}, x);
    const auto b = flow.add(
        "b",
        [](int64_t v) -> arrow::Result<int64_t> {
          if (v == 3) return arrow::Status::Invalid("three");
          return v;
        },
        CallRules{.way = way}, a);
    for (int run = 0; run < 3; ++run) {  // not known yet, then known
      log.clear();
      const auto rows = value(flow.map_each(b, FlowInputs().over(x, numbers(4)), {.on_event = log.listener()}));
      EXPECT_FALSE(rows[2].ok());
      EXPECT_EQ(log.of(""), (Lines{"flow_start", "flow_end"}));
      for (const char* item : {"0", "1", "3"}) {
        EXPECT_EQ(log.of(item),
                  (Lines{"item_start", "node_start node=a", "node_end node=a", "node_start node=b", "node_end node=b", "item_end"}));
      }
      EXPECT_EQ(log.of("2"), (Lines{"item_start", "node_start node=a", "node_end node=a", "node_start node=b",
                                    "node_error node=b error=Invalid: three", "item_error error=Invalid: three"}));
    }
  }
}

TEST(FlowEvents, TellRetriesCachesAndTheFlowsError) {
  Flow flow;
  Log log;
  const FlowCache cache;
  const auto x = flow.input<int64_t>("x");
  const auto a = flow.add(
      "a",
      [](int64_t v, const FlowCall& call) -> Task<int64_t> {
        const int attempt = call.attempt;
        co_await sleep_for(10us);
        if (attempt == 1) co_return arrow::Status::IOError("busy");
        co_return v;
      },
      CallRules{.retry = Retry{.times = 1, .first = 0.0001}, .cache = cache}, x);
  const FlowOptions options{.on_event = log.listener()};
  EXPECT_TRUE(flow.run(a, FlowInputs().with(x, 7), options).ok());
  EXPECT_EQ(log.of("0"), (Lines{"item_start", "node_start node=a", "retry node=a error=IOError: busy", "node_start node=a attempt=2",
                                "node_end node=a attempt=2", "item_end"}));
  log.clear();
  EXPECT_TRUE(flow.run(a, FlowInputs().with(x, 7), options).ok());
  EXPECT_EQ(log.of("0"), (Lines{"item_start", "cached node=a", "node_end node=a", "item_end"}));
  const auto bad = flow.add("bad", [](int64_t) -> arrow::Result<int64_t> { return arrow::Status::Invalid("bad"); }, a);
  log.clear();
  EXPECT_FALSE(flow.run(bad, FlowInputs().with(x, 7), options).ok());
  const Lines told = log.of("");
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[1].substr(0, 30), "flow_error error=Invalid: bad ");
}

TEST(FlowEvents, TellWhatIsWithinItems) {
  Flow inner;
  const auto v = inner.input<int64_t>("v");
  const auto square = inner.add("square", [](int64_t n) { return n * n; }, v);
  Flow flow;
  Log log;
  const auto x = flow.input<int64_t>("x");
  const auto each = flow.add("each", [](int64_t n) { return Each<int64_t>(numbers(n)); }, x);
  const auto list = flow.add("list", [](int64_t n) { return numbers(n); }, each);
  const auto squares = flow.add_map("squares", inner, square, FlowLinks().over(v, list));
  const auto rows = value(flow.map(squares, FlowInputs().over(x, {3}), {.on_event = log.listener()}));
  EXPECT_EQ(rows, (std::vector<std::vector<int64_t>>{{}, {0}, {0, 1}}));
  EXPECT_EQ(log.of("0"), (Lines{"item_start", "node_start node=each", "node_end node=each", "item_end"}));
  EXPECT_EQ(log.of("0.2"), (Lines{"item_start", "node_start node=list", "node_end node=list", "map_start node=squares",
                                  "map_end node=squares", "item_end"}));
  EXPECT_EQ(log.of("0.2.1"), (Lines{"item_start", "node_start node=squares.square", "node_end node=squares.square", "item_end"}));
}

TEST(FlowEvents, AreOfEveryKindAtOnceAndBalanced) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto a = flow.add(
      "a",
      [](int64_t v) -> Task<int64_t> {
        co_await sleep_for(20us);
        co_return v;
      },
      x);
  const auto b = flow.add("b", [](int64_t v) { return v; }, CallRules{.way = CallWay::kBlocking}, x);
  const auto c =
      flow.add_batch("c", 7, [](const Batch<int64_t>& p, const Batch<int64_t>&) { return std::vector<int64_t>(p.begin(), p.end()); }, a, b);
  std::map<std::pair<std::string, FlowEvent::What>, int> counted;
  int inside = 0;
  const auto status = flow.stream(c, FlowInputs().over(x, numbers(500)), [](int64_t, arrow::Result<int64_t>) { return true; },
                                  {.num_workers = 3, .on_event = [&](const FlowEvent& e) {
                                     EXPECT_EQ(++inside, 1);
                                     ++counted[{e.node, e.what}];
                                     --inside;
                                   }});
  EXPECT_TRUE(status.ok());
  using What = FlowEvent::What;
  EXPECT_EQ((counted[{"", What::kItemStart}]), 500);
  EXPECT_EQ((counted[{"", What::kItemEnd}]), 500);
  EXPECT_EQ((counted[{"a", What::kNodeStart}]), 500);
  EXPECT_EQ((counted[{"b", What::kNodeEnd}]), 500);
  EXPECT_EQ((counted[{"c", What::kNodeStart}]), 72);  // a call a batch
  EXPECT_EQ((counted[{"c", What::kNodeEnd}]), 500);
}

TEST(FlowEvents, AListenerThatFailsEndsTheRun) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add("y", [](int64_t v) { return v; }, x);
  for (const auto what : {FlowEvent::What::kFlowStart, FlowEvent::What::kItemStart, FlowEvent::What::kNodeEnd, FlowEvent::What::kFlowEnd}) {
    const auto found = flow.map(y, FlowInputs().over(x, numbers(100)), {.on_event = [what](const FlowEvent& e) {
                                  if (e.what == what) throw std::runtime_error("the log is full");
                                }});
    EXPECT_NE(message(found).find("the log is full"), std::string::npos) << static_cast<int>(what);
  }
}

TEST(FlowEvents, AListenerMayEndTheRun) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add(
      "y",
      [](int64_t v) -> Task<int64_t> {
        co_await sleep_for(v == 0 ? 1ms : 30s);
        co_return v;
      },
      x);
  const Cancellation cancel;
  const auto found = flow.map(y, FlowInputs().over(x, numbers(9)), {.cancel = cancel, .on_event = [&](const FlowEvent& e) {
                                                                      if (e.what == FlowEvent::What::kItemEnd) cancel.cancel();
                                                                    }});
  EXPECT_FALSE(found.ok());
}

TEST(FlowProgresses, CountItems) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add(
      "y",
      [](int64_t v) -> arrow::Result<int64_t> {
        if (v % 10 == 3) return arrow::Status::Invalid("three");
        return v;
      },
      x);
  for (const CallWay way : {CallWay::kCompute, CallWay::kBlocking}) {
    const auto z = flow.add("z" + std::to_string(static_cast<int>(way)), [](int64_t v) { return v; }, CallRules{.way = way}, y);
    const FlowProgress progress;
    EXPECT_EQ(value(flow.map(z, FlowInputs().over(x, numbers(1000)), {.errors = FlowErrors::kSkip, .progress = progress})).size(), 900U);
    EXPECT_EQ(progress.done(), 1000);
    EXPECT_EQ(progress.failed(), 100);
    EXPECT_EQ(progress.total(), 1000);
    EXPECT_EQ(progress.text().substr(0, 66),
              "[########################] 1,000 of 1,000 items, 100 failed, " + progress.text().substr(61, 5));
    EXPECT_TRUE(flow.run(z, FlowInputs().with(x, 1), {.progress = progress}).ok());
    EXPECT_EQ(progress.total(), 1001);
  }
  int64_t next = 0;
  const FlowProgress pulled;
  EXPECT_TRUE(flow.stream(y,
                          FlowInputs().from<int64_t>(x,
                                                     [&]() -> arrow::Result<std::optional<int64_t>> {
                                                       if (next == 3) return std::nullopt;
                                                       return next++;
                                                     }),
                          [](int64_t, arrow::Result<int64_t>) { return true; }, {.progress = pulled})
                  .ok());
  EXPECT_EQ(pulled.total(), -1);
  EXPECT_EQ(pulled.text().substr(0, 9), "3 items, ");
}

TEST(FlowProgresses, ShowALineOfRunsThatTakeLong) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add(
      "y",
      [](int64_t v) -> Task<int64_t> {
        co_await sleep_for(v * 10ms);
        co_return v;
      },
      x);
  Lines shown;
  const FlowProgress progress([&shown](const std::string& line) { shown.push_back(line); }, 20ms, 10ms);
  EXPECT_TRUE(flow.map(y, FlowInputs().over(x, numbers(12)), {.progress = progress}).ok());
  ASSERT_GE(shown.size(), 3U);
  EXPECT_NE(shown[0].find(" of 12 items, "), std::string::npos) << shown[0];
  EXPECT_EQ(shown.back(), "");
  shown.clear();
  EXPECT_TRUE(flow.map(y, FlowInputs().over(x, numbers(1)), {.progress = progress}).ok());  // no time for a line
  EXPECT_TRUE(shown.empty());
  const FlowProgress broken([](const std::string&) { throw std::runtime_error("no terminal"); }, 1ms, 1ms);
  EXPECT_TRUE(flow.map(y, FlowInputs().over(x, numbers(4)), {.progress = broken}).ok());
}

TEST(FlowDrawings, HaveABoxForEachSlotAndAnEdgeForEachUse) {
  Flow inner;
  const auto v = inner.input<int64_t>("v");
  const auto square = inner.add("square", [](int64_t n) { return n * n; }, v);
  Flow flow;
  const auto x = flow.input<std::vector<int64_t>>("x<y>");
  const auto unit = flow.input<int64_t>("unit", 3);
  const auto squares = flow.add_map("squares", inner, square, FlowLinks().over(v, x));
  const auto wait = flow.add("wait", [](int64_t n) -> Task<int64_t> { co_return n; }, CallRules{.retry = Retry{.times = 2}}, unit);
  flow.add("sum", [](const std::vector<int64_t>& all, int64_t n) { return static_cast<int64_t>(all.size()) + n; }, squares, wait);
  const std::string svg = flow.to_svg();
  const auto count = [&svg](const std::string& what) {
    size_t found = 0;
    for (size_t at = svg.find(what); at != std::string::npos; at = svg.find(what, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(svg.substr(0, 5), "<svg ");
  EXPECT_EQ(svg.substr(svg.size() - 6), "</svg>");
  EXPECT_EQ(count("<rect "), 5U);
  EXPECT_EQ(count("<path d=\"M"), 5U);  // four uses and the arrow's head
  EXPECT_EQ(count(">x&lt;y&gt;</text>"), 1U);
  EXPECT_EQ(count(">a flow, for each item</text>"), 1U);
  EXPECT_EQ(count("<title>async: a coroutine"), 1U);
  EXPECT_EQ(count(">input, has a default</text>"), 1U);
  EXPECT_EQ(Flow().to_svg().substr(0, 5), "<svg ");
}

}  // namespace
}  // namespace gristmill
