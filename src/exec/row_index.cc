// Numbers rows. Where the scan knows the number of each row any worker can write it; otherwise the pipeline is sequential and
// a counter goes from batch to batch; a position (morsel, row within it) needs neither, but is good for comparing only.
//
// Invariant: the numbers of the selected rows rise in the order of rows; an index has no gaps.

#include "exec/row_index.h"

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"

namespace gristmill::exec {
namespace {

struct IndexLocal final : LocalState {
  explicit IndexLocal(arrow::MemoryPool* p) : pool(p) {}
  arrow::MemoryPool* pool;
  int64_t next = 0;  // positions only
};

// Puts a column before the others, its values written by `fill`.
template <typename F>
arrow::Status number(column::Batch& batch, arrow::MemoryPool* pool, F&& fill) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, column::allocate_buffer(batch.rows * static_cast<int64_t>(sizeof(int64_t)), pool));
  fill(reinterpret_cast<int64_t*>(buffer->mutable_data()));
  auto numbers = column::make_array(arrow::int64(), batch.rows, nullptr, 0, std::move(buffer));
  batch.columns.insert(batch.columns.begin(), column::Column::flat(std::move(numbers)));
  return arrow::Status::OK();
}

// Counts up from `first` over the selected rows; what it did not give out yet.
int64_t count_up(const column::Batch& batch, int64_t first, int64_t* out) {
  if (batch.selection.all()) {
    for (int64_t i = 0; i < batch.rows; ++i) out[i] = first++;
    return first;
  }
  std::fill_n(out, batch.rows, int64_t{0});
  for (const uint16_t i : batch.selection.indices(batch.rows)) out[i] = first++;
  return first;
}

class IndexOperator : public Operator {
 public:
  explicit IndexOperator(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return "row index " + name_; }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) const override {
    return std::make_unique<IndexLocal>(context.pool());
  }

 private:
  std::string name_;
};

class OriginIndex final : public IndexOperator {
 public:
  OriginIndex(std::string name, int64_t offset) : IndexOperator(std::move(name)), offset_(offset) {}
  arrow::Status process(column::Batch batch, LocalState& local, const Emit& emit) const override {
    if (batch.origin.first_row < 0 && !batch.origin.rows) return base::internal_error("a scan lost the numbers of its rows");
    ARROW_RETURN_NOT_OK(number(batch, local.as<IndexLocal>().pool, [&](int64_t* out) {
      for (int64_t i = 0; i < batch.rows; ++i) out[i] = offset_ + batch.origin.row_of(i);
    }));
    return emit(std::move(batch));
  }

 private:
  int64_t offset_;
};

class RunningIndex final : public IndexOperator {
 public:
  RunningIndex(std::string name, int64_t offset) : IndexOperator(std::move(name)), next_(std::make_shared<int64_t>(offset)) {}
  arrow::Status process(column::Batch batch, LocalState& local, const Emit& emit) const override {
    ARROW_RETURN_NOT_OK(number(batch, local.as<IndexLocal>().pool, [&](int64_t* out) { *next_ = count_up(batch, *next_, out); }));
    return emit(std::move(batch));
  }

 private:
  std::shared_ptr<int64_t> next_;  // one worker at a time: the pipeline is sequential
};

class RowPosition final : public IndexOperator {
 public:
  using IndexOperator::IndexOperator;
  void begin_morsel(uint64_t seq, LocalState& local) const override { local.as<IndexLocal>().next = static_cast<int64_t>(seq << 32); }
  arrow::Status process(column::Batch batch, LocalState& local, const Emit& emit) const override {
    auto& state = local.as<IndexLocal>();
    ARROW_RETURN_NOT_OK(number(batch, state.pool, [&](int64_t* out) { state.next = count_up(batch, state.next, out); }));
    return emit(std::move(batch));
  }
};

}  // namespace

std::shared_ptr<const Operator> make_origin_index(const std::string& name, int64_t offset) {
  return std::make_shared<OriginIndex>(name, offset);
}
std::shared_ptr<const Operator> make_running_index(const std::string& name, int64_t offset) {
  return std::make_shared<RunningIndex>(name, offset);
}
std::shared_ptr<const Operator> make_row_position(const std::string& name) { return std::make_shared<RowPosition>(name); }

}  // namespace gristmill::exec
