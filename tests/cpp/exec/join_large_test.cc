// Joins of sizes that need several partitions, pieces and chunks: against a hash map, on real threads, under a memory limit.

#include <map>
#include <unordered_map>

#include "base/status.h"
#include "exec/join_driver.h"

namespace gristmill::exec::testing {
namespace {

arrow::MemoryPool* pool() { return arrow::default_memory_pool(); }

Column int_column(const std::vector<int64_t>& v) {
  auto buffer = ok(column::allocate_buffer(static_cast<int64_t>(v.size()) * 8, pool()));
  std::copy(v.begin(), v.end(), reinterpret_cast<int64_t*>(buffer->mutable_data()));
  return Column::flat(column::make_array(arrow::int64(), static_cast<int64_t>(v.size()), nullptr, 0, buffer));
}

// Two columns: key, then its row number times ten.
std::vector<Batch> table(const std::vector<int64_t>& keys) {
  std::vector<int64_t> payload(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) payload[i] = static_cast<int64_t>(i) * 10;
  Batch whole;
  whole.rows = static_cast<int64_t>(keys.size());
  whole.columns = {int_column(keys), int_column(payload)};
  std::vector<Batch> out;
  for (int64_t at = 0; at < whole.rows; at += 50'000) out.push_back(column::slice(whole, at, std::min<int64_t>(50'000, whole.rows - at)));
  return out;
}

JoinCase case_of(JoinKind kind, const std::vector<int64_t>& left, const std::vector<int64_t>& right) {
  JoinCase c;
  c.kind = kind;
  c.left_types = c.right_types = {arrow::int64(), arrow::int64()};
  c.left = table(left);
  c.right = table(right);
  c.left_keys = {"l0"};
  c.right_keys = {"r0"};
  c.output = kind == JoinKind::kInner || kind == JoinKind::kLeft ? std::vector<int>{0, 1, 3} : std::vector<int>{0, 1};
  return c;
}

std::vector<std::string> expected(JoinKind kind, const std::vector<int64_t>& left, const std::vector<int64_t>& right) {
  std::unordered_map<int64_t, std::vector<size_t>> rows;
  for (size_t j = 0; j < right.size(); ++j) rows[right[j]].push_back(j);
  std::vector<std::string> out;
  for (size_t i = 0; i < left.size(); ++i) {
    const std::string mine = std::to_string(left[i]) + "|" + std::to_string(i * 10) + "|";
    const auto at = rows.find(left[i]);
    const bool any = at != rows.end();
    if (kind == JoinKind::kSemi ? any : kind == JoinKind::kAnti ? !any : false) out.push_back(mine);
    if (kind == JoinKind::kSemi || kind == JoinKind::kAnti) continue;
    if (!any && kind == JoinKind::kLeft) out.push_back(mine + "null|");
    if (!any) continue;
    for (size_t j : at->second) out.push_back(mine + std::to_string(j * 10) + "|");
  }
  return out;
}

std::vector<int64_t> drawn(RandomColumns& random, int64_t n, int64_t distinct, int64_t spread) {
  std::vector<int64_t> out(static_cast<size_t>(n));
  for (auto& v : out) v = (random.below(distinct) - distinct / 2) * spread;
  return out;
}

class LargeJoin : public ::testing::TestWithParam<JoinKind> {};

TEST_P(LargeJoin, AgreesWithAHashMapForDenseSparseAndRepeatedKeys) {
  RandomColumns random(7);
  struct Shape {
    int64_t left, right, distinct, spread;
  };
  for (const Shape& s :
       {Shape{60'000, 300'000, 200'000, 1}, Shape{300'000, 200'000, 400'000, 1'000'003}, Shape{20'000, 90'000, 30'000, 3}}) {
    const auto left = drawn(random, s.left, s.distinct, s.spread), right = drawn(random, s.right, s.distinct, s.spread);
    const auto want = expected(GetParam(), left, right);
    const JoinCase c = case_of(GetParam(), left, right);
    for (const bool spill : {false, true}) {
      for (const bool build_left : {false, true}) {
        if (build_left && GetParam() == JoinKind::kLeft) continue;
        JoinRun run;
        run.seed = 0;
        run.workers = spill ? 2 : 3;
        run.build_left = build_left;
        run.spill_eagerly = spill && s.left < 50'000;
        const JoinOutcome got = run_join(c, run);
        ASSERT_TRUE(got.status.ok()) << got.status.ToString();
        ASSERT_TRUE(got.rows == want) << "distinct " << s.distinct << " spill " << spill << " build_left " << build_left;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, LargeJoin, ::testing::Values(JoinKind::kInner, JoinKind::kLeft, JoinKind::kSemi, JoinKind::kAnti));

// One morsel after the other in which every batch is allocated from the query: what a scan of a file does.
class FreshRows final : public Source {
 public:
  FreshRows(int64_t rows, int64_t modulus, int64_t factor) : rows_(rows), modulus_(modulus), factor_(factor) {}
  std::string name() const override { return "fresh rows"; }
  arrow::Result<int64_t> start(const QueryContext& context) override {
    memory_ = context.memory;
    return (rows_ + kRows - 1) / kRows;
  }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext&) override { return std::make_unique<LocalState>(); }
  arrow::Status read(uint64_t seq, LocalState&, const Emit& emit, RowCounts&) override {
    const int64_t begin = static_cast<int64_t>(seq) * kRows, end = std::min(rows_, begin + kRows);
    Batch b;
    b.rows = end - begin;
    for (int c = 0; c < 2; ++c) {
      ARROW_ASSIGN_OR_RAISE(auto buffer, column::allocate_buffer(b.rows * 8, memory_->pool()));
      auto* v = reinterpret_cast<int64_t*>(buffer->mutable_data());
      for (int64_t i = begin; i < end; ++i) v[i - begin] = c == 0 ? i * factor_ % modulus_ : i;
      b.columns.push_back(Column::flat(column::make_array(arrow::int64(), b.rows, nullptr, 0, std::move(buffer))));
    }
    return emit(std::move(b));
  }

 private:
  static constexpr int64_t kRows = 8192;
  const int64_t rows_, modulus_, factor_;
  std::shared_ptr<base::QueryMemory> memory_;
};

// Order and number of the output, without keeping it.
class CheckSink final : public OrderedSink {
 public:
  std::string name() const override { return "check"; }
  arrow::Result<Answer> deliver(uint64_t, std::vector<Batch>& batches) override {
    for (const Batch& b : batches) {
      Column columns[3];
      for (int c = 0; c < 3; ++c) {
        ARROW_ASSIGN_OR_RAISE(columns[c], column::flatten(b.columns[static_cast<size_t>(c)], b.rows, arrow::default_memory_pool()));
      }
      for (uint16_t i : b.selection.indices(b.rows)) {
        const int64_t key = column::values_of<int64_t>(*columns[0].values)[i], left = column::values_of<int64_t>(*columns[1].values)[i];
        const bool null = column::is_null_at(columns[2], i);
        const int64_t right = null ? -1 : column::values_of<int64_t>(*columns[2].values)[i];
        for (int64_t v : {key, left, right}) digest = (digest ^ static_cast<uint64_t>(v)) * 0x100000001b3ULL;
        in_order &= left > last_left || (left == last_left && right > last_right);
        last_left = left;
        last_right = right;
        ++rows;
      }
    }
    return Answer{};
  }
  arrow::Status finalize() override { return arrow::Status::OK(); }
  int64_t rows = 0, last_left = -1, last_right = -1;
  uint64_t digest = 1469598103934665603ULL;
  bool in_order = true;
};

struct LimitedRun {
  arrow::Status status;
  std::shared_ptr<CheckSink> sink = std::make_shared<CheckSink>();
  int64_t peak = 0, spilled = 0;
  bool on_disk = false;
};

LimitedRun run_limited(JoinKind kind, int64_t memory, int64_t right_rows, int64_t right_modulus, int64_t left_rows, int64_t left_modulus,
                       int workers = 2) {
  auto context = std::make_shared<QueryContext>();
  context->batch_rows = 8192;  // as a query under such a limit gets
  context->memory = base::QueryMemory::make(memory);
  context->workers = workers;
  auto report = std::make_shared<RunReport>();
  JoinSpec spec;
  spec.kind = kind;
  spec.left_types = spec.right_types = {arrow::int64(), arrow::int64()};
  spec.left_keys = bind_all({"l0"}, {}, *named(spec.left_types, "l"));
  spec.right_keys = bind_all({"r0"}, {}, *named(spec.right_types, "r"));
  spec.output = {0, 1, 3};
  auto join = ok(make_hash_join(spec, *context));
  sched::Query query;
  const auto segment = [](std::shared_ptr<Source> source, std::shared_ptr<const Operator> op = nullptr) {
    Segment s;
    s.branches.push_back(Branch{std::move(source), 1, {}});
    if (op) s.append(std::move(op), 2);
    return s;
  };
  const auto pipeline = [&](ResolveSegment resolve, std::shared_ptr<Sink> sink, std::shared_ptr<OrderedSink> ordered,
                            std::function<bool()> enabled) {
    PipelineSpec p;
    p.resolve = std::move(resolve);
    p.sink = std::move(sink);
    p.ordered = std::move(ordered);
    p.enabled = std::move(enabled);
    const int n = static_cast<int>(query.nodes.size());
    query.nodes.push_back({make_pipeline_task(std::move(p), context, report), n ? std::vector<int>{n - 1} : std::vector<int>{}});
  };
  const auto phases = [&](const Breaker& b, std::function<bool()> enabled) {
    for (const auto& phase : b.phases)
      query.nodes.push_back({make_phase_task(phase, enabled, context, report, 3), {static_cast<int>(query.nodes.size()) - 1}});
  };
  const auto right = std::make_shared<FreshRows>(right_rows, right_modulus, 7919),
             left = std::make_shared<FreshRows>(left_rows, left_modulus, 104729);
  const Breaker build = join->build(), grace = join->grace();
  pipeline([=]() -> arrow::Result<Segment> { return segment(right); }, build.sink, nullptr, nullptr);
  phases(build, nullptr);
  pipeline([=]() -> arrow::Result<Segment> { return segment(left); }, grace.sink, nullptr, [join] { return join->spilled(); });
  phases(grace, [join] { return join->spilled(); });
  LimitedRun out;
  pipeline([=]() -> arrow::Result<Segment> { return join->spilled() ? segment(grace.source) : segment(left, join->probe()); }, nullptr,
           out.sink, nullptr);
  sched::RunOptions options;
  options.workers = workers;
  out.status = sched::Scheduler::process().run(query, options);
  out.peak = context->memory->peak();
  out.spilled = context->memory->spilled_bytes();
  out.on_disk = join->spilled();
  return out;
}

TEST(JoinSpill, KeepsToTheLimitAndGivesTheSameRowsInOrder) {
  constexpr int64_t kLimit = int64_t{48} << 20;
  for (JoinKind kind : {JoinKind::kInner, JoinKind::kLeft}) {
    const LimitedRun free = run_limited(kind, 0, 3'000'000, 2'999'999, 1'500'000, 4'000'037);
    const LimitedRun tight = run_limited(kind, kLimit, 3'000'000, 2'999'999, 1'500'000, 4'000'037);
    ASSERT_TRUE(free.status.ok()) << free.status.ToString();
    ASSERT_TRUE(tight.status.ok()) << tight.status.ToString();
    EXPECT_FALSE(free.on_disk);
    EXPECT_TRUE(tight.on_disk);
    EXPECT_GT(tight.spilled, 0);
    EXPECT_TRUE(free.sink->in_order);
    EXPECT_TRUE(tight.sink->in_order);
    EXPECT_EQ(free.sink->rows, tight.sink->rows);
    EXPECT_EQ(free.sink->digest, tight.sink->digest);
    EXPECT_LE(tight.peak, kLimit + (int64_t{8} << 20));
  }
}

// Two keys only: no splitting helps, build rows come in parts.
TEST(JoinSpill, TakesBuildRowsOfOneKeyInParts) {
  constexpr int64_t kLimit = int64_t{40} << 20;
  for (JoinKind kind : {JoinKind::kInner, JoinKind::kLeft}) {
    const LimitedRun free = run_limited(kind, 0, 1'000'000, 2, 3, 3);
    const LimitedRun tight = run_limited(kind, kLimit, 1'000'000, 2, 3, 3);
    ASSERT_TRUE(free.status.ok()) << free.status.ToString();
    ASSERT_TRUE(tight.status.ok()) << tight.status.ToString();
    EXPECT_TRUE(tight.on_disk);
    EXPECT_EQ(free.sink->rows, tight.sink->rows);
    EXPECT_EQ(free.sink->digest, tight.sink->digest);
    EXPECT_TRUE(tight.sink->in_order);
  }
}

}  // namespace
}  // namespace gristmill::exec::testing
