// The JSON Schema of job files, from the same keys that they are read by.

#include <algorithm>

#include "io/text_format.h"
#include "job/job_file.h"

namespace gristmill::job {
namespace {

class SchemaWriter {
 public:
  std::string whole() {
    out_ = "{\n";
    indent_ = 1;
    member("$schema", "\"https://json-schema.org/draft/2020-12/schema\"");
    member("title", "\"Gristmill record job\"");
    body(job_key());
    out_ += "\n}\n";
    return out_;
  }

 private:
  static std::string quoted(const std::string& text) {
    std::string out;
    io::append_json_text(text, out);
    return out;
  }
  void line() { out_ += "\n" + std::string(2 * indent_, ' '); }
  void member(const char* name, const std::string& json) {
    if (!out_.ends_with("{\n") && !out_.ends_with("{")) out_ += ",";
    if (out_.ends_with("{\n")) {
      out_ += std::string(2 * indent_, ' ');
    } else {
      line();
    }
    out_ += quoted(name) + ": " + json;
  }
  void open(const char* name) {
    member(name, "{");
    ++indent_;
  }
  void close() {
    --indent_;
    line();
    out_ += "}";
  }

  void scalar(const char* type) {
    // A variable may stand for any value.
    member("type", std::string("[\"") + type + "\", \"string\"]");
  }

  void body(const Key& key) {
    std::string help = key.help;
    if (!key.fallback.empty()) help += " Default: " + key.fallback + ".";
    member("description", quoted(help));
    switch (key.kind) {
      case ValueKind::kBoolean: scalar("boolean"); break;
      case ValueKind::kInteger: scalar("integer"); break;
      case ValueKind::kNumber: scalar("number"); break;
      case ValueKind::kText:
        if (key.choices.empty()) {
          member("type", "[\"string\", \"number\", \"boolean\"]");
        } else {
          std::string all;
          for (const std::string& c : key.choices) all += (all.empty() ? "" : ", ") + quoted(c);
          member("enum", "[" + all + "]");
        }
        break;
      case ValueKind::kBytes: member("type", "[\"string\", \"integer\"]"); break;
      case ValueKind::kDuration:
      case ValueKind::kRate: member("type", "[\"string\", \"number\"]"); break;
      case ValueKind::kTexts: member("type", "[\"string\", \"number\", \"array\"]"); break;
      case ValueKind::kNames: member("type", "\"object\""); break;
      case ValueKind::kSection: section(key); break;
      case ValueKind::kSections:
        member("type", "\"array\"");
        open("items");
        section(key);
        close();
        break;
    }
  }

  void section(const Key& key) {
    const bool required = std::any_of(key.keys.begin(), key.keys.end(), [](const Key& k) { return k.required && !k.alternative; });
    member("type", required ? "\"object\"" : "[\"object\", \"null\"]");
    member("additionalProperties", "false");
    std::string must, one_of;
    for (const Key& k : key.keys) {
      if (k.required && !k.alternative) must += (must.empty() ? "" : ", ") + quoted(k.name);
      if (k.alternative) one_of += (one_of.empty() ? "" : ", ") + ("{\"required\": [" + quoted(k.name) + "]}");
    }
    if (!must.empty()) member("required", "[" + must + "]");
    if (!one_of.empty()) member("oneOf", "[" + one_of + "]");
    open("properties");
    for (const Key& k : key.keys) {
      open(k.name.c_str());
      body(k);
      close();
    }
    close();
  }

  std::string out_;
  size_t indent_ = 0;
};

}  // namespace

std::string job_schema_json() { return SchemaWriter().whole(); }

}  // namespace gristmill::job
