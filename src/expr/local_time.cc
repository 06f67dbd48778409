#include "expr/local_time.h"

#include <mutex>

#include <arrow/array/array_base.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/exec.h>
#include <arrow/compute/initialize.h>
#include <arrow/datum.h>
#include <arrow/type.h>

namespace gristmill::expr {
namespace {

arrow::Status initialize() {
  static std::once_flag once;
  static arrow::Status status;
  std::call_once(once, [] { status = arrow::compute::Initialize(); });
  return status;
}

bool is_utc(const std::string& zone) { return zone.empty() || zone == "UTC" || zone == "Z" || zone == "+00:00" || zone == "Etc/UTC"; }

}  // namespace

arrow::Result<column::Column> local_times(const column::Column& timestamps, int64_t, arrow::MemoryPool* pool) {
  const auto& type = static_cast<const arrow::TimestampType&>(*timestamps.type());
  if (is_utc(type.timezone())) return timestamps;
  ARROW_RETURN_NOT_OK(initialize());
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  ARROW_ASSIGN_OR_RAISE(arrow::Datum local, arrow::compute::LocalTimestamp(arrow::Datum(timestamps.values), &context));
  column::Column out = timestamps;
  out.values = local.array();
  return out;
}

arrow::Result<column::Column> instants_of(const column::Column& local, const column::TypePtr& zoned, arrow::MemoryPool* pool) {
  const auto& type = static_cast<const arrow::TimestampType&>(*zoned);
  column::Column out = local;
  if (is_utc(type.timezone())) {
    out.values = std::make_shared<arrow::ArrayData>(*local.values);
    out.values->type = zoned;
    return out;
  }
  ARROW_RETURN_NOT_OK(initialize());
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  arrow::compute::AssumeTimezoneOptions options(type.timezone(), arrow::compute::AssumeTimezoneOptions::AMBIGUOUS_EARLIEST,
                                                arrow::compute::AssumeTimezoneOptions::NONEXISTENT_EARLIEST);
  ARROW_ASSIGN_OR_RAISE(arrow::Datum instants, arrow::compute::AssumeTimezone(arrow::Datum(local.values), options, &context));
  out.values = instants.array();
  return out;
}

}  // namespace gristmill::expr
