// The results a FlowCache keeps, by keys.
//
// In memory: values as they are, the least lately used go. In a folder: an entry is moved to its place whole, and holds a checksum and its
// key, so what is read is what was kept under that very key. Thread safe; a folder also between processes.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include <arrow/status.h>

#include "flow/node.h"
#include "gristmill/flow_cache.h"

namespace gristmill {

struct FlowCache::State {
  explicit State(std::string folder_) : folder(std::move(folder_)) {}
  static std::string key_of(const flow::Node& node, const detail::FlowValues& args);

  // Null: there is none.
  detail::Anything get(const std::string& key, const detail::FlowPacking& packing);
  arrow::Status put(const std::string& key, const detail::Anything& value, const detail::FlowPacking& packing);
  void clear();

  const std::string folder;  // empty: in memory
  std::mutex mutex;
  int64_t hits = 0;
  int64_t misses = 0;

 private:
  using Entry = std::pair<std::string, detail::Anything>;
  detail::Anything remembered(const std::string& key);  // under the lock
  std::list<Entry> entries_;                            // the latest first
  std::unordered_map<std::string, std::list<Entry>::iterator> places_;
};

}  // namespace gristmill
