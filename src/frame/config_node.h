// The tree that a configuration file is, between its YAML and the table that reads it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gristmill/config.h"

namespace gristmill {

struct Config::Node {
  enum class Kind { kNothing, kText, kList, kSection };
  Kind kind = Kind::kNothing;
  std::string file;
  int line = 0;  // from 1
  std::string text;
  std::vector<Node> items;                             // of a list
  std::vector<std::pair<std::string, Node>> sections;  // in the order of the file
};

// "job.yaml, line 7: " in front of the message.
arrow::Status config_error(const Config::Node& at, const std::string& message, const std::string& hint = {});

}  // namespace gristmill
