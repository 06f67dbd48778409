// Pulling, cutting into morsels, importing.
//
// The batch being cut belongs to next(), which is called by one thread at a time; the morsels made but not yet read are shared, under
// a lock. It is not held while pulling: a pull may run somebody else's code and wait for his locks.

#include "io/stream_scan.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include <arrow/array/data.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"

namespace gristmill::io {
namespace {

class StreamScan final : public plan::Scan {
 public:
  StreamScan(StreamScanSpec spec, const plan::ScanRequest& request) : spec_(std::move(spec)), request_(request) {
    batch_rows_ = request.batch_rows > 0 ? std::min(request.batch_rows, column::kMaxBatchRows) : column::kDefaultBatchRows;
  }

  int64_t num_morsels() const override { return -1; }
  std::string file_of(int32_t input) const override { return input < 0 || input >= std::ssize(spec_.files) ? "" : spec_.files[input]; }
  std::string detail() const override { return spec_.detail; }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<plan::ScanLocal>(); }

  arrow::Result<Next> next(uint64_t seq) override {
    while (!current_.has_value() || at_ >= current_->rows->num_rows()) {
      ARROW_RETURN_NOT_OK(request_.cancel.check());
      ARROW_ASSIGN_OR_RAISE(current_, spec_.pull());
      if (!current_.has_value()) return Next{true, nullptr};
      at_ = 0;
    }
    const int64_t left = current_->rows->num_rows() - at_;
    const int64_t n = request_.morsel_rows > 0 ? std::min(left, request_.morsel_rows) : left;
    StreamedBatch morsel = *current_;
    if (at_ != 0 || n != left) morsel.rows = morsel.rows->Slice(at_, n);
    if (morsel.first_row >= 0) morsel.first_row += at_;
    at_ += n;
    if (at_ >= current_->rows->num_rows()) current_->rows = current_->rows->Slice(0, 0), at_ = 0;
    std::lock_guard lock(mutex_);
    morsels_.emplace(seq, std::move(morsel));
    return Next{};
  }

  arrow::Status read(uint64_t seq, plan::ScanLocal&, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    StreamedBatch morsel;
    {
      std::lock_guard lock(mutex_);
      auto node = morsels_.extract(seq);
      if (node.empty()) return base::internal_error("morsel " + std::to_string(seq) + " of a stream was not made");
      morsel = std::move(node.mapped());
    }
    const int64_t rows = morsel.rows->num_rows();
    column::Batch whole;
    whole.rows = rows;
    whole.origin.input = morsel.input;
    whole.origin.first_row = morsel.first_row;
    for (size_t i = 0; i < spec_.columns.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(auto c, column::import_array(morsel.rows->column_data(spec_.columns[i]), request_.memory->pool()));
      if (!c.type()->Equals(*spec_.types[i])) {
        return base::data_error("column \"" + morsel.rows->column_name(spec_.columns[i]) + "\" came as " + column::type_text(*c.type()) +
                                ", not as " + column::type_text(*spec_.types[i]));
      }
      whole.columns.push_back(std::move(c));
    }
    morsel.rows.reset();
    for (int64_t first = 0; first < rows; first += batch_rows_) {
      counts.rows += std::min(batch_rows_, rows - first);
      ARROW_RETURN_NOT_OK(emit(rows <= batch_rows_ ? whole : column::slice(whole, first, std::min(batch_rows_, rows - first))));
    }
    return arrow::Status::OK();
  }

 private:
  const StreamScanSpec spec_;
  const plan::ScanRequest request_;
  int64_t batch_rows_ = 0;
  std::optional<StreamedBatch> current_;
  int64_t at_ = 0;
  std::mutex mutex_;
  std::unordered_map<uint64_t, StreamedBatch> morsels_;
};

}  // namespace

std::shared_ptr<plan::Scan> make_stream_scan(StreamScanSpec spec, const plan::ScanRequest& request) {
  return std::make_shared<StreamScan>(std::move(spec), request);
}

}  // namespace gristmill::io
