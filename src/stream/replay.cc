// A table or file as an endless source has its rows: morsels of a fixed number of rows, each with a position, from which a later run goes
// on.
//
// Positions are numbers of morsels. Where a table does not know how many it has, those before the first wanted one are read and dropped.

#include <atomic>

#include <arrow/type.h>

#include "base/status.h"
#include "plan/nodes.h"
#include "stream/steps.h"

namespace gristmill::stream {
namespace {

class Replay final : public EndlessSource {
 public:
  Replay(plan::TableSourcePtr table, std::vector<int> columns, int64_t morsel_rows)
      : table_(std::move(table)), columns_(std::move(columns)), morsel_rows_(morsel_rows) {}
  std::string name() const override { return "replay " + table_->name(); }
  std::shared_ptr<arrow::Schema> schema() const override { return table_->schema(); }
  bool endless() const override { return false; }
  bool replay() const override { return true; }

  arrow::Status start(const Positions& positions, const StartContext& context) override {
    plan::ScanRequest request;
    request.columns = columns_;
    request.morsel_rows = morsel_rows_;
    request.batch_rows = context.query->batch_rows;
    request.memory = context.query->memory;
    request.cancel = context.query->cancel;
    ARROW_ASSIGN_OR_RAISE(scan_, table_->open(request));
    known_ = scan_->num_morsels();
    const uint64_t first = positions.empty() ? 0 : static_cast<uint64_t>(positions[0].second);
    if (known_ >= 0) {
      next_ = first;
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(auto local, scan_->make_local());
    skip_ = first;
    skipping_ = std::move(local);
    return arrow::Status::OK();
  }

  arrow::Result<Polled> poll() override {
    Polled out;
    while (true) {
      if (known_ >= 0) {
        out.end = next_ >= static_cast<uint64_t>(known_);
      } else {
        ARROW_ASSIGN_OR_RAISE(plan::Scan::Next n, scan_->next(next_));
        out.end = n.end;
        out.wait = std::move(n.wait);
      }
      if (out.end || out.wait) return out;
      const uint64_t seq = next_++;
      if (seq < skip_) {
        plan::ScanCounts counts;
        ARROW_RETURN_NOT_OK(scan_->read(seq, *skipping_, [](column::Batch) { return arrow::Status::OK(); }, counts));
        continue;
      }
      out.chunk = std::make_unique<Chunk>();
      out.chunk->position = static_cast<int64_t>(seq);
      out.chunk->next_position = static_cast<int64_t>(seq) + 1;
      return out;
    }
  }

  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return scan_->make_local(); }

  arrow::Status decode(const Chunk& chunk, const std::vector<int>& columns, plan::ScanLocal& local, arrow::MemoryPool*,
                       const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    const auto wanted = [&](column::Batch batch) {
      std::vector<column::Column> some;
      some.reserve(columns.size());
      for (const int c : columns) some.push_back(batch.columns[static_cast<size_t>(c)]);
      batch.columns = std::move(some);
      return emit(std::move(batch));
    };
    return scan_->read(static_cast<uint64_t>(chunk.position), local, wanted, counts);
  }

  std::string file_of(int32_t input) const override { return scan_ ? scan_->file_of(input) : std::string(); }

 private:
  const plan::TableSourcePtr table_;
  const std::vector<int> columns_;
  const int64_t morsel_rows_;
  std::shared_ptr<plan::Scan> scan_;
  int64_t known_ = -1;
  uint64_t next_ = 0, skip_ = 0;
  std::unique_ptr<plan::ScanLocal> skipping_;
};

}  // namespace
}  // namespace gristmill::stream

namespace gristmill {

Stream Stream::replay(Frame frame, int64_t morsel_rows) {
  const auto& plan = frame.plan();
  if (!plan.ok()) return Stream(plan.status());
  const plan::PlanPtr p = *plan;
  if (p->kind != plan::PlanKind::kScan || p->predicate || p->source->kind() == "stream") {
    return Stream(
        base::plan_error("replay() reads a table or files as they are", "put the steps behind it: Stream::replay(scan).filter(...)"));
  }
  if (morsel_rows < 1) return Stream(base::plan_error("morsel_rows must be 1 or more, got " + std::to_string(morsel_rows)));
  stream::SourceSpec spec;
  spec.name = "replay " + p->source->name();
  spec.schema = p->schema;
  spec.endless = false;
  spec.replay = true;
  spec.make = [source = p->source, columns = p->columns, morsel_rows]() -> arrow::Result<stream::EndlessSourcePtr> {
    return std::make_shared<stream::Replay>(source, columns, morsel_rows);
  };
  return stream::from_source(std::move(spec));
}

}  // namespace gristmill
