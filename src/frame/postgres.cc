// Frames over PostgreSQL: the source and the sink of io behind the public names.

#include "exec/collect.h"
#include "frame/query_runner.h"
#include "gristmill/frame.h"
#include "io/connect/postgres_scan.h"
#include "io/connect/postgres_write.h"
#include "plan/logical.h"

namespace gristmill {

Frame scan_postgres(const std::string& connection, const std::string& query, PostgresScanOptions options) {
  auto source = io::scan_postgres(connection, query, std::move(options), QueryRunner::interrupt());
  if (!source.ok()) return Frame(source.status());
  return Frame(plan::make_scan(std::move(*source)));
}

arrow::Result<int64_t> Frame::sink_postgres(const std::string& connection, const std::string& table, PostgresSinkOptions postgres,
                                            ParallelOptions options, Cancellation cancel) const {
  ARROW_RETURN_NOT_OK(plan_->status());
  ARROW_ASSIGN_OR_RAISE(QueryRunner runner, QueryRunner::make(**plan_, options, cancel));
  ARROW_ASSIGN_OR_RAISE(auto writer,
                        io::write_postgres(connection, table, (**plan_)->schema, postgres, runner.memory(), runner.keep_waiting()));
  auto counted = exec::make_counting_sink(writer);
  const arrow::Status status = runner.run(counted);
  if (!status.ok()) return writer->first_error(status);
  return counted->rows();
}

}  // namespace gristmill
