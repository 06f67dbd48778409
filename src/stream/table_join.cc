// Whoever finds the version too old reads the next one; the others go on with the one that is there.

#include "stream/table_join.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/memory_budget.h"
#include "base/status.h"
#include "column/types.h"
#include "plan/expressions.h"
#include "stream/event_time.h"
#include "stream/kept_batch.h"

namespace gristmill::stream {
namespace {

// A version of the table, rows by key.
struct Version {
  std::unordered_map<std::string, std::vector<KeptRow>, KeyHash, std::equal_to<>> rows;
};

struct BoundTableJoin {
  TableJoinSpec spec;
  std::vector<expr::BoundPtr> keys[2];
  std::vector<column::TypePtr> types[2];
  std::vector<int> output[2];
  std::shared_ptr<arrow::Schema> schema;
};

class TableJoin final : public StreamOperator {
 public:
  explicit TableJoin(BoundTableJoin join) : join_(std::move(join)), memory_(base::QueryMemory::make(0)) {}

  std::string name() const override { return "join_refreshing"; }
  arrow::Result<std::shared_ptr<arrow::Schema>> output_schema(const std::shared_ptr<arrow::Schema>&) const override { return join_.schema; }
  arrow::Result<RecordBatchPtr> process_batch(RecordBatchPtr rows) override;

 private:
  arrow::Result<std::shared_ptr<const Version>> newest();
  arrow::Result<std::shared_ptr<const Version>> read() const;
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> join(const column::Batch& batch, const Version& version) const;

  const BoundTableJoin join_;
  const std::shared_ptr<base::QueryMemory> memory_;
  std::mutex reading_;  // one reads
  std::mutex mutex_;    // what follows
  std::shared_ptr<const Version> version_;
  std::chrono::steady_clock::time_point due_;
};

arrow::Result<std::shared_ptr<const Version>> TableJoin::newest() {
  const auto fresh = [&](bool any) -> std::shared_ptr<const Version> {
    const std::lock_guard lock(mutex_);
    const bool due = join_.spec.refresh_micros > 0 && join_.spec.clock->now() >= due_;
    return version_ && (any || !due) ? version_ : nullptr;
  };
  if (auto version = fresh(false)) return version;
  std::unique_lock reading(reading_, std::try_to_lock);
  if (!reading.owns_lock()) {
    if (auto version = fresh(true)) return version;
    reading.lock();
  }
  if (auto version = fresh(false)) return version;
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<const Version> version, read());
  const std::lock_guard lock(mutex_);
  version_ = version;
  due_ = join_.spec.clock->now() + std::chrono::microseconds(join_.spec.refresh_micros);
  return version;
}

arrow::Result<std::shared_ptr<const Version>> TableJoin::read() const {
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<arrow::Table> table, join_.spec.load());
  if (!table->schema()->Equals(*join_.spec.table, false)) {
    return base::data_error("the table read again has other columns than before: " + table->schema()->ToString());
  }
  auto version = std::make_shared<Version>();
  expr::Evaluator evaluator(memory_->pool());
  arrow::TableBatchReader batches(*table);
  batches.set_chunksize(column::kMaxBatchRows);
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto rows, batches.Next());
    if (!rows) break;
    ARROW_ASSIGN_OR_RAISE(const column::Batch batch, column::import_batch(*rows, memory_->pool()));
    std::vector<uint16_t> all;
    selected_rows(batch, &all);
    KeyRows keys;
    ARROW_RETURN_NOT_OK(encode_keys(join_.keys[1], batch, all, evaluator, &keys));
    ARROW_ASSIGN_OR_RAISE(const KeptBatchPtr kept, keep(batch, memory_->pool()));
    for (int64_t j = 0; j < batch.rows; ++j) {
      if (keys.null[static_cast<size_t>(j)]) continue;
      version->rows[std::string(keys.key(j))].push_back({kept, static_cast<int32_t>(j)});
    }
  }
  return version;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> TableJoin::join(const column::Batch& batch, const Version& version) const {
  expr::Evaluator evaluator(memory_->pool());
  std::vector<uint16_t> rows;
  selected_rows(batch, &rows);
  KeyRows keys;
  ARROW_RETURN_NOT_OK(encode_keys(join_.keys[0], batch, rows, evaluator, &keys));
  ARROW_ASSIGN_OR_RAISE(const KeptBatchPtr kept, keep(batch, memory_->pool()));
  std::vector<KeptRow> left, right;
  for (size_t j = 0; j < rows.size(); ++j) {
    const auto found = keys.null[j] ? version.rows.end() : version.rows.find(keys.key(static_cast<int64_t>(j)));
    if (found == version.rows.end()) {
      if (!join_.spec.left) continue;
      left.push_back({kept, static_cast<int32_t>(j)});
      right.emplace_back();
      continue;
    }
    for (const KeptRow& partner : found->second) {
      left.push_back({kept, static_cast<int32_t>(j)});
      right.push_back(partner);
    }
  }
  if (left.empty()) return std::shared_ptr<arrow::RecordBatch>();
  column::Batch out;
  out.rows = static_cast<int64_t>(left.size());
  ARROW_ASSIGN_OR_RAISE(out.columns, gather(left, join_.types[0], join_.output[0], memory_->pool()));
  ARROW_ASSIGN_OR_RAISE(auto more, gather(right, join_.types[1], join_.output[1], memory_->pool()));
  for (auto& c : more) out.columns.push_back(std::move(c));
  return column::export_batch(out, join_.schema, memory_->pool());
}

arrow::Result<RecordBatchPtr> TableJoin::process_batch(RecordBatchPtr rows) {
  ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<const Version> version, newest());
  std::vector<RecordBatchPtr> made;
  for (int64_t at = 0; at < rows->num_rows(); at += column::kMaxBatchRows) {
    ARROW_ASSIGN_OR_RAISE(const column::Batch batch, column::import_batch(*rows->Slice(at, column::kMaxBatchRows), memory_->pool()));
    ARROW_ASSIGN_OR_RAISE(auto joined, join(batch, *version));
    if (joined) made.push_back(std::move(joined));
  }
  if (made.empty()) return RecordBatchPtr();
  if (made.size() == 1) return made[0];
  return arrow::ConcatenateRecordBatches(made, memory_->pool());
}

}  // namespace

arrow::Result<StreamOperatorPtr> make_table_join(const TableJoinSpec& spec, const std::shared_ptr<arrow::Schema>& input) {
  BoundTableJoin out;
  out.spec = spec;
  const std::shared_ptr<arrow::Schema> schemas[2] = {input, spec.table};
  const std::vector<std::string>* names[2] = {&spec.left_keys, &spec.right_keys};
  if (spec.left_keys.size() != spec.right_keys.size() || spec.left_keys.empty()) {
    return base::plan_error("a join with a table needs the same number of keys on both sides, at least one");
  }
  for (size_t side = 0; side < 2; ++side) {
    for (const auto& field : schemas[side]->fields()) out.types[side].push_back(column::canonical_type(field->type()));
    for (const std::string& key : *names[side]) {
      ARROW_ASSIGN_OR_RAISE(auto bound, expr::bind(expr::column(key), *schemas[side]));
      out.keys[side].push_back(std::move(bound));
    }
  }
  for (size_t k = 0; k < out.keys[0].size(); ++k) {
    if (!out.keys[0][k]->type->Equals(*out.keys[1][k]->type)) {
      return base::plan_error("keys " + spec.left_keys[k] + " and " + spec.right_keys[k] + " are of different types: " +
                                  column::type_text(*out.keys[0][k]->type) + " and " + column::type_text(*out.keys[1][k]->type),
                              "cast one of them");
    }
  }
  arrow::FieldVector fields = input->fields();
  for (int i = 0; i < input->num_fields(); ++i) out.output[0].push_back(i);
  for (int i = 0; i < spec.table->num_fields(); ++i) {
    const auto& field = spec.table->field(i);
    const bool key = std::find(spec.right_keys.begin(), spec.right_keys.end(), field->name()) != spec.right_keys.end();
    if (spec.coalesce_keys && key) continue;
    out.output[1].push_back(i);
    const bool clash = input->GetFieldIndex(field->name()) >= 0;
    fields.push_back(field->WithName(clash ? field->name() + spec.suffix : field->name())->WithNullable(spec.left || field->nullable()));
  }
  out.schema = arrow::schema(std::move(fields));
  ARROW_RETURN_NOT_OK(plan::check_unique(*out.schema));
  return std::make_shared<TableJoin>(std::move(out));
}

}  // namespace gristmill::stream
