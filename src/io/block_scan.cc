// Blocks on their way from the cutter to a worker.

#include "io/block_scan.h"

#include <algorithm>

#include "base/status.h"
#include "expr/registry.h"

namespace gristmill::io {
namespace {

void collect_inputs(const expr::Bound& e, std::vector<int>& inputs) {
  if (e.kind == expr::BoundKind::kInput && std::find(inputs.begin(), inputs.end(), e.input) == inputs.end()) inputs.push_back(e.input);
  for (const auto& a : e.args) collect_inputs(*a, inputs);
}

void collect_conjuncts(const expr::BoundPtr& e, std::vector<BlockConjunct>& out) {
  if (e->kind == expr::BoundKind::kCall && e->function != nullptr && e->function->name == "and") {
    for (const auto& a : e->args) collect_conjuncts(a, out);
    return;
  }
  BlockConjunct c{e, {}};
  collect_inputs(*e, c.inputs);
  out.push_back(std::move(c));
}

BlockRules rules_for(BlockRules rules, const plan::ScanRequest& request) {
  if (request.morsel_rows > 0) rules.most_records = request.morsel_rows;
  rules.ahead = 2 * std::max(request.workers, 1);
  return rules;
}

}  // namespace

std::vector<BlockConjunct> conjuncts_of(const expr::BoundPtr& predicate) {
  std::vector<BlockConjunct> out;
  if (predicate != nullptr) collect_conjuncts(predicate, out);
  return out;
}

BlockScan::BlockScan(std::vector<TextFile> files, BlockRules rules, const plan::ScanRequest& request, bool rows_may_go)
    : files_(std::move(files)),
      request_(request),
      conjuncts_(conjuncts_of(request.predicate)),
      pool_(request_.memory->pool()),
      rows_may_go_(rows_may_go || !conjuncts_.empty()),
      cutter_(files_, rules_for(std::move(rules), request), pool_) {
  batch_rows_ = request.batch_rows > 0    ? std::min(request.batch_rows, column::kMaxBatchRows)
                : request.columns.empty() ? column::kMaxBatchRows
                                          : column::kDefaultBatchRows;
}

std::string BlockScan::detail() const {
  std::string out;
  if (const int64_t n = nulled_) out = std::to_string(n) + " bad values became null";
  if (const int64_t n = skipped_) out += (out.empty() ? "" : ", ") + std::to_string(n) + " bad rows skipped";
  return out;
}

arrow::Result<plan::Scan::Next> BlockScan::next(uint64_t seq) {
  ARROW_RETURN_NOT_OK(request_.cancel.check());
  // Every row of a block is one of the result, so enough of them are enough.
  if (!rows_may_go_ && request_.limit.has_value() && given_ >= *request_.limit) return Next{true, nullptr};
  auto block = cutter_.next();
  if (!block.has_value()) return Next{true, nullptr};
  given_ += block->records;
  std::lock_guard lock(mutex_);
  blocks_.emplace(seq, std::move(*block));
  return Next{};
}

arrow::Status BlockScan::read(uint64_t seq, plan::ScanLocal& local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) {
  TextBlock block;
  {
    std::lock_guard lock(mutex_);
    auto node = blocks_.extract(seq);
    if (node.empty()) return base::internal_error("morsel " + std::to_string(seq) + " of a text scan was not made");
    block = std::move(node.mapped());
  }
  ARROW_RETURN_NOT_OK(block.error);
  ARROW_RETURN_NOT_OK(request_.cancel.check());
  cutter_.help();
  return read_block(block, local, emit, counts);
}

column::Origin BlockScan::origin_of(const TextBlock& block, int64_t row) const {
  column::Origin out;
  out.input = block.input;
  out.first_row = block.first_row + row;
  return out;
}

arrow::Status BlockScan::count_rows(const TextBlock& block, const plan::BatchConsumer& emit, plan::ScanCounts& counts) const {
  for (int64_t done = 0; done < block.records;) {
    column::Batch batch;
    batch.rows = std::min(batch_rows_, block.records - done);
    batch.origin = origin_of(block, done);
    done += batch.rows;
    counts.rows += batch.rows;
    ARROW_RETURN_NOT_OK(emit(std::move(batch)));
  }
  return arrow::Status::OK();
}

}  // namespace gristmill::io
