// The CSV sink, through Arrow's CSV writer.

#include "io/csv_write.h"

#include <arrow/csv/options.h>
#include <arrow/csv/writer.h>
#include <arrow/ipc/writer.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "io/batch_file_sink.h"

namespace gristmill::io {
namespace {

constexpr int64_t kBlockRows = 65536;

column::TypePtr written_type(const column::TypePtr& t) {
  if (t->id() == arrow::Type::STRING_VIEW) return arrow::utf8();
  if (t->id() == arrow::Type::BINARY_VIEW) return arrow::binary();
  return t;
}

}  // namespace

arrow::Result<std::shared_ptr<exec::OrderedSink>> write_csv(const std::string& path, std::shared_ptr<arrow::Schema> schema,
                                                            const CsvWriteOptions& options, std::shared_ptr<base::QueryMemory> memory) {
  arrow::FieldVector fields;
  for (const auto& f : schema->fields()) {
    if (f->type()->num_fields() > 0) {
      return base::plan_error("column \"" + f->name() + "\" of type " + column::type_text(*f->type()) + " cannot be written as CSV",
                              "write Parquet or IPC, or turn it into text");
    }
    fields.push_back(f->WithType(written_type(f->type())));
  }
  auto csv = arrow::csv::WriteOptions::Defaults();
  csv.include_header = options.header;
  csv.delimiter = options.delimiter;
  csv.io_context = arrow::io::IOContext(memory->pool());
  ARROW_ASSIGN_OR_RAISE(auto output, OutputFile::create(path, options.storage));
  return batch_file_sink("csv", std::move(output), arrow::schema(std::move(fields)), kBlockRows, std::move(memory),
                         [&](std::shared_ptr<OutputFile> file, const std::shared_ptr<arrow::Schema>& s) {
                           return arrow::csv::MakeCSVWriter(std::move(file), s, csv);
                         });
}

}  // namespace gristmill::io
