// Results as text: aligned for people, CSV and JSON lines for programs.
#pragma once

#include <string>

#include <arrow/type_fwd.h>

namespace gristmill::cli {

std::string csv_header(const arrow::Schema& schema);
void append_csv(const arrow::RecordBatch& batch, std::string& out);
// One value as CSV shows it, unquoted.
std::string value_text(const arrow::Array& a, int64_t row);
std::string markdown_header(const arrow::Schema& schema);
void append_markdown(const arrow::RecordBatch& batch, std::string& out);
void append_json(const arrow::RecordBatch& batch, std::string& out);

}  // namespace gristmill::cli
