// Reading values by their keys: one recursive check, then plain reads that cannot fail.

#include "job/settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/settings.h"
#include "base/status.h"

namespace gristmill::job {
namespace {

using Node = Config::Node;

std::string place(const Node& at, int line, int column) {
  std::string out = at.file;
  if (line > 0) out += ", line " + std::to_string(line);
  if (column > 0) out += ", column " + std::to_string(column);
  return out + ": ";
}

arrow::Status value_error(const Node& at, const std::string& message, const std::string& hint = {}) {
  return base::plan_error(place(at, at.line, at.column) + message, hint);
}

arrow::Status key_error(const Node& at, const std::string& message, const std::string& hint = {}) {
  return base::plan_error(place(at, at.key_line > 0 ? at.key_line : at.line, at.key_column > 0 ? at.key_column : at.column) + message,
                          hint);
}

std::optional<bool> to_bool(const std::string& text) {
  for (const char* yes : {"true", "yes", "on", "True", "TRUE", "Yes", "On"}) {
    if (text == yes) return true;
  }
  for (const char* no : {"false", "no", "off", "False", "FALSE", "No", "Off"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

std::optional<int64_t> to_integer(const std::string& text) {
  std::string digits = text;
  std::erase(digits, '_');
  int64_t value = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failed != std::errc() || end != digits.data() + digits.size() || digits.empty()) return std::nullopt;
  return value;
}

std::optional<double> to_number(const std::string& text) {
  double value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || text.empty() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::string shown(const Node& node, const Key& key) { return key.secret ? "the value" : "\"" + node.text + "\""; }

std::string bounds_text(const Key& key) {
  const auto bound = [](double v) {
    return v == std::floor(v) && std::abs(v) < 1e15 ? std::to_string(static_cast<int64_t>(v)) : std::to_string(v);
  };
  std::string out;
  if (key.least) out += " from " + bound(*key.least);
  if (key.most) out += " to " + bound(*key.most);
  return out;
}

bool within(const Key& key, double value) { return (!key.least || value >= *key.least) && (!key.most || value <= *key.most); }

arrow::Status check_text(const Node& node, const Key& key) {
  if (!key.choices.empty() && std::find(key.choices.begin(), key.choices.end(), node.text) == key.choices.end()) {
    std::string all;
    for (const std::string& c : key.choices) all += (all.empty() ? "" : ", ") + c;
    return value_error(node, "\"" + key.name + "\" cannot be " + shown(node, key) + base::suggest_name(node.text, key.choices),
                       "it is one of " + all);
  }
  if (key.required && node.text.empty()) return value_error(node, "\"" + key.name + "\" is empty");
  return arrow::Status::OK();
}

arrow::Status check_scalar(const Node& node, const Key& key) {
  const std::string what = "\"" + key.name + "\" is " + shown(node, key) + ", which is no ";
  switch (key.kind) {
    case ValueKind::kText: return check_text(node, key);
    case ValueKind::kBoolean: return to_bool(node.text) ? arrow::Status::OK() : value_error(node, what + "boolean", "write true or false");
    case ValueKind::kInteger: {
      const auto value = to_integer(node.text);
      if (value && within(key, static_cast<double>(*value))) return arrow::Status::OK();
      return value_error(node, what + "whole number" + bounds_text(key));
    }
    case ValueKind::kNumber: {
      const auto value = to_number(node.text);
      return value && within(key, *value) ? arrow::Status::OK() : value_error(node, what + "number" + bounds_text(key));
    }
    case ValueKind::kBytes: {
      const auto value = base::parse_bytes(node.text);
      return value.ok() && *value >= 0 ? arrow::Status::OK() : value_error(node, what + "size", "write 512KB, 64MB or 2GiB");
    }
    case ValueKind::kDuration:
      return parse_duration(node.text).ok() ? arrow::Status::OK() : value_error(node, what + "duration", "write 250ms, 30s, 5m or 1h30m");
    case ValueKind::kRate:
      return parse_rate(node.text).ok() ? arrow::Status::OK() : value_error(node, what + "rate", "write 500/s, 30/m or 1000/h");
    default: return base::internal_error("no scalar kind");
  }
}

const char* expected(ValueKind kind) {
  switch (kind) {
    case ValueKind::kTexts: return "a text or a list of texts";
    case ValueKind::kNames: return "a section of names and texts";
    case ValueKind::kSection: return "a section";
    case ValueKind::kSections: return "a list of sections";
    default: return "a single value";
  }
}

arrow::Status check(const Node& node, const Key& key);

arrow::Status check_section(const Node& node, const Key& key) {
  std::vector<std::string> known;
  for (const Key& k : key.keys) known.push_back(k.name);
  for (const auto& [name, value] : node.sections) {
    const auto at = std::find_if(key.keys.begin(), key.keys.end(), [&, n = std::string_view(name)](const Key& k) { return k.name == n; });
    if (at == key.keys.end()) {
      const std::string in = key.name.empty() ? "" : " in \"" + key.name + "\"";
      return key_error(value, "unknown key \"" + name + "\"" + in + base::suggest_name(name, known));
    }
    ARROW_RETURN_NOT_OK(check(value, *at));
  }
  const std::string in = key.name.empty() ? "the job" : "\"" + key.name + "\"";
  const Node* chosen = nullptr;
  std::string choices, first;
  for (const Key& k : key.keys) {
    const auto there = std::find_if(node.sections.begin(), node.sections.end(), [&](const auto& s) { return s.first == k.name; });
    if (k.required && !k.alternative && there == node.sections.end())
      return value_error(node, in + " needs the key \"" + k.name + "\"", k.help);
    if (!k.alternative) continue;
    choices += (choices.empty() ? "" : ", ") + k.name;
    if (there == node.sections.end()) continue;
    if (chosen != nullptr) {
      return key_error(there->second, "\"" + first + "\" and \"" + k.name + "\" cannot both stand in " + in, "one of them an entry");
    }
    chosen = &there->second;
    first = k.name;
  }
  if (chosen == nullptr && !choices.empty()) return value_error(node, in + " must say what it is", "one of " + choices);
  return arrow::Status::OK();
}

arrow::Status check(const Node& node, const Key& key) {
  using Kind = Node::Kind;
  const auto wrong = [&] { return value_error(node, "\"" + key.name + "\" must be " + expected(key.kind)); };
  switch (key.kind) {
    case ValueKind::kSection:
      // A section all of whose keys have defaults may be empty.
      if (node.kind != Kind::kSection && node.kind != Kind::kNothing) return wrong();
      return check_section(node, key);
    case ValueKind::kSections:
      if (node.kind != Kind::kList) return wrong();
      for (const Node& item : node.items) {
        if (item.kind != Kind::kSection) return value_error(item, "an entry of \"" + key.name + "\" must be a section");
        ARROW_RETURN_NOT_OK(check_section(item, key));
      }
      return arrow::Status::OK();
    case ValueKind::kTexts:
      if (node.kind == Kind::kText) return arrow::Status::OK();
      if (node.kind != Kind::kList || (key.required && node.items.empty())) return wrong();
      for (const Node& item : node.items) {
        if (item.kind != Kind::kText) return value_error(item, "an entry of \"" + key.name + "\" must be a text");
      }
      return arrow::Status::OK();
    case ValueKind::kNames:
      if (node.kind != Kind::kSection) return wrong();
      for (const auto& [name, value] : node.sections) {
        if (value.kind != Kind::kText) return value_error(value, "\"" + name + "\" in \"" + key.name + "\" must be a text");
      }
      return arrow::Status::OK();
    default:
      // `null` is YAML's word for nothing, and a choice where it is one.
      if (node.kind == Kind::kNothing && std::find(key.choices.begin(), key.choices.end(), "null") != key.choices.end())
        return arrow::Status::OK();
      return node.kind == Kind::kText ? check_scalar(node, key) : wrong();
  }
}

const Key& declared(const Key& key, std::string_view name) {
  static const Key kNone;
  for (const Key& k : key.keys) {
    if (k.name == name) return k;
  }
  return kNone;
}

std::vector<std::string> texts_of(const Node& node) {
  if (node.kind == Node::Kind::kText) return {node.text};
  std::vector<std::string> out;
  for (const Node& item : node.items) out.push_back(item.text);
  return out;
}

std::vector<std::pair<std::string, std::string>> names_of(const Node& node) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, value] : node.sections) out.emplace_back(name, value.text);
  return out;
}

}  // namespace

arrow::Result<Settings> Settings::read(const Node& node, const Key& key) {
  ARROW_RETURN_NOT_OK(check(node, key));
  return Settings(node, key);
}

const Node* Settings::find(std::string_view name) const {
  for (const auto& [key, value] : node_->sections) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string Settings::text(std::string_view name, std::string fallback) const {
  const Node* node = find(name);
  return node == nullptr ? fallback : node->text;
}

int64_t Settings::integer(std::string_view name, int64_t fallback) const {
  const Node* node = find(name);
  return node == nullptr ? fallback : to_integer(node->text).value_or(fallback);
}

double Settings::number(std::string_view name, double fallback) const {
  const Node* node = find(name);
  return node == nullptr ? fallback : to_number(node->text).value_or(fallback);
}

bool Settings::boolean(std::string_view name, bool fallback) const {
  const Node* node = find(name);
  return node == nullptr ? fallback : to_bool(node->text).value_or(fallback);
}

int64_t Settings::bytes(std::string_view name, int64_t fallback) const {
  const Node* node = find(name);
  return node == nullptr ? fallback : base::parse_bytes(node->text).ValueOr(fallback);
}

std::chrono::microseconds Settings::duration(std::string_view name, std::chrono::microseconds fallback) const {
  const Node* node = find(name);
  return node == nullptr ? fallback : parse_duration(node->text).ValueOr(fallback);
}

double Settings::rate(std::string_view name, double fallback) const {
  const Node* node = find(name);
  return node == nullptr ? fallback : parse_rate(node->text).ValueOr(fallback);
}

std::vector<std::string> Settings::texts(std::string_view name) const {
  const Node* node = find(name);
  return node == nullptr ? std::vector<std::string>{} : texts_of(*node);
}

std::vector<std::pair<std::string, std::string>> Settings::names(std::string_view name) const {
  const Node* node = find(name);
  return node == nullptr ? std::vector<std::pair<std::string, std::string>>{} : names_of(*node);
}

std::optional<Settings> Settings::section(std::string_view name) const {
  const Node* node = find(name);
  if (node == nullptr) return std::nullopt;
  return Settings(*node, declared(*key_, name));
}

std::vector<Settings> Settings::sections(std::string_view name) const {
  std::vector<Settings> out;
  if (const Node* node = find(name)) {
    for (const Node& item : node->items) out.emplace_back(item, declared(*key_, name));
  }
  return out;
}

std::vector<std::string> Settings::own_texts() const { return texts_of(*node_); }
std::vector<std::pair<std::string, std::string>> Settings::own_names() const { return names_of(*node_); }

arrow::Status Settings::error(const std::string& message, const std::string& hint) const { return value_error(*node_, message, hint); }

arrow::Status Settings::error_at(std::string_view name, const std::string& message, const std::string& hint) const {
  const Node* node = find(name);
  return value_error(node == nullptr ? *node_ : *node, message, hint);
}

arrow::Status Settings::at(const arrow::Status& status) const {
  if (status.ok() || base::error_kind(status) != base::ErrorKind::kPlan) return status;
  const std::string where = place(*node_, node_->line, node_->column);
  const std::string message = status.message().starts_with(node_->file + ", line") ? status.message() : where + status.message();
  const auto detail = base::error_detail(status);
  return base::plan_error(message, detail ? detail->hint : std::string());
}

arrow::Result<std::chrono::microseconds> parse_duration(std::string_view text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"us", 1},  {"ms", 1e3},  {"s", 1e6},    {"min", 6e7},
                                                            {"m", 6e7}, {"h", 3.6e9}, {"d", 8.64e10}};
  const auto wrong = [&] { return base::plan_error("\"" + std::string(text) + "\" is no duration", "write 250ms, 30s, 5m or 1h30m"); };
  double total = 0;
  std::string_view left = text;
  if (left.empty()) return wrong();
  while (!left.empty()) {
    double amount = 0;
    const auto [end, failed] = std::from_chars(left.data(), left.data() + left.size(), amount, std::chars_format::fixed);
    if (failed != std::errc() || amount < 0) return wrong();
    left.remove_prefix(static_cast<size_t>(end - left.data()));
    const size_t letters = std::min(left.find_first_of("0123456789."), left.size());
    const std::string_view unit = left.substr(0, letters);
    const auto* const known = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const auto& u) { return u.first == unit; });
    if (known == std::end(kUnits)) return wrong();
    total += amount * known->second;
    left.remove_prefix(letters);
  }
  if (total > 9e15) return wrong();
  return std::chrono::microseconds(static_cast<int64_t>(total + 0.5));
}

arrow::Result<double> parse_rate(std::string_view text) {
  const auto wrong = [&] { return base::plan_error("\"" + std::string(text) + "\" is no rate", "write 500/s, 30/m or 1000/h"); };
  double amount = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), amount, std::chars_format::fixed);
  if (failed != std::errc() || amount <= 0) return wrong();
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  if (unit == "/s" || unit.empty()) return amount;
  if (unit == "/m" || unit == "/min") return amount / 60;
  if (unit == "/h") return amount / 3600;
  return wrong();
}

}  // namespace gristmill::job
