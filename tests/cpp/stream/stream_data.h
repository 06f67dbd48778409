// Small vocabulary of the stream tests: batches of numbers, what a stream gives, a source that never ends, a sink that keeps epochs.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "column/batch.h"
#include "gristmill/stream.h"
#include "stream/epoch_sink.h"
#include "stream/steps.h"

namespace gristmill::stream::test {

inline std::shared_ptr<arrow::Schema> numbers_schema() {
  static const auto schema =
      arrow::schema({arrow::field("n", arrow::int64()), arrow::field("x", arrow::float64()), arrow::field("t", arrow::utf8())});
  return schema;
}

// Rows first .. first+rows-1: n, x = n/2 (each seventh null), t = "t" and n modulo 13.
inline RecordBatchPtr numbers(int64_t rows, int64_t first = 0) {
  arrow::Int64Builder n;
  arrow::DoubleBuilder x;
  arrow::StringBuilder t;
  for (int64_t i = first; i < first + rows; ++i) {
    EXPECT_TRUE(n.Append(i).ok());
    EXPECT_TRUE((i % 7 == 3 ? x.AppendNull() : x.Append(static_cast<double>(i) / 2)).ok());
    EXPECT_TRUE(t.Append("t" + std::to_string(i % 13)).ok());
  }
  return arrow::RecordBatch::Make(numbers_schema(), rows, {*n.Finish(), *x.Finish(), *t.Finish()});
}

inline std::vector<RecordBatchPtr> in_batches(int64_t rows, int64_t size) {
  std::vector<RecordBatchPtr> out;
  for (int64_t at = 0; at < rows; at += size) out.push_back(numbers(std::min(size, rows - at), at));
  return out;
}

inline std::shared_ptr<arrow::Table> together(const std::shared_ptr<arrow::Schema>& schema, const std::vector<RecordBatchPtr>& batches) {
  auto table = arrow::Table::FromRecordBatches(schema, batches);
  return (*table)->CombineChunks().ValueOrDie();
}

// What iterating gives; every batch has rows.
inline arrow::Result<std::shared_ptr<arrow::Table>> iterated(const Stream& stream, size_t* batches = nullptr) {
  ARROW_ASSIGN_OR_RAISE(StreamReader reader, stream.batches());
  std::vector<RecordBatchPtr> all;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(RecordBatchPtr batch, reader.next());
    if (!batch) break;
    EXPECT_GT(batch->num_rows(), 0);
    all.push_back(std::move(batch));
  }
  if (batches) *batches = all.size();
  return together(reader.schema(), all);
}

inline std::shared_ptr<arrow::Table> collected(const Stream& stream) {
  auto table = stream.collect();
  EXPECT_TRUE(table.ok()) << table.status().ToString();
  return table.ok() ? (*table->arrow())->CombineChunks().ValueOrDie() : nullptr;
}

// Numbers for ever (or up to `last`), in chunks of random size, over some partitions: partition p has p, p + partitions, ...
class Counting final : public EndlessSource {
 public:
  Counting(int32_t partitions, int64_t last_of_each, uint64_t seed)
      : partitions_(partitions), last_(last_of_each), random_(seed), next_(partitions) {}
  std::string name() const override { return "counting"; }
  std::shared_ptr<arrow::Schema> schema() const override { return arrow::schema({arrow::field("n", arrow::int64())}); }
  int32_t partitions() const override { return partitions_; }
  bool endless() const override { return last_ < 0; }
  arrow::Status start(const Positions& positions, const StartContext&) override {
    for (const auto& [p, next] : positions) next_[static_cast<size_t>(p)] = next;
    return arrow::Status::OK();
  }
  arrow::Result<Polled> poll() override {
    Polled out;
    std::vector<int32_t> open;
    for (int32_t p = 0; p < partitions_; ++p) {
      if (last_ < 0 || next_[static_cast<size_t>(p)] < last_) open.push_back(p);
    }
    if (open.empty()) {
      out.end = true;
      return out;
    }
    const int32_t p = open[random_() % open.size()];
    int64_t rows = 1 + static_cast<int64_t>(random_() % 50);
    if (last_ >= 0) rows = std::min(rows, last_ - next_[static_cast<size_t>(p)]);
    out.chunk = std::make_unique<Chunk>();
    out.chunk->partition = p;
    out.chunk->position = next_[static_cast<size_t>(p)];
    out.chunk->next_position = next_[static_cast<size_t>(p)] += rows;
    arrow::Int64Builder n;
    for (int64_t i = out.chunk->position; i < out.chunk->next_position; ++i) ARROW_RETURN_NOT_OK(n.Append(i * partitions_ + p));
    ARROW_ASSIGN_OR_RAISE(auto values, n.Finish());
    out.chunk->rows = arrow::RecordBatch::Make(schema(), rows, {values});
    return out;
  }

 private:
  const int32_t partitions_;
  const int64_t last_;
  std::mt19937_64 random_;
  std::vector<int64_t> next_;
};

inline Stream counting(int32_t partitions, int64_t last_of_each, uint64_t seed) {
  SourceSpec spec;
  spec.name = "counting";
  spec.schema = arrow::schema({arrow::field("n", arrow::int64())});
  spec.endless = last_of_each < 0;
  spec.make = [=]() -> arrow::Result<EndlessSourcePtr> { return std::make_shared<Counting>(partitions, last_of_each, seed); };
  return from_source(std::move(spec));
}

// What outlives a crash of the sink below.
struct Shelf {
  std::mutex mutex;
  std::map<int64_t, std::vector<int64_t>> committed;  // by epoch
  std::map<int64_t, std::vector<int64_t>> flushed;    // kept only by a sink that keeps what it flushed
  std::vector<int64_t> all() {
    std::vector<int64_t> out;
    for (const auto& [epoch, rows] : committed) out.insert(out.end(), rows.begin(), rows.end());
    return out;
  }
};

// First column of what it is given, exactly once. `keeps`: flushed rows outlive a crash. Fails at random when told.
class ShelfSink final : public EpochSink {
 public:
  ShelfSink(std::shared_ptr<Shelf> shelf, bool keeps, uint64_t seed = 0, int fail_one_in = 0)
      : shelf_(std::move(shelf)), keeps_(keeps), random_(seed), fail_one_in_(fail_one_in) {}
  std::string name() const override { return "shelf"; }
  Delivery delivery() const override { return Delivery::kExactlyOnce; }
  bool keeps_flushed() const override { return keeps_; }
  arrow::Result<int64_t> open(const std::string&, std::shared_ptr<arrow::Schema> schema, const exec::QueryContext& context) override {
    schema_ = std::move(schema);
    pool_ = context.pool();
    return committed();
  }
  arrow::Status begin(int64_t epoch) override {
    epoch_ = epoch;
    rows_.clear();
    return arrow::Status::OK();
  }
  arrow::Result<exec::OrderedSink::Answer> deliver(std::vector<column::Batch>& batches) override {
    ARROW_RETURN_NOT_OK(maybe_fail("deliver"));
    for (const auto& b : batches) {
      ARROW_ASSIGN_OR_RAISE(auto rows, column::export_batch(b, schema_, pool_));
      const auto& n = static_cast<const arrow::Int64Array&>(*rows->column(0));
      for (int64_t i = 0; i < n.length(); ++i) rows_.push_back(n.Value(i));
    }
    return exec::OrderedSink::Answer{};
  }
  arrow::Result<std::string> flush(int64_t epoch, const std::vector<SourcePositions>&) override {
    EXPECT_EQ(epoch, epoch_);
    ARROW_RETURN_NOT_OK(maybe_fail("flush"));
    std::lock_guard lock(shelf_->mutex);
    if (keeps_) shelf_->flushed[epoch] = rows_;
    return std::to_string(rows_.size());
  }
  arrow::Status commit(int64_t epoch, const std::string& token) override {
    ARROW_RETURN_NOT_OK(maybe_fail("commit"));
    std::lock_guard lock(shelf_->mutex);
    if (epoch <= committed()) return arrow::Status::OK();
    const auto& rows = keeps_ ? shelf_->flushed[epoch] : rows_;
    EXPECT_EQ(token, std::to_string(rows.size()));
    shelf_->committed[epoch] = rows;
    return arrow::Status::OK();
  }
  int64_t committed() const override { return shelf_->committed.empty() ? 0 : shelf_->committed.rbegin()->first; }
  void abort() override { rows_.clear(); }

 private:
  arrow::Status maybe_fail(const char* where) {
    if (fail_one_in_ == 0 || random_() % static_cast<uint64_t>(fail_one_in_) != 0) return arrow::Status::OK();
    return base::io_error(std::string("the shelf broke at ") + where);
  }
  const std::shared_ptr<Shelf> shelf_;
  const bool keeps_;
  std::mt19937_64 random_;
  const int fail_one_in_;
  std::shared_ptr<arrow::Schema> schema_;
  arrow::MemoryPool* pool_ = nullptr;
  int64_t epoch_ = 0;
  std::vector<int64_t> rows_;
};

}  // namespace gristmill::stream::test
