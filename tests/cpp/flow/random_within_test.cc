// Random graphs with generators, flows inside flows and functions of many items, against one plain recursion: rows, order and errors.

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "flow_cases.h"

namespace gristmill {
namespace {

enum class Kind { kFunction, kGenerator, kMap, kFlow, kBatch };

struct Graph;
struct Plain {
  Kind kind = Kind::kFunction;
  std::vector<int> args;  // places: inputs first, then functions
  int64_t add = 0;
  int64_t fails = 0;
  std::shared_ptr<Graph> inner;
  int inner_wanted = 0;

  arrow::Result<int64_t> value(const std::vector<int64_t>& values) const {
    int64_t sum = add;
    for (size_t i = 0; i < values.size(); ++i) sum += static_cast<int64_t>(i + 3) * values[i];
    sum %= 10'007;
    if (fails > 0 && sum % fails == 1) return arrow::Status::Invalid("sour ", sum);
    return sum;
  }
  // The j-th value of a generator or of what a flow inside is mapped over; nothing: the end.
  arrow::Result<std::optional<int64_t>> part(int64_t value, int64_t j) const {
    if (j == value % 4) return std::nullopt;
    if (fails > 0 && (value + j) % 13 == 5) return arrow::Status::Invalid("sour part ", value + j);
    return std::optional<int64_t>(value + j);
  }
};

struct Graph {
  Flow flow;
  std::vector<Slot<int64_t>> slots;
  std::vector<Plain> plain;
  size_t inputs = 2;
};

// ---- the flow

AsyncEach<int64_t> parts_later(Plain p, int64_t value) {
  for (int64_t j = 0;; ++j) {
    if (value % 3 == 0) co_await sleep_for(20us);
    arrow::Result<std::optional<int64_t>> part = p.part(value, j);
    if (!part.ok()) {
      co_yield part.status();
    } else if (!*part) {
      co_return;
    } else {
      co_yield **part;
    }
  }
}

Slot<int64_t> add_generator(Flow& flow, std::mt19937_64& r, const std::string& name, const Plain& p, Slot<int64_t> a, Slot<int64_t> b) {
  const auto value = flow.add(name + "v", [p](int64_t x, int64_t y) { return p.value({x, y}); }, a, b);
  if (r() % 2 == 0) return flow.add(name, [p](int64_t v) { return parts_later(p, v); }, value);
  const CallRules rules{.way = r() % 3 == 0 ? CallWay::kBlocking : CallWay::kAuto};
  return flow.add(
      name, [p](int64_t v) { return Each<int64_t>::from([p, v, j = int64_t{0}]() mutable { return p.part(v, j++); }); }, rules, value);
}

Slot<int64_t> add_function(Flow& flow, std::mt19937_64& r, const std::string& name, const Plain& p, Slot<int64_t> a, Slot<int64_t> b) {
  const auto delay = std::chrono::microseconds(r() % 3 == 0 ? 100 : 0);
  switch (r() % 3) {
    case 0:
      return flow.add(
          name,
          [p, delay](int64_t x, int64_t y) -> Task<int64_t> {
            const Plain mine = p;
            if (delay.count() > 0) co_await sleep_for(delay);
            co_return mine.value({x, y});
          },
          a, b);
    case 1: return flow.add(name, [p](int64_t x, int64_t y) { return p.value({x, y}); }, CallRules{.way = CallWay::kBlocking}, a, b);
    default: return flow.add(name, [p](int64_t x, int64_t y) { return p.value({x, y}); }, a, b);
  }
}

Slot<int64_t> add_map(Flow& flow, const std::string& name, const Plain& p, Slot<int64_t> a, Slot<int64_t> b) {
  const auto xs = flow.add(
      name + "xs",
      [p](int64_t x, int64_t y) -> arrow::Result<std::vector<int64_t>> {
        ARROW_ASSIGN_OR_RAISE(const int64_t value, p.value({x, y}));
        return numbers(value % 5);
      },
      a, b);
  const Graph& inner = *p.inner;
  const auto found = flow.add_map(name + "m", inner.flow, inner.slots[static_cast<size_t>(p.inner_wanted)],
                                  FlowLinks().over(inner.slots[0], xs).with(inner.slots[1], b));
  return flow.add(
      name,
      [](const std::vector<int64_t>& v) {
        int64_t sum = 0;
        for (const int64_t one : v) sum = (sum * 31 + one) % 10'007;
        return sum;
      },
      found);
}

// `generators`: how many more there may be.
Graph random_graph(std::mt19937_64& r, int size, bool failing, int depth, int& generators) {
  Graph g;
  for (size_t i = 0; i < g.inputs; ++i) g.slots.push_back(g.flow.input<int64_t>("i" + std::to_string(i)));
  for (int n = 0; n < size; ++n) {
    constexpr Kind kKinds[] = {Kind::kFunction, Kind::kFunction, Kind::kFunction, Kind::kGenerator, Kind::kMap, Kind::kFlow, Kind::kBatch};
    Plain p{.kind = kKinds[r() % std::size(kKinds)]};
    if ((p.kind == Kind::kGenerator && generators-- <= 0) || ((p.kind == Kind::kMap || p.kind == Kind::kFlow) && depth == 0)) {
      p.kind = Kind::kFunction;
    }
    for (int a = 0; a < 2; ++a) p.args.push_back(static_cast<int>(r() % g.slots.size()));
    p.add = static_cast<int64_t>(r() % 1000);
    p.fails = failing && p.kind != Kind::kBatch ? 7 + static_cast<int64_t>(r() % 60) : 0;
    const auto a = g.slots[static_cast<size_t>(p.args[0])];
    const auto b = g.slots[static_cast<size_t>(p.args[1])];
    const std::string name = "n" + std::to_string(n);
    if (p.kind == Kind::kMap || p.kind == Kind::kFlow) {
      int own = 1;
      p.inner = std::make_shared<Graph>(
          random_graph(r, 1 + static_cast<int>(r() % 3), failing && r() % 2 == 0, depth - 1, p.kind == Kind::kMap ? own : generators));
      p.inner_wanted = static_cast<int>(r() % p.inner->slots.size());
    }
    switch (p.kind) {
      case Kind::kFunction: g.slots.push_back(add_function(g.flow, r, name, p, a, b)); break;
      case Kind::kGenerator: g.slots.push_back(add_generator(g.flow, r, name, p, a, b)); break;
      case Kind::kMap: g.slots.push_back(add_map(g.flow, name, p, a, b)); break;
      case Kind::kFlow:
        g.slots.push_back(g.flow.add_flow(name, p.inner->flow, p.inner->slots[static_cast<size_t>(p.inner_wanted)],
                                          FlowLinks().with(p.inner->slots[0], a).with(p.inner->slots[1], b)));
        break;
      case Kind::kBatch:
        g.slots.push_back(g.flow.add_batch(
            name, 1 + static_cast<int64_t>(r() % 4),
            [p](const Batch<int64_t>& x, const Batch<int64_t>& y) {
              std::vector<int64_t> out;
              for (size_t i = 0; i < x.size(); ++i) out.push_back(*p.value({x[i], y[i]}));
              return out;
            },
            a, b));
        break;
    }
    g.plain.push_back(p);
  }
  return g;
}

// ---- the recursion

// A call, with the flows it is in laid flat: arguments and result are places of one list of values.
struct Call {
  const Plain* plain;
  std::vector<size_t> args;
  size_t out;
  bool gives_parts = false;
};

size_t lay(const Graph& g, size_t wanted, std::vector<size_t> place, std::vector<Call>& calls, size_t& places) {
  std::vector<bool> needed(g.slots.size(), false);
  needed[wanted] = true;
  for (size_t n = g.plain.size(); n-- > 0;) {
    if (!needed[n + g.inputs]) continue;
    for (const int a : g.plain[n].args) needed[static_cast<size_t>(a)] = true;  // in_order() leaves out what nobody needs
  }
  place.resize(g.slots.size());
  for (size_t n = 0; n < g.plain.size(); ++n) {
    if (!needed[n + g.inputs]) continue;
    const Plain& p = g.plain[n];
    const std::vector<size_t> args{place[static_cast<size_t>(p.args[0])], place[static_cast<size_t>(p.args[1])]};
    if (p.kind == Kind::kFlow) {
      place[n + g.inputs] = lay(*p.inner, static_cast<size_t>(p.inner_wanted), args, calls, places);
    } else {
      place[n + g.inputs] = places++;
      calls.push_back({&p, args, place[n + g.inputs]});
      if (p.kind != Kind::kGenerator) continue;
      const size_t value = std::exchange(place[n + g.inputs], places++);
      calls.push_back({&p, {value}, place[n + g.inputs], true});
    }
  }
  return place[wanted];
}

// Only what `wanted` needs, what depends on no generator before the first of them, and so on behind it.
std::vector<Call> in_order(const std::vector<Call>& all, std::vector<bool> needed) {
  std::vector<Call> calls;
  for (size_t c = all.size(); c-- > 0;) {
    if (!needed[all[c].out]) continue;
    for (const size_t a : all[c].args) needed[a] = true;
    calls.insert(calls.begin(), all[c]);
  }
  std::vector<Call> out;
  while (!calls.empty()) {
    std::vector<bool> late(needed.size(), false);
    std::vector<Call> behind;
    std::optional<Call> generator;
    for (const Call& c : calls) {
      const bool is_late = c.gives_parts || std::any_of(c.args.begin(), c.args.end(), [&](size_t a) { return late[a]; });
      late[c.out] = is_late;
      if (is_late && !generator) {
        generator = c;
      } else {
        (is_late ? behind : out).push_back(c);
      }
    }
    if (generator) out.push_back(*generator);
    calls = behind;
  }
  return out;
}

using Rows = std::vector<arrow::Result<int64_t>>;
Rows plain_rows(const Graph& g, size_t wanted, const std::vector<int64_t>& inputs);

arrow::Result<int64_t> mapped(const Plain& p, int64_t count, int64_t other) {
  int64_t sum = 0;
  for (int64_t j = 0; j < count; ++j) {
    for (const auto& row : plain_rows(*p.inner, static_cast<size_t>(p.inner_wanted), {j, other})) {
      ARROW_RETURN_NOT_OK(row.status());
      sum = (sum * 31 + *row) % 10'007;
    }
  }
  return sum;
}

void walk(const std::vector<Call>& calls, size_t at, std::vector<int64_t> values, size_t wanted, Rows& rows) {
  for (; at < calls.size(); ++at) {
    const Plain& p = *calls[at].plain;
    const std::vector<size_t>& args = calls[at].args;
    if (calls[at].gives_parts) {
      for (int64_t j = 0;; ++j) {
        const auto part = p.part(values[args[0]], j);
        if (!part.ok()) rows.push_back(part.status());
        if (!part.ok() || !*part) return;
        values[calls[at].out] = **part;
        walk(calls, at + 1, values, wanted, rows);
      }
    }
    arrow::Result<int64_t> value = p.value({values[args[0]], values[args[1]]});
    if (value.ok() && p.kind == Kind::kMap) value = mapped(p, *value % 5, values[args[1]]);
    if (!value.ok()) {
      rows.push_back(value.status());
      return;
    }
    values[calls[at].out] = *value;
  }
  rows.push_back(values[wanted]);
}

Rows plain_rows(const Graph& g, size_t wanted, const std::vector<int64_t>& inputs) {
  std::vector<Call> all;
  size_t places = g.inputs;
  const size_t place = lay(g, wanted, {0, 1}, all, places);
  std::vector<bool> needed(places, false);
  needed[place] = true;
  std::vector<int64_t> values = inputs;
  values.resize(places);
  Rows rows;
  walk(in_order(all, needed), 0, std::move(values), place, rows);
  return rows;
}

std::string own(const arrow::Status& status) { return status.message().substr(0, status.message().find(" (in")); }

// How many rows were good, and how many had failed.
void check(uint64_t seed, int size, int64_t items, std::pair<size_t, size_t>& seen) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 r(seed);
  int generators = 3;
  const Graph g = random_graph(r, size, r() % 2 == 0, 2, generators);
  const auto wanted = 2 + static_cast<size_t>(r() % g.plain.size());
  std::vector<std::vector<int64_t>> columns(2);
  for (auto& column : columns) {
    for (int64_t i = 0; i < items; ++i) column.push_back(static_cast<int64_t>(r() % 1000));
  }
  Rows expected;
  for (size_t i = 0; i < static_cast<size_t>(items); ++i) {
    for (auto& row : plain_rows(g, wanted, {columns[0][i], columns[1][i]})) expected.push_back(row);
  }
  const auto bad = std::find_if(expected.begin(), expected.end(), [](const auto& row) { return !row.ok(); });
  std::vector<int64_t> good;
  for (const auto& row : expected) {
    if (row.ok()) good.push_back(*row);
  }
  seen.first += good.size();
  seen.second += expected.size() - good.size();
  constexpr int kWorkers[] = {1, 2, 3, 8};
  FlowOptions options{.num_workers = kWorkers[r() % 4]};
  options.window = r() % 3 == 0 ? 1 + static_cast<int64_t>(r() % 4) : 10'000;
  const auto in = FlowInputs().over(g.slots[0], columns[0]).over(g.slots[1], columns[1]);
  const auto each = value(g.flow.map_each(g.slots[wanted], in, options));
  ASSERT_EQ(each.size(), expected.size());
  for (size_t i = 0; i < each.size(); ++i) {
    ASSERT_EQ(each[i].ok(), expected[i].ok()) << i;
    if (each[i].ok()) {
      ASSERT_EQ(*each[i], *expected[i]) << i;
    } else {
      ASSERT_EQ(own(each[i].status()), expected[i].status().message()) << i;
    }
  }
  options.errors = FlowErrors::kSkip;
  ASSERT_EQ(value(g.flow.map(g.slots[wanted], in, options)), good);
  for (const bool ordered : {true, false}) {
    options.errors = ordered ? FlowErrors::kOrdered : FlowErrors::kSkip;
    options.ordered = ordered;
    std::vector<int64_t> taken;
    const auto status = g.flow.stream(
        g.slots[wanted], in,
        [&](int64_t, arrow::Result<int64_t> row) -> arrow::Result<bool> {
          taken.push_back(*row);
          return true;
        },
        options);
    ASSERT_EQ(status.ok(), !ordered || bad == expected.end());
    if (!ordered) {
      std::vector<int64_t> sorted = good;
      std::sort(sorted.begin(), sorted.end());
      std::sort(taken.begin(), taken.end());
      ASSERT_EQ(taken, sorted);
    } else {
      if (!status.ok()) {
        ASSERT_EQ(own(status), bad->status().message());
      }
      ASSERT_EQ(taken, std::vector<int64_t>(good.begin(), good.begin() + (bad - expected.begin())));
    }
  }
}

TEST(RandomFlowsWithin, SmallGraphsAreAPlainRecursion) {
  std::pair<size_t, size_t> seen;
  for (uint64_t seed = 0; seed < 400 && !HasFatalFailure(); ++seed) check(seed, 1 + static_cast<int>(seed % 8), 6, seen);
  EXPECT_GT(seen.first, 500U);
  EXPECT_GT(seen.second, 50U);
}

TEST(RandomFlowsWithin, LargerGraphsAreAPlainRecursion) {
  std::pair<size_t, size_t> seen;
  for (uint64_t seed = 5000; seed < 5010 && !HasFatalFailure(); ++seed) check(seed, 40, 3, seen);
  EXPECT_GT(seen.first, 0U);
}

}  // namespace
}  // namespace gristmill
