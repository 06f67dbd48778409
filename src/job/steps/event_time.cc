#include "job/steps/event_time.h"

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "stream/event_time.h"

namespace gristmill::job {
namespace {

class EventTimeStep final : public Transform {
 public:
  explicit EventTimeStep(std::string column) : column_(std::move(column)) {}
  std::string name() const override { return "watermark " + column_; }
  bool computes() const override { return false; }

  arrow::Result<std::shared_ptr<arrow::Schema>> bind(const std::shared_ptr<arrow::Schema>& input) override {
    ARROW_RETURN_NOT_OK(stream::bind_time(column_, *input).status());
    at_ = input->GetFieldIndex(column_);
    return input;
  }

  arrow::Status open(const StepContext& context) override {
    pool_ = context.pool();
    return arrow::Status::OK();
  }

  arrow::Status process(column::Batch& batch, StepLocal&, RowErrors& errors) const override {
    ARROW_ASSIGN_OR_RAISE(const column::Column times, column::flatten(batch.columns[static_cast<size_t>(at_)], batch.rows, pool_));
    const column::ValidityBits valid = column::validity_of(*times.values);
    if (!valid.bits) return arrow::Status::OK();
    for (const uint16_t row : batch.selection.indices(batch.rows)) {
      if (valid.valid(row)) continue;
      base::ErrorDetail detail;
      detail.kind = base::ErrorKind::kData;
      detail.column = column_;
      errors.reject(row, base::with_detail(base::data_error("the event time \"" + column_ + "\" is null"), std::move(detail)));
      if (!errors.wants_all()) return arrow::Status::OK();
    }
    return arrow::Status::OK();
  }

 private:
  const std::string column_;
  int at_ = -1;
  arrow::MemoryPool* pool_ = nullptr;
};

}  // namespace

std::unique_ptr<Transform> make_event_time_step(std::string column) { return std::make_unique<EventTimeStep>(std::move(column)); }

}  // namespace gristmill::job
