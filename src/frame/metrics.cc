// The exposition format, version 0.0.4: one HELP and one TYPE line a family, then its samples.

#include "gristmill/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace gristmill {
namespace {

std::string name_of(const std::string& text, bool colons) {
  std::string out;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colons && c == ':');
    const bool digit = c >= '0' && c <= '9' && !out.empty();
    out += letter || digit ? c : '_';
  }
  return out.empty() ? "_" : out;
}

std::string escaped(const std::string& text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || (quotes && c == '"')) out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[32];
  const auto [end, failed] = std::to_chars(text, text + sizeof text, value);
  return failed == std::errc() ? std::string(text, end) : "NaN";
}

}  // namespace

void Metrics::add(const char* kind, const std::string& name, const std::string& help, double value, const Labels& labels) {
  Family& family = families_[name_of(name, true)];
  if (family.samples.empty()) {
    family.help = help;
    family.kind = kind;
  }
  std::string key;
  for (const auto& [label, text] : labels) key += (key.empty() ? "{" : ",") + name_of(label, false) + "=\"" + escaped(text, true) + "\"";
  if (!key.empty()) key += "}";
  const auto at = std::find_if(family.samples.begin(), family.samples.end(), [&](const auto& s) { return s.first == key; });
  if (at != family.samples.end()) {
    at->second = value;
  } else {
    family.samples.emplace_back(std::move(key), value);
  }
}

void Metrics::gauge(const std::string& name, const std::string& help, double value, Labels labels) {
  add("gauge", name, help, value, labels);
}
void Metrics::counter(const std::string& name, const std::string& help, double value, Labels labels) {
  add("counter", name, help, value, labels);
}

std::string Metrics::text() const {
  std::string out;
  for (const auto& [name, family] : families_) {
    out += "# HELP " + name + " " + escaped(family.help, false) + "\n# TYPE " + name + " " + family.kind + "\n";
    for (const auto& [labels, value] : family.samples) out += name + labels + " " + number(value) + "\n";
  }
  return out;
}

}  // namespace gristmill
