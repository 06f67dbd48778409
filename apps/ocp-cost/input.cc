// Files of equal columns and types are one scan; each scan is made alike, then all follow each other: files of one month need not agree.

#include "input.h"

#include <algorithm>
#include <map>

#include <arrow/array/builder_base.h>
#include <arrow/array/util.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "at_once.h"
#include "gristmill/store.h"

namespace ocp {

using gristmill::col;
using gristmill::Expr;
using gristmill::Frame;
using gristmill::lit;
using gristmill::when;
using What = InputColumn::What;

namespace {

const std::vector<InputColumn> kPodColumns = {
    {"pod", What::kText},
    {"namespace", What::kText},
    {"node", What::kText},
    {"resource_id", What::kText},
    {"pod_usage_cpu_core_seconds", What::kNumber},
    {"pod_request_cpu_core_seconds", What::kNumber},
    {"pod_limit_cpu_core_seconds", What::kNumber},
    {"pod_usage_memory_byte_seconds", What::kNumber},
    {"pod_request_memory_byte_seconds", What::kNumber},
    {"pod_limit_memory_byte_seconds", What::kNumber},
    {"node_capacity_cpu_cores", What::kNumber},
    {"node_capacity_cpu_core_seconds", What::kNumber},
    {"node_capacity_memory_bytes", What::kNumber},
    {"node_capacity_memory_byte_seconds", What::kNumber},
    {"pod_labels", What::kLabels},
    {"pod_effective_usage_cpu_core_seconds", What::kNumber, true},
    {"pod_effective_usage_memory_byte_seconds", What::kNumber, true},
};
const std::vector<InputColumn> kStorageColumns = {
    {"namespace", What::kText},
    {"pod", What::kText},
    {"persistentvolumeclaim", What::kText},
    {"persistentvolume", What::kText},
    {"storageclass", What::kText},
    {"persistentvolumeclaim_capacity_bytes", What::kNumber},
    {"persistentvolumeclaim_capacity_byte_seconds", What::kNumber},
    {"volume_request_storage_byte_seconds", What::kNumber},
    {"persistentvolumeclaim_usage_byte_seconds", What::kNumber},
    {"persistentvolume_labels", What::kLabels},
    {"persistentvolumeclaim_labels", What::kLabels},
    {"csi_driver", What::kText, true},
    {"csi_volume_handle", What::kText, true},
};
const std::vector<InputColumn> kNodeLabelColumns = {{"node", What::kText}, {"node_labels", What::kLabels}};
const std::vector<InputColumn> kNamespaceLabelColumns = {{"namespace", What::kText}, {"namespace_labels", What::kLabels}};

std::shared_ptr<arrow::DataType> instant() { return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"); }

bool is_text(const arrow::DataType& type) {
  const auto& t = type.id() == arrow::Type::DICTIONARY ? *static_cast<const arrow::DictionaryType&>(type).value_type() : type;
  return t.id() == arrow::Type::STRING || t.id() == arrow::Type::LARGE_STRING || t.id() == arrow::Type::STRING_VIEW;
}

Expr none(const std::shared_ptr<arrow::DataType>& type) { return lit(arrow::MakeNullScalar(type)); }

// An all-blank column arrives as floats that are NaN, or without a type.
Expr as_text(const std::string& name, const arrow::DataType& type) {
  if (is_text(type)) return col(name).cast(arrow::utf8());
  if (type.id() == arrow::Type::NA) return none(arrow::utf8());
  if (arrow::is_floating(type.id())) return when(col(name).is_nan()).then(none(arrow::utf8())).otherwise(col(name).cast(arrow::utf8()));
  return col(name).cast(arrow::utf8());
}

Expr as_number(const std::string& name, const arrow::DataType& type) {
  if (type.id() == arrow::Type::NA) return none(arrow::float64());
  const Expr text = col(name).cast(arrow::utf8()).str().trim();
  const Expr number = is_text(type) ? when(text == "").then(none(arrow::float64())).otherwise(text.cast(arrow::float64()))
                                    : col(name).cast(arrow::float64());
  return when(number.is_nan()).then(none(arrow::float64())).otherwise(number);
}

arrow::Result<Expr> as_instant(const std::string& name, const arrow::DataType& type) {
  if (type.id() == arrow::Type::TIMESTAMP) {
    const bool zoned = !static_cast<const arrow::TimestampType&>(type).timezone().empty();
    return zoned ? col(name).cast(instant()) : col(name).dt().localize("UTC").cast(instant());
  }
  if (type.id() == arrow::Type::DATE32) return col(name).cast(arrow::timestamp(arrow::TimeUnit::MICRO)).dt().localize("UTC");
  if (!is_text(type)) return arrow::Status::Invalid("column ", name, " is ", type.ToString(), ", neither a timestamp nor text");
  return instant_of(col(name).cast(arrow::utf8()));
}

// The days asked for as bounds of the file's own type, so that statistics of the file can answer.
arrow::Result<Expr> within(const std::string& name, const std::shared_ptr<arrow::DataType>& type, const Month& month) {
  constexpr int64_t kDaySeconds = 86400;
  int64_t per_second = 1;
  for (int unit = static_cast<int>(static_cast<const arrow::TimestampType&>(*type).unit()); unit > 0; --unit) per_second *= 1000;
  const auto at = [&](int64_t day) { return lit(std::make_shared<arrow::TimestampScalar>(day * kDaySeconds * per_second, type)); };
  return (col(name) >= at(month.first_day)) & (col(name) < at(int64_t{month.last_day} + 1));
}

// Labels written as pairs are objects from here on; of a JSON column that says nothing.
Expr as_labels(const std::string& name, const arrow::DataType& type, bool pairs) {
  const Expr text = as_text(name, type);
  return pairs ? gristmill::call("str.pairs_to_object", {text, Expr("|"), Expr(":"), Expr("label_")}) : text;
}

// Files with the same columns and types.
arrow::Result<Frame> read_alike(Kind kind, const std::vector<std::string>& files, const Month& month,
                                const gristmill::StorageOptions& storage) {
  Frame rows = gristmill::scan_parquet_files(files, storage);
  ARROW_ASSIGN_OR_RAISE(auto schema, rows.schema());
  const std::string& file = files[0];
  const auto start = schema->GetFieldByName("interval_start");
  if (!start) return arrow::Status::Invalid(file, ": the column interval_start is missing");
  const bool typed = start->type()->id() == arrow::Type::TIMESTAMP;
  if (typed) {
    ARROW_ASSIGN_OR_RAISE(Expr inside, within("interval_start", start->type(), month));
    rows = rows.filter(inside);
  }
  auto moment = as_instant("interval_start", *start->type());
  if (!moment.ok()) return arrow::Status::Invalid(file, ": ", moment.status().message());
  std::vector<Expr> columns = {moment->alias("interval_start")};
  for (const InputColumn& c : input_columns(kind)) {
    const auto field = schema->GetFieldByName(c.name);
    if (!field && !c.optional) return arrow::Status::Invalid(file, ": the column ", c.name, " is missing");
    if (!field) {
      columns.push_back(none(c.what == What::kNumber ? arrow::float64() : arrow::utf8()).alias(c.name));
    } else if (c.what == What::kNumber) {
      columns.push_back(as_number(c.name, *field->type()).alias(c.name));
    } else if (c.what == What::kLabels) {
      columns.push_back(as_labels(c.name, *field->type(), month.pair_labels).alias(c.name));
    } else {
      columns.push_back(as_text(c.name, *field->type()).alias(c.name));
    }
  }
  rows = rows.select(std::move(columns)).with_columns({col("interval_start").dt().date().alias("day")});
  return typed ? rows : within_days(rows, month);
}

}  // namespace

Expr instant_of(Expr text) {
  return gristmill::coalesce({text.str().strip_suffix(" UTC").str().try_strptime("%Y-%m-%d %H:%M:%S %z"), text.cast(instant())});
}

const std::vector<InputColumn>& input_columns(Kind kind) {
  switch (kind) {
    case Kind::kPod: return kPodColumns;
    case Kind::kStorage: return kStorageColumns;
    case Kind::kNodeLabels: return kNodeLabelColumns;
    default: return kNamespaceLabelColumns;
  }
}

const char* kind_name(Kind kind) {
  static constexpr const char* kNames[] = {"pod", "storage", "node_labels", "namespace_labels"};
  return kNames[static_cast<int>(kind)];
}

Frame no_rows(Kind kind) {
  arrow::FieldVector fields = {arrow::field("interval_start", instant())};
  for (const InputColumn& c : input_columns(kind))
    fields.push_back(arrow::field(c.name, c.what == What::kNumber ? arrow::float64() : arrow::utf8()));
  fields.push_back(arrow::field("day", arrow::date32()));
  return gristmill::from_arrow(*arrow::Table::MakeEmpty(arrow::schema(fields)));
}

std::vector<std::string> missing_optional(Kind kind, const arrow::Schema& schema) {
  std::vector<std::string> out;
  for (const InputColumn& c : input_columns(kind)) {
    if (c.optional && schema.GetFieldIndex(c.name) < 0) out.emplace_back(c.name);
  }
  return out;
}

Frame within_days(const Frame& frame, const Month& month) {
  const auto date = [](int32_t day) { return lit(std::make_shared<arrow::Date32Scalar>(day)); };
  return frame.filter((col("day") >= date(month.first_day)) & (col("day") <= date(month.last_day)));
}

arrow::Result<Frame> read_rows(Kind kind, const std::vector<std::string>& files, const Month& month,
                               const gristmill::StorageOptions& storage) {
  std::map<std::string, std::vector<std::string>> alike;  // by columns and types, whatever their order
  std::vector<std::shared_ptr<arrow::Schema>> schemas(files.size());
  ARROW_RETURN_NOT_OK(at_once(files.size(), [&](size_t i) {
    return gristmill::scan_parquet_files({files[i]}, storage).schema().Value(&schemas[i]);
  }));
  for (size_t i = 0; i < files.size(); ++i) {
    std::vector<std::string> fields;
    for (const auto& f : schemas[i]->fields()) fields.push_back(f->name() + " " + f->type()->ToString() + "\n");
    std::sort(fields.begin(), fields.end());
    std::string key;
    for (const std::string& f : fields) key += f;
    alike[key].push_back(files[i]);
  }
  std::vector<Frame> frames;
  for (const auto& [key, same] : alike) {
    ARROW_ASSIGN_OR_RAISE(Frame rows, read_alike(kind, same, month, storage));
    frames.push_back(std::move(rows));
  }
  if (frames.empty()) return no_rows(kind);
  return frames.size() == 1 ? frames[0] : gristmill::concat(std::move(frames));
}

}  // namespace ocp
