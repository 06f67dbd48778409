// Rows of the build side that no probe row matched, or of a semi join those that one did: a morsel for every so many rows.

#include <algorithm>
#include <mutex>

#include "exec/join_build.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kMorselRows = int64_t{1} << 16;

struct UnmatchedLocal final : LocalState {
  UnmatchedLocal(const JoinShape& shape, const QueryContext& context)
      : prober(shape, shape.output, shape.residual, context.batch_rows, context.cancel, context.pool()) {}
  JoinProber prober;
};

class Unmatched final : public Source {
 public:
  explicit Unmatched(std::shared_ptr<const JoinState> state) : state_(std::move(state)) {}
  std::string name() const override {
    return !state_->shape->marks_only()                          ? "right rows without a match"
           : state_->shape->spec.kind == plan::JoinKind::kSemi ? "left rows with a match"
                                                                 : "left rows without a match";
  }
  arrow::Result<int64_t> start(const QueryContext&) override { return (state_->built.rows + kMorselRows - 1) / kMorselRows; }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) override {
    return std::make_unique<UnmatchedLocal>(*state_->shape, context);
  }
  arrow::Status read(uint64_t seq, LocalState& local, const Emit& emit, RowCounts&) override {
    // Here, and not in start(): the marks are complete only now. Which worker comes first does not matter.
    std::call_once(once_, [this] {
      const bool chains = !state_->shape->spec.residual;
      rows_ = state_->marks->rows(state_->shape->spec.kind == plan::JoinKind::kSemi, chains ? state_->built.table.get() : nullptr);
    });
    const int64_t begin = static_cast<int64_t>(seq) * kMorselRows;
    return local.as<UnmatchedLocal>().prober.emit_build(state_->built, rows_, begin, std::min(rows_.rows, begin + kMorselRows), emit);
  }

 private:
  const std::shared_ptr<const JoinState> state_;
  std::once_flag once_;
  column::Mask rows_;
};

}  // namespace

std::shared_ptr<Source> make_unmatched_source(std::shared_ptr<const JoinState> state) {
  return std::make_shared<Unmatched>(std::move(state));
}

}  // namespace gristmill::exec
