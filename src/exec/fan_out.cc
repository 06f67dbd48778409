// Each consumer has a runner of its own, fed batch by batch: rows are counted and errors placed as in a pipeline.

#include "exec/fan_out.h"

#include <atomic>
#include <limits>
#include <utility>
#include <vector>

#include "base/status.h"
#include "exec/branch_runner.h"

namespace gristmill::exec {
namespace {

const std::atomic<uint64_t> kNeverClosed{std::numeric_limits<uint64_t>::max()};

class HandedOn final : public Source {
 public:
  std::string name() const override { return "shared rows"; }
  arrow::Result<int64_t> start(const QueryContext&) override { return 0; }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext&) override { return std::make_unique<LocalState>(); }
  arrow::Status read(uint64_t, LocalState&, const Emit&, RowCounts&) override {
    return base::internal_error("rows that are handed on cannot be read");
  }
};

struct FanOutLocal final : LocalState {
  std::vector<std::unique_ptr<LocalState>> sinks;  // outlive the runners
  std::vector<std::unique_ptr<BranchRunner>> runners;
  uint64_t seq = std::numeric_limits<uint64_t>::max();

  void begin(uint64_t morsel) {
    if (seq == morsel) return;
    seq = morsel;
    for (const auto& runner : runners) runner->begin(morsel);
  }
};

// A consumer's row of the source as the row of the batch that it was.
arrow::Status in_batch(const arrow::Status& status, const column::Batch& batch) {
  const auto known = base::error_detail(status);
  if (!known || known->row < 0 || !known->file.empty()) return status;
  for (int64_t i = 0; i < batch.rows; ++i) {
    if (batch.origin.row_of(i) != known->row) continue;
    base::ErrorDetail detail = *known;
    detail.row = -1;
    detail.batch_row = i;
    return base::with_detail(status, std::move(detail));
  }
  return status;
}

}  // namespace

std::shared_ptr<Source> FanOut::nothing() { return std::make_shared<HandedOn>(); }

void FanOut::add(ResolveSegment operators, std::shared_ptr<Sink> sink, int sink_node) {
  consumers_.push_back({std::move(operators), std::move(sink), sink_node, {}});
}

arrow::Status FanOut::resolve() {
  const std::lock_guard lock(mutex_);
  for (Consumer& c : consumers_) {
    if (resolved_) break;
    ARROW_ASSIGN_OR_RAISE(c.segment, c.operators());
    if (c.segment.branches.size() != 1 || c.segment.sequential) return base::internal_error("rows are handed on to row-wise operators only");
  }
  resolved_ = true;
  return arrow::Status::OK();
}

arrow::Result<std::unique_ptr<LocalState>> FanOut::make_local(const QueryContext& context) {
  ARROW_RETURN_NOT_OK(resolve());
  auto local = std::make_unique<FanOutLocal>();
  for (Consumer& c : consumers_) {
    ARROW_ASSIGN_OR_RAISE(auto sink, c.sink->make_local(context));
    auto runner = std::make_unique<BranchRunner>(c.segment.branches[0], context, kNeverClosed, c.sink.get(), sink.get());
    ARROW_RETURN_NOT_OK(runner->open());
    local->sinks.push_back(std::move(sink));
    local->runners.push_back(std::move(runner));
  }
  return local;
}

arrow::Status FanOut::consume(column::Batch batch, Position position, LocalState& state) {
  auto& local = state.as<FanOutLocal>();
  local.begin(position.seq);
  for (const auto& runner : local.runners) {
    if (const arrow::Status status = runner->feed(batch); !status.ok()) return in_batch(status, batch);
  }
  return arrow::Status::OK();
}

arrow::Status FanOut::end_morsel(Position position, LocalState& state) {
  auto& local = state.as<FanOutLocal>();
  local.begin(position.seq);
  for (const auto& runner : local.runners) ARROW_RETURN_NOT_OK(runner->finish());
  return arrow::Status::OK();
}

arrow::Status FanOut::combine(LocalState& state) {
  auto& local = state.as<FanOutLocal>();
  for (size_t i = 0; i < consumers_.size(); ++i) {
    {
      const std::lock_guard lock(report_->mutex);
      local.runners[i]->collect(consumers_[i].sink_node, consumers_[i].sink->name(), *report_);
    }
    ARROW_RETURN_NOT_OK(consumers_[i].sink->combine(*local.sinks[i]));
  }
  return arrow::Status::OK();
}

arrow::Status FanOut::finalize() {
  for (const Consumer& c : consumers_) ARROW_RETURN_NOT_OK(c.sink->finalize());
  return arrow::Status::OK();
}

}  // namespace gristmill::exec
