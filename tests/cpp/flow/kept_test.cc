// Caches and timelines.

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "flow_cases.h"

namespace gristmill {

struct Point {
  int64_t x = 0;
  std::string name;
  bool operator==(const Point&) const = default;
};
void flow_pack(std::string& out, const Point& p) {
  flow_pack_part(out, p.x);
  flow_pack_part(out, p.name);
}
bool flow_unpack(std::string_view& in, Point& p) { return flow_unpack_part(in, p.x) && flow_unpack_part(in, p.name); }

namespace {

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("gristmill-kept-" + std::to_string(getpid()))) {
    std::filesystem::remove_all(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string text() const { return path_.string(); }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
      if (entry.is_regular_file()) out.push_back(entry.path());
    }
    return out;
  }

 private:
  std::filesystem::path path_;
};

TEST(FlowCaches, KeepWhatWasCalled) {
  const Folder folder;
  for (const FlowCache& cache : {FlowCache(), FlowCache(folder.text())}) {
    for (const CallWay way : {CallWay::kAuto, CallWay::kCompute, CallWay::kBlocking}) {
      Flow flow;
      std::atomic<int> calls{0};
      const auto x = flow.input<int64_t>("x");
      const auto version = std::to_string(static_cast<int>(way));
      const auto y = flow.add(
          "y",
          [&calls](int64_t v) -> arrow::Result<Point> {
            ++calls;
            if (v == 3) return arrow::Status::Invalid("three");
            return Point{v, "p" + std::to_string(v)};
          },
          CallRules{.way = way, .cache = cache, .version = version}, x);
      const auto z = flow.add("z", [](const Point& p) { return p.name; }, y);
      const FlowOptions skip{.errors = FlowErrors::kSkip};
      const std::vector<std::string> expected{"p0", "p1", "p2", "p4"};
      EXPECT_EQ(value(flow.map(z, FlowInputs().over(x, numbers(5)), skip)), expected);
      EXPECT_EQ(calls, 5);
      EXPECT_EQ(value(flow.map(z, FlowInputs().over(x, numbers(5)), skip)), expected);
      EXPECT_EQ(calls, 6);  // failures are not kept
    }
    EXPECT_EQ(cache.hits(), 12);
    EXPECT_EQ(cache.misses(), 18);
    cache.clear();
  }
  EXPECT_TRUE(folder.files().empty());
}

TEST(FlowCaches, HaveKeysWithTypes) {
  const FlowCache cache;
  std::atomic<int> calls{0};
  const auto asked = [&](auto given, const std::string& version) {
    Flow flow;
    const auto x = flow.input<decltype(given)>("x");
    const auto y =
        flow.add("y", [&calls](const decltype(given)&) -> int64_t { return ++calls; }, CallRules{.cache = cache, .version = version}, x);
    return value(flow.run(y, FlowInputs().with(x, given)));
  };
  EXPECT_EQ(asked(int64_t{1}, ""), 1);
  EXPECT_EQ(asked(int64_t{1}, ""), 1);
  EXPECT_EQ(asked(1.0, ""), 2);
  EXPECT_EQ(asked(std::string("1"), ""), 3);
  EXPECT_EQ(asked(int64_t{1}, "other"), 4);
  EXPECT_EQ(asked(std::optional<int64_t>(), ""), 5);
  EXPECT_EQ(asked(std::optional<int64_t>(), ""), 5);  // nothing is a value
  EXPECT_EQ(asked(std::optional<int64_t>(0), ""), 6);
  EXPECT_EQ(asked(std::vector<std::string>{"a", "b"}, ""), 7);
  EXPECT_EQ(asked(std::vector<std::string>{"ab", ""}, ""), 8);
  EXPECT_EQ(asked(std::map<std::string, std::tuple<int, bool>>{{"k", {1, true}}}, ""), 9);
  EXPECT_EQ(asked(std::map<std::string, std::tuple<int, bool>>{{"k", {1, true}}}, ""), 9);
}

TEST(FlowCaches, OnDiskSurviveDamageAndOtherRuns) {
  const Folder folder;
  std::atomic<int> calls{0};
  using Value = std::map<std::string, std::vector<std::optional<double>>>;
  const auto run = [&] {
    Flow flow;
    const auto x = flow.input<int64_t>("x");
    const auto y = flow.add(
        "y",
        [&calls](int64_t v) -> Task<Value> {
          ++calls;
          co_await sleep_for(10us);
          co_return Value{{"k" + std::to_string(v), {1.5, std::nullopt}}, {"", {}}};
        },
        CallRules{.cache = FlowCache(folder.text())}, x);
    const auto found = value(flow.map(y, FlowInputs().over(x, numbers(20))));
    for (int64_t i = 0; i < 20; ++i) {
      const Value expected{{"k" + std::to_string(i), {1.5, std::nullopt}}, {"", {}}};
      EXPECT_EQ(found[static_cast<size_t>(i)], expected);
    }
  };
  run();
  EXPECT_EQ(calls, 20);
  run();
  EXPECT_EQ(calls, 20);
  const auto files = folder.files();
  ASSERT_EQ(files.size(), 20U);
  std::filesystem::resize_file(files[0], std::filesystem::file_size(files[0]) - 1);
  std::filesystem::resize_file(files[1], 0);
  std::filesystem::copy_file(files[2], files[3], std::filesystem::copy_options::overwrite_existing);  // another key's
  {
    std::fstream file(files[4], std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('\x7f');
  }
  run();
  EXPECT_EQ(calls, 24);
  run();
  EXPECT_EQ(calls, 24);
}

TEST(FlowCaches, SayWhatTheyCannotKeep) {
  struct Opaque {
    int* p;
  };
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add("y", [](int64_t) { return Opaque{nullptr}; }, CallRules{.cache = FlowCache()}, x);
  EXPECT_NE(flow.map_each(y, FlowInputs().over(x, numbers(2))).status().message().find("flow_pack()"), std::string::npos);
  Flow other;
  const auto n = other.input<int64_t>("n");
  const auto each = other.add("each", [](int64_t k) { return Each<int64_t>(numbers(k)); }, CallRules{.cache = FlowCache()}, n);
  EXPECT_NE(message(other.map(each, FlowInputs().over(n, numbers(2)))).find("functions of one item"), std::string::npos);
}

TEST(FlowTimelines, KeepEveryCall) {
  Flow flow;
  const FlowTimeline times;
  const auto x = flow.input<int64_t>("x");
  const auto a = flow.add(
      "a<",
      [](int64_t v) -> Task<int64_t> {
        co_await sleep_for(10ms);
        co_return v;
      },
      x);
  const auto b = flow.add("b", [](int64_t v) { return v; }, CallRules{.way = CallWay::kBlocking}, a);
  const auto c = flow.add("c", [](int64_t v) { return Each<int64_t>(numbers(v)); }, b);
  const auto d = flow.add("d", [](int64_t v) { return v; }, CallRules{.way = CallWay::kCompute}, c);
  EXPECT_EQ(value(flow.map(d, FlowInputs().over(x, numbers(3)), {.timeline = times})), (std::vector<int64_t>{0, 0, 1}));
  std::multiset<std::string> seen;
  for (const auto& span : times.spans()) {
    EXPECT_LE(span.start, span.end);
    if (span.node == "a<") {
      EXPECT_GE(span.end - span.start, 0.009);
    }
    if (span.node == "a<" || span.node == "b" || span.node == "d") {
      std::string text = span.node + " " + span.way + " " + std::to_string(span.item);
      for (const int64_t part : span.parts) text += "." + std::to_string(part);
      seen.insert(text);
    }
  }
  EXPECT_EQ(seen, (std::multiset<std::string>{"a< async 0", "a< async 1", "a< async 2", "b blocking 0", "b blocking 1", "b blocking 2",
                                              "d compute 1.0", "d compute 2.0", "d compute 2.1"}));
  const std::string svg = times.to_svg();
  EXPECT_EQ(svg.substr(0, 4), "<svg");
  EXPECT_NE(svg.find("<title>a&lt; 0: "), std::string::npos) << svg;
  EXPECT_EQ(FlowTimeline().to_svg().substr(0, 4), "<svg");
}

}  // namespace
}  // namespace gristmill
