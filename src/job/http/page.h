// One page of a service that gives rows: where its rows stand in the text, and where the next page is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>

namespace gristmill::job {

// Texts of the rows, as they stand in the page.
struct RowSpan {
  int64_t begin = 0;
  int64_t end = 0;
};

// The objects of the array at `path` ("data.items"; empty: the page itself). No such field, or no array there, is an error.
arrow::Result<std::vector<RowSpan>> array_rows(std::string_view page, const std::string& path);
// Lines that are not empty.
std::vector<RowSpan> line_rows(std::string_view page);

// A text or a number at `path`; nothing when it is missing, null or empty.
arrow::Result<std::optional<std::string>> field_text(std::string_view page, const std::string& path);
// The address with rel="next" in a Link header.
std::optional<std::string> next_link(const std::string& header);
// An address as it was found in the page at `base`.
std::string resolve_url(const std::string& base, const std::string& found);
// `url` with a parameter of its query set (added, or its value replaced), encoded.
std::string with_parameter(const std::string& url, const std::string& name, const std::string& value);

}  // namespace gristmill::job
