// One-shot streams of record batches as a table source.

#include "io/reader_source.h"

#include <atomic>
#include <set>

#include <arrow/extension_type.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "io/json.h"
#include "io/stream_scan.h"

namespace gristmill::io {
namespace {

column::TypePtr border_type(const column::TypePtr& t) {
  switch (t->id()) {
    case arrow::Type::DICTIONARY: return border_type(static_cast<const arrow::DictionaryType&>(*t).value_type());
    case arrow::Type::EXTENSION: return border_type(static_cast<const arrow::ExtensionType&>(*t).storage_type());
    default: return t;
  }
}

class ReaderSource final : public plan::TableSource {
 public:
  ReaderSource(std::shared_ptr<arrow::RecordBatchReader> reader, std::shared_ptr<arrow::Schema> schema, std::string name)
      : reader_(std::move(reader)), schema_(std::move(schema)), name_(std::move(name)) {}

  std::string kind() const override { return "stream"; }
  std::string name() const override { return name_; }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  plan::TableEstimate estimate() const override { return {}; }
  std::string to_json() const override {
    JsonWriter json;
    json.add("name", name_);
    return json.finish();
  }

  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    if (opened_.exchange(true)) return base::plan_error("\"" + name_ + "\" can be read only once", "collect it into a table first");
    StreamScanSpec spec;
    spec.columns = request.columns;
    for (const int c : request.columns) spec.types.push_back(column::canonical_type(schema_->field(c)->type()));
    spec.pull = [reader = reader_, row = int64_t{0}]() mutable -> arrow::Result<std::optional<StreamedBatch>> {
      StreamedBatch out;
      ARROW_RETURN_NOT_OK(reader->ReadNext(&out.rows));
      if (out.rows == nullptr) return std::nullopt;
      out.first_row = row;
      row += out.rows->num_rows();
      return out;
    };
    return make_stream_scan(std::move(spec), request);
  }

 private:
  const std::shared_ptr<arrow::RecordBatchReader> reader_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::string name_;
  mutable std::atomic<bool> opened_{false};
};

}  // namespace

arrow::Result<std::shared_ptr<arrow::Schema>> border_schema(const arrow::Schema& schema, const std::string& what, const std::string& file) {
  arrow::FieldVector fields;
  std::set<std::string> names;
  for (const auto& f : schema.fields()) {
    auto type = border_type(f->type());
    if (!column::physical_of(*column::canonical_type(type)).ok()) {
      base::ErrorDetail d;
      d.kind = base::ErrorKind::kIo;
      d.file = file;
      d.column = f->name();
      return base::with_detail(
          base::io_error("cannot read column \"" + f->name() + "\" of " + what + ": type " + f->type()->ToString() + " is not supported"),
          d);
    }
    if (!names.insert(f->name()).second) return base::io_error("two columns of " + what + " are named \"" + f->name() + "\"", file);
    fields.push_back(arrow::field(f->name(), std::move(type), f->nullable()));
  }
  return arrow::schema(std::move(fields));
}

arrow::Result<plan::TableSourcePtr> scan_reader(std::shared_ptr<arrow::RecordBatchReader> reader, std::string name) {
  ARROW_ASSIGN_OR_RAISE(auto schema, border_schema(*reader->schema(), "\"" + name + "\""));
  return std::make_shared<ReaderSource>(std::move(reader), std::move(schema), std::move(name));
}

}  // namespace gristmill::io
