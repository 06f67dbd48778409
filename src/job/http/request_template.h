// Text with {column} in it: addresses and bodies of requests, made for each row.
//
// In an address a value stands as text with everything but letters, digits and -._~ encoded, so it never becomes structure, and the host
// has no column in it. In a body a value stands as JSON, a text with its quotes. Braces around anything but a name are themselves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"

namespace gristmill::job {

class RequestTemplate {
 public:
  enum class Form { kAddress, kJson };
  // Plan errors: unknown columns, columns without such a form, a column in the host.
  static arrow::Result<RequestTemplate> parse(const std::string& text, const arrow::Schema& input, Form form);

  // Columns of the schema that it reads, each once.
  const std::vector<int>& columns() const { return columns_; }

  // `flat`: the columns of columns(), flat, in their order. False: a value is NULL (addresses only); `missing` is its place in columns().
  bool append(const std::vector<column::Column>& flat, int64_t row, std::string& out, size_t& missing) const;

 private:
  struct Part {
    std::string text;  // before the column
    int place = -1;    // in columns_; -1: none
  };
  Form form_ = Form::kAddress;
  std::vector<Part> parts_;
  std::vector<int> columns_;
};

}  // namespace gristmill::job
