// Invariant: the blocks, in order, are the rows of the query in order, each once; a block is a morsel of every later scan.

#include "frame/held_rows.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/type.h>

#include "base/spill_file.h"
#include "column/kernels.h"
#include "column/types.h"
#include "exec/collect.h"
#include "frame/query_runner.h"
#include "gristmill/hold.h"
#include "plan/logical.h"

namespace gristmill {
namespace frame {
namespace {

constexpr int64_t kBlockRows = 16384;  // smaller batches of a morsel are put together
constexpr int64_t kBlockShare = 256;   // of a limit; larger batches are cut
constexpr int64_t kLeastBlockRows = 256;

struct Block {
  std::shared_ptr<arrow::Buffer> bytes;  // null: in the file
  base::SpillBlock spilled;
  int64_t rows = 0, first_row = 0;
};

// Immutable once the sink is done.
struct HeldData {
  std::shared_ptr<arrow::Schema> schema;
  std::vector<column::TypePtr> types;
  std::vector<Block> blocks;
  std::shared_ptr<base::SpillFile> file;
  std::shared_ptr<void> pool_owner;  // of the blocks in memory
  int64_t rows = 0, bytes = 0;

  ~HeldData() { blocks.clear(); }  // before the pool
};

class HeldScan final : public plan::Scan {
 public:
  HeldScan(std::shared_ptr<const HeldData> data, const plan::ScanRequest& request)
      : data_(std::move(data)), columns_(request.columns), memory_(request.memory) {
    batch_rows_ = request.batch_rows > 0 ? std::min(request.batch_rows, column::kMaxBatchRows) : column::kDefaultBatchRows;
  }
  int64_t num_morsels() const override { return static_cast<int64_t>(data_->blocks.size()); }
  bool numbers_rows() const override { return true; }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<plan::ScanLocal>(); }

  arrow::Status read(uint64_t seq, plan::ScanLocal&, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    const Block& block = data_->blocks[seq];
    arrow::MemoryPool* pool = memory_ ? memory_->pool() : arrow::default_memory_pool();
    std::shared_ptr<arrow::Buffer> bytes = block.bytes;
    if (bytes == nullptr) {
      ARROW_ASSIGN_OR_RAISE(bytes, data_->file->read(block.spilled, pool));
    }
    ARROW_ASSIGN_OR_RAISE(column::Batch whole, column::deserialize_batch(bytes, data_->types, pool));
    column::Batch wanted;
    wanted.rows = whole.rows;
    wanted.origin = column::Origin{};
    wanted.origin.first_row = block.first_row;
    for (const int c : columns_) wanted.columns.push_back(whole.columns[static_cast<size_t>(c)]);
    for (int64_t at = 0; at < wanted.rows; at += batch_rows_) {
      const int64_t n = std::min(batch_rows_, wanted.rows - at);
      counts.rows += n;
      ARROW_RETURN_NOT_OK(emit(n == wanted.rows ? wanted : column::slice(wanted, at, n)));
    }
    return arrow::Status::OK();
  }

 private:
  const std::shared_ptr<const HeldData> data_;
  const std::vector<int> columns_;
  const std::shared_ptr<base::QueryMemory> memory_;
  int64_t batch_rows_ = 0;
};

class HeldTable final : public plan::TableSource {
 public:
  explicit HeldTable(std::shared_ptr<const HeldData> data) : data_(std::move(data)) {}
  std::string kind() const override { return "held"; }
  std::string name() const override {
    return "held rows (" + std::to_string(data_->schema->num_fields()) + " columns, " + std::to_string(data_->rows) + " rows)";
  }
  std::shared_ptr<arrow::Schema> schema() const override { return data_->schema; }
  plan::TableEstimate estimate() const override { return {data_->rows, true, data_->bytes}; }
  std::string to_json() const override { return "{}"; }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    return std::make_shared<HeldScan>(data_, request);
  }

 private:
  const std::shared_ptr<const HeldData> data_;
};

class BlockSink final : public HeldSink {
 public:
  BlockSink(std::shared_ptr<arrow::Schema> schema, int64_t memory_bytes)
      : data_(std::make_shared<HeldData>()), memory_bytes_(memory_bytes) {
    for (const auto& field : schema->fields()) data_->types.push_back(column::canonical_type(field->type()));
    data_->schema = std::move(schema);
  }
  std::string name() const override { return "hold"; }

  // Blocks wait in staged_; what goes through the ring is their number, as the first row of a batch without columns.
  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    {
      const std::lock_guard lock(mutex_);
      if (data_->pool_owner == nullptr) data_->pool_owner = context.memory->pool_owner();
    }
    const int64_t most = block_rows(batches, context);
    batches = cut(std::move(batches), most);
    std::vector<column::Batch> out, waiting;
    int64_t rows = 0;
    for (size_t i = 0; i < batches.size(); ++i) {
      rows += batches[i].selected();
      waiting.push_back(std::move(batches[i]));
      const bool last = i + 1 == batches.size();
      if (!last && rows + batches[i + 1].selected() <= most) continue;
      ARROW_ASSIGN_OR_RAISE(column::Batch one, exec::join_batches(std::move(waiting), context.pool()));
      waiting.clear();
      rows = 0;
      if (one.rows == 0) continue;
      ARROW_ASSIGN_OR_RAISE(const int64_t number, keep(one, context));
      column::Batch token;
      token.rows = one.rows;
      token.origin.first_row = number;
      out.push_back(std::move(token));
    }
    return out;
  }

  arrow::Result<Answer> deliver(uint64_t, std::vector<column::Batch>& batches) override {
    const std::lock_guard lock(mutex_);
    for (const column::Batch& token : batches) {
      Block& block = staged_[static_cast<size_t>(token.origin.first_row)];
      block.first_row = data_->rows;
      data_->rows += block.rows;
      data_->blocks.push_back(std::move(block));
    }
    return Answer{};
  }
  arrow::Status finalize() override {
    staged_.clear();
    return arrow::Status::OK();
  }
  void abandon() override {
    staged_.clear();
    data_->blocks.clear();
  }

  int64_t rows() const override { return data_->rows; }
  int64_t memory_bytes() const override { return in_memory_; }
  int64_t spilled_bytes() const override { return data_->file ? data_->file->bytes_written() : 0; }
  plan::TableSourcePtr source() override { return std::make_shared<HeldTable>(data_); }

 private:
  // A block is copied twice on its way: under a limit a small part of it.
  static int64_t block_rows(const std::vector<column::Batch>& batches, const exec::QueryContext& context) {
    if (!context.memory->limited()) return kBlockRows;
    int64_t rows = 0, bytes = 0;
    for (const column::Batch& b : batches) {
      rows += b.rows;
      for (const column::Column& c : b.columns) bytes += column::compact_bytes(c, b.rows);
    }
    if (rows == 0) return kBlockRows;
    return std::clamp(context.memory->cap() / kBlockShare / std::max<int64_t>(bytes / rows, 1), kLeastBlockRows, kBlockRows);
  }
  static std::vector<column::Batch> cut(std::vector<column::Batch> batches, int64_t most) {
    if (most == kBlockRows) return batches;
    std::vector<column::Batch> out;
    for (column::Batch& b : batches) {
      if (b.rows <= most) {
        out.push_back(std::move(b));
        continue;
      }
      for (int64_t at = 0; at < b.rows; at += most) {
        column::Batch part = column::slice(b, at, std::min(most, b.rows - at));
        if (part.selected() > 0) out.push_back(std::move(part));
      }
    }
    return out;
  }

  arrow::Result<int64_t> keep(const column::Batch& batch, const exec::QueryContext& context) {
    Block block;
    block.rows = batch.rows;
    ARROW_ASSIGN_OR_RAISE(block.bytes, column::serialize_batch(batch, context.pool()));
    std::shared_ptr<base::SpillFile> file;
    {
      const std::lock_guard lock(mutex_);
      data_->bytes += block.bytes->size();
      const bool fits = in_memory_ + block.bytes->size() <= memory_bytes_ && !context.spill_eagerly;
      if (fits) in_memory_ += block.bytes->size();
      if (!fits && data_->file == nullptr) {
        ARROW_ASSIGN_OR_RAISE(data_->file, base::SpillFile::create());
      }
      if (!fits) file = data_->file;
    }
    if (file != nullptr) {
      ARROW_ASSIGN_OR_RAISE(block.spilled, file->write(block.bytes->data(), block.bytes->size()));
      context.memory->count_spilled(static_cast<int64_t>(block.spilled.stored_bytes));
      block.bytes = nullptr;
    }
    const std::lock_guard lock(mutex_);
    staged_.push_back(std::move(block));
    return static_cast<int64_t>(staged_.size()) - 1;
  }

  std::mutex mutex_;  // guards everything below and data_ while the query runs
  const std::shared_ptr<HeldData> data_;
  const int64_t memory_bytes_;
  int64_t in_memory_ = 0;
  std::vector<Block> staged_;
};

}  // namespace

std::shared_ptr<HeldSink> make_held_sink(std::shared_ptr<arrow::Schema> schema, int64_t memory_bytes) {
  return std::make_shared<BlockSink>(std::move(schema), memory_bytes);
}

// Of the rows' blocks, in memory.
int64_t most_in_memory(const HoldOptions& hold, const ParallelOptions& options) {
  constexpr int64_t kShare = 8;  // of a query's limit
  constexpr int64_t kFree = int64_t{128} << 20, kLimited = int64_t{32} << 20;
  const bool limited = options.memory_limit > 0;
  const int64_t wanted = hold.memory_bytes.value_or(limited ? kLimited : kFree);
  return limited ? std::min(wanted, options.memory_limit / kShare) : wanted;
}

}  // namespace frame

namespace {
Held held_of(frame::HeldSink& sink) {
  return {Frame(plan::make_scan(sink.source())), sink.rows(), sink.memory_bytes(), sink.spilled_bytes()};
}
}  // namespace

arrow::Result<Held> hold(const Frame& frame, ParallelOptions options, Cancellation cancel, HoldOptions hold) {
  ARROW_RETURN_NOT_OK(frame.plan().status());
  const plan::PlanPtr plan = *frame.plan();
  ARROW_ASSIGN_OR_RAISE(QueryRunner runner, QueryRunner::make(plan, options, cancel));
  auto sink = frame::make_held_sink(plan->schema, frame::most_in_memory(hold, options));
  ARROW_RETURN_NOT_OK(runner.run(sink));
  return held_of(*sink);
}

arrow::Result<std::vector<Held>> hold_together(const std::vector<Frame>& frames, ParallelOptions options, Cancellation cancel,
                                               HoldOptions hold) {
  std::vector<plan::PlanPtr> plans;
  for (const Frame& frame : frames) {
    ARROW_ASSIGN_OR_RAISE(plans.emplace_back(), frame.plan());
  }
  ARROW_ASSIGN_OR_RAISE(plan::TogetherPlan together, plan::optimize_together(plans, options.ordered));
  std::vector<Held> out;
  if (together.common == nullptr) {
    for (const Frame& frame : frames) {
      ARROW_ASSIGN_OR_RAISE(Held one, gristmill::hold(frame, options, cancel, hold));
      out.push_back(std::move(one));
    }
    return out;
  }
  ARROW_ASSIGN_OR_RAISE(QueryRunner runner, QueryRunner::make_together(std::move(together), options, cancel));
  std::vector<std::shared_ptr<frame::HeldSink>> held;
  for (const plan::PlanPtr& plan : plans) held.push_back(frame::make_held_sink(plan->schema, frame::most_in_memory(hold, options)));
  ARROW_RETURN_NOT_OK(runner.run_together({held.begin(), held.end()}));
  for (const auto& sink : held) out.push_back(held_of(*sink));
  return out;
}

}  // namespace gristmill
