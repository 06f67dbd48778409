// A result in the user's hands. How it prints is in table_text.cc.

#include <arrow/table.h>

#include "gristmill/frame.h"

namespace gristmill {

Table::Table(std::shared_ptr<arrow::Table> data, std::string statistics_json) : data_(std::move(data)), statistics_(std::move(statistics_json)) {}

int64_t Table::num_rows() const { return data_ ? data_->num_rows() : 0; }
int Table::num_columns() const { return data_ ? data_->num_columns() : 0; }

}  // namespace gristmill
