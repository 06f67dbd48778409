// Row i is start + i * step, so any worker can make any morsel, and the numbers are the same however they are cut.

#include "io/range_source.h"

#include <algorithm>

#include <arrow/array/data.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"

namespace gristmill::io {
namespace {

constexpr int64_t kMorselRows = int64_t{1} << 16;

struct Range {
  int64_t start = 0, step = 1, count = 0;
  std::string column;
};

class RangeScan final : public plan::Scan {
 public:
  RangeScan(const Range& range, const plan::ScanRequest& request)
      : range_(range), columns_(request.columns.size()), memory_(request.memory) {
    rows_ = range.count;
    if (request.limit && !request.predicate) rows_ = std::min(rows_, std::max<int64_t>(*request.limit, 0));
    morsel_rows_ = request.morsel_rows > 0 ? request.morsel_rows : kMorselRows;
    batch_rows_ = request.batch_rows > 0 ? std::min(request.batch_rows, column::kMaxBatchRows) : column::kDefaultBatchRows;
  }

  int64_t num_morsels() const override { return rows_ / morsel_rows_ + (rows_ % morsel_rows_ != 0 ? 1 : 0); }
  bool numbers_rows() const override { return true; }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<plan::ScanLocal>(); }

  arrow::Status read(uint64_t seq, plan::ScanLocal&, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    const int64_t begin = static_cast<int64_t>(seq) * morsel_rows_, end = begin + std::min(morsel_rows_, rows_ - begin);
    for (int64_t row = begin; row < end;) {
      const int64_t n = std::min(batch_rows_, end - row);
      column::Batch batch;
      batch.rows = n;
      batch.origin.first_row = row;
      if (columns_ > 0) {
        ARROW_ASSIGN_OR_RAISE(auto values, numbers(row, n));
        batch.columns.assign(columns_, values);
      }
      counts.rows += n;
      row += n;
      ARROW_RETURN_NOT_OK(emit(std::move(batch)));
    }
    return arrow::Status::OK();
  }

 private:
  arrow::Result<column::Column> numbers(int64_t row, int64_t n) const {
    arrow::MemoryPool* pool = memory_ ? memory_->pool() : arrow::default_memory_pool();
    ARROW_ASSIGN_OR_RAISE(auto buffer, column::allocate_buffer(n * static_cast<int64_t>(sizeof(int64_t)), pool));
    auto* out = reinterpret_cast<int64_t*>(buffer->mutable_data());
    // Unsigned: the product may leave int64 while the sum does not.
    const auto start = static_cast<uint64_t>(range_.start), step = static_cast<uint64_t>(range_.step);
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<int64_t>(start + static_cast<uint64_t>(row + i) * step);
    return column::Column::flat(column::make_array(arrow::int64(), n, nullptr, 0, std::move(buffer)));
  }

  const Range range_;
  const size_t columns_;
  const std::shared_ptr<base::QueryMemory> memory_;
  int64_t rows_ = 0, morsel_rows_ = 0, batch_rows_ = 0;
};

class RangeSource final : public plan::TableSource {
 public:
  explicit RangeSource(Range range)
      : range_(std::move(range)), schema_(arrow::schema({arrow::field(range_.column, arrow::int64(), false)})) {}

  std::string kind() const override { return "range"; }
  std::string name() const override {
    if (range_.count == 1) return "one row";
    return "range of " + std::to_string(range_.count) + " from " + std::to_string(range_.start) +
           (range_.step == 1 ? "" : " by " + std::to_string(range_.step));
  }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  plan::TableEstimate estimate() const override {
    constexpr int64_t kMostRows = INT64_MAX / static_cast<int64_t>(sizeof(int64_t));
    return {range_.count, true, std::min(range_.count, kMostRows) * static_cast<int64_t>(sizeof(int64_t))};
  }
  std::string to_json() const override {
    JsonWriter json;
    json.add("start", range_.start);
    json.add("step", range_.step);
    json.add("count", range_.count);
    json.add("column", range_.column);
    return json.finish();
  }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    return std::make_shared<RangeScan>(range_, request);
  }

 private:
  const Range range_;
  const std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace

arrow::Result<plan::TableSourcePtr> scan_range(int64_t start, int64_t step, int64_t count, std::string column) {
  if (count < 0) return base::plan_error("a range cannot have " + std::to_string(count) + " rows");
  int64_t last = 0;
  if (count > 0 && (__builtin_mul_overflow(count - 1, step, &last) || __builtin_add_overflow(start, last, &last))) {
    const auto wide = static_cast<__int128>(start) + static_cast<__int128>(count - 1) * step;
    if (wide > INT64_MAX || wide < INT64_MIN) return base::plan_error("a range leaves the numbers of 64 bits");
  }
  return std::make_shared<RangeSource>(Range{start, step, count, std::move(column)});
}

arrow::Result<plan::TableSourcePtr> make_range(const JsonReader& json) {
  ARROW_ASSIGN_OR_RAISE(const int64_t start, json.number("start", 0));
  ARROW_ASSIGN_OR_RAISE(const int64_t step, json.number("step", 1));
  ARROW_ASSIGN_OR_RAISE(const int64_t count, json.number("count", 0));
  ARROW_ASSIGN_OR_RAISE(auto column, json.text("column"));
  return scan_range(start, step, count, std::move(column));
}

}  // namespace gristmill::io
