// Threads claim slices in order; what they make is put together by the number of the slice.

#include "job/step_driver.h"

#include <atomic>
#include <mutex>
#include <thread>

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/batch.h"
#include "column/buffers.h"
#include "io/json_columns.h"
#include "io/ndjson_write.h"

namespace gristmill::job {
namespace {

class Errors final : public RowErrors {
 public:
  explicit Errors(bool all) : all_(all) {}
  void reject(int64_t row, arrow::Status error) override {
    const auto [at, fresh] = rows.try_emplace(row, std::move(error));
    twice |= !fresh;
  }
  bool wants_all() const override { return all_; }
  std::map<int64_t, arrow::Status> rows;
  bool twice = false;

 private:
  const bool all_;
};

std::string text_of(const arrow::Status& error) {
  const auto d = base::error_detail(error);
  return error.message() + " | " + (d ? d->column + "=" + d->value : "");
}

struct Slice {
  std::vector<std::string> rows;
  std::map<int64_t, std::string> rejected;
  arrow::Status failed;
};

arrow::Status process(const Transform& step, const StepContext& context, const std::shared_ptr<arrow::RecordBatch>& rows,
                      const std::shared_ptr<arrow::Schema>& schema, bool all, StepLocal& local, int64_t first, Slice& out) {
  ARROW_ASSIGN_OR_RAISE(column::Batch batch, column::import_batch(*rows, context.pool()));
  Errors errors(all);
  ARROW_RETURN_NOT_OK(step.process(batch, local, errors));
  if (errors.twice) return base::internal_error("a row was rejected twice");
  column::Mask good = batch.selection.mask(batch.rows);
  for (const auto& [row, error] : errors.rows) good.clear(row);
  batch.selection = column::Selection::from_mask(std::move(good));
  ARROW_ASSIGN_OR_RAISE(batch, column::compact(std::move(batch), context.pool()));
  for (auto& c : batch.columns) {
    ARROW_ASSIGN_OR_RAISE(c, column::flatten(c, batch.rows, context.pool()));
  }
  ARROW_ASSIGN_OR_RAISE(const auto encoder, io::ndjson_encoder("test", schema));
  for (int64_t i = 0; i < batch.rows; ++i) {
    std::string text;
    ARROW_RETURN_NOT_OK(encoder->encode(batch, i, 1, text));
    text.pop_back();
    out.rows.push_back(std::move(text));
  }
  for (const auto& [row, error] : errors.rows) out.rejected.emplace(first + row, text_of(error));
  if (!all && !errors.rows.empty()) out.failed = errors.rows.begin()->second;
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<StepResult> run_step(const TransformKind& kind, const std::string& yaml, const std::shared_ptr<arrow::Table>& input,
                                   const StepRun& run) {
  ARROW_ASSIGN_OR_RAISE(const Config config, Config::parse(yaml, "step.yaml"));
  const Config::Node& node = config.root().sections.at(0).second;
  ARROW_ASSIGN_OR_RAISE(const Settings settings, Settings::read(node, kind.key));
  ARROW_ASSIGN_OR_RAISE(const auto step, kind.make(settings));
  StepResult out;
  ARROW_ASSIGN_OR_RAISE(out.schema, step->bind(input->schema()));
  StepContext context;
  context.memory = base::QueryMemory::make(run.memory);
  context.cancel = run.cancel;
  context.workers = run.workers;
  const arrow::Status opened = step->open(context);
  if (!opened.ok()) {
    step->close();
    return opened;
  }
  const int64_t n = (input->num_rows() + run.batch_rows - 1) / run.batch_rows;
  std::vector<Slice> slices(static_cast<size_t>(n));
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  arrow::Status failed;
  std::vector<std::thread> threads;
  for (int w = 0; w < run.workers; ++w) {
    threads.emplace_back([&] {
      auto local = step->make_local(context).ValueOrDie();
      for (int64_t i = next++; i < n; i = next++) {
        const auto rows = input->Slice(i * run.batch_rows, run.batch_rows)->CombineChunksToBatch().ValueOrDie();
        Slice& slice = slices[static_cast<size_t>(i)];
        const arrow::Status status = process(*step, context, rows, out.schema, !run.fail_fast, *local, i * run.batch_rows, slice);
        std::lock_guard lock(mutex);
        if (!status.ok()) failed = status;
        if (!failed.ok()) return;
      }
    });
  }
  for (auto& t : threads) t.join();
  step->close();
  ARROW_RETURN_NOT_OK(failed);
  for (Slice& s : slices) {
    ARROW_RETURN_NOT_OK(s.failed);
    for (auto& row : s.rows) out.rows.push_back(std::move(row));
    out.rejected.merge(s.rejected);
  }
  out.counts = context.counts->all();
  out.peak_bytes = context.memory->peak();
  return out;
}

std::shared_ptr<arrow::Table> table_of(const std::string& schema_text, const std::vector<std::string>& rows) {
  const auto schema = column::parse_schema(schema_text).ValueOrDie();
  std::string block;
  for (const std::string& r : rows) block += r;
  auto buffer = column::allocate_buffer(std::ssize(block) + 64, arrow::default_memory_pool()).ValueOrDie();
  std::memcpy(buffer->mutable_data(), block.data(), block.size());
  io::JsonColumnContext context;
  context.block = buffer;
  context.pool = arrow::default_memory_pool();
  auto made = io::make_json_column(arrow::struct_(schema->fields()), context);
  const char* at = reinterpret_cast<const char*>(buffer->data());
  for (const std::string& r : rows) {
    io::JsonCursor in(at, at + r.size());
    io::JsonProblem problem;
    if (!made->append(in, 0, problem)) std::abort();
    at += r.size();
  }
  column::Batch batch;
  batch.rows = std::ssize(rows);
  const auto data = made->finish().ValueOrDie();
  for (const auto& child : data->child_data) batch.columns.push_back(column::Column::flat(child));
  const auto record = column::export_batch(batch, schema, arrow::default_memory_pool()).ValueOrDie();
  return arrow::Table::FromRecordBatches(schema, {record}).ValueOrDie();
}

}  // namespace gristmill::job
