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
  int line = 0;                      // from 1
  int column = 0;                    // from 1, of the value; of a section that of its key
  int key_line = 0, key_column = 0;  // of the key it belongs to
  std::string text;
  std::vector<Node> items;                             // of a list
  std::vector<std::pair<std::string, Node>> sections;  // in the order of the file
};

// "job.yaml, line 7: " in front of the message.
arrow::Status config_error(const Config::Node& at, const std::string& message, const std::string& hint = {});

}  // namespace gristmill
