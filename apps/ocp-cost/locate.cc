#include "locate.h"

#include <arrow/array/array_primitive.h>
#include <arrow/chunked_array.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

namespace ocp {

using gristmill::col;

namespace {

constexpr std::string_view kComplaint = "not a JSON object of texts: \"";

// The text of the message, which may be only the beginning of the value.
std::optional<std::string> complained_of(const std::string& message) {
  const size_t at = message.find(kComplaint);
  if (at == std::string::npos) return std::nullopt;
  const size_t begin = at + kComplaint.size(), end = message.rfind("\": ");
  if (end == std::string::npos || end < begin) return std::nullopt;
  return message.substr(begin, end - begin);
}

std::optional<int64_t> first_row(const std::string& file, const std::string& column, const std::string& text,
                                 const gristmill::StorageOptions& storage) {
  const auto found = gristmill::scan_parquet_files({file}, storage)
                         .select({col(column).cast(arrow::utf8()).alias("text")})
                         .with_row_index("row")
                         .filter(col("text").str().starts_with(text))
                         .select({col("row")})
                         .head(1)
                         .collect({.num_workers = 1});
  if (!found.ok() || found->num_rows() == 0) return std::nullopt;
  const auto rows = found->arrow();
  if (!rows.ok()) return std::nullopt;
  const auto value = (*rows)->column(0)->GetScalar(0);
  return value.ok() ? std::optional(static_cast<const arrow::Int64Scalar&>(**value).value) : std::nullopt;
}

}  // namespace

arrow::Status with_place(const arrow::Status& error, const Listing& listing, const gristmill::StorageOptions& storage) {
  const auto text = complained_of(error.message());
  if (!text) return error;
  for (const ListedFile& file : listing.files) {
    for (const InputColumn& column : input_columns(file.kind)) {
      if (column.what != InputColumn::What::kLabels) continue;
      if (const auto row = first_row(file.facts.path, column.name, *text, storage))
        return arrow::Status::Invalid(error.message(), "; ", file.facts.path, ", row ", *row, ", column ", column.name);
    }
  }
  return error;
}

}  // namespace ocp
