// lookup: columns of a table, found by key, for each row. The table is any source of a job; it is read once, before the first row.

#include <algorithm>
#include <optional>

#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/column.h"
#include "gristmill/frame.h"
#include "job/source.h"
#include "job/steps/kinds.h"
#include "job/steps/lookup_table.h"
#include "plan/logical.h"

namespace gristmill::job {
namespace {

using SchemaPtr = std::shared_ptr<arrow::Schema>;
enum class OnMissing { kReject, kNull, kDrop };

// A key of the table becomes the type of the row's: equal types, whole numbers of any width, and text of any form.
bool comparable(const arrow::DataType& row, const arrow::DataType& table) {
  return row.Equals(table) || (column::is_integer(row) && column::is_integer(table));
}

class Lookup final : public Transform {
 public:
  Lookup(const Settings& settings, std::unique_ptr<Source> source) : settings_(settings), source_(std::move(source)) {
    const std::string missing = settings_.text("on_missing", "reject");
    on_missing_ = missing == "reject" ? OnMissing::kReject : missing == "drop" ? OnMissing::kDrop : OnMissing::kNull;
    const std::string twice = settings_.text("duplicates", "error");
    duplicates_ = twice == "first" ? Duplicates::kFirst : twice == "last" ? Duplicates::kLast : Duplicates::kError;
  }

  std::string name() const override { return "lookup " + source_->name(); }
  bool may_reject() const override { return on_missing_ == OnMissing::kReject; }

  arrow::Result<SchemaPtr> bind(const SchemaPtr& input) override {
    auto out = bound(*input);
    return out.ok() ? out : arrow::Result<SchemaPtr>(settings_.at(out.status()));
  }

  arrow::Status open(const StepContext& context) override {
    pool_ = context.pool();
    Cancellation cancel;
    const uint64_t watching = context.cancel.subscribe([cancel] { cancel.cancel(); });
    auto collected = frame().collect({.num_workers = context.workers, .memory_limit = context.memory->cap()}, cancel);
    context.cancel.unsubscribe(watching);
    ARROW_RETURN_NOT_OK(context.cancel.check());
    ARROW_ASSIGN_OR_RAISE(const Table made, std::move(collected));
    ARROW_ASSIGN_OR_RAISE(const auto rows, made.arrow());
    std::vector<std::string> names;
    for (const KeyPair& k : keys_) names.push_back(k.table_name);
    ARROW_ASSIGN_OR_RAISE(auto table, LookupTable::make(*rows, names, duplicates_, context.memory));
    context.counts->add("table_rows", table.rows());
    table_.emplace(std::move(table));
    return arrow::Status::OK();
  }
  void close() override { table_.reset(); }

  arrow::Status process(column::Batch& batch, StepLocal&, RowErrors& errors) const override;

 private:
  struct KeyPair {
    int row = -1;  // among the columns that come
    std::string row_name, table_name;
    std::shared_ptr<arrow::DataType> type;  // of the row's, at the border
  };
  arrow::Result<SchemaPtr> bound(const arrow::Schema& input);
  arrow::Status bind_keys(const arrow::Schema& input, const arrow::Schema& there);
  // What is kept of the table: the keys in the rows' types, then the columns that are given out.
  Frame frame() const;
  arrow::Status missing(const column::Batch& batch, int64_t row) const;

  const Settings settings_;
  const std::unique_ptr<Source> source_;
  OnMissing on_missing_ = OnMissing::kReject;
  Duplicates duplicates_ = Duplicates::kError;
  plan::TableSourcePtr from_;
  std::vector<KeyPair> keys_;
  std::vector<std::pair<std::string, std::string>> columns_;  // of the table, and as they are called here
  arrow::MemoryPool* pool_ = nullptr;
  std::optional<LookupTable> table_;
};

arrow::Status Lookup::bind_keys(const arrow::Schema& input, const arrow::Schema& there) {
  for (const auto& [mine, theirs] : settings_.names("on")) {
    KeyPair key{input.GetFieldIndex(mine), mine, theirs, nullptr};
    if (key.row < 0) return base::plan_error("no column \"" + mine + "\"" + base::suggest_name(mine, input.field_names()));
    const auto field = there.GetFieldByName(theirs);
    if (field == nullptr)
      return base::plan_error("the table has no column \"" + theirs + "\"" + base::suggest_name(theirs, there.field_names()));
    key.type = input.field(key.row)->type();
    const auto a = column::canonical_type(key.type), b = column::canonical_type(field->type());
    if (!comparable(*a, *b)) {
      return base::plan_error(
          "\"" + mine + "\" is " + column::type_text(*a) + " and the table's \"" + theirs + "\" " + column::type_text(*b),
          "a cast step before the lookup gives it the table's type");
    }
    keys_.push_back(std::move(key));
  }
  return keys_.empty() ? base::plan_error("a lookup needs a key", "on: {customer_id: id}") : arrow::Status::OK();
}

arrow::Result<SchemaPtr> Lookup::bound(const arrow::Schema& input) {
  ARROW_ASSIGN_OR_RAISE(from_, source_->open({}));
  const arrow::Schema& there = *from_->schema();
  ARROW_RETURN_NOT_OK(bind_keys(input, there));
  columns_ = settings_.names("columns");
  if (columns_.empty()) {
    const auto is_key = [&](const std::string& n) {
      return std::any_of(keys_.begin(), keys_.end(), [&](const KeyPair& k) { return k.table_name == n; });
    };
    for (const auto& f : there.fields()) {
      if (!is_key(f->name())) columns_.emplace_back(f->name(), f->name());
    }
  }
  arrow::FieldVector fields = input.fields();
  for (const auto& [theirs, as] : columns_) {
    const auto field = there.GetFieldByName(theirs);
    if (field == nullptr)
      return base::plan_error("the table has no column \"" + theirs + "\"" + base::suggest_name(theirs, there.field_names()));
    const auto same = [&, n = as](const auto& f) { return f->name() == n; };
    if (std::any_of(fields.begin(), fields.end(), same)) {
      return base::plan_error("there is a column \"" + as + "\" already",
                              "columns: {" + theirs + ": other_name} gives the table's another name");
    }
    fields.push_back(arrow::field(as, field->type(), field->nullable() || on_missing_ == OnMissing::kNull));
  }
  return arrow::schema(std::move(fields));
}

Frame Lookup::frame() const {
  std::vector<Expr> kept;
  for (size_t i = 0; i < keys_.size(); ++i) {
    // A number that does not fit the row's type equals none of its values.
    kept.push_back(col(keys_[i].table_name).try_cast(keys_[i].type).alias("key " + std::to_string(i) + " " + keys_[i].table_name));
  }
  for (const auto& [theirs, as] : columns_) kept.push_back(col(theirs).alias("value " + as));
  return Frame(plan::make_scan(from_)).select(std::move(kept));
}

arrow::Status Lookup::missing(const column::Batch& batch, int64_t row) const {
  base::ErrorDetail d;
  d.kind = base::ErrorKind::kData;
  d.batch_row = row;
  d.column = keys_[0].row_name;
  for (const KeyPair& k : keys_)
    d.value += (d.value.empty() ? "" : ", ") + column::value_text(batch.columns[static_cast<size_t>(k.row)], row);
  return base::with_detail(base::data_error("the lookup's table has no such row"), d);
}

arrow::Status Lookup::process(column::Batch& batch, StepLocal&, RowErrors& errors) const {
  std::vector<column::Column> keys;
  for (const KeyPair& k : keys_) keys.push_back(batch.columns[static_cast<size_t>(k.row)]);
  std::vector<int64_t> found;
  table_->find(keys, batch, found);
  if (on_missing_ != OnMissing::kNull) {
    column::Mask keep(batch.rows, true);
    for (const uint16_t row : batch.selection.indices(batch.rows)) {
      if (found[row] >= 0) continue;
      keep.clear(row);
      if (on_missing_ == OnMissing::kDrop) continue;
      errors.reject(row, missing(batch, row));
      if (!errors.wants_all()) break;
    }
    if (on_missing_ == OnMissing::kDrop) batch.selection = batch.selection.intersect(keep);
  }
  for (size_t i = 0; i < columns_.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto made, table_->take(i, found, pool_));
    batch.columns.push_back(std::move(made));
  }
  return arrow::Status::OK();
}

std::vector<Key> source_keys() {
  std::vector<Key> out;
  for (const SourceKind& k : source_kinds()) {
    out.push_back(k.key);
    out.back().alternative = true;
  }
  return out;
}

arrow::Result<std::unique_ptr<Transform>> make_lookup(const Settings& s) {
  const Settings from = *s.section("from");
  for (const SourceKind& k : source_kinds()) {
    const auto chosen = from.section(k.key.name);
    if (!chosen) continue;
    ARROW_ASSIGN_OR_RAISE(auto source, k.make(*chosen));
    return std::make_unique<Lookup>(s, std::move(source));
  }
  return s.error("a lookup needs a table", "from: {csv: {path: customers.csv}}");
}

}  // namespace

TransformKind lookup_kind() {
  return {
      {.name = "lookup",
       .kind = ValueKind::kSection,
       .help = "Adds columns of a table, found by key. The table is read once and kept in memory.",
       .keys = {{.name = "from", .kind = ValueKind::kSection, .help = "The table: any source.", .required = true, .keys = source_keys()},
                {.name = "on",
                 .kind = ValueKind::kNames,
                 .help = "Columns that must be equal: `column of the row: column of the table`.",
                 .required = true},
                {.name = "columns",
                 .kind = ValueKind::kNames,
                 .help = "What is added: `column of the table: name`; without it all but the keys."},
                {.name = "on_missing",
                 .help = "What becomes of a row whose key the table does not have.",
                 .choices = {"reject", "null", "drop"},
                 .fallback = "reject"},
                {.name = "duplicates",
                 .help = "Which row counts when several of the table have one key.",
                 .choices = {"error", "first", "last"},
                 .fallback = "error"}}},
      "lookup: {from: {csv: {path: customers.csv}}, on: {customer_id: id}, columns: {name: customer}}",
      make_lookup};
}

}  // namespace gristmill::job
