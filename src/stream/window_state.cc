// Plain columns, so that a checkpoint can be looked at by whatever reads Arrow.

#include "stream/window_state.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"

namespace gristmill::stream {
namespace {

std::shared_ptr<arrow::Schema> record_schema() {
  return arrow::schema({arrow::field("start", arrow::int64()), arrow::field("end", arrow::int64()), arrow::field("number", arrow::int64()),
                        arrow::field("rows", arrow::large_binary())});
}

}  // namespace

arrow::Status put_records(SnapshotWriter& writer, const std::string& part, int group, std::span<const StateRecord> records) {
  if (records.empty()) return arrow::Status::OK();
  arrow::Int64Builder starts(writer.pool()), ends(writer.pool()), numbers(writer.pool());
  arrow::LargeBinaryBuilder rows(writer.pool());
  for (const StateRecord& r : records) {
    ARROW_RETURN_NOT_OK(starts.Append(r.start));
    ARROW_RETURN_NOT_OK(ends.Append(r.end));
    ARROW_RETURN_NOT_OK(numbers.Append(r.number));
    ARROW_RETURN_NOT_OK(rows.Append(r.bytes.data(), static_cast<int64_t>(r.bytes.size())));
  }
  arrow::ArrayVector columns(4);
  ARROW_RETURN_NOT_OK(starts.Finish(&columns[0]));
  ARROW_RETURN_NOT_OK(ends.Finish(&columns[1]));
  ARROW_RETURN_NOT_OK(numbers.Finish(&columns[2]));
  ARROW_RETURN_NOT_OK(rows.Finish(&columns[3]));
  return writer.put(part, group, *arrow::RecordBatch::Make(record_schema(), static_cast<int64_t>(records.size()), std::move(columns)));
}

arrow::Status each_bytes(const SnapshotReader& reader, const std::string& part, const BytesVisit& visit) {
  return reader.each(part, [&](int group, const std::shared_ptr<arrow::RecordBatch>& batch) -> arrow::Status {
    if (!batch->schema()->Equals(*record_schema(), false))
      return base::data_error("the state \"" + part + "\" of the checkpoint is damaged");
    const auto& starts = static_cast<const arrow::Int64Array&>(*batch->column(0));
    const auto& ends = static_cast<const arrow::Int64Array&>(*batch->column(1));
    const auto& numbers = static_cast<const arrow::Int64Array&>(*batch->column(2));
    const auto& rows = static_cast<const arrow::LargeBinaryArray&>(*batch->column(3));
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      const std::string_view bytes = rows.GetView(i);
      ARROW_RETURN_NOT_OK(
          visit(group, starts.Value(i), ends.Value(i), numbers.Value(i), {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}));
    }
    return arrow::Status::OK();
  });
}

arrow::Status each_record(const SnapshotReader& reader, const std::string& part, const exec::AggregatePlan& plan,
                          const RecordVisit& visit) {
  return each_bytes(reader, part, [&](int, int64_t start, int64_t end, int64_t number, std::span<const uint8_t> bytes) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(exec::LoadedGroups groups, exec::decode_rows(plan.layout, bytes, plan.pool()));
    return visit(start, end, number, std::move(groups));
  });
}

}  // namespace gristmill::stream
