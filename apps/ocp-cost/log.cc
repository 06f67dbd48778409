#include "log.h"

#include <cstdio>
#include <ctime>

#include "json_text.h"

namespace ocp {

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

void Log::write(const char* level, const std::string& message, const Fields& fields) const {
  std::string line;
  if (json_) {
    JsonText json(false);
    json.begin_object().member("time", now_text()).member("level", level).member("message", message);
    for (const auto& [name, value] : fields) {
      json.key(name);
      std::visit([&](const auto& v) { json.value(v); }, value);
    }
    line = json.end_object().text();
  } else {
    line = now_text() + " " + level + " " + message;
    for (const auto& [name, value] : fields) {
      line += std::string(" ") + name + "=";
      if (const auto* text = std::get_if<std::string>(&value)) line += text->find(' ') == std::string::npos ? *text : "\"" + *text + "\"";
      if (const auto* number = std::get_if<int64_t>(&value)) line += std::to_string(*number);
      if (const auto* number = std::get_if<double>(&value)) {
        char digits[32];
        std::snprintf(digits, sizeof digits, "%.3f", *number);
        line += digits;
      }
    }
  }
  line += "\n";
  std::fputs(line.c_str(), stderr);
}

}  // namespace ocp
