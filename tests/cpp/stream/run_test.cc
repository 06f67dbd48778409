// Runs over sources that need not end: order per partition, barriers, recovery, and exactly once under schedules that a seed decides.

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "exec/collect.h"
#include "gristmill/stream_time.h"
#include "sched/task.h"
#include "stream/run.h"
#include "stream/simple_operators.h"
#include "stream_data.h"

namespace gristmill::stream::test {
namespace {

namespace fs = std::filesystem;

// A folder of this process, removed at its end.
std::string fresh_folder(const std::string& name) {
  struct Parent {
    fs::path path = fs::path(testing::TempDir()) / ("gristmill-stream-" + std::to_string(getpid()));
    ~Parent() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  };
  static const Parent parent;
  fs::remove_all(parent.path / name);
  fs::create_directories(parent.path);
  return (parent.path / name).string();
}

std::vector<int64_t> numbers_of(const arrow::Table& table) {
  std::vector<int64_t> out;
  for (const auto& chunk : table.column(0)->chunks()) {
    const auto& n = static_cast<const arrow::Int64Array&>(*chunk);
    for (int64_t i = 0; i < n.length(); ++i) out.push_back(n.Value(i));
  }
  return out;
}

// Rows of a partition must be in order; all of them once.
void expect_each_once(const std::vector<int64_t>& got, int32_t partitions, int64_t each) {
  std::vector<int64_t> next(static_cast<size_t>(partitions), 0);
  for (const int64_t n : got) {
    auto& expected = next[static_cast<size_t>(n % partitions)];
    ASSERT_EQ(n / partitions, expected) << "partition " << n % partitions;
    ++expected;
  }
  for (const int64_t n : next) EXPECT_EQ(n, each);
}

TEST(StreamRun, ASourceThatEndsGivesEveryRowOnceInOrderOfItsPartition) {
  for (const int workers : {1, 2, 3}) {
    const Stream s = counting(3, 5'000, 7).parallel({.num_workers = workers});
    expect_each_once(numbers_of(*collected(s)), 3, 5'000);
    expect_each_once(numbers_of(**iterated(s)), 3, 5'000);
  }
}

TEST(StreamRun, LimitEndsAnEndlessStreamAtTheSameRow) {
  for (const int workers : {1, 2, 3}) {
    const Stream s = counting(1, -1, 3).filter(col("n") % 2 == 1).parallel({.num_workers = workers}).limit(1'000);
    const auto got = numbers_of(**iterated(s));
    ASSERT_EQ(got.size(), 1'000u);
    EXPECT_EQ(got.back(), 1'999);
    EXPECT_EQ(s.take(3)->num_rows(), 3);
  }
}

TEST(StreamRun, DistinctOverAnEndlessStreamKeepsTheFirst) {
  const Stream s = counting(1, -1, 5).select({(col("n") % 100).alias("k"), col("n")}).distinct({"k"}).limit(100);
  const auto got = *iterated(s.parallel({.num_workers = 2}));
  std::vector<int64_t> expected;
  for (int64_t i = 0; i < 100; ++i) expected.push_back(i);
  EXPECT_EQ(numbers_of(*got), expected);
}

TEST(StreamRun, StreamsThatNeverEndArePutTogetherAsTheyCome) {
  const Stream left = counting(1, -1, 1), right = counting(1, -1, 2).with_columns({(col("n") + 1'000'000'000).alias("n")});
  const auto got = numbers_of(**iterated(left.union_with({right}).limit(50'000)));
  ASSERT_EQ(got.size(), 50'000u);
  int64_t a = 0, b = 1'000'000'000;
  for (const int64_t n : got) ASSERT_EQ(n, n >= 1'000'000'000 ? b++ : a++);
}

// Each could keep every worker to itself for ever.
TEST(StreamRun, ASourceThatAlwaysHasRowsKeepsNoOtherFromBeingRead) {
  const auto source = [](int64_t i) { return counting(1, -1, static_cast<uint64_t>(i) + 1).select({(col("n") * 3 + i).alias("n")}); };
  for (const int workers : {1, 2, 3}) {
    const Stream s = source(0).union_with({source(1), source(2)}).parallel({.num_workers = workers}).limit(200'000);
    std::vector<int64_t> rows(3, 0);
    for (const int64_t n : numbers_of(**iterated(s))) ++rows[static_cast<size_t>(n % 3)];
    for (const int64_t n : rows) EXPECT_GT(n, 30'000) << workers << " workers: " << rows[0] << ", " << rows[1] << ", " << rows[2];
  }
}

// Rows of one side wait for the other's watermark: unless both are read they are more and more.
TEST(StreamRun, AJoinOfStreamsThatAlwaysHaveRowsHoldsFewOfThem) {
  const auto source = [](uint64_t seed, const char* name) {
    return with_watermark(counting(1, -1, seed).select({col("n").alias(name), (col("n") % 100).alias("k")}), name);
  };
  StreamKeys keys;
  keys.on = {"k"};
  for (const int workers : {1, 2, 3}) {
    const Stream s = interval_join(source(1, "a"), source(2, "b"), keys, "0", "0").memory_limit(int64_t{64} << 20);
    const auto got = iterated(s.parallel({.num_workers = workers}).limit(100'000));
    ASSERT_TRUE(got.ok()) << workers << " workers: " << got.status().ToString();
    EXPECT_EQ(numbers_of(**got).back(), 99'999);
  }
}

TEST(StreamRun, ATableIsJoinedWithAStreamThatNeverEnds) {
  arrow::Int64Builder n;
  for (int64_t i = 0; i < 1'000; i += 3) EXPECT_TRUE(n.Append(i).ok());
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("n", arrow::int64())}), {*n.Finish()});
  const Stream s = counting(1, -1, 5).join(from_arrow(table), {.on = {"n"}}).limit(300);
  const auto got = numbers_of(**iterated(s.parallel({.num_workers = 2})));
  ASSERT_EQ(got.size(), 300u);
  EXPECT_EQ(got.back(), 897);
}

TEST(StreamRun, WhatWouldWaitForEverIsAPlanError) {
  const Stream s = counting(1, -1, 1);
  for (const Stream& bad : {s.group_by({col("n")}).aggregate({count()}), s.aggregate({count()}), s.sort({asc("n")}),
                            s.reduce([](RecordBatchPtr, RecordBatchPtr b) -> arrow::Result<RecordBatchPtr> { return b; }, *s.schema())}) {
    const auto got = bad.schema();
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(base::error_kind(got.status()), base::ErrorKind::kPlan);
    EXPECT_NE(got.status().message().find("never ends"), std::string::npos) << got.status().ToString();
  }
  EXPECT_FALSE(s.collect().ok());
}

TEST(StreamRun, LeavingAnEndlessStreamEndsItsRun) {
  for (int i = 0; i < 20; ++i) {
    StreamReader reader = *counting(2, -1, static_cast<uint64_t>(i)).filter(col("n") % 3 == 0).batches();
    ASSERT_TRUE((*reader.next()) != nullptr);
  }
}

TEST(StreamRun, AnErrorBehindAStageEndsTheEndlessSourceBeforeIt) {
  const Stream s = counting(1, -1, 5).distinct().with_columns({lit(int64_t{1}).floor_div(col("n") - 30'000).alias("q")});
  const auto got = iterated(s.parallel({.num_workers = 2}));
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(base::error_kind(got.status()), base::ErrorKind::kData);
}

// A run into a shelf, with a checkpoint folder; `stop_after`: barriers until it is stopped.
arrow::Status run_once(const Stream& stream, const std::shared_ptr<Shelf>& shelf, bool keeps, sched::Scheduler& scheduler, uint64_t seed,
                       int fail_one_in, const std::function<void(StreamRun&)>& meanwhile = {}) {
  ARROW_ASSIGN_OR_RAISE(const StatePtr state, stream.state());
  ARROW_ASSIGN_OR_RAISE(auto run,
                        StreamRun::make(state, {nullptr, std::make_shared<ShelfSink>(shelf, keeps, seed, fail_one_in)}, {}, scheduler));
  std::thread other;
  if (meanwhile) other = std::thread([&] { meanwhile(*run); });
  const arrow::Status done = run->run();
  if (other.joinable()) other.join();
  return done;
}

TEST(StreamRun, ACheckpointLetsAStoppedRunGoOnWithOtherWorkersAndGivesTheSame) {
  for (const bool keeps : {false, true}) {
    const std::string folder = fresh_folder("resume");
    const auto shelf = std::make_shared<Shelf>();
    const Stream s = counting(3, 60'000, 11)
                         .filter(col("n") % 2 == 0)
                         .select({col("n"), (col("n") % 50'000).alias("k")})
                         .distinct({"k"})
                         .checkpoint({folder, 0.01});
    int runs = 0;
    for (const int workers : {2, 3, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2}) {
      const auto stop = [](StreamRun& run) {
        std::this_thread::sleep_for(std::chrono::milliseconds(15));
        run.stop();
      };
      ++runs;
      const arrow::Status done = run_once(s.parallel({.num_workers = workers}), shelf, keeps, sched::Scheduler::process(), 1, 0,
                                          runs < 4 ? stop : std::function<void(StreamRun&)>{});
      ASSERT_TRUE(done.ok()) << done.ToString();
      if (runs >= 4) break;
    }
    // 50,000 different keys of which the even ones come: each once, over all runs.
    const auto got = shelf->all();
    EXPECT_EQ(got.size(), 25'000u);
    std::set<int64_t> keys;
    for (const int64_t n : got) keys.insert(n % 50'000);
    EXPECT_EQ(keys.size(), 25'000u);
    // The stream has ended: another run does nothing.
    ASSERT_TRUE(run_once(s, shelf, keeps, sched::Scheduler::process(), 1, 0).ok());
    EXPECT_EQ(shelf->all().size(), 25'000u);
  }
}

TEST(StreamRun, AStopBeforeTheRunHasBegunHarmsNothing) {
  for (const bool keeps : {false, true}) {
    const std::string folder = fresh_folder("early");
    const auto shelf = std::make_shared<Shelf>();
    const Stream s = counting(2, 100'000, 11).checkpoint({folder, 0.005});
    const auto later = [](StreamRun& run) {
      for (int i = 0; i < 5'000 && run.epoch() < 1; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      run.stop();
    };
    ASSERT_TRUE(run_once(s, shelf, keeps, sched::Scheduler::process(), 1, 0, later).ok());
    const auto run = *StreamRun::make(*s.state(), {nullptr, std::make_shared<ShelfSink>(shelf, keeps, 1, 0)});
    run->stop();
    ASSERT_TRUE(run->run().ok());
    ASSERT_TRUE(run_once(s, shelf, keeps, sched::Scheduler::process(), 1, 0).ok());
    EXPECT_EQ(shelf->all().size(), 200'000u);
  }
}

TEST(StreamRun, AnEditedStreamRestoresOrSaysWhyNot) {
  const std::string folder = fresh_folder("edited");
  const auto shelf = std::make_shared<Shelf>();
  const Stream source = counting(1, -1, 3);
  const auto stop = [](StreamRun& run) {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    run.stop();
  };
  ASSERT_TRUE(run_once(source.distinct({"n"}).checkpoint({folder, 0.005}), shelf, true, sched::Scheduler::process(), 1, 0, stop).ok());
  // A step without state around it: goes on.
  ASSERT_TRUE(run_once(source.filter(col("n") >= 0).distinct({"n"}).checkpoint({folder, 0.005}), shelf, true, sched::Scheduler::process(),
                       1, 0, stop)
                  .ok());
  expect_each_once(shelf->all(), 1, static_cast<int64_t>(shelf->all().size()));
  // Other keys, and an operator that is gone.
  const auto other = run_once(source.select({col("n"), (col("n") % 5).alias("k")}).distinct({"k"}).checkpoint({folder, 1}), shelf, true,
                              sched::Scheduler::process(), 1, 0, stop);
  EXPECT_EQ(base::error_kind(other), base::ErrorKind::kPlan) << other.ToString();
  const auto gone = run_once(source.checkpoint({folder, 1}), shelf, true, sched::Scheduler::process(), 1, 0, stop);
  EXPECT_EQ(base::error_kind(gone), base::ErrorKind::kPlan) << gone.ToString();
  EXPECT_NE(gone.message().find("distinct"), std::string::npos) << gone.ToString();
}

// Knows which number of each of two sequences comes next; another one is an error.
class InSequence final : public StreamOperator {
 public:
  std::string name() const override { return "in sequence"; }
  bool is_stateful() const override { return true; }
  arrow::Result<RecordBatchPtr> process_batch(RecordBatchPtr batch) override {
    const auto& n = static_cast<const arrow::Int64Array&>(*batch->column(0));
    for (int64_t i = 0; i < n.length(); ++i) {
      int64_t& next = next_[static_cast<size_t>(n.Value(i) % 2)];
      if (n.Value(i) / 2 != next++) return base::data_error("number " + std::to_string(n.Value(i)) + " came instead of the next one");
    }
    return batch;
  }
  arrow::Result<std::string> save_state() override { return std::to_string(next_[0]) + " " + std::to_string(next_[1]); }
  arrow::Status load_state(const std::string& state) override {
    size_t at = 0;
    next_[0] = std::stoll(state, &at);
    next_[1] = std::stoll(state.substr(at));
    return arrow::Status::OK();
  }

 private:
  int64_t next_[2] = {0, 0};
};

class CannotSave final : public StreamOperator {
 public:
  bool is_stateful() const override { return true; }
  arrow::Result<RecordBatchPtr> process_batch(RecordBatchPtr batch) override { return batch; }
};

TEST(StreamRun, AnOperatorThatCannotSaveItsStateHasNoCheckpoint) {
  const auto shelf = std::make_shared<Shelf>();
  const Stream s = counting(1, 100, 3).apply(std::make_shared<CannotSave>());
  ASSERT_TRUE(run_once(s, shelf, true, sched::Scheduler::process(), 1, 0).ok());
  const Stream kept = s.checkpoint({fresh_folder("cannot"), 1});
  const auto refused = run_once(kept, std::make_shared<Shelf>(), true, sched::Scheduler::process(), 1, 0);
  EXPECT_EQ(base::error_kind(refused), base::ErrorKind::kPlan) << refused.ToString();
  EXPECT_NE(refused.message().find("save"), std::string::npos) << refused.ToString();
}

// 1,200 numbers in two sequences, through one of several plans.
Stream simulated_stream(uint64_t seed) {
  const Stream two = counting(2, 600, seed).filter(col("n") >= 0);
  // Two sources of one sequence each: even numbers and odd ones, whose barriers must meet.
  const Stream even = counting(1, 600, seed).select({(col("n") * 2).alias("n")});
  const Stream odd = counting(1, 600, seed + 1).select({(col("n") * 2 + 1).alias("n")});
  const Stream met = add_stateful({even, odd}, *merge_spec(*even.schema(), 2));
  const auto same = [](RecordBatchPtr b) -> arrow::Result<RecordBatchPtr> { return b; };
  switch (seed % 6) {
    case 0: return two.distinct({"n"});
    case 1: return met;
    case 2: return met.distinct({"n"}).map(same);
    case 3: return two.apply(std::make_shared<InSequence>());
    case 4: return met.map(same).apply(std::make_shared<InSequence>()).distinct({"n"});
    default: return two.map(same);
  }
}

// Whatever breaks, and in whatever order things happen: at the end every row is there once.
TEST(StreamRun, ExactlyOnceHoldsUnderSimulatedSchedulesWithFailingSinks) {
  const int64_t seeds = std::getenv("GRISTMILL_STREAM_SEEDS") ? std::atoll(std::getenv("GRISTMILL_STREAM_SEEDS")) : 18;
  for (int64_t seed = 1; seed <= seeds; ++seed) {
    const bool keeps = seed / 6 % 2 == 0;
    const std::string folder = fresh_folder("simulated");
    const auto shelf = std::make_shared<Shelf>();
    arrow::Status done;
    int runs = 0;
    do {
      // Operators anew, as in another process.
      const Stream s = simulated_stream(static_cast<uint64_t>(seed)).parallel({.num_workers = 3}).checkpoint({folder, 0.0002});
      ASSERT_LT(++runs, 400) << "seed " << seed << ": " << done.ToString();
      const auto scheduler = sched::simulated_scheduler(static_cast<uint64_t>(seed * 1'000 + runs));
      done = run_once(s, shelf, keeps, *scheduler, static_cast<uint64_t>(seed * 77 + runs), 12);
      ASSERT_TRUE(done.ok() || base::error_kind(done) == base::ErrorKind::kIo) << "seed " << seed << ": " << done.ToString();
    } while (!done.ok());
    expect_each_once(shelf->all(), 2, 600);
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed << ", " << runs << " runs";
  }
}

// A run that is stopped at a random row, whatever is on its way then, goes on behind exactly what it gave.
TEST(StreamRun, AStopAtAnyRowLosesAndDoublesNothingUnderSimulatedSchedules) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const std::string folder = fresh_folder("stopped");
    const auto shelf = std::make_shared<Shelf>();
    std::mt19937_64 random(seed);
    int runs = 0, stops = 0;
    for (bool stopped = true; stopped; ++runs) {
      ASSERT_LT(runs, 100) << "seed " << seed;
      stopped = false;
      StreamRun* running = nullptr;
      const int64_t at = static_cast<int64_t>(random() % 1'200);
      const auto stop = [&](RecordBatchPtr batch) -> arrow::Result<RecordBatchPtr> {
        const auto& n = static_cast<const arrow::Int64Array&>(*batch->column(0));
        for (int64_t i = 0; i < n.length() && !stopped; ++i) {
          if (n.Value(i) != at) continue;
          stopped = true;
          running->stop();
        }
        return batch;
      };
      const Stream s = simulated_stream(seed).map(stop).parallel({.num_workers = 3}).checkpoint({folder, seed % 2 == 0 ? 0.0002 : 1.0});
      const auto scheduler = sched::simulated_scheduler(seed * 1'000 + static_cast<uint64_t>(runs));
      const auto run = *StreamRun::make(*s.state(), {nullptr, std::make_shared<ShelfSink>(shelf, seed / 2 % 2 == 0, 1, 0)}, {}, *scheduler);
      running = run.get();
      const arrow::Status done = run->run();
      ASSERT_TRUE(done.ok()) << "seed " << seed << ": " << done.ToString();
      stops += stopped;
    }
    EXPECT_GT(stops, 0) << "seed " << seed;
    expect_each_once(shelf->all(), 2, 600);
  }
}

// Notes what it is told: positions whose rows must be on the shelf by then.
class Told final : public EndlessSource {
 public:
  Told(uint64_t seed, std::shared_ptr<Shelf> shelf, std::shared_ptr<std::atomic<int64_t>> calls)
      : inner_(2, 600, seed), shelf_(std::move(shelf)), calls_(std::move(calls)) {}
  std::string name() const override { return inner_.name(); }
  std::shared_ptr<arrow::Schema> schema() const override { return inner_.schema(); }
  int32_t partitions() const override { return 2; }
  bool endless() const override { return false; }
  arrow::Status start(const Positions& positions, const StartContext& context) override { return inner_.start(positions, context); }
  arrow::Result<Polled> poll() override { return inner_.poll(); }
  arrow::Status commit(const Positions& positions) override {
    std::vector<int64_t> rows(2, 0);
    {
      std::lock_guard lock(shelf_->mutex);
      for (const int64_t n : shelf_->all()) ++rows[static_cast<size_t>(n % 2)];
    }
    for (const auto& [partition, next] : positions) EXPECT_LE(next, rows[static_cast<size_t>(partition)]) << "partition " << partition;
    ++*calls_;
    return arrow::Status::OK();
  }

 private:
  Counting inner_;
  const std::shared_ptr<Shelf> shelf_;
  const std::shared_ptr<std::atomic<int64_t>> calls_;
};

TEST(StreamRun, ASourceIsToldOnlyOfWhatTheSinkHas) {
  const auto calls = std::make_shared<std::atomic<int64_t>>(0);
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const std::string folder = fresh_folder("told");
    const auto shelf = std::make_shared<Shelf>();
    SourceSpec spec;
    spec.name = "counting";
    spec.schema = arrow::schema({arrow::field("n", arrow::int64())});
    spec.endless = false;
    spec.make = [=]() -> arrow::Result<EndlessSourcePtr> { return std::make_shared<Told>(seed, shelf, calls); };
    const Stream s = from_source(std::move(spec)).distinct({"n"}).parallel({.num_workers = 3}).checkpoint({folder, 0.0002});
    arrow::Status done;
    int runs = 0;
    do {
      ASSERT_LT(++runs, 400) << "seed " << seed << ": " << done.ToString();
      const auto scheduler = sched::simulated_scheduler(seed * 1'000 + static_cast<uint64_t>(runs));
      done = run_once(s, shelf, seed % 2 == 0, *scheduler, seed * 77 + static_cast<uint64_t>(runs), 12);
      ASSERT_TRUE(done.ok() || base::error_kind(done) == base::ErrorKind::kIo) << "seed " << seed << ": " << done.ToString();
    } while (!done.ok());
    expect_each_once(shelf->all(), 2, 600);
  }
  EXPECT_GT(calls->load(), 20);
}

}  // namespace
}  // namespace gristmill::stream::test
