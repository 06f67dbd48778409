#include "job/record_view.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"

namespace gristmill::job {

arrow::Result<std::unique_ptr<RecordView>> RecordView::make(const arrow::RecordBatch& rows, const arrow::Schema& output,
                                                            const std::vector<int>& written) {
  std::unique_ptr<RecordView> out(new RecordView(rows));
  for (const int place : written) {
    Written w;
    w.place = place;
    w.name = output.field(place)->name();
    w.type = output.field(place)->type();
    if (auto before = rows.GetColumnByName(w.name); before != nullptr && before->type()->Equals(*w.type)) w.before = std::move(before);
    ARROW_ASSIGN_OR_RAISE(w.builder, arrow::MakeBuilder(w.type));
    out->written_.push_back(std::move(w));
  }
  return out;
}

void RecordView::move_to(int64_t row) {
  row_ = row;
  failure_.reset();
  for (Written& w : written_) w.value.reset();
}

void RecordView::fail(std::string message) {
  if (!failure_) failure_ = std::move(message);
}

RecordView::Written* RecordView::written(std::string_view column) {
  for (Written& w : written_) {
    if (w.name == column) return &w;
  }
  return nullptr;
}

const arrow::Array* RecordView::column(std::string_view column) {
  for (int i = 0; i < rows_.num_columns(); ++i) {
    if (rows_.schema()->field(i)->name() == column) return rows_.column(i).get();
  }
  fail("no column \"" + std::string(column) + "\"" + base::suggest_name(column, rows_.schema()->field_names()));
  return nullptr;
}

// What the function itself has set in this row, if it is a T.
template <typename T>
const T* RecordView::set_value(std::string_view column) {
  Written* w = written(column);
  return w != nullptr && w->value ? std::get_if<T>(&*w->value) : nullptr;
}

template <typename T>
T RecordView::wrong(std::string_view column, const char* wanted, const arrow::DataType& type) {
  fail("column \"" + std::string(column) + "\" is " + column::type_text(*column::canonical_type(type.GetSharedPtr())) + ", not " + wanted);
  return T{};
}

bool RecordView::is_null(std::string_view name) {
  if (Written* w = written(name); w != nullptr && w->value) return std::holds_alternative<std::monostate>(*w->value);
  const arrow::Array* c = column(name);
  return c == nullptr || c->IsNull(row_);
}

int64_t RecordView::int64(std::string_view name) {
  if (const auto* set = set_value<int64_t>(name)) return *set;
  const arrow::Array* c = column(name);
  if (c == nullptr || c->IsNull(row_)) return 0;
  switch (c->type_id()) {
    case arrow::Type::INT64: return static_cast<const arrow::Int64Array&>(*c).Value(row_);
    case arrow::Type::INT32: return static_cast<const arrow::Int32Array&>(*c).Value(row_);
    case arrow::Type::INT16: return static_cast<const arrow::Int16Array&>(*c).Value(row_);
    case arrow::Type::INT8: return static_cast<const arrow::Int8Array&>(*c).Value(row_);
    case arrow::Type::UINT32: return static_cast<const arrow::UInt32Array&>(*c).Value(row_);
    case arrow::Type::UINT16: return static_cast<const arrow::UInt16Array&>(*c).Value(row_);
    case arrow::Type::UINT8: return static_cast<const arrow::UInt8Array&>(*c).Value(row_);
    default: return wrong<int64_t>(name, "an integer that int64 holds", *c->type());
  }
}

double RecordView::float64(std::string_view name) {
  if (const auto* set = set_value<double>(name)) return *set;
  const arrow::Array* c = column(name);
  if (c == nullptr || c->IsNull(row_)) return 0;
  if (c->type_id() == arrow::Type::DOUBLE) return static_cast<const arrow::DoubleArray&>(*c).Value(row_);
  if (c->type_id() == arrow::Type::FLOAT) return static_cast<const arrow::FloatArray&>(*c).Value(row_);
  if (column::is_integer(*c->type())) return static_cast<double>(int64(name));
  return wrong<double>(name, "a number", *c->type());
}

bool RecordView::boolean(std::string_view name) {
  if (const auto* set = set_value<bool>(name)) return *set;
  const arrow::Array* c = column(name);
  if (c == nullptr || c->IsNull(row_)) return false;
  if (c->type_id() == arrow::Type::BOOL) return static_cast<const arrow::BooleanArray&>(*c).Value(row_);
  return wrong<bool>(name, "bool", *c->type());
}

std::string_view RecordView::text(std::string_view name) {
  if (const auto* set = set_value<std::string>(name)) return *set;
  const arrow::Array* c = column(name);
  if (c == nullptr || c->IsNull(row_)) return {};
  if (c->type_id() == arrow::Type::STRING) return static_cast<const arrow::StringArray&>(*c).GetView(row_);
  if (c->type_id() == arrow::Type::BINARY) return static_cast<const arrow::BinaryArray&>(*c).GetView(row_);
  return wrong<std::string_view>(name, "text", *c->type());
}

void RecordView::put(std::string_view name, Value value) {
  Written* w = written(name);
  if (w == nullptr) return fail("column \"" + std::string(name) + "\" was not declared as one that the function sets");
  w->value = std::move(value);
}

arrow::Status RecordView::append(Written& w) {
  if (!w.value) {
    if (w.before == nullptr || w.before->IsNull(row_)) return w.builder->AppendNull();
    return w.builder->AppendArraySlice(*w.before->data(), row_, 1);
  }
  if (std::holds_alternative<std::monostate>(*w.value)) return w.builder->AppendNull();
  if (const auto* v = std::get_if<int64_t>(&*w.value); v != nullptr && w.type->id() == arrow::Type::INT64)
    return static_cast<arrow::Int64Builder&>(*w.builder).Append(*v);
  if (const auto* v = std::get_if<double>(&*w.value); v != nullptr && w.type->id() == arrow::Type::DOUBLE)
    return static_cast<arrow::DoubleBuilder&>(*w.builder).Append(*v);
  if (const auto* v = std::get_if<int64_t>(&*w.value); v != nullptr && w.type->id() == arrow::Type::DOUBLE)
    return static_cast<arrow::DoubleBuilder&>(*w.builder).Append(static_cast<double>(*v));
  if (const auto* v = std::get_if<bool>(&*w.value); v != nullptr && w.type->id() == arrow::Type::BOOL)
    return static_cast<arrow::BooleanBuilder&>(*w.builder).Append(*v);
  if (const auto* v = std::get_if<std::string>(&*w.value); v != nullptr && w.type->id() == arrow::Type::STRING)
    return static_cast<arrow::StringBuilder&>(*w.builder).Append(*v);
  return base::plan_error("column \"" + w.name + "\" is declared " + column::type_text(*w.type) + " and set to another kind of value",
                          "functions set int64, float64, bool and string columns; a cast step makes other types of them");
}

arrow::Status RecordView::keep() {
  for (Written& w : written_) ARROW_RETURN_NOT_OK(append(w));
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> RecordView::finish(const std::shared_ptr<arrow::Schema>& output,
                                                                      const std::vector<int64_t>& places) {
  arrow::ArrayVector columns(static_cast<size_t>(output->num_fields()));
  for (Written& w : written_) {
    ARROW_ASSIGN_OR_RAISE(columns[static_cast<size_t>(w.place)], w.builder->Finish());
  }
  const bool all = static_cast<int64_t>(places.size()) == rows_.num_rows();
  arrow::Int64Builder indices;
  std::shared_ptr<arrow::Array> taken;
  if (!all) {
    ARROW_RETURN_NOT_OK(indices.AppendValues(places));
    ARROW_ASSIGN_OR_RAISE(taken, indices.Finish());
  }
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] != nullptr) continue;
    columns[i] = rows_.column(static_cast<int>(i));
    if (all) continue;
    ARROW_ASSIGN_OR_RAISE(columns[i], arrow::compute::Take(*columns[i], *taken));
  }
  return arrow::RecordBatch::Make(output, static_cast<int64_t>(places.size()), std::move(columns));
}

}  // namespace gristmill::job
