// Runs that are stopped or killed and go on: barriers, checkpoints, and exactly once under schedules that a seed decides.

#include <atomic>
#include <set>
#include <thread>

#include "exec/collect.h"
#include "gristmill/stream_time.h"
#include "run_driver.h"
#include "sched/task.h"
#include "stream/run.h"
#include "stream/simple_operators.h"
#include "stream_data.h"

namespace gristmill::stream::test {
namespace {

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

TEST(StreamRecovery, ACheckpointLetsAStoppedRunGoOnWithOtherWorkersAndGivesTheSame) {
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

// Whoever iterates may be killed with rows that were made but not taken: they come again, whatever checkpoints there were.
TEST(StreamRecovery, RowsThatNobodyTookComeAgain) {
  const std::string folder = fresh_folder("taken");
  const Stream s = counting(1, 20'000, 11).parallel({.num_workers = 2}).checkpoint({folder, 0.002});
  int64_t next = 0;  // the first number that was never taken
  int runs = 0;
  for (bool ended = false; !ended; ++runs) {
    ASSERT_LT(runs, 300);
    StreamReader reader = *s.batches();
    bool first = true;
    for (int batches = 0; batches < 3 + 40 * runs; ++batches) {
      const RecordBatchPtr batch = *reader.next();
      ended = batch == nullptr;
      if (ended) break;
      const auto& n = static_cast<const arrow::Int64Array&>(*batch->column(0));
      ASSERT_TRUE(!first || n.Value(0) <= next) << "run " << runs << " begins with " << n.Value(0) << " instead of " << next;
      first = false;
      next = std::max(next, n.Value(n.length() - 1) + 1);
      if (batches % 7 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(4));
    }
  }
  EXPECT_EQ(next, 20'000);
  EXPECT_GT(runs, 2);
}

TEST(StreamRecovery, AStopBeforeTheRunHasBegunHarmsNothing) {
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

TEST(StreamRecovery, AnEditedStreamRestoresOrSaysWhyNot) {
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

TEST(StreamRecovery, AnOperatorThatCannotSaveItsStateHasNoCheckpoint) {
  const auto shelf = std::make_shared<Shelf>();
  const Stream s = counting(1, 100, 3).apply(std::make_shared<CannotSave>());
  ASSERT_TRUE(run_once(s, shelf, true, sched::Scheduler::process(), 1, 0).ok());
  const Stream kept = s.checkpoint({fresh_folder("cannot"), 1});
  const auto refused = run_once(kept, std::make_shared<Shelf>(), true, sched::Scheduler::process(), 1, 0);
  EXPECT_EQ(base::error_kind(refused), base::ErrorKind::kPlan) << refused.ToString();
  EXPECT_NE(refused.message().find("save"), std::string::npos) << refused.ToString();
}

int64_t simulated_seeds(int64_t otherwise) {
  const char* said = std::getenv("GRISTMILL_STREAM_SEEDS");
  return said ? std::atoll(said) : otherwise;
}

// 1,200 numbers in two sequences, through one of several plans.
Stream simulated_stream(uint64_t seed) {
  const Stream two = counting(2, 600, seed).filter(col("n") >= 0);
  // Two sources of one sequence each: even numbers and odd ones, whose barriers must meet.
  const Stream even = counting(1, 600, seed).select({(col("n") * 2).alias("n")});
  const Stream odd = counting(1, 600, seed + 1).select({(col("n") * 2 + 1).alias("n")});
  const Stream met = add_stateful({even, odd}, *merge_spec(*even.schema(), 2));
  const auto same = [](RecordBatchPtr b) -> arrow::Result<RecordBatchPtr> { return b; };
  switch (seed % 7) {
    case 0: return two.distinct({"n"});
    case 1: return met;
    case 2: return met.distinct({"n"}).map(same);
    case 3: return two.apply(std::make_shared<InSequence>());
    case 4: return met.map(same).apply(std::make_shared<InSequence>()).distinct({"n"});
    case 5: {  // one of the sources is left before its end, and must not be read on by a later run
      const Stream some = counting(1, 900, seed).limit(600).select({(col("n") * 2).alias("n")});
      return add_stateful({some, odd}, *merge_spec(*even.schema(), 2));
    }
    default: return two.map(same);
  }
}

// Whatever breaks, and in whatever order things happen: at the end every row is there once.
TEST(StreamRecovery, ExactlyOnceHoldsUnderSimulatedSchedulesWithFailingSinks) {
  for (int64_t seed = 1; seed <= simulated_seeds(21); ++seed) {
    const bool keeps = seed / 7 % 2 == 0;
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

// Rows out of order, some of them late, of 200 keys' worth of windows, sessions and joins; each result as one number.
Stream simulated_windows(uint64_t seed) {
  const auto source = [&](uint64_t of) {
    // Some rows come so late that no window takes them, whatever its lateness.
    const Expr t = col("n") + col("n") * static_cast<int64_t>(7919 + of) % 23 - (col("n") % 37).floor_div(lit(int64_t{36})) * 60;
    return with_watermark(counting(1, 400, seed + of).select({col("n"), t.alias("t"), (col("n") % 3).alias("k")}), "t", {.delay = "7"});
  };
  WindowOptions lateness;
  lateness.allowed_lateness = "4";
  const std::vector<Expr> sums = {count().alias("c"), col("n").sum().alias("s")};
  const Expr windowed = (col("window_start") * 3 + col("k")) * 1'000'000 + col("c") * 10'000 + col("s") % 10'000;
  const auto coded = [&](const Stream& s) { return s.select({windowed.alias("n")}); };
  const auto joined = [&](bool left, bool right) {
    StreamKeys keys;
    keys.on = {"k"};
    const Stream s = interval_join(source(0), source(1), keys, "-2", "1", left, right);
    const Expr l = col("n").fill_null(lit(int64_t{999})), r = col("n_right").fill_null(lit(int64_t{999}));
    return s.select({(l * 1'000 + r).alias("n")});
  };
  switch (seed % 8) {
    case 0: return coded(window(source(0), {col("k")}, Windows::tumbling("10"), sums));
    case 1: return coded(window(source(0), {col("k")}, Windows::hopping("12", "4"), sums, lateness));
    case 2: return coded(window(source(0), {col("k")}, Windows::session("5"), sums));
    case 3: return coded(window(source(0), {col("k")}, Windows::session("6"), sums, lateness));
    case 4: return window(source(0), {col("k")}, Windows::count(7), sums).select({(col("c") * 10'000 + col("s") % 10'000).alias("n")});
    case 5: return joined(false, false);
    case 6: return joined(true, false);
    default: return joined(true, true);
  }
}

// What leaves is what leaves undisturbed, and so is the number of late rows.
TEST(StreamRecovery, WindowsOfLateRowsAreTheSameUnderSimulatedSchedulesWithFailingSinks) {
  for (int64_t seed = 1; seed <= simulated_seeds(24); ++seed) {
    const auto plain = std::make_shared<Shelf>();
    const auto undisturbed = *StreamRun::make(*simulated_windows(static_cast<uint64_t>(seed)).parallel({.num_workers = 1}).state(),
                                              {nullptr, std::make_shared<ShelfSink>(plain, true, 1, 0)});
    ASSERT_TRUE(undisturbed->run().ok());
    const std::string folder = fresh_folder("windows");
    const auto shelf = std::make_shared<Shelf>();
    arrow::Status done;
    int64_t late = 0;
    int runs = 0;
    do {
      const Stream s = simulated_windows(static_cast<uint64_t>(seed)).parallel({.num_workers = 3}).checkpoint({folder, 0.0002});
      ASSERT_LT(++runs, 400) << "seed " << seed << ": " << done.ToString();
      const auto scheduler = sched::simulated_scheduler(static_cast<uint64_t>(seed * 1'000 + runs));
      const auto sink = std::make_shared<ShelfSink>(shelf, seed / 8 % 2 == 0, static_cast<uint64_t>(seed * 77 + runs), 9);
      const auto run = *StreamRun::make(*s.state(), {nullptr, sink}, {}, *scheduler);
      done = run->run();
      if (run->progress().started) late = run->progress().late_rows;  // else it found the stream at its end, and counted nothing
      ASSERT_TRUE(done.ok() || base::error_kind(done) == base::ErrorKind::kIo) << "seed " << seed << ": " << done.ToString();
    } while (!done.ok());
    ASSERT_EQ(shelf->all(), plain->all()) << "seed " << seed << ", " << runs << " runs";
    EXPECT_EQ(late, undisturbed->progress().late_rows) << "seed " << seed;
    EXPECT_GT(plain->all().size(), 20u) << "seed " << seed;
    EXPECT_TRUE(late > 0 || seed % 8 == 4) << "seed " << seed;
  }
}

// Whatever comes first, a worker or the clock: sources that always have rows are all read, and the run comes to its end. The clock ticks
// for each of them every millisecond, and its timers often fire before anybody else moves.
TEST(StreamRecovery, SourcesTakeTurnsUnderSimulatedSchedulesOfAFastClock) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const auto source = [&](int64_t i) {
      const Stream numbers = counting(1, -1, seed + static_cast<uint64_t>(i)).select({(col("n") * 3 + i).alias("n")});
      return with_watermark(numbers, "n", {.delay = "100000", .idle_after = "1ms"});
    };
    const Stream s = source(0).union_with({source(1), source(2)}).limit(20'000).parallel({.num_workers = 1 + static_cast<int>(seed % 3)});
    const auto shelf = std::make_shared<Shelf>();
    const auto scheduler = sched::simulated_scheduler(seed);
    const arrow::Status done = run_once(s, shelf, true, *scheduler, seed, 0);
    ASSERT_TRUE(done.ok()) << "seed " << seed << ": " << done.ToString();
    std::vector<int64_t> rows(3, 0);
    for (const int64_t n : shelf->all()) ++rows[static_cast<size_t>(n % 3)];
    ASSERT_EQ(rows[0] + rows[1] + rows[2], 20'000) << "seed " << seed;
    for (const int64_t n : rows) EXPECT_GT(n, 2'000) << "seed " << seed << ": " << rows[0] << ", " << rows[1] << ", " << rows[2];
  }
}

// A table that a stream is joined with is read whole by every run, wherever the stream goes on.
TEST(StreamRecovery, ATableWithPositionsIsReadFromItsBeginningByEveryRun) {
  arrow::Int64Builder n;
  for (int64_t i = 0; i < 120'000; i += 2) EXPECT_TRUE(n.Append(i).ok());
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("n", arrow::int64())}), {*n.Finish()});
  const std::string folder = fresh_folder("table");
  const auto shelf = std::make_shared<Shelf>();
  for (int runs = 0; runs < 4; ++runs) {
    const Stream side = Stream::replay(from_arrow(table), 1'000).distinct({"n"});
    const Stream s = counting(2, 60'000, 3).join(side, {.on = {"n"}}).checkpoint({folder, 0.005});
    const auto stop = [](StreamRun& run) {
      for (int i = 0; i < 5'000 && run.epoch() < 2; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      run.stop();
    };
    const arrow::Status done =
        run_once(s, shelf, true, sched::Scheduler::process(), 1, 0, runs < 3 ? stop : std::function<void(StreamRun&)>{});
    ASSERT_TRUE(done.ok()) << done.ToString();
  }
  std::vector<int64_t> got = shelf->all();
  std::sort(got.begin(), got.end());
  ASSERT_EQ(got.size(), 60'000u);
  for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], static_cast<int64_t>(i) * 2);
}

// Begins where its topic ends when nobody says otherwise, as `start="latest"` does; partitions a checkpoint does not know begin at 0.
class Latest final : public EndlessSource {
 public:
  explicit Latest(std::shared_ptr<std::vector<int64_t>> ends) : ends_(std::move(ends)), next_(ends_->size()) {}
  std::string name() const override { return "latest"; }
  std::shared_ptr<arrow::Schema> schema() const override { return arrow::schema({arrow::field("n", arrow::int64())}); }
  int32_t partitions() const override { return static_cast<int32_t>(ends_->size()); }
  arrow::Status start(const Positions& positions, const StartContext&) override {
    next_ = positions.empty() ? *ends_ : std::vector<int64_t>(ends_->size());
    for (const auto& [p, next] : positions) next_[static_cast<size_t>(p)] = next;
    if (positions.empty()) (*ends_)[0] += 5;  // what comes first
    return arrow::Status::OK();
  }
  Positions begun_at() const override {
    Positions out;
    for (size_t p = 0; p < next_.size(); ++p) out.emplace_back(static_cast<int32_t>(p), next_[p]);
    return out;
  }
  arrow::Result<Polled> poll() override {
    Polled out;
    for (size_t p = 0; p < next_.size(); ++p) {
      if (next_[p] == (*ends_)[p]) continue;
      out.chunk = std::make_unique<Chunk>();
      out.chunk->partition = static_cast<int32_t>(p);
      out.chunk->position = next_[p];
      out.chunk->next_position = ++next_[p];
      arrow::Int64Builder n;
      ARROW_RETURN_NOT_OK(n.Append(static_cast<int64_t>(p) * 1'000 + out.chunk->position));
      ARROW_ASSIGN_OR_RAISE(auto values, n.Finish());
      out.chunk->rows = arrow::RecordBatch::Make(schema(), 1, {values});
      return out;
    }
    out.wait = std::make_shared<base::WaitHandle>();
    return out;
  }

 private:
  const std::shared_ptr<std::vector<int64_t>> ends_;
  std::vector<int64_t> next_;
};

TEST(StreamRecovery, APartitionThatGaveNothingBeforeTheCheckpointGoesOnWhereItStood) {
  const auto ends = std::make_shared<std::vector<int64_t>>(std::vector<int64_t>{100, 200});
  SourceSpec spec;
  spec.name = "latest";
  spec.schema = arrow::schema({arrow::field("n", arrow::int64())});
  spec.make = [ends]() -> arrow::Result<EndlessSourcePtr> { return std::make_shared<Latest>(ends); };
  const Stream s = from_source(std::move(spec)).checkpoint({fresh_folder("silent"), 0.005});
  const auto shelf = std::make_shared<Shelf>();
  const auto until = [&](size_t rows) {
    return [&, rows](StreamRun& run) {
      for (int i = 0; i < 5'000; ++i) {
        {
          std::lock_guard lock(shelf->mutex);
          if (shelf->all().size() >= rows) break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      run.stop();
    };
  };
  ASSERT_TRUE(run_once(s, shelf, true, sched::Scheduler::process(), 1, 0, until(5)).ok());
  (*ends)[1] += 3;  // while nobody reads
  ASSERT_TRUE(run_once(s, shelf, true, sched::Scheduler::process(), 1, 0, until(8)).ok());
  EXPECT_EQ(shelf->all(), (std::vector<int64_t>{100, 101, 102, 103, 104, 1200, 1201, 1202}));
}

// Partition 0 goes on; partition 1 has given its last row, and is connected and at its end. Then nothing comes any more.
class GoesQuiet final : public EndlessSource {
 public:
  std::string name() const override { return "goes quiet"; }
  std::shared_ptr<arrow::Schema> schema() const override { return arrow::schema({arrow::field("t", arrow::int64())}); }
  int32_t partitions() const override { return 2; }
  arrow::Status start(const Positions& positions, const StartContext&) override {
    given_ = positions.empty() ? 0 : 2;
    return arrow::Status::OK();
  }
  arrow::Result<Polled> poll() override {
    Polled out;
    if (given_ == 2) {
      out.wait = std::make_shared<base::WaitHandle>();
      return out;
    }
    out.chunk = std::make_unique<Chunk>();
    out.chunk->partition = given_;
    out.chunk->next_position = 1;
    arrow::Int64Builder t;
    for (const int64_t at : given_ == 0 ? std::vector<int64_t>{1, 2, 30} : std::vector<int64_t>{3}) ARROW_RETURN_NOT_OK(t.Append(at));
    ARROW_ASSIGN_OR_RAISE(auto values, t.Finish());
    out.chunk->rows = arrow::RecordBatch::Make(schema(), values->length(), {values});
    ++given_;
    return out;
  }
  std::vector<int32_t> at_end() const override { return given_ == 2 ? std::vector<int32_t>{1} : std::vector<int32_t>{}; }

 private:
  int given_ = 0;
};

TEST(StreamRecovery, WindowsThatTheClockClosesReachTheSinkThoughNothingElseComes) {
  SourceSpec spec;
  spec.name = "goes quiet";
  spec.schema = arrow::schema({arrow::field("t", arrow::int64())});
  spec.make = []() -> arrow::Result<EndlessSourcePtr> { return std::make_shared<GoesQuiet>(); };
  const Stream timed = with_watermark(from_source(std::move(spec)), "t", {.delay = "0", .idle_after = "60ms"});
  const Stream counts = window(timed, {}, Windows::tumbling("10"), {count().alias("n")}).select({col("n")});
  const Stream s = counts.checkpoint({fresh_folder("quiet"), 0.01});
  const auto shelf = std::make_shared<Shelf>();
  bool came = false;
  const auto look = [&](StreamRun& run) {
    for (int i = 0; i < 3'000 && !came; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::lock_guard lock(shelf->mutex);
      came = !shelf->all().empty();
    }
    run.stop();
  };
  ASSERT_TRUE(run_once(s, shelf, true, sched::Scheduler::process(), 1, 0, look).ok());
  EXPECT_TRUE(came) << "the window waits for rows that do not come";
  EXPECT_EQ(shelf->all(), std::vector<int64_t>{3});
}

// A run that is stopped at a random row, whatever is on its way then, goes on behind exactly what it gave.
TEST(StreamRecovery, AStopAtAnyRowLosesAndDoublesNothingUnderSimulatedSchedules) {
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

TEST(StreamRecovery, ASourceIsToldOnlyOfWhatTheSinkHas) {
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
