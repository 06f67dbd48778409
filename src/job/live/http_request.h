// The head of an HTTP/1.1 request, read strictly: what two readers could understand differently is refused.
//
// Only requests without a body are known here; one that announces a body is refused with 413.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gristmill::job {

struct ServedRequest {
  std::string method;
  std::string path;                                          // as it came, without the query
  std::string query;                                         // behind '?'
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  bool keep_alive = true;

  // Null when it is not there. Headers that may come once only do.
  const std::string* header(std::string_view lower_name) const;
};

struct ParsedRequest {
  enum class State : unsigned char { kIncomplete, kComplete, kBad };
  State state = State::kIncomplete;
  size_t used = 0;  // bytes of a complete head
  int status = 0;   // of a bad one: 400, 413, 431, 501, 505
  std::string problem;
  ServedRequest request;
};

// `bytes`: what has come so far; more than `most` bytes without an end are too many.
ParsedRequest parse_request(std::string_view bytes, size_t most);

}  // namespace gristmill::job
