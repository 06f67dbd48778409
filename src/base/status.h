// Errors as values: arrow::Status carrying what a person needs to mend the input.
//
// Every error the engine reports on purpose is made by one of the functions below, so
// its kind survives up to the exit code or the Python exception class. A detail's
// position fields are filled by whoever knows them: a kernel knows value and row of its
// batch, the pipeline knows the source row, the scan knows the file.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gristmill::base {

enum class ErrorKind : uint8_t { kPlan, kData, kIo, kMemory, kCancelled, kTimeout, kInternal };

// Where and why. Empty strings and -1 mean "not known".
struct ErrorDetail final : public arrow::StatusDetail {
  static constexpr const char* kTypeId = "gristmill::ErrorDetail";
  const char* type_id() const override { return kTypeId; }
  // The position part alone, e.g. "file a.csv, row 12, column \"fare\", value \"x\"; hint".
  std::string ToString() const override;

  ErrorKind kind = ErrorKind::kInternal;
  std::string file;
  int64_t row = -1;   // source row, from 0, within `file` or the in-memory table
  int64_t line = -1;  // text line, from 1
  std::string column;
  std::string value;
  std::string hint;
  int64_t batch_row = -1;  // physical row in the batch at hand; the pipeline turns it into `row`
};

arrow::Status plan_error(std::string message, std::string hint = {});
arrow::Status data_error(std::string message, std::string value = {}, int64_t batch_row = -1);
arrow::Status io_error(std::string message, std::string file = {}, std::string hint = {});
arrow::Status memory_error(std::string message, std::string hint = {});
arrow::Status cancelled_error(std::string message = "the query was cancelled");
arrow::Status timeout_error(std::string message);
arrow::Status internal_error(std::string message);

// The detail of `status`, or nullptr when it came from elsewhere (Arrow, the system).
std::shared_ptr<ErrorDetail> error_detail(const arrow::Status& status);
// Kind of any status; those without detail are classified by their Arrow code.
ErrorKind error_kind(const arrow::Status& status);
// `status` with its detail replaced; the message stays.
arrow::Status with_detail(const arrow::Status& status, ErrorDetail detail);
// Message and position as one readable text, as the command and Python show it.
std::string describe_error(const arrow::Status& status);

// `; did you mean "fare"?` for the closest of `known`, or the list when nothing is close.
std::string suggest_name(std::string_view wanted, const std::vector<std::string>& known);

}  // namespace gristmill::base
