// The keys that a job file may have, as tables, and the values that were read by them.
//
// Every part of a job (a source, a step, a sink, a section) says with a tree of Key what may stand there. Reading, its errors, the
// JSON Schema, the page of keys in the documentation and `gristmill init` come from that tree, so none of them knows a key that the others
// do not. A value is checked against its key when it is read: what Settings gives afterwards cannot be of the wrong kind.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

#include "frame/config_node.h"

namespace gristmill::job {

enum class ValueKind : uint8_t {
  kText,
  kInteger,
  kNumber,
  kBoolean,
  kBytes,     // 64MB, 2GiB
  kDuration,  // 250ms, 30s, 5m, 2h
  kRate,      // 500/s, 30/m
  kTexts,     // a list, or one text
  kNames,     // any keys, each with a text; in the order of the file
  kSection,   // the keys in `keys`
  kSections,  // a list of sections with the keys in `keys`
};

struct Key {
  std::string name;
  ValueKind kind = ValueKind::kText;
  std::string help = {};  // one sentence
  bool required = false;
  std::vector<std::string> choices = {};
  std::vector<Key> keys = {};
  std::optional<double> least = {}, most = {};
  std::string fallback = {};  // what holds when it is not there, as a user would write it
  bool secret = false;        // never shown
  bool alternative = false;   // of a section's alternatives exactly one must be there
};

// A value that fits its key; copies share nothing but the tree, which must outlive them. Asking for a key that was not declared is a bug.
class Settings {
 public:
  Settings(const Config::Node& node, const Key& key) : node_(&node), key_(&key) {}

  // Checks the value against the key, all the way down. Errors name file, line and column and the nearest key.
  static arrow::Result<Settings> read(const Config::Node& node, const Key& key);

  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::string text(std::string_view name, std::string fallback = {}) const;
  int64_t integer(std::string_view name, int64_t fallback = 0) const;
  double number(std::string_view name, double fallback = 0) const;
  bool boolean(std::string_view name, bool fallback = false) const;
  int64_t bytes(std::string_view name, int64_t fallback = 0) const;
  std::chrono::microseconds duration(std::string_view name, std::chrono::microseconds fallback = {}) const;
  double rate(std::string_view name, double fallback = 0) const;  // a second
  std::vector<std::string> texts(std::string_view name) const;
  std::vector<std::pair<std::string, std::string>> names(std::string_view name) const;
  std::optional<Settings> section(std::string_view name) const;
  std::vector<Settings> sections(std::string_view name) const;

  // The value itself, of a key whose value is no section.
  std::string own_text() const { return node_->text; }
  std::vector<std::string> own_texts() const;
  std::vector<std::pair<std::string, std::string>> own_names() const;

  // An error at this value, or at one of its keys.
  arrow::Status error(const std::string& message, const std::string& hint = {}) const;
  arrow::Status error_at(std::string_view name, const std::string& message, const std::string& hint = {}) const;
  // `status` with the place in front of its message.
  arrow::Status at(const arrow::Status& status) const;

  const Config::Node& node() const { return *node_; }
  const Key& key() const { return *key_; }

 private:
  const Config::Node* find(std::string_view name) const;
  const Config::Node* node_;
  const Key* key_;
};

arrow::Result<std::chrono::microseconds> parse_duration(std::string_view text);  // "1m30s" too
arrow::Result<double> parse_rate(std::string_view text);                         // a second

}  // namespace gristmill::job
