// Lines end with CR LF, names are tokens without a space before the colon, values hold no control characters, nothing is folded.

#include "job/live/http_request.h"

#include <algorithm>

namespace gristmill::job {
namespace {

using State = ParsedRequest::State;

bool is_token(std::string_view text) {
  static constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kOthers.find(c) != std::string_view::npos;
  });
}

bool is_visible(std::string_view text, bool spaces) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 ? byte != 0x7F : spaces && (c == ' ' || c == '\t');
  });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

ParsedRequest bad(int status, std::string problem) {
  ParsedRequest out;
  out.state = State::kBad;
  out.status = status;
  out.problem = std::move(problem);
  return out;
}

// A line feed without its carriage return, or a NUL: the head can never become a good one.
bool has_stray_byte(std::string_view head) {
  for (size_t i = 0; i < head.size(); ++i) {
    if (head[i] == '\0' || (head[i] == '\n' && (i == 0 || head[i - 1] != '\r'))) return true;
    if (head[i] == '\r' && i + 1 < head.size() && head[i + 1] != '\n') return true;
  }
  return false;
}

// "GET /status.json?x HTTP/1.1"
int read_request_line(std::string_view line, ServedRequest* out, std::string* problem) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    *problem = "malformed request line";
    return 400;
  }
  const std::string_view method = line.substr(0, first), target = line.substr(first + 1, last - first - 1), version = line.substr(last + 1);
  if (!is_token(method) || target.empty() || !is_visible(target, false)) {
    *problem = "malformed request line";
    return 400;
  }
  if (version.size() != 8 || version.substr(0, 5) != "HTTP/") {
    *problem = "malformed version";
    return 400;
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    *problem = "HTTP/1.0 and HTTP/1.1 are spoken here";
    return 505;
  }
  out->method = method;
  out->keep_alive = version == "HTTP/1.1";
  const size_t question = target.find('?');
  out->path = target.substr(0, question);
  if (question != std::string_view::npos) out->query = target.substr(question + 1);
  if (out->path.front() != '/' && out->path != "*") {
    *problem = "the target must be a path";
    return 400;
  }
  return 0;
}

int check_headers(const ServedRequest& request, bool version_1_1, std::string* problem) {
  for (const std::string_view once : {"host", "authorization", "content-length", "transfer-encoding"}) {
    const auto n = std::count_if(request.headers.begin(), request.headers.end(), [&](const auto& h) { return h.first == once; });
    if (n > 1) {
      *problem = "header " + std::string(once) + " came twice";
      return 400;
    }
  }
  if (version_1_1 && !request.header("host")) {
    *problem = "header host is missing";
    return 400;
  }
  if (request.header("transfer-encoding")) {
    *problem = "requests with a body are not taken";
    return 413;
  }
  if (const std::string* length = request.header("content-length")) {
    const bool digits = !length->empty() && length->find_first_not_of("0123456789") == std::string::npos;
    if (!digits) {
      *problem = "malformed content-length";
      return 400;
    }
    if (length->find_first_not_of('0') != std::string::npos) {
      *problem = "requests with a body are not taken";
      return 413;
    }
  }
  return 0;
}

// "keep-alive, Upgrade" and the like.
bool lists(const std::string& value, std::string_view word) {
  const std::string all = lower(value);
  for (size_t at = 0; at <= all.size();) {
    const size_t comma = std::min(all.find(',', at), all.size());
    if (trimmed(std::string_view(all).substr(at, comma - at)) == word) return true;
    at = comma + 1;
  }
  return false;
}

}  // namespace

const std::string* ServedRequest::header(std::string_view lower_name) const {
  const auto at = std::find_if(headers.begin(), headers.end(), [&](const auto& h) { return h.first == lower_name; });
  return at == headers.end() ? nullptr : &at->second;
}

ParsedRequest parse_request(std::string_view bytes, size_t most) {
  size_t skip = 0;  // an empty line before a request is forgiven, as clients send it behind a body
  while (bytes.substr(skip, 2) == "\r\n" && skip < 4) skip += 2;
  const std::string_view rest = bytes.substr(skip);
  const size_t end = rest.find("\r\n\r\n");
  const std::string_view head = rest.substr(0, end == std::string_view::npos ? rest.size() : end);
  if (has_stray_byte(head)) return bad(400, "lines must end with CR LF");
  if (head.size() > most) return bad(431, "the request's head is larger than " + std::to_string(most) + " bytes");
  ParsedRequest out;
  if (end == std::string_view::npos) return out;
  out.used = skip + end + 4;
  const size_t first_line = std::min(head.find("\r\n"), head.size());
  std::string problem;
  if (const int status = read_request_line(head.substr(0, first_line), &out.request, &problem)) return bad(status, problem);
  const bool version_1_1 = out.request.keep_alive;
  for (size_t at = first_line + 2; at < head.size();) {
    const size_t line_end = std::min(head.find("\r\n", at), head.size());
    const std::string_view line = head.substr(at, line_end - at);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return bad(400, "malformed header");
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (!is_visible(value, true)) return bad(400, "malformed header value");
    out.request.headers.emplace_back(lower(line.substr(0, colon)), std::string(value));
    at = line_end + 2;
  }
  if (const int status = check_headers(out.request, version_1_1, &problem)) return bad(status, problem);
  if (const std::string* connection = out.request.header("connection")) {
    if (lists(*connection, "close")) out.request.keep_alive = false;
    if (lists(*connection, "keep-alive")) out.request.keep_alive = !lists(*connection, "close");
  }
  out.state = State::kComplete;
  return out;
}

}  // namespace gristmill::job
