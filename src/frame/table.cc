// A result in the user's hands. How it prints is in table_text.cc.

#include <arrow/table.h>

#include <mutex>

#include "frame/kept_table.h"
#include "frame/memory_table.h"
#include "gristmill/frame.h"
#include "plan/logical.h"

namespace gristmill {

// Immutable but for the form of `data`, which changes once, from kept to border types.
struct Table::State {
  std::shared_ptr<arrow::Schema> schema;
  std::string statistics;
  std::mutex mutex;
  std::shared_ptr<arrow::Table> data;
  bool border = false;
};

Table::Table() : Table(arrow::Table::Make(arrow::schema({}), arrow::ArrayVector{}, 0)) {}

Table::Table(std::shared_ptr<arrow::Table> data) : state_(std::make_shared<State>()) {
  state_->schema = data->schema();
  state_->data = std::move(data);
  state_->border = true;
}

Table::Table(std::shared_ptr<arrow::Table> data, std::shared_ptr<arrow::Schema> schema, std::string statistics_json)
    : state_(std::make_shared<State>()) {
  state_->schema = std::move(schema);
  state_->data = std::move(data);
  state_->statistics = std::move(statistics_json);
}

arrow::Result<std::shared_ptr<arrow::Table>> Table::arrow() const {
  std::lock_guard lock(state_->mutex);
  if (!state_->border) {
    ARROW_ASSIGN_OR_RAISE(state_->data, frame::border_table(*state_->data, state_->schema));
    state_->border = true;
  }
  return state_->data;
}

std::shared_ptr<arrow::Table> Table::data() const {
  std::lock_guard lock(state_->mutex);
  return state_->data;
}

Frame Table::lazy() const {
  auto source = frame::make_memory_table(data(), schema());
  if (!source.ok()) return Frame(source.status());
  return Frame(plan::make_scan(std::move(*source)));
}

const std::shared_ptr<arrow::Schema>& Table::schema() const { return state_->schema; }
const std::string& Table::statistics() const { return state_->statistics; }
int64_t Table::num_rows() const { return data()->num_rows(); }
int Table::num_columns() const { return state_->schema->num_fields(); }

}  // namespace gristmill
