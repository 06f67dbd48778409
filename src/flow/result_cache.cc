#include "flow/result_cache.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <system_error>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/status.h"

namespace gristmill {
namespace {

constexpr size_t kMost = 100'000;
constexpr std::string_view kFormat = "gristmill-flow-cache-1\n";

std::filesystem::path place_of(const std::string& folder, const std::string& key) {
  const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
  char name[40];
  snprintf(name, sizeof name, "%016llx%016llx", static_cast<unsigned long long>(hash.high64), static_cast<unsigned long long>(hash.low64));
  return std::filesystem::path(folder) / std::string(name, 2) / (std::string(name + 2) + ".entry");
}

// The packed value of an entry; nothing: it is not there, not whole, or another key's.
std::optional<std::string> read_entry(const std::filesystem::path& place, const std::string& key) {
  std::ifstream file(place, std::ios::binary);
  if (!file) return std::nullopt;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::string_view in = text;
  if (!in.starts_with(kFormat)) return std::nullopt;
  in.remove_prefix(kFormat.size());
  uint64_t checksum = 0;
  if (!flow_unpack_part(in, checksum) || checksum != XXH3_64bits(in.data(), in.size())) return std::nullopt;
  std::string found;
  if (!flow_unpack_part(in, found) || found != key) return std::nullopt;
  return std::string(in);
}

arrow::Status write_entry(const std::filesystem::path& place, const std::string& key, const std::string& value) {
  static std::atomic<uint64_t> numbers{0};
  std::string body;
  flow_pack_part(body, key);
  body += value;
  std::string head(kFormat);
  flow_pack_part(head, static_cast<uint64_t>(XXH3_64bits(body.data(), body.size())));
  std::error_code error;
  std::filesystem::create_directories(place.parent_path(), error);
  const auto beside = place.parent_path() / ("." + std::to_string(getpid()) + "-" + std::to_string(++numbers) + ".part");
  {
    std::ofstream file(beside, std::ios::binary);
    file << head << body;
    file.close();
    if (file) std::filesystem::rename(beside, place, error);
    if (file && !error) return arrow::Status::OK();
  }
  std::filesystem::remove(beside, error);
  return base::io_error("cannot keep a result in the cache", place.string(), "is there space, and may you write there?");
}

}  // namespace

FlowCache::FlowCache() : state_(std::make_shared<State>("")) {}
FlowCache::FlowCache(std::string folder) : state_(std::make_shared<State>(folder.empty() ? "." : std::move(folder))) {}

int64_t FlowCache::hits() const {
  std::lock_guard lock(state_->mutex);
  return state_->hits;
}

int64_t FlowCache::misses() const {
  std::lock_guard lock(state_->mutex);
  return state_->misses;
}

void FlowCache::clear() const { state_->clear(); }

std::string FlowCache::State::key_of(const flow::Node& node, const detail::FlowValues& args) {
  std::string key;
  flow_pack_part(key, node.name);
  flow_pack_part(key, node.rules.version);
  return key + node.packing->key(args);
}

detail::Anything FlowCache::State::remembered(const std::string& key) {
  const auto it = places_.find(key);
  if (it == places_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, it->second);
  return it->second->second;
}

detail::Anything FlowCache::State::get(const std::string& key, const detail::FlowPacking& packing) {
  detail::Anything value;
  if (!folder.empty()) {
    if (const auto packed = read_entry(place_of(folder, key), key)) value = packing.unpack(*packed);
  }
  std::lock_guard lock(mutex);
  if (folder.empty()) value = remembered(key);
  ++(value ? hits : misses);
  return value;
}

arrow::Status FlowCache::State::put(const std::string& key, const detail::Anything& value, const detail::FlowPacking& packing) {
  if (!folder.empty()) return write_entry(place_of(folder, key), key, packing.pack(value));
  std::lock_guard lock(mutex);
  if (places_.contains(key)) return arrow::Status::OK();
  entries_.emplace_front(key, value);
  places_[key] = entries_.begin();
  if (entries_.size() > kMost) {
    places_.erase(entries_.back().first);
    entries_.pop_back();
  }
  return arrow::Status::OK();
}

void FlowCache::State::clear() {
  {
    std::lock_guard lock(mutex);
    entries_.clear();
    places_.clear();
  }
  if (folder.empty()) return;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".entry") {
      std::error_code gone;
      std::filesystem::remove(it->path(), gone);
    }
  }
}

}  // namespace gristmill
