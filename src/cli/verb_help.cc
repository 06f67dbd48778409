// gristmill help [VERB], --help and --version.

#include <arrow/config.h>

#include "base/cpu.h"
#include "base/status.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/sibling.h"

namespace gristmill::cli {
namespace {

constexpr size_t kWidth = 100;

std::string wrapped(const std::string& text, size_t indent, size_t width = kWidth) {
  std::string out, line;
  for (const std::string& word : split_words(text.c_str())) {
    if (!line.empty() && indent + line.size() + 1 + word.size() > width) {
      out += std::string(indent, ' ') + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return out + std::string(indent, ' ') + line + "\n";
}

std::string two_columns(std::string left, const std::string& right, size_t width) {
  left.resize(std::max(left.size() + 2, width), ' ');
  return "  " + left + right + "\n";
}

std::string flag_lines(unsigned verbs) {
  std::string out;
  for (const Flag& f : flags()) {
    if ((f.verbs & verbs) == 0) continue;
    std::string right = f.help;
    if (f.choices) {
      right += ": ";
      const auto words = split_words(f.choices);
      for (size_t i = 0; i < words.size(); ++i) right += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
    }
    out += two_columns(flag_text(f), right, 24);
  }
  return out;
}

std::string cpu_features() {
  std::string out;
#if defined(__x86_64__)
  const auto add = [&](bool there, const char* name) { out += there ? (out.empty() ? "" : " ") + std::string(name) : std::string{}; };
  __builtin_cpu_init();
  add(__builtin_cpu_supports("sse4.2"), "sse4.2");
  add(__builtin_cpu_supports("avx"), "avx");
  add(__builtin_cpu_supports("avx2"), "avx2");
  add(__builtin_cpu_supports("bmi2"), "bmi2");
  add(__builtin_cpu_supports("avx512f"), "avx512f");
  add(__builtin_cpu_supports("avx512bw"), "avx512bw");
  add(__builtin_cpu_supports("avx512vl"), "avx512vl");
#endif
  return out.empty() ? "none that matter here" : out;
}

}  // namespace

std::vector<std::string> split_words(const char* text) {
  std::vector<std::string> out;
  for (const char* p = text ? text : ""; *p;) {
    while (*p == ' ') ++p;
    const char* end = p;
    while (*end && *end != ' ') ++end;
    if (end != p) out.emplace_back(p, end);
    p = end;
  }
  return out;
}

std::string flag_text(const Flag& f) {
  return (*f.letter ? std::string(f.letter) + ", " : std::string("    ")) + f.name + (f.value ? std::string(" ") + f.value : "");
}

std::string version_text() {
#ifdef NDEBUG
  const char* build = "release";
#else
  const char* build = "debug";
#endif
  const std::string_view level = base::simd_level_name(base::active_simd_level());
  return std::string("gristmill 0.1.0\nbuild: ") + build + ", compiler " + __VERSION__ + ", Arrow " ARROW_VERSION_STRING +
         "\nCPU: " + cpu_features() + "; kernels " + std::string(level) + "\n";
}

std::string help_text() {
  std::string out = "gristmill: queries over files, on every core\n\n";
  for (const Verb& v : verbs()) {
    out += two_columns(std::string("gristmill ") + v.name + (*v.name ? " " : "") + v.operands, v.summary, 34);
  }
  if (const auto others = siblings(); !others.empty()) {
    out += "\nOther programs (gristmill NAME --help):";
    for (const std::string& name : others) out += " " + name;
    out += "\n";
  }
  return out +
         "\nFILE: a path, a pattern in quotes ('trips/*.parquet'), an address, or - for the standard input (with --format).\n\nFlags:\n" +
         flag_lines(~0U) +
         "\nExit: 0 done, 1 it failed, 2 wrong usage, 3 a verification differs, 130 interrupted, 143 terminated.\nExample: " +
         verbs()[0].example + "\n";
}

std::string verb_help(const Verb& v) {
  const std::string usage = std::string("gristmill ") + (*v.name ? std::string(v.name) + " " : "") + v.operands;
  return usage + ": " + v.summary + "\n\n" + wrapped(v.text, 0) + "\nFlags:\n" + flag_lines(bit(v.id)) + "\nExample: " + v.example + "\n";
}

arrow::Status run_help(const Command& command) {
  if (command.operands.empty()) {
    write_out(help_text());
    return arrow::Status::OK();
  }
  const Verb* verb = find_verb(command.operands[0]);
  if (verb == nullptr) {
    std::vector<std::string> known;
    for (const Verb& v : verbs()) {
      if (*v.name) known.emplace_back(v.name);
    }
    return base::plan_error("no verb \"" + command.operands[0] + "\"" + base::suggest_name(command.operands[0], known));
  }
  write_out(verb_help(*verb));
  return arrow::Status::OK();
}

}  // namespace gristmill::cli
