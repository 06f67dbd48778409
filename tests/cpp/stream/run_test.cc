// Runs over sources that need not end: order per partition, barriers, recovery, and exactly once under schedules that a seed decides.

#include <unistd.h>

#include <filesystem>
#include <set>
#include <thread>

#include "exec/collect.h"
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
  int64_t a = 0, b = 1'000'000'000;
  // On a busy machine one of them may come first for a while.
  for (int64_t rows = 50'000; rows <= 5'000'000 && (a == 0 || b == 1'000'000'000); rows *= 10) {
    const auto got = numbers_of(**iterated(left.union_with({right}).limit(rows)));
    ASSERT_EQ(static_cast<int64_t>(got.size()), rows);
    a = 0, b = 1'000'000'000;
    for (const int64_t n : got) ASSERT_EQ(n, n >= 1'000'000'000 ? b++ : a++);
  }
  EXPECT_GT(b, 1'000'000'000);
  EXPECT_GT(a, 0);
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

// 1,200 numbers in two sequences, through one of several plans.
Stream simulated_stream(uint64_t seed) {
  const Stream two = counting(2, 600, seed).filter(col("n") >= 0);
  // Two sources of one sequence each: even numbers and odd ones, whose barriers must meet.
  const Stream even = counting(1, 600, seed).select({(col("n") * 2).alias("n")});
  const Stream odd = counting(1, 600, seed + 1).select({(col("n") * 2 + 1).alias("n")});
  const Stream met = add_stateful({even, odd}, *merge_spec(*even.schema(), 2));
  const auto same = [](RecordBatchPtr b) -> arrow::Result<RecordBatchPtr> { return b; };
  switch (seed % 4) {
    case 0: return two.distinct({"n"});
    case 1: return met;
    case 2: return met.distinct({"n"}).map(same);
    default: return two.map(same);
  }
}

// Whatever breaks, and in whatever order things happen: at the end every row is there once.
TEST(StreamRun, ExactlyOnceHoldsUnderSimulatedSchedulesWithFailingSinks) {
  const int64_t seeds = std::getenv("GRISTMILL_STREAM_SEEDS") ? std::atoll(std::getenv("GRISTMILL_STREAM_SEEDS")) : 12;
  for (int64_t seed = 1; seed <= seeds; ++seed) {
    const bool keeps = seed / 4 % 2 == 0;
    const std::string folder = fresh_folder("simulated");
    const auto shelf = std::make_shared<Shelf>();
    const Stream s = simulated_stream(static_cast<uint64_t>(seed)).parallel({.num_workers = 3}).checkpoint({folder, 0.0002});
    arrow::Status done;
    int runs = 0;
    do {
      ASSERT_LT(++runs, 400) << "seed " << seed << ": " << done.ToString();
      const auto scheduler = sched::simulated_scheduler(static_cast<uint64_t>(seed * 1'000 + runs));
      done = run_once(s, shelf, keeps, *scheduler, static_cast<uint64_t>(seed * 77 + runs), 12);
      ASSERT_TRUE(done.ok() || base::error_kind(done) == base::ErrorKind::kIo) << "seed " << seed << ": " << done.ToString();
    } while (!done.ok());
    expect_each_once(shelf->all(), 2, 600);
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed << ", " << runs << " runs";
  }
}

}  // namespace
}  // namespace gristmill::stream::test
