// A round is an ordinary run of its plan inside the pull of a stream: it stops when the reading query is cancelled, and no further
// round is run than is asked for.

#include "sql/recursive_source.h"

#include <unordered_map>
#include <unordered_set>

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include "base/status.h"
#include "column/key_encoding.h"
#include "exec/collect.h"
#include "frame/kept_table.h"
#include "frame/memory_table.h"
#include "frame/query_runner.h"
#include "io/stream_scan.h"

namespace gristmill::sqltext {
namespace {

using plan::PlanPtr;
using plan::TableSourcePtr;
using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

class WorkingSource final : public plan::TableSource {
 public:
  WorkingSource(std::string name, std::shared_ptr<arrow::Schema> schema) : name_(std::move(name)), schema_(std::move(schema)) {}
  std::string kind() const override { return "round"; }
  std::string name() const override { return "the round before of " + name_; }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  plan::TableEstimate estimate() const override { return {}; }
  std::string to_json() const override { return "{}"; }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest&) const override {
    return base::internal_error("a round of a recursive query was read outside it");
  }

 private:
  const std::string name_;
  const std::shared_ptr<arrow::Schema> schema_;
};

struct Recursion {
  std::string name;
  std::shared_ptr<arrow::Schema> schema;
  PlanPtr first, further;
  TableSourcePtr working;
  bool all = false;
};

arrow::Result<PlanPtr> over_rows(const PlanPtr& plan, const TableSourcePtr& from, const TableSourcePtr& to,
                                 std::unordered_map<const plan::Plan*, PlanPtr>& done);

// Rows that equal none before, by their encoded values.
class Seen {
 public:
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> unseen(const std::shared_ptr<arrow::RecordBatch>& rows, arrow::MemoryPool* pool) {
    ARROW_ASSIGN_OR_RAISE(column::Batch whole, column::import_batch(*rows, pool));
    Batches kept;
    for (int64_t at = 0; at < rows->num_rows(); at += column::kDefaultBatchRows) {
      column::Batch part = column::slice(whole, at, std::min(column::kDefaultBatchRows, rows->num_rows() - at));
      const std::vector<column::SortKey> keys(part.columns.size());
      ARROW_ASSIGN_OR_RAISE(const auto encoded, column::encode_keys(part.columns, keys, part.rows));
      std::vector<uint16_t> fresh;
      for (int64_t i = 0; i < part.rows; ++i) {
        const auto key = encoded.row(i);
        const auto [place, inserted] = keys_.emplace(reinterpret_cast<const char*>(key.data()), key.size());
        if (!inserted) continue;
        bytes_ += static_cast<int64_t>(key.size()) + kKeyOverhead;
        fresh.push_back(static_cast<uint16_t>(i));
      }
      part.selection = column::Selection::from_indices(std::move(fresh), part.rows);
      ARROW_ASSIGN_OR_RAISE(part, column::compact(std::move(part), pool));
      ARROW_ASSIGN_OR_RAISE(auto out, column::export_batch(part, rows->schema(), pool));
      kept.push_back(std::move(out));
    }
    if (kept.size() == 1) return kept[0];
    ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::FromRecordBatches(rows->schema(), kept));
    return table->CombineChunksToBatch(pool);
  }
  int64_t bytes() const { return bytes_; }

 private:
  static constexpr int64_t kKeyOverhead = 64;  // the string and its place in the table
  std::unordered_set<std::string> keys_;
  int64_t bytes_ = 0;
};

class Rounds {
 public:
  Rounds(std::shared_ptr<const Recursion> recursion, const plan::ScanRequest& request)
      : recursion_(std::move(recursion)), request_(request), kept_(frame::kept_schema(*recursion_->schema)) {
    options_.num_workers = request.workers;
    options_.chunk_rows = request.morsel_rows;
    options_.batch_rows = request.batch_rows;
    options_.memory_limit = request.memory->cap();
  }

  arrow::Result<std::optional<io::StreamedBatch>> pull() {
    if (at_ == round_.size()) {
      if (begun_ && rows_ == 0) return std::nullopt;
      ARROW_RETURN_NOT_OK(run_round());
      if (round_.empty()) return std::nullopt;
    }
    io::StreamedBatch out;
    out.rows = round_[at_++];
    return out;
  }

 private:
  arrow::Status run_round() {
    PlanPtr plan = recursion_->first;
    if (begun_) {
      ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::FromRecordBatches(kept_, round_));
      ARROW_ASSIGN_OR_RAISE(auto rows, frame::make_memory_table(std::move(table), recursion_->schema));
      std::unordered_map<const plan::Plan*, PlanPtr> done;
      ARROW_ASSIGN_OR_RAISE(plan, over_rows(recursion_->further, recursion_->working, rows, done));
    }
    begun_ = true;
    ARROW_ASSIGN_OR_RAISE(Batches next, collect(plan));
    round_.clear();
    rows_ = 0;
    at_ = 0;
    int64_t bytes = 0;
    for (auto& batch : next) {
      if (!recursion_->all && batch->num_rows() > 0) {
        ARROW_ASSIGN_OR_RAISE(batch, seen_.unseen(batch, request_.memory->pool()));
      }
      if (batch->num_rows() == 0) continue;
      rows_ += batch->num_rows();
      bytes += arrow::util::TotalBufferSize(*batch);
      round_.push_back(std::move(batch));
    }
    if (!reserved_) {
      ARROW_ASSIGN_OR_RAISE(held_, request_.memory->reserve(0, "recursive query"));
      reserved_ = true;
    }
    if (bytes + seen_.bytes() < held_.bytes()) {
      held_.shrink_to(bytes + seen_.bytes());
      return arrow::Status::OK();
    }
    return held_.grow_to(bytes + seen_.bytes());
  }

  arrow::Result<Batches> collect(const PlanPtr& plan) const {
    ARROW_RETURN_NOT_OK(request_.cancel.check());
    const Cancellation cancel;
    const uint64_t id = request_.cancel.subscribe([cancel] { cancel.cancel(); });
    auto out = run(plan, cancel);
    request_.cancel.unsubscribe(id);
    if (!out.ok()) ARROW_RETURN_NOT_OK(request_.cancel.check());  // its reason, not that this run was stopped
    return out;
  }

  arrow::Result<Batches> run(const PlanPtr& plan, const Cancellation& cancel) const {
    ARROW_ASSIGN_OR_RAISE(QueryRunner runner, QueryRunner::make(plan, options_, cancel));
    auto sink = exec::make_collect_sink(kept_);
    ARROW_RETURN_NOT_OK(runner.run(sink));
    return sink->take();
  }

  const std::shared_ptr<const Recursion> recursion_;
  const plan::ScanRequest request_;
  const std::shared_ptr<arrow::Schema> kept_;
  ParallelOptions options_;
  bool begun_ = false, reserved_ = false;
  Batches round_;
  size_t at_ = 0;
  int64_t rows_ = 0;
  Seen seen_;
  base::Reservation held_;
};

class RecursiveSource final : public plan::TableSource {
 public:
  explicit RecursiveSource(std::shared_ptr<const Recursion> recursion) : recursion_(std::move(recursion)) {}
  std::string kind() const override { return "recursive"; }
  std::string name() const override { return "recursive query " + recursion_->name; }
  std::shared_ptr<arrow::Schema> schema() const override { return recursion_->schema; }
  plan::TableEstimate estimate() const override { return {}; }
  std::string to_json() const override { return "{}"; }
  const Recursion& recursion() const { return *recursion_; }

  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    io::StreamScanSpec spec;
    spec.columns = request.columns;
    for (const int c : request.columns) spec.types.push_back(column::canonical_type(recursion_->schema->field(c)->type()));
    spec.pull = [rounds = std::make_shared<Rounds>(recursion_, request)] { return rounds->pull(); };
    return io::make_stream_scan(std::move(spec), request);
  }

 private:
  const std::shared_ptr<const Recursion> recursion_;
};

// A scan of `from` reads `to`; so do recursive queries inside.
arrow::Result<PlanPtr> scan_over(const PlanPtr& plan, const TableSourcePtr& from, const TableSourcePtr& to,
                                 std::unordered_map<const plan::Plan*, PlanPtr>& done) {
  if (plan->source == from) return plan::make_scan(to);
  const auto* inner = dynamic_cast<const RecursiveSource*>(plan->source.get());
  if (!inner) return plan;
  auto changed = std::make_shared<Recursion>(inner->recursion());
  ARROW_ASSIGN_OR_RAISE(changed->first, over_rows(changed->first, from, to, done));
  ARROW_ASSIGN_OR_RAISE(changed->further, over_rows(changed->further, from, to, done));
  return plan::make_scan(std::make_shared<RecursiveSource>(std::move(changed)));
}

arrow::Result<PlanPtr> over_rows(const PlanPtr& plan, const TableSourcePtr& from, const TableSourcePtr& to,
                                 std::unordered_map<const plan::Plan*, PlanPtr>& done) {
  if (const auto known = done.find(plan.get()); known != done.end()) return known->second;
  PlanPtr out = plan;
  if (plan->kind == plan::PlanKind::kScan) {
    ARROW_ASSIGN_OR_RAISE(out, scan_over(plan, from, to, done));
  } else {
    std::vector<PlanPtr> inputs;
    for (const PlanPtr& in : plan->inputs) {
      ARROW_ASSIGN_OR_RAISE(auto changed, over_rows(in, from, to, done));
      inputs.push_back(std::move(changed));
    }
    if (inputs != plan->inputs) {
      ARROW_ASSIGN_OR_RAISE(out, plan::with_inputs(*plan, std::move(inputs)));
    }
  }
  done.emplace(plan.get(), out);
  return out;
}

}  // namespace

TableSourcePtr make_working_source(std::string name, std::shared_ptr<arrow::Schema> schema) {
  return std::make_shared<WorkingSource>(std::move(name), std::move(schema));
}

arrow::Result<TableSourcePtr> make_recursive_source(std::string name, std::shared_ptr<arrow::Schema> schema, PlanPtr first, PlanPtr further,
                                                    TableSourcePtr working, bool all) {
  auto recursion = std::make_shared<Recursion>();
  recursion->name = std::move(name);
  recursion->schema = std::move(schema);
  recursion->first = std::move(first);
  recursion->further = std::move(further);
  recursion->working = std::move(working);
  recursion->all = all;
  return std::make_shared<RecursiveSource>(std::move(recursion));
}

}  // namespace gristmill::sqltext
