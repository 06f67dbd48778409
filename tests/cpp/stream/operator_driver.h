// Runs stateful operators by hand, as the driver of streams would: rows cut into morsels and batches, prepared in a seeded order by several
// locals (as so many workers), applied in the order of the rows; stopped in the middle and restored into a new operator.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "../column/random_columns.h"
#include "base/memory_budget.h"
#include "base/status.h"
#include "column/batch.h"
#include "exec/operator.h"
#include "stream/snapshot.h"
#include "stream/stateful.h"

namespace gristmill::stream::testing {

using column::testing::ok;

// A row of the tests' streams. Missing values are null.
struct TestRow {
  int32_t partition = 0;
  int64_t t = 0;
  int64_t k = 0;
  bool null_key = false;
  double x = 0;
  bool null_x = false;
  std::string s;
};

inline std::shared_ptr<arrow::Schema> test_schema(bool text_key = false) {
  return arrow::schema({arrow::field("t", arrow::int64()), arrow::field("k", text_key ? arrow::utf8() : arrow::int64()),
                        arrow::field("x", arrow::float64()), arrow::field("s", arrow::utf8())});
}

inline std::string text_of_key(int64_t k) { return "a rather long key of number " + std::to_string(k); }

inline column::Batch batch_of(const std::vector<TestRow>& rows, size_t begin, size_t end, bool text_key) {
  arrow::Int64Builder t, k;
  arrow::StringBuilder sk, s;
  arrow::DoubleBuilder x;
  for (size_t i = begin; i < end; ++i) {
    const TestRow& r = rows[i];
    EXPECT_TRUE(t.Append(r.t).ok());
    if (text_key) {
      EXPECT_TRUE((r.null_key ? sk.AppendNull() : sk.Append(text_of_key(r.k))).ok());
    } else {
      EXPECT_TRUE((r.null_key ? k.AppendNull() : k.Append(r.k)).ok());
    }
    EXPECT_TRUE((r.null_x ? x.AppendNull() : x.Append(r.x)).ok());
    EXPECT_TRUE(s.Append(r.s).ok());
  }
  const auto n = static_cast<int64_t>(end - begin);
  arrow::ArrayVector columns = {ok(t.Finish()), text_key ? ok(sk.Finish()) : ok(k.Finish()), ok(x.Finish()), ok(s.Finish())};
  return ok(column::import_batch(*arrow::RecordBatch::Make(test_schema(text_key), n, columns), arrow::default_memory_pool()));
}

// Rows as texts, one a row.
class Collected final : public Emitter {
 public:
  arrow::Status rows(column::Batch batch, int output) override {
    EXPECT_LE(batch.rows, column::kMaxBatchRows);
    for (int64_t i = 0; i < batch.rows; ++i) {
      std::string row;
      for (const column::Column& c : batch.columns) row += (row.empty() ? "" : " | ") + column::value_text(c, i);
      (output == 0 ? main : side).push_back(std::move(row));
    }
    return arrow::Status::OK();
  }
  arrow::Status watermark(int64_t ticks) override {
    EXPECT_GE(ticks, told);
    told = ticks;
    return arrow::Status::OK();
  }
  std::vector<std::string> main, side;
  int64_t told = std::numeric_limits<int64_t>::min();
};

struct DriveConfig {
  uint64_t seed = 1;
  int workers = 1;
  size_t morsel_rows = 1000;
  size_t batch_rows = 1000;
  bool text_key = false;
  bool select = false;  // batches have rows that are not selected
  bool eager = false;   // whatever can spill does, all the time
  int64_t cap = 0;
  std::vector<int>
      restore_with;  // after about every so-many-th part of the rows: snapshot, and go on in a new operator with so many workers
};

using Parts = std::map<std::string, std::shared_ptr<arrow::Buffer>>;

inline Parts snapshot_of(StatefulOperator& op) {
  Parts parts;
  SnapshotWriter writer("op", [&](const std::string& name, const std::shared_ptr<arrow::Buffer>& bytes) {
    EXPECT_TRUE(parts.emplace(name, bytes).second) << name;
    return arrow::Status::OK();
  });
  EXPECT_TRUE(op.snapshot(writer).ok());
  EXPECT_TRUE(writer.finish().ok());
  return parts;
}

inline arrow::Status restore_from(StatefulOperator& op, const Parts& parts) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : parts) names.push_back(name);
  ARROW_ASSIGN_OR_RAISE(SnapshotReader reader, SnapshotReader::open("op", names, [&](const std::string& name) {
                          return arrow::Result<std::shared_ptr<arrow::Buffer>>(parts.at(name));
                        }));
  return op.restore(reader);
}

// Rows of one or two inputs in the order they arrive; each stretch of one input and partition is cut into morsels.
struct Arrival {
  int input = 0;
  TestRow row;
};

class Drive {
 public:
  Drive(MakeStateful make, std::vector<int32_t> partitions, DriveConfig config)
      : make_(std::move(make)), partitions_(std::move(partitions)), config_(std::move(config)), random_(config_.seed) {}

  arrow::Status run(const std::vector<Arrival>& rows, Collected* out, bool end = true) {
    ARROW_RETURN_NOT_OK(renew(config_.workers));
    const size_t cuts = config_.restore_with.size();
    size_t done = 0;
    for (size_t c = 0; c <= cuts; ++c) {
      const size_t to = c == cuts ? rows.size() : std::max(done, rows.size() * (c + 1) / (cuts + 1));
      ARROW_RETURN_NOT_OK(run_part(rows, done, to, out));
      done = to;
      if (c == cuts) break;
      const Parts parts = snapshot_of(*op_);
      // The run goes on after a snapshot; here it is thrown away, as a killed process would.
      ARROW_RETURN_NOT_OK(renew(config_.restore_with[c]));
      ARROW_RETURN_NOT_OK(restore_from(*op_, parts));
    }
    if (!end) return arrow::Status::OK();
    for (int i = 0; i < op_->inputs(); ++i) ARROW_RETURN_NOT_OK(op_->on_input_end(i, *out));
    return op_->on_end(*out);
  }

  StatefulOperator& op() { return *op_; }

 private:
  struct Prepared {
    column::Batch batch;
    MorselPart part;
    std::unique_ptr<Piece> piece;
  };

  arrow::Status renew(int workers) {
    op_.reset();
    context_ = std::make_unique<exec::QueryContext>();
    context_->memory = base::QueryMemory::make(config_.cap);
    context_->workers = workers;
    context_->spill_eagerly = config_.eager;
    workers_ = workers;
    seq_ = 0;
    ARROW_ASSIGN_OR_RAISE(op_, make_());
    OperatorContext context;
    context.query = context_.get();
    context.partitions = partitions_;
    return op_->open(context);
  }

  arrow::Status run_part(const std::vector<Arrival>& rows, size_t from, size_t to, Collected* out) {
    std::vector<Prepared> waiting;
    for (size_t at = from; at < to;) {
      size_t end = at;
      const size_t most = config_.morsel_rows / 2 + static_cast<size_t>(random_.below(static_cast<int64_t>(config_.morsel_rows)) + 1);
      while (end < to && end - at < most && rows[end].input == rows[at].input && rows[end].row.partition == rows[at].row.partition) ++end;
      cut_morsel(rows, at, end, &waiting);
      at = end;
      if (waiting.size() < static_cast<size_t>(workers_) * 4 && at < to) continue;
      ARROW_RETURN_NOT_OK(prepare_all(&waiting));
      for (Prepared& p : waiting) ARROW_RETURN_NOT_OK(op_->apply(std::move(p.piece), p.part, *out));
      waiting.clear();
    }
    return arrow::Status::OK();
  }

  void cut_morsel(const std::vector<Arrival>& rows, size_t from, size_t to, std::vector<Prepared>* out) {
    MorselPart part;
    part.input = rows[from].input;
    part.partition = rows[from].row.partition;
    part.seq = seq_++;
    for (size_t at = from; at < to;) {
      const size_t here = std::min(to - at, static_cast<size_t>(random_.below(static_cast<int64_t>(config_.batch_rows)) + 1));
      std::vector<TestRow> mine;
      std::vector<uint16_t> selected;
      for (size_t i = at; i < at + here; ++i) {
        while (config_.select && random_.below(3) == 0) {
          TestRow noise = rows[i].row;
          noise.t += 1'000'000'000;  // would close everything
          mine.push_back(noise);
        }
        selected.push_back(static_cast<uint16_t>(mine.size()));
        mine.push_back(rows[i].row);
      }
      Prepared p;
      p.batch = batch_of(mine, 0, mine.size(), config_.text_key);
      if (config_.select) p.batch.selection = column::Selection::from_indices(std::move(selected), p.batch.rows);
      p.part = part;
      part.first_row += p.batch.rows;
      out->push_back(std::move(p));
      at += here;
    }
  }

  // Any worker, any order.
  arrow::Status prepare_all(std::vector<Prepared>* pieces) {
    std::vector<size_t> order(pieces->size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[static_cast<size_t>(random_.below(static_cast<int64_t>(i)))]);
    std::vector<arrow::Status> results(static_cast<size_t>(workers_));
    const auto work = [&](size_t worker) {
      results[worker] = [&]() -> arrow::Status {
        std::unique_ptr<exec::LocalState> locals[2];
        for (int i = 0; i < op_->inputs(); ++i) {
          ARROW_ASSIGN_OR_RAISE(locals[i], op_->make_local(*context_));
        }
        for (size_t k = worker; k < order.size(); k += static_cast<size_t>(workers_)) {
          Prepared& p = (*pieces)[order[k]];
          ARROW_ASSIGN_OR_RAISE(p.piece, op_->prepare(p.batch, p.part, *locals[p.part.input]));
        }
        return arrow::Status::OK();
      }();
    };
    if (workers_ == 1) {
      work(0);
    } else {
      std::vector<std::thread> threads;
      for (size_t w = 0; w < static_cast<size_t>(workers_); ++w) threads.emplace_back(work, w);
      for (auto& t : threads) t.join();
    }
    for (const arrow::Status& s : results) ARROW_RETURN_NOT_OK(s);
    return arrow::Status::OK();
  }

  MakeStateful make_;
  std::vector<int32_t> partitions_;
  DriveConfig config_;
  column::testing::RandomColumns random_;
  std::unique_ptr<exec::QueryContext> context_;
  StatefulOperatorPtr op_;
  int workers_ = 1;
  uint64_t seq_ = 0;
};

inline std::vector<Arrival> only(const std::vector<TestRow>& rows) {
  std::vector<Arrival> out;
  for (const TestRow& r : rows) out.push_back({0, r});
  return out;
}

// The watermark before each row, by its definition.
class PlainWatermark {
 public:
  PlainWatermark(int32_t partitions, int64_t delay) : delay_(delay), greatest_(static_cast<size_t>(partitions), kNone) {}
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::min();
  int64_t value() const {
    const int64_t least = *std::min_element(greatest_.begin(), greatest_.end());
    return least == kNone ? kNone : least - delay_;
  }
  void see(const TestRow& r) {
    int64_t& g = greatest_[static_cast<size_t>(r.partition)];
    g = std::max(g, r.t);
  }

 private:
  int64_t delay_;
  std::vector<int64_t> greatest_;
};

// Times that rise with some disorder, now and then far behind; stretches of one partition.
inline std::vector<TestRow> random_rows(uint64_t seed, size_t n, int32_t partitions, int64_t keys, int64_t step, int64_t disorder) {
  column::testing::RandomColumns random(seed);
  std::vector<TestRow> out;
  std::vector<int64_t> now(static_cast<size_t>(partitions), 1000 + random.below(50));
  int32_t partition = 0;
  for (size_t i = 0; i < n; ++i) {
    if (random.below(20) == 0) partition = static_cast<int32_t>(random.below(partitions));
    int64_t& clock = now[static_cast<size_t>(partition)];
    clock += random.below(2 * step + 1);
    if (random.below(200) == 0) clock += 40 * step;
    TestRow r;
    r.partition = partition;
    r.t = clock - random.below(disorder + 1);
    if (random.below(30) == 0) r.t -= random.below(20 * disorder + 1);
    r.k = random.below(keys) * 7 - 3;
    r.null_key = random.below(25) == 0;
    r.x = static_cast<double>(random.below(2000) - 1000) / 8;
    r.null_x = random.below(10) == 0;
    r.s = (random.below(3) == 0 ? "a text that does not fit into a view " : "v") + std::to_string(i);
    out.push_back(std::move(r));
  }
  return out;
}

}  // namespace gristmill::stream::testing
