// One line an event on the standard error: for people, or as JSON for collectors. Secrets never reach it: nothing here knows any.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace ocp {

class Log {
 public:
  using Field = std::pair<const char*, std::variant<std::string, int64_t, double>>;
  using Fields = std::vector<Field>;

  explicit Log(bool json) : json_(json) {}
  void info(const std::string& message, const Fields& fields = {}) const { write("info", message, fields); }
  void warning(const std::string& message, const Fields& fields = {}) const { write("warning", message, fields); }
  void error(const std::string& message, const Fields& fields = {}) const { write("error", message, fields); }

 private:
  void write(const char* level, const std::string& message, const Fields& fields) const;
  const bool json_;
};

// "2025-10-07T08:00:00Z"
std::string now_text();

}  // namespace ocp
