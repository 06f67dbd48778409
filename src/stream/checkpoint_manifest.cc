// Numbers are as they are; checksums are texts, since JSON's readers do not agree on numbers of 64 bits.

#include "stream/checkpoint_manifest.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include <simdjson.h>

#include "base/status.h"
#include "expr/json.h"

namespace gristmill::stream {
namespace {

constexpr const char* kFormat = "gristmill checkpoint";

arrow::Status wrong(const std::string& path, const std::string& what) {
  return base::io_error("the checkpoint's manifest " + path + " cannot be read: " + what, path);
}

}  // namespace

std::string write_manifest(const Checkpoint& c) {
  std::string out = "{\"format\":\"" + std::string(kFormat) + "\",\"version\":" + std::to_string(c.version) +
                    ",\"epoch\":" + std::to_string(c.epoch) + ",\"created_micros\":" + std::to_string(c.created_micros) +
                    ",\"bytes\":" + std::to_string(c.bytes) + ",\"facts\":{";
  bool first = true;
  for (const auto& [name, value] : c.facts) {
    out += (first ? "" : ",") + expr::json_string(name) + ":" + expr::json_string(value);
    first = false;
  }
  out += "},\"parts\":[";
  first = true;
  for (const CheckpointPart& p : c.parts) {
    char checksum[20];
    std::snprintf(checksum, sizeof checksum, "%016" PRIx64, p.checksum);
    out += (first ? "\n" : ",\n") + std::string("{\"name\":") + expr::json_string(p.name) + ",\"offset\":" + std::to_string(p.offset) +
           ",\"bytes\":" + std::to_string(p.bytes) + ",\"checksum\":\"" + checksum + "\"}";
    first = false;
  }
  return out + "\n]}\n";
}

arrow::Result<Checkpoint> read_manifest(const std::string& text, const std::string& path) {
  namespace dom = simdjson::dom;
  dom::parser parser;
  dom::object root;
  if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS) return wrong(path, "it is no JSON object");
  std::string_view format;
  int64_t version = 0;
  if (root.at_key("format").get(format) != simdjson::SUCCESS || format != kFormat) return wrong(path, "it is of something else");
  if (root.at_key("version").get(version) != simdjson::SUCCESS || version != kCheckpointVersion) {
    return base::io_error("the checkpoint " + path + " has version " + std::to_string(version) +
                              " of the form; this program knows version " + std::to_string(kCheckpointVersion),
                          path, "go on with the program that wrote it, or begin anew");
  }
  Checkpoint out;
  dom::object facts;
  dom::array parts;
  if (root.at_key("epoch").get(out.epoch) != simdjson::SUCCESS ||
      root.at_key("created_micros").get(out.created_micros) != simdjson::SUCCESS ||
      root.at_key("bytes").get(out.bytes) != simdjson::SUCCESS || root.at_key("facts").get(facts) != simdjson::SUCCESS ||
      root.at_key("parts").get(parts) != simdjson::SUCCESS) {
    return wrong(path, "a field is missing");
  }
  for (const dom::key_value_pair f : facts) {
    std::string_view value;
    if (f.value.get(value) != simdjson::SUCCESS) return wrong(path, "a fact is no text");
    out.facts[std::string(f.key)] = std::string(value);
  }
  int64_t at = 0;
  for (const dom::element e : parts) {
    dom::object o;
    CheckpointPart p;
    std::string_view name, checksum;
    if (e.get(o) != simdjson::SUCCESS || o.at_key("name").get(name) != simdjson::SUCCESS ||
        o.at_key("offset").get(p.offset) != simdjson::SUCCESS || o.at_key("bytes").get(p.bytes) != simdjson::SUCCESS ||
        o.at_key("checksum").get(checksum) != simdjson::SUCCESS) {
      return wrong(path, "a field of a part is missing");
    }
    if (p.offset != at || p.bytes < 0) return wrong(path, "its parts do not lie one behind the other");
    at += p.bytes;
    p.name = name;
    p.checksum = std::strtoull(std::string(checksum).c_str(), nullptr, 16);
    out.parts.push_back(std::move(p));
  }
  if (at != out.bytes) return wrong(path, "its parts have other sizes than it says");
  return out;
}

}  // namespace gristmill::stream
